"""The generator of StarGAN v2 (Choi et al. 2020, arXiv 1912.01865): a picture and a style to a picture.

Blocks with instance norms halve the size to 16 px (8 with masks), blocks with AdaIN double it again. Where `hpf` > 0
details that the masks of a face let through go around that:

    after a decoding block at 32, 64 and 128 px:  x += high_pass(mask * what came into the encoding block of that size)
    high_pass = (8 at the middle, -1 around it) / hpf

Differs from the paper, as the authors' code does: no tanh at the end; without masks the blocks that double have
shortcuts, with masks they have none. The paper has w_hpf say how strong details are; here they are divided by it.

The last norm leaves a style no way to say how bright a picture is, or of which tint; only the shapes of distributions
tell. Ours may norm the three colors once more, with the means and deviations that the style says.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.noise import DEVIATION, noise_like
from stylecli.nets.stargan_blocks import AdaIN, DownBlock, InstanceNorm, UpBlock, act

DETAILED = {32: 0, 64: 1, 128: 1}
"""Sizes at which details go around, and through which of the two masks."""


@dataclass(frozen=True)
class StarGANConfig:
    """The shape of all networks.

    Attributes:
        size: Height and width of pictures, a power of two.
        domains: How many.
        channels: At the full size, twice as many at each smaller one.
        most_channels: At most so many.
        style_dim: Width of a style.
        latent_dim: Width of z.
        hidden: Width of the mapping network.
        hpf: Divides details that go around the middle; 0 for no such way.
        fan: The file also holds the network of the masks.
        guess: It also holds a linear map from the style encoder's features to domains.
        colors: Styles say the means and deviations of the three colors; none of the authors' files has that.
        frame: Pixels of a content that are reflected around it, and cut off again: the zeros around them do not show.
        grain: Deviation of the noise in a content, see `nets.noise`.
        labels: Names of the domains, where they are known.
    """

    size: int
    domains: int
    channels: int = 64
    most_channels: int = 512
    style_dim: int = 64
    latent_dim: int = 16
    hidden: int = 512
    hpf: float = 0.0
    fan: bool = False
    guess: bool = False
    colors: bool = False
    frame: int = 0
    grain: float = 0.0
    labels: tuple[str, ...] = ()

    def widths(self, halvings: int) -> list[int]:
        """Channels at the full size and after each of so many halvings."""
        # The first layer keeps its width even where that is above the limit.
        return [self.channels, *(min(self.channels * 2**n, self.most_channels) for n in range(1, halvings + 1))]


@dataclass(frozen=True)
class Encoded:
    """A content as the generator knows it, whatever the style.

    Attributes:
        features: [N, C, H, W].
        details: What is added behind decoding blocks, by size.
    """

    features: Tensor
    details: dict[int, Tensor] = field(default_factory=dict)


class StarGANGenerator(nn.Module):
    """Pictures [N, 3, size, size], nominally in [-1, 1], and styles [N, style_dim] to such pictures, not clamped.

    Attributes:
        halvings: How often it halves a picture; without masks, sides may be any multiple of 2 to that power.
        seed: Of the noise in contents; a training changes it.
    """

    def __init__(self, config: StarGANConfig) -> None:
        super().__init__()
        self.hpf, self.frame, self.grain, masked = config.hpf, config.frame, config.grain, config.hpf > 0
        self.seed = 0
        self.halvings = config.size.bit_length() - 5 + masked
        widths = config.widths(self.halvings)
        pairs = list(pairwise(widths))
        middle, style = widths[-1], config.style_dim
        self.from_rgb = nn.Conv2d(3, widths[0], 3, padding=1)
        self.encode = nn.ModuleList(
            [*(DownBlock(a, b, norm=True, down=True) for a, b in pairs)]
            + [DownBlock(middle, middle, norm=True) for _ in range(2)]
        )
        self.decode = nn.ModuleList(
            [UpBlock(middle, middle, style, shortcut=not masked) for _ in range(2)]
            + [UpBlock(b, a, style, up=True, shortcut=not masked) for a, b in pairs[::-1]]
        )
        self.to_rgb = nn.Sequential(InstanceNorm(widths[0]), nn.Identity(), nn.Conv2d(widths[0], 3, 1))
        self.colors = AdaIN(3, style) if config.colors else None

    def forward(self, pictures: Tensor, style: Tensor, masks: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """`masks`: of the pictures, two of [N, 1, H, W] in [0, 1], None for none."""
        return self.decoded(self.encoded(pictures, masks), style)

    def encoded(self, pictures: Tensor, masks: tuple[Tensor, Tensor] | None = None) -> Encoded:
        """All that does not depend on the style."""
        details: dict[int, Tensor] = {}
        x = F.pad(pictures, (self.frame,) * 4, "reflect") if self.frame else pictures
        if self.grain:
            x = x + self.grain / DEVIATION * (noise_like(x[:1], self.seed) - 0.5)
        x = self.from_rgb(x)
        for block in self.encode:
            height = x.shape[2]
            if masks is not None and height in DETAILED:
                mask = F.interpolate(masks[DETAILED[height]], size=height, mode="bilinear", align_corners=False)
                kernel = x.new_full((x.shape[1], 1, 3, 3), -1 / self.hpf)
                kernel[:, :, 1, 1] = 8 / self.hpf
                details[height] = F.conv2d(mask.to(x) * x, kernel, padding=1, groups=x.shape[1])
            x = block(x)
        return Encoded(x, details)

    def decoded(self, content: Encoded, style: Tensor) -> Tensor:
        """Pictures of one content and as many styles, or of as many contents."""
        x = content.features.expand(len(style), -1, -1, -1)
        for block in self.decode:
            x = block(x, style)
            if (details := content.details.get(x.shape[2])) is not None:
                x = x + details
        norm, _, last = self.to_rgb
        pictures: Tensor = last(act(norm(x))).float()
        if self.frame:
            pictures = pictures[:, :, self.frame : -self.frame, self.frame : -self.frame]
        return self.colors(pictures, style) if self.colors else pictures
