"""`train fast --network texture-net`: Ulyanov's nets that see the photo, and noise, at every scale.

Ulyanov et al. 2016, "Texture networks", arXiv 1603.03417, section 3.4; instance norm and borders that are continued as
in Ulyanov et al. 2017, "Improved texture networks", arXiv 1701.02096. Losses: `training.painting_losses`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.save import save_network
from stylecli.device import Device, sent
from stylecli.errors import UsageError
from stylecli.nets.texture_net import TextureConfig, TextureNet, beside
from stylecli.settings.train_fast import TrainFastSettings
from stylecli.training.painting_losses import PaintingTask
from stylecli.training.teacher_features import visible


class FastTextureTask(PaintingTask):
    """For `training.loop.train`; see `PaintingTask`.

    Raises:
        UsageError: Several styles, or crops that do not fit the scales.
    """

    def __init__(self, settings: TrainFastSettings, device: Device) -> None:
        super().__init__(settings, device)
        if len(self.pictures) != 1:
            raise UsageError(f"--style: {len(self.pictures)} styles", "a texture-net knows one")
        config = TextureConfig(
            settings.scales, channels=6, content=3, norm=settings.norm, padding="replicate", smooth=True
        )
        if settings.crop % config.shrink:
            raise UsageError(f"--crop {settings.crop}: not a multiple of {config.shrink}", "or fewer --scales")
        net = TextureNet(config)
        assert net.out.bias is not None
        nn.init.constant_(net.out.bias, 0.5)
        self.model = net.to(memory_format=torch.channels_last).to(self.device).train()

    def batches(self, first: int, last: int) -> Iterator[tuple[Tensor, int]]:
        """Seeded crops, and a seed for their noise."""
        for step, content in enumerate(self.content.ahead(first, last), first):
            yield content, self.settings.seed + step

    def losses(self, batch: tuple[Tensor, int]) -> dict[str, Tensor]:
        """Style, content and roughness, each with its weight."""
        content = sent(batch[0], self.device, torch.channels_last)
        with self.half():
            raw = self.model(beside(self.model.config, content, batch[1]))
        output, outside = visible(raw)
        every = content.new_ones(len(content))
        return {**self.compared(output, content, every.long() * 0, every), "range": outside}

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged net, with a sample that proves it."""
        assert isinstance(averaged, TextureNet)
        about = self.about(f"texture net of {next(iter(self.pictures))}", "Texture networks, arXiv 1603.03417", row)
        about |= {"styles": self.told}
        save_network(averaged.eval(), path, network="texture-net", config=stored_config(averaged.config), about=about)
