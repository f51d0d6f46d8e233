"""The embedded any-style network: AdaIN (Huang, Belongie 2017, arXiv 1703.06868) at four levels, one pass, small.

    x_l  = E_l(content),  y_l = E_l(style)                        l: the picture itself, 1/2, 1/4 and 1/8 of its size
    t_l  = alpha AdaIN(x_l, y_l) + (1 - alpha) x_l,               AdaIN(x, y) = sd(y) (x - mu(x)) / sd(x) + mu(y)
    out  = D(t; alpha gamma, alpha beta)                          (gamma, beta) = M(code)

The deepest t_l goes through the decoder, the others join it where it has grown to their size, so that alpha = 0 gives
the picture back. Each convolution of the decoder is followed by `x (1 + alpha gamma) + alpha beta` (conditional
modulation as in Dumoulin et al. 2017 and Ghiasi et al. 2017, but without a normalisation of its own): M is a small
network on the style code, the means and deviations of the style in a frozen VGG. Only the four AdaIN look at the
statistics of the content, so two passes over a picture of any size are enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.vgg import VGG, VGGConfig

EPSILON = 1e-5
"""Added to variances, as the reference AdaIN does."""


class Moments(NamedTuple):
    """Per channel mean and deviation, each [N, C, 1, 1]."""

    mean: Tensor
    deviation: Tensor


class Style(NamedTuple):
    """What a style picture becomes: moments of each level and a modulation (gamma, beta) of each convolution."""

    moments: tuple[Moments, ...]
    modulation: tuple[tuple[Tensor, Tensor], ...]


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


def moments(x: Tensor) -> Moments:
    """Mean and deviation of `x` [N, C, H, W] over space."""
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    return Moments(mean, (variance + EPSILON).sqrt())


def conv(channels: int, out: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that continues the picture by its border."""
    return nn.Conv2d(channels, out, size, stride, size // 2, padding_mode="replicate" if size > 1 else "zeros")


class SkipAdaIN(nn.Module):
    """See the module; pictures are [N, 3, H, W], RGB in [0, 1], of sides divisible by 8."""

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
        self.modulated = tuple(name for name in blocks if "skip" not in name)
        self.sizes = [int(self.decoder[name].out_channels) for name in self.modulated]  # type: ignore[arg-type]
        code = 2 * sum(self.style_vgg.width(layer) for layer in config.layers)
        self.register_buffer("code_mean", torch.zeros(code))
        self.register_buffer("code_deviation", torch.ones(code))
        self.hidden = nn.Linear(code, config.hidden)
        self.heads = nn.Linear(config.hidden, 2 * sum(self.sizes))

    def forward(self, content: Tensor, style: Tensor, alpha: Tensor | float = 1.0) -> Tensor:
        """`content` in the style of `style`, not clamped; `alpha` is a number or [N, 1, 1, 1]."""
        features = self.encode(content)
        return self.decode(features, [moments(x) for x in features], self.style(style), alpha)

    def encode(self, rgb: Tensor) -> list[Tensor]:
        """Features of `rgb`: itself, then at 1/2, 1/4 and 1/8."""
        net = self.encoder
        half = F.relu(net["conv2"](F.pixel_unshuffle(rgb, 2)))
        quarter = F.relu(net["conv4"](half))
        eighth = F.relu(net["conv8"](quarter))
        eighth = eighth + net["conv8_2"](F.relu(net["conv8_1"](eighth)))
        return [rgb, half, quarter, eighth]

    def code(self, rgb: Tensor) -> Tensor:
        """Means and deviations of `rgb` in the frozen VGG, [N, D], not standardised."""
        taps = self.style_vgg(rgb, self.config.layers)
        return torch.cat([part.flatten(1) for x in taps.values() for part in moments(x)], 1)

    def style(self, rgb: Tensor) -> Style:
        """All that the decoder needs of the style picture `rgb`."""
        code = (self.code(rgb) - self.code_mean) / self.code_deviation
        heads = self.heads(F.relu(self.hidden(code)))[:, :, None, None]
        gammas, betas = (part.split(self.sizes, 1) for part in heads.chunk(2, 1))
        return Style(tuple(map(moments, self.encode(rgb))), tuple(zip(gammas, betas, strict=True)))

    def decode(
        self, features: Sequence[Tensor], content: Sequence[Moments], style: Style, alpha: Tensor | float
    ) -> Tensor:
        """RGB from the features of `encode`, the moments of the whole content and a style."""
        rgb, half, quarter, x = (
            x + alpha * ((x - own.mean) / own.deviation * wanted.deviation + wanted.mean - x)
            for x, own, wanted in zip(features, content, style.moments, strict=True)
        )
        modulation = dict(zip(self.modulated, style.modulation, strict=True))

        def layer(name: str, x: Tensor, skip: Tensor | None = None) -> Tensor:
            y = self.decoder[name](x)
            if skip is not None:
                y = y + self.decoder[f"{name}_skip"](skip)
            gamma, beta = modulation[name]
            return y * (1 + alpha * gamma) + alpha * beta

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
