"""The embedded any-style network: AdaIN with full covariances at four levels, and a modulated decoder.

    f_l  = the picture at half its size, and relu2_1, relu3_1, relu4_1 of a small frozen VGG
    T(x) = A (x - mu_c) + mu_s,    A = C^-1/2 (C^1/2 S C^1/2)^1/2 C^-1/2
    t_l  = f_l + alpha (T(f_l) - f_l)
    o    = content + alpha (D(t; alpha gamma, alpha beta) - content),     (gamma, beta) = M(code(style))
    out  = T'(o)

C and S are the covariances of the features of content and style. T is the optimal transport between the Gaussians with
these moments: of all maps that give the content the style's covariance, it moves the features least (Lu et al. 2019, "A
closed-form solution to universal style transfer", ICCV); with diagonal covariances it is AdaIN (Huang, Belongie 2017,
arXiv 1703.06868). T' gives the colors of o the moments that those of the content have after alpha of the way under T.
Weak styles are mixed with the content, so alpha = 0 is the content itself. Each convolution of the decoder is followed
by `x (1 + alpha gamma) + alpha beta`, |gamma| < 1, the conditional scale and shift of Dumoulin et al. 2017 and Ghiasi
et al. 2017; M is a small network on the style code: means and deviations of the style in the VGG. With `noise`, n as in
`nets.noise`, f are the features of the content plus g n, which T colors like the style, and D sees alpha n beside them:
strokes have something to begin with in flat areas. Statistics of the content are needed at the four levels, and those
of the colors of o: one pass over the tiles of a picture where its features are kept (`nets.two_parts`), two over what
is made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.device import cast
from stylecli.nets.any_style import AnyStyle
from stylecli.nets.bands import bordered
from stylecli.nets.gaussians import transport
from stylecli.nets.segments import Moments, moments
from stylecli.nets.style_changes import Decoding, Modulation, Style, Target
from stylecli.nets.subpixel import interleaved, phases, pooled
from stylecli.nets.vgg import VGG, VGGConfig
from stylecli.nets.winograd import conv2d

LEVELS = {"relu2_1": 2, "relu3_1": 4, "relu4_1": 8}
"""Layers whose features are transported, and their subsampling."""

GRAIN = 0.05
"""Deviation of the noise in a content in [0, 1]."""


@dataclass(frozen=True)
class TransportConfig:
    """The shape of the network.

    Attributes:
        vgg: Of the encoder, up to relu4_1.
        deep: Residual blocks at 1/8 of the picture.
        middle: Residual blocks at 1/4.
        last: Channels before the last convolution.
        hidden: Width of the network on the style code.
        noise: Whether there is noise in the content, which the decoder sees at 1/8, 1/4 and 1/2 of the picture too.
    """

    vgg: VGGConfig = field(default_factory=lambda: VGGConfig(((16, 16), (32, 32), (64, 64, 64, 64), (128,))))
    deep: int = 1
    middle: int = 2
    last: int = 16
    hidden: int = 512
    noise: bool = False


def conv(channels: int, out: int) -> nn.Conv2d:
    """Weights of a 3x3 convolution."""
    return nn.Conv2d(channels, out, 3)


class Transport(AnyStyle):
    """See the module."""

    levels = (2, *LEVELS.values())
    bytes_per_pixel = 260.0
    blends = True
    full = True
    finishes = True
    code_mean: Tensor
    code_deviation: Tensor

    def __init__(self, config: TransportConfig) -> None:
        super().__init__()
        self.config = config
        self.vgg = VGG(config.vgg, "relu4_1")
        self.noisy = config.noise
        a, b, c = (self.vgg.width(layer) for layer in LEVELS)
        noise = int(config.noise)
        blocks = {"conv8": conv(c, c)} | ({"conv8_skip": conv(1, c)} if config.noise else {})
        blocks |= {f"deep{i}{part}": conv(c, c) for i in range(config.deep) for part in "ab"}
        blocks |= {"conv4": conv(c, b), "conv4_skip": conv(b + noise, b)}
        blocks |= {f"middle{i}{part}": conv(b, b) for i in range(config.middle) for part in "ab"}
        blocks |= {"conv2": conv(b, a), "conv2_skip": conv(3 + a + noise, a), "conv2_last": conv(a, config.last)}
        blocks |= {"conv1": conv(config.last, 3)}
        self.decoder = nn.ModuleDict(blocks)
        self.layers = [name for name in blocks if "skip" not in name]
        self.sizes = [blocks[name].out_channels for name in self.layers]
        self.modulated = (8, *[8] * 2 * config.deep, *[4] * (1 + 2 * config.middle), 2, 2, 1)
        # The encoder, what each 3x3 convolution of the decoder adds, and what upsampling may round away.
        self.sight = 40
        self.reach = -(-(37 + 8 + 16 * config.deep + 4 + 8 * config.middle + 2 + 2 + 1 + 7) // 8) * 8
        self.taps = [name for name in self.vgg.names if name.startswith("relu")]
        code = 2 * sum(self.vgg.width(layer) for layer in self.taps)
        self.register_buffer("code_mean", torch.zeros(code))
        self.register_buffer("code_deviation", torch.ones(code))
        if config.noise:
            self.register_buffer("grain", torch.tensor(GRAIN))
        self.hidden = nn.Linear(code, config.hidden)
        self.heads = nn.Linear(config.hidden, 2 * sum(self.sizes))

    def fit(self, x: Tensor) -> Tensor:
        """Continued by its border to sides divisible by 8."""
        below, right = (-extent % 8 for extent in x.shape[2:])
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def encode(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """The picture at half its size, relu2_1, relu3_1, relu4_1."""
        return (pooled(rgb, "average"), *self.vgg(rgb, LEVELS).values())

    def style(self, rgb: Tensor) -> Style:
        """All that the decoder needs of the style picture `rgb`."""
        rgb = self.fit(rgb)
        found, code = self._measured(rgb)
        colors = [moments(each, None, True) for each in (pooled(rgb, "average"), rgb)]
        return self.described([colors[0], *found, colors[1]], self.modulation(code))

    def code(self, rgb: Tensor) -> Tensor:
        """Means and deviations of features at every ReLU, [N, D]."""
        return self._measured(rgb)[1]

    def _measured(self, rgb: Tensor) -> tuple[list[Moments], Tensor]:
        """Moments at `LEVELS`, and the code; each features are measured while they are near the processor."""
        levels, parts = [], []
        for name, x in self.vgg.walk(rgb, self.taps):
            found = moments(x.float(), None, name in LEVELS)
            variance = found.covariance
            if name in LEVELS:
                levels.append(found)
                variance = variance.diagonal(dim1=1, dim2=2)
            parts += [found.mean.flatten(1), (variance.flatten(1).clamp_min(0) + 1e-5).sqrt()]
        return levels, torch.cat(parts, 1)

    def modulation(self, code: Tensor) -> Modulation:
        """(gamma, beta) of each modulated layer for a style code."""
        # Bounds keep a style unlike all others from driving the decoder out of every range.
        code = ((code - self.code_mean) / self.code_deviation).clamp(-4, 4)
        # Equalized rates (Karras et al. 2018): wide inputs would make each step of Adam a leap.
        hidden = F.relu(self.hidden(code * code.shape[1] ** -0.5))
        gammas, betas = self.heads(hidden * hidden.shape[1] ** -0.5)[:, :, None, None].chunk(2, 1)
        gammas = gammas.tanh()
        return tuple(zip(gammas.split(self.sizes, 1), betas.split(self.sizes, 1), strict=True))

    def target(self, found: Moments) -> Target:
        """The mean, and the covariance in place of the deviation."""
        variance = found.covariance.diagonal(dim1=1, dim2=2)
        # Directions in which hardly anything varies are not stretched: all would be noise there.
        floor = torch.diag_embed((0.01 * variance.mean(1, keepdim=True) + 1e-5).expand_as(variance))
        return Target(found.mean, found.covariance + floor)

    def gain(self, now: Target, wanted: Target) -> Tensor:
        """A - 1, as [N, C, C]."""
        matrix = transport(now.spread, wanted.spread)
        return matrix - torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)

    def decode(self, features: Sequence[Tensor], decoding: Decoding, noise: Tensor | None = None) -> Tensor:
        """RGB of the encoded size; without `noise` as with noise of 0."""
        small, half, quarter, x = features
        scales = dict(zip(self.layers, decoding.modulation, strict=True))

        def layer(name: str, x: Tensor, *skip: Tensor, relu: bool = True, grow: bool = False) -> Tensor:
            return self._layer(name, x, *scales[name], decoding.folded, skip=skip, relu=relu, grow=grow)

        def block(name: str, x: Tensor) -> Tensor:
            last = f"{name}b"
            return self._layer(last, layer(f"{name}a", x), *scales[last], decoding.folded, onto=x, relu=False)

        skips: list[tuple[Tensor, ...]] = [(small, half), (quarter,), ()]
        if self.noisy:
            grain = x.new_zeros(len(x), 1, *(8 * side for side in x.shape[2:])) if noise is None else noise
            for level, features in enumerate(skips):
                grain = pooled(grain, "average")
                skips[level] = (*features, grain.expand(len(x), -1, -1, -1))
        x = layer("conv8", x, *skips[2])
        for index in range(self.config.deep):
            x = block(f"deep{index}", x)
        x = layer("conv4", x, *skips[1], grow=True)
        for index in range(self.config.middle):
            x = block(f"middle{index}", x)
        x = layer("conv2", x, *skips[0], grow=True)
        x = layer("conv2_last", x)
        return layer("conv1", x, relu=False, grow=True)

    def _layer(
        self,
        name: str,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        known: dict[str, tuple[Tensor, Tensor]],
        *,
        skip: Sequence[Tensor] = (),
        onto: Tensor | None = None,
        relu: bool = True,
        grow: bool = False,
    ) -> Tensor:
        """A convolution of `x`, enlarged x2 before where it grows, plus one of `skip`; scaled, shifted, and a ReLU.

        What it is added `onto`, behind all that, is written over where no gradient needs it.
        """
        # One style for all of the picture is folded into the weights.
        folded = gamma.shape[0] == 1 and gamma.shape[2:] == (1, 1)
        if name not in known:
            weight, bias = self._weights(name, gamma if folded else None)
            if folded:
                bias = bias + beta.flatten()
            known[name] = cast(*(phases(weight, bias) if grow else (weight, bias)))
        plain = folded and not skip and not grow
        over = onto if plain and not torch.is_grad_enabled() else None
        y = conv2d(bordered([x]), *known[name], relu=relu and plain, onto=over)
        if grow:
            y = interleaved(y, shift=1)
        if skip:
            beside = f"{name}_skip"
            if beside not in known:
                known[beside] = cast(*self._weights(beside, gamma if folded else None))
            y = conv2d(bordered(skip), *known[beside], relu=relu and folded, onto=y)
        if not folded:
            y = y * (1 + gamma) + beta
        if relu and not (plain or (skip and folded)):
            y = F.relu(y, inplace=True)
        return y if onto is None or over is not None else onto + y

    def _weights(self, name: str, gamma: Tensor | None) -> tuple[Tensor, Tensor]:
        conv = self.decoder.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        if gamma is None:
            return conv.weight, conv.bias
        return conv.weight * (1 + gamma).reshape(-1, 1, 1, 1), conv.bias * (1 + gamma).flatten()
