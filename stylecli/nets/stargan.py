"""StarGAN v2 as it is used (Choi et al. 2020, arXiv 1912.01865): generator, mapping network, style encoder, masks."""

import torch
from torch import Tensor, nn

from stylecli.nets.face_masks import masks_of
from stylecli.nets.fan import FAN
from stylecli.nets.stargan_blocks import DownBlock, UpBlock
from stylecli.nets.stargan_generator import StarGANConfig, StarGANGenerator
from stylecli.nets.stargan_style import StyleEncoder, StyleMapper


class StarGAN(nn.Module):
    """The networks of `config`, see there."""

    def __init__(self, config: StarGANConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = StarGANGenerator(config)
        self.mapping = StyleMapper(config)
        self.encoder = StyleEncoder(config)
        self.fan = FAN() if config.fan else None

    def masks(self, pictures: Tensor) -> tuple[Tensor, Tensor] | None:
        """Where details of faces [N, 3, H, W] in [-1, 1] go through; None without masks or their network."""
        if not self.config.hpf or self.fan is None:
            return None
        with torch.no_grad():
            return masks_of(self.fan(pictures))

    def freeze(self) -> "StarGAN":
        """For use, not training, and on its device: no gradients, memory laid out, constant work done once."""
        self.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, DownBlock | UpBlock):
                module.freeze()
        return self
