"""StarGAN v2 as it is used (Choi et al. 2020, arXiv 1912.01865): mapping network, style encoder, all of it together."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.face_masks import masks_of
from stylecli.nets.fan import FAN
from stylecli.nets.stargan_blocks import SLOPE, DownBlock, UpBlock, picked
from stylecli.nets.stargan_generator import StarGANConfig, StarGANGenerator


def _layers(widths: list[int]) -> list[nn.Module]:
    return [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]


class StyleMapper(nn.Module):
    """z [N, latent_dim], standard normal, to styles [N, style_dim]."""

    def __init__(self, config: StarGANConfig) -> None:
        super().__init__()
        wide = config.hidden
        self.shared = nn.Sequential(*_layers([config.latent_dim, *[wide] * 4]))
        self.unshared = nn.ModuleList(
            nn.Sequential(*_layers([wide] * 4), nn.Linear(wide, config.style_dim)) for _ in range(config.domains)
        )

    def forward(self, z: Tensor, domain: Tensor) -> Tensor:
        """`domain` [N]."""
        return picked(self.unshared, self.shared(z), domain)


def _trunk(config: StarGANConfig) -> list[nn.Module]:
    """Pictures [N, 3, size, size] to features [N, C, 1, 1]."""
    widths = config.widths(config.size.bit_length() - 3)
    blocks = [DownBlock(a, b, down=True) for a, b in pairwise(widths)]
    end = [nn.LeakyReLU(SLOPE), nn.Conv2d(widths[-1], widths[-1], 4), nn.LeakyReLU(SLOPE)]
    return [nn.Conv2d(3, widths[0], 3, padding=1), *blocks, *end]


class StyleEncoder(nn.Module):
    """Pictures [N, 3, size, size] in [-1, 1] to styles [N, style_dim]."""

    def __init__(self, config: StarGANConfig) -> None:
        super().__init__()
        self.shared = nn.Sequential(*_trunk(config))
        wide = config.widths(config.size.bit_length() - 3)[-1]
        self.unshared = nn.ModuleList(nn.Linear(wide, config.style_dim) for _ in range(config.domains))

        self.guess = nn.Linear(wide, config.domains) if config.guess else None

    def features(self, pictures: Tensor) -> Tensor:
        """What the heads see, [N, C]."""
        seen: Tensor = self.shared(pictures).flatten(1)
        return seen

    def styled(self, features: Tensor, domain: Tensor) -> Tensor:
        """`features` [N, C] to styles, `domain` [N]."""
        return picked(self.unshared, features, domain)

    def guessed(self, features: Tensor) -> Tensor:
        """`features` [N, C], of any size as vectors, to a logit for each domain, [N, domains]."""
        assert self.guess
        logits: Tensor = self.guess(F.layer_norm(features.float(), features.shape[1:]))
        return logits

    def forward(self, pictures: Tensor, domain: Tensor) -> Tensor:
        """`domain` [N]."""
        return self.styled(self.features(pictures), domain)


class StarGANDiscriminator(nn.Module):
    """Pictures [N, 3, size, size] in [-1, 1] to logits [N]: real, of its domain?"""

    def __init__(self, config: StarGANConfig) -> None:
        super().__init__()
        wide = config.widths(config.size.bit_length() - 3)[-1]
        self.main = nn.Sequential(*_trunk(config), nn.Conv2d(wide, config.domains, 1))

    def forward(self, pictures: Tensor, domain: Tensor) -> Tensor:
        """`domain` [N]."""
        logits: Tensor = self.main(pictures).flatten(1).float()
        return logits.gather(1, domain[:, None])[:, 0]


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
