"""What trainings of any-style networks share: seeded pairs, a sheet of samples, what is written of the network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from stylecli.checkpoints.save import save_network
from stylecli.device import Device
from stylecli.media.grids import sheet
from stylecli.nets.any_style import AnyStyle
from stylecli.settings.train_adain import TrainAdainSettings
from stylecli.training.pairs import PairSource
from stylecli.training.recipes import recipe


class AnyStyleTask(ABC):
    """The common half of a task for `training.loop.train`.

    Raises:
        InputError: No pictures.
    """

    network: ClassVar[str]
    """As `checkpoints.layouts.networks` calls it."""
    title: ClassVar[str]

    def __init__(self, settings: TrainAdainSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.half = settings, device.torch, device.training().autocast
        self.source = PairSource(settings.content, settings.style, settings.crop, settings.batch, settings.seed)

    @abstractmethod
    def config(self, averaged: nn.Module) -> dict[str, object]:
        """What the file says of the network's shape."""

    @torch.inference_mode()
    def sheet(self, averaged: nn.Module) -> Tensor:
        """Four contents across, four styles down, always the same ones."""
        assert isinstance(averaged, AnyStyle)
        contents, styles = (crops(0)[:4].to(self.device) for crops in (self.source.content, self.source.style))
        rows = [averaged(contents, style[None].expand_as(contents)).clamp(0, 1).float().cpu() for style in styles]
        return sheet([[*contents.cpu()], *map(list, rows)], heads=[None, *styles.cpu()])

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged network, with a sample that proves it."""
        save_network(
            averaged,
            path,
            network=self.network,
            config=self.config(averaged),
            about={
                "title": self.title,
                "commands": ["adain"],
                "paper": "AdaIN, arXiv 1703.06868",
                "licence": self.settings.licence,
                "data": self.settings.data,
                "pictures": [len(self.source.content.paths), len(self.source.style.paths)],
                "recipe": recipe("train adain", self.settings),
                "losses": row,
            },
        )
