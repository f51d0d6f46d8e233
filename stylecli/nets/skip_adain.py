"""The embedded any-style network: AdaIN at four levels and a modulated decoder, small and fast on a CPU.

    f_l   = E_l(content)                        l: the picture itself, 1/2, 1/4 and 1/8 of its size
    t_l   = f_l + alpha (AdaIN(f_l, E_l(style)) - f_l)
    out   = D(t; alpha gamma, alpha beta),      (gamma, beta) = M(code(style))

Differs from AdaIN (Huang, Belongie 2017, arXiv 1703.06868): E is learned with D; the shallow t_l join the decoder where
the deep one has grown to their size, so that alpha = 0 gives the picture back; each convolution of the decoder is
followed by `x (1 + alpha gamma) + alpha beta`, |gamma| < 1, the conditional scale and shift of Dumoulin et al. 2017
and Ghiasi et al. 2017 without a normalization of its own. M is a small network on the style code: means and deviations
of the style in a frozen VGG. Statistics of the content are needed at the four levels only, so that two passes over the
tiles of a picture are enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.any_style import AnyStyle
from stylecli.nets.segments import moments
from stylecli.nets.vgg import VGG, VGGConfig


@dataclass(frozen=True)
class SkipAdaINConfig:
    """The shape of the network.

    Attributes:
        widths: Channels at 1/2, 1/4 and 1/8 of the picture.
        deep: Residual blocks at 1/8 in the decoder.
        middle: Residual blocks at 1/4 in the decoder.
        last: Channels before the last convolution.
        hidden: Width of the network on the style code.
        style: The frozen VGG of the style code.
        layers: Its taps.
    """

    widths: tuple[int, int, int] = (32, 64, 128)
    deep: int = 2
    middle: int = 1
    last: int = 16
    hidden: int = 512
    style: VGGConfig = field(default_factory=lambda: VGGConfig(((16, 16), (32, 32), (64, 64, 64, 64), (128,))))
    layers: tuple[str, ...] = (
        "relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3", "relu3_4", "relu4_1",
    )  # fmt: skip


def conv(channels: int, out: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that continues the picture by its border."""
    return nn.Conv2d(channels, out, size, stride, size // 2, padding_mode="replicate" if size > 1 else "zeros")


class SkipAdaIN(AnyStyle):
    """See the module."""

    levels = (1, 2, 4, 8)
    epsilon = 1e-3
    bytes_per_pixel = 300.0
    code_mean: Tensor
    code_deviation: Tensor

    def __init__(self, config: SkipAdaINConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c = config.widths
        self.style_vgg = VGG(config.style, config.layers[-1])
        self.encoder = nn.ModuleDict({
            "conv2": conv(12, a), "conv4": conv(a, b, stride=2), "conv8": conv(b, c, stride=2),
            "conv8_1": conv(c, c), "conv8_2": conv(c, c),
        })  # fmt: skip
        blocks = {f"deep{i}{part}": conv(c, c) for i in range(config.deep) for part in "ab"}
        blocks |= {"conv4": conv(c, b), "conv4_skip": conv(b, b, 1)}
        blocks |= {f"middle{i}{part}": conv(b, b) for i in range(config.middle) for part in "ab"}
        blocks |= {"conv2": conv(b, a), "conv2_skip": conv(a, a, 1), "conv2_last": conv(a, config.last)}
        blocks |= {"conv1": conv(config.last, 3), "conv1_skip": conv(3, 3)}
        self.decoder = nn.ModuleDict(blocks)
        self.layers = [name for name in blocks if "skip" not in name]
        self.sizes = [blocks[name].out_channels for name in self.layers]
        self.modulated = (*[8] * 2 * config.deep, *[4] * (1 + 2 * config.middle), 2, 2, 1)
        # Pixels that each 3x3 convolution adds, and what nearest-neighbor upsampling may round away.
        self.reach = -(-(3 + 2 + 4 + 16 + 16 * config.deep + 4 + 8 * config.middle + 2 + 2 + 1 + 7) // 8) * 8
        code = 2 * sum(self.style_vgg.width(layer) for layer in config.layers)
        self.register_buffer("code_mean", torch.zeros(code))
        self.register_buffer("code_deviation", torch.ones(code))
        self.hidden = nn.Linear(code, config.hidden)
        self.heads = nn.Linear(config.hidden, 2 * sum(self.sizes))

    def fit(self, x: Tensor) -> Tensor:
        """Continued by its border to sides divisible by 8."""
        below, right = (-extent % 8 for extent in x.shape[2:])
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def encode(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """The picture itself, and features at 1/2, 1/4 and 1/8."""
        net = self.encoder
        half = F.relu(net["conv2"](F.pixel_unshuffle(rgb, 2)))
        quarter = F.relu(net["conv4"](half))
        eighth = F.relu(net["conv8"](quarter))
        return rgb, half, quarter, eighth + net["conv8_2"](F.relu(net["conv8_1"](eighth)))

    def code(self, rgb: Tensor) -> Tensor:
        """Means and deviations of `rgb` in the frozen VGG, [N, D]."""
        found = (moments(x) for x in self.style_vgg(rgb, self.config.layers).values())
        parts = [part.flatten(1) for each in found for part in (each.mean, (each.variance + 1e-5).sqrt())]
        return torch.cat(parts, 1)

    def modulation(self, rgb: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """(gamma, beta) of each modulated layer for the style picture `rgb`."""
        # Bounds keep a style unlike all others from driving the decoder out of every range.
        code = ((self.code(rgb) - self.code_mean) / self.code_deviation).clamp(-4, 4)
        # Equalized rates (Karras et al. 2018): wide inputs would make each step of Adam a leap.
        hidden = F.relu(self.hidden(code * code.shape[1] ** -0.5))
        gammas, betas = self.heads(hidden * hidden.shape[1] ** -0.5)[:, :, None, None].chunk(2, 1)
        gammas = gammas.tanh()
        return tuple(zip(gammas.split(self.sizes, 1), betas.split(self.sizes, 1), strict=True))

    def decode(self, features: Sequence[Tensor], modulation: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """RGB of the encoded size."""
        rgb, half, quarter, x = features
        scale_shift = dict(zip(self.layers, modulation, strict=True))

        def layer(name: str, x: Tensor, skip: Tensor | None = None) -> Tensor:
            y = self.decoder[name](x)
            if skip is not None:
                y = y + self.decoder[f"{name}_skip"](skip)
            gamma, beta = scale_shift[name]
            return y * (1 + gamma) + beta

        def residual(name: str, x: Tensor) -> Tensor:
            return x + layer(f"{name}b", F.relu(layer(f"{name}a", x)))

        for index in range(self.config.deep):
            x = residual(f"deep{index}", x)
        x = F.relu(layer("conv4", F.interpolate(x, scale_factor=2.0), quarter))
        for index in range(self.config.middle):
            x = residual(f"middle{index}", x)
        x = F.relu(layer("conv2", F.interpolate(x, scale_factor=2.0), half))
        x = F.relu(layer("conv2_last", x))
        return layer("conv1", F.interpolate(x, scale_factor=2.0), rgb)
