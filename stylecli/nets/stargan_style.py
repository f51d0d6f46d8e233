"""Where styles of StarGAN v2 come from, and who judges pictures (Choi et al. 2020, arXiv 1912.01865, appendix B).

Mapping network: z to a style. Style encoder: a picture to a style. Discriminator: a picture to a logit. Each has a head
for every domain. The encoder and the discriminator share the shape of all but their heads.
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.stargan_blocks import SLOPE, DownBlock, picked
from stylecli.nets.stargan_generator import StarGANConfig


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
