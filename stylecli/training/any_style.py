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
from stylecli.training.pairs import Pairs, PairSource
from stylecli.training.recipes import recipe

TRIED = 16
"""Pairs that validation looks at."""


class AnyStyleTask(ABC):
    """The common half of a task for `training.loop.train`.

    Raises:
        InputError: No pictures.
    """

    network: ClassVar[str]
    """As `checkpoints.layouts.networks` calls it."""
    title: ClassVar[str]
    model: AnyStyle

    def __init__(self, settings: TrainAdainSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.half = settings, device.torch, device.training().autocast
        self.source = PairSource(settings.content, settings.style, settings.crop, settings.batch, settings.seed)
        # Always the same pairs, of contents that are also learned from and styles that are not.
        aside = settings.validation and PairSource(
            settings.content, settings.validation, settings.crop, settings.batch, settings.seed - 1
        )
        self.aside = [*aside.batches(1, TRIED // settings.batch or 1, strengths=False)] if aside else []

    @abstractmethod
    def measured(self, model: nn.Module, batch: Pairs) -> dict[str, Tensor]:
        """Losses of what `model` makes of a batch, each with its weight."""

    def losses(self, batch: Pairs) -> dict[str, Tensor]:
        """See `training.loop.Task`."""
        return self.measured(self.model, batch)

    @torch.no_grad()
    def validate(self, averaged: nn.Module) -> float | None:
        """The loss on styles that are never learned from, at full strength; None without any."""
        found = [torch.stack([*self.measured(averaged, batch).values()]).sum() for batch in self.aside]
        return float(torch.stack(found).mean()) if found else None

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
