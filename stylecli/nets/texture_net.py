"""Texture networks: noise at several sizes to a texture, in one pass.

Ulyanov, Lebedev, Vedaldi, Lempitsky 2016, "Texture networks", arXiv 1603.03417. Scale 1 is the coarsest, each next one
twice as large:

    x = block(z_1);   x = level_k(join(nearest x2 of x), join(branch_k(z_k)));   out = conv 1x1 of x, to three channels
    block, level, branch   (conv, norm, LeakyReLU 0.01) for each of `kernels`
    join                   norm of what is joined

Every convolution wraps around, so a texture is seamless. As DmitryUlyanov/texture_nets@b2097ec (models/pyramid.lua) has
them, nets have branches of 8 channels and widths 8, 16, ... 48; the port JorgeGtz/TextureNets_implementation@09c297a
joins a branch without a norm. Norms there always use the statistics of the batch, `instance` here; `batch` uses
stored ones outside of training, and is local: such a net draws any size in tiles.

Our own nets have no branches: noise is joined to what comes from below, and most channels are at the coarse sizes,
where they cost little (pyramid2.lua tapers likewise).

The published style nets take a picture beside the noise. A padding of nothing in them (supplementary/utils.lua) still
overwrites the border of one pixel before `out`, see `wrapped_border`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.winograd import Conv2d

EPSILON = 1e-5
SLOPE = 0.01
CAFFE_MEAN = (103.939, 116.779, 123.68)


@dataclass(frozen=True)
class TextureConfig:
    """The shape of a net.

    Attributes:
        widths: Channels at each scale, the coarsest first.
        branch: Channels of the branches; 0 joins noise as it is.
        kernels: Sizes of the convolutions of a block.
        channels: Of each input.
        norm: `batch` or `instance`.
        joined: What is normed where a branch joins: `both`, `deep` (what comes from below) or `none`.
        caffe: The output is BGR in 0..255 without its mean, else RGB in [0, 1].
        content: The first channels of each input are a picture.
        wrapped_border: The border before `out` is overwritten.
        smooth: What comes from below is enlarged bilinearly, not by nearest neighbors: no grid of dots shows.
        padding: `circular`, or `replicate` for pictures (Ulyanov et al. 2017, arXiv 1701.02096).
    """

    widths: tuple[int, ...] = (64, 64, 48, 32, 16)
    branch: int = 0
    kernels: tuple[int, ...] = (3, 3)
    channels: int = 3
    norm: str = "batch"
    joined: str = "none"
    caffe: bool = False
    content: int = 0
    wrapped_border: bool = False
    padding: str = "circular"
    smooth: bool = False

    @property
    def shrink(self) -> int:
        """How many times smaller the coarsest input is; sides are multiples of it."""
        return int(2 ** (len(self.widths) - 1))

    @property
    def reach(self) -> int:
        """How far a pixel sees on each side, a multiple of `shrink`."""
        blocks = 2 if self.branch else 1
        half = blocks * sum(kernel // 2 for kernel in self.kernels)
        half += self.smooth
        far = sum((half + 1) * 2**scale for scale in range(len(self.widths)))
        made: int = -(-far // self.shrink) * self.shrink
        return made

    @property
    def bytes_per_pixel(self) -> float:
        """Peak memory of a pass for each pixel of the texture; measured."""
        return 20 + 16 * self.widths[-1] + 17 * (self.branch + self.widths[-2] if len(self.widths) > 1 else 0)


class Norm(nn.Module):
    """gamma (x - mu) / sqrt(var + epsilon) + beta, with statistics of the batch, or stored ones in evaluation."""

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.stored, self.momentum = kind == "batch", 0.1
        if self.stored:
            self.register_buffer("running_mean", torch.zeros(channels))
            self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same."""
        if not self.stored:
            return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=EPSILON)
        mean, variance = self.running_mean, self.running_var
        return F.batch_norm(x, mean, variance, self.weight, self.bias, self.training, self.momentum, EPSILON)  # type: ignore[arg-type]


class Block(nn.Module):
    """(conv, norm, LeakyReLU) for each kernel; `channels` to `width`."""

    def __init__(self, channels: int, width: int, config: TextureConfig, join: bool) -> None:
        super().__init__()
        self.count = len(config.kernels)
        for index, kernel in enumerate(config.kernels, 1):
            conv = Conv2d(channels, width, kernel, padding=kernel // 2, padding_mode=config.padding)  # type: ignore[arg-type]
            self.add_module(f"conv{index}", conv)
            self.add_module(f"norm{index}", Norm(width, config.norm))
            channels = width
        self.join = Norm(width, config.norm) if join else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, width, H, W], before `join`."""
        for index in range(1, self.count + 1):
            x = getattr(self, f"norm{index}")(getattr(self, f"conv{index}")(x))
            x = F.leaky_relu(x, SLOPE, inplace=not torch.is_grad_enabled())
        return x


class TextureNet(nn.Module):
    """See the module."""

    def __init__(self, config: TextureConfig) -> None:
        super().__init__()
        self.config = config
        last = len(config.widths)
        for scale, width in enumerate(config.widths, 1):
            deep = config.joined in ("both", "deep") and scale < last
            if config.branch:
                first = scale == 1
                norm = deep if first else config.joined == "both"
                self.add_module(f"branch{scale}", Block(config.channels, config.branch, config, norm))
                if first:
                    continue
                below = config.widths[scale - 2] + config.branch
                self.add_module(f"level{scale}", Block(below, width, config, deep))
            else:
                below = config.channels + (config.widths[scale - 2] if scale > 1 else 0)
                self.add_module(f"level{scale}", Block(below, width, config, deep))
        self.out = nn.Conv2d(config.widths[-1], 3, 1)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """A texture, not clamped.

        Args:
            inputs: [N, channels, h, w] for each scale, the coarsest first, each twice as large as the one before.

        Returns:
            [N, 3, H, W] as the last input: RGB in [0, 1], or as `TextureConfig.caffe` says.
        """
        x, join = inputs[0], cast("nn.Module", nn.Identity())
        for scale, z in enumerate(inputs, 1):
            branch = cast("Block | None", getattr(self, f"branch{scale}", None))
            level = cast("Block", getattr(self, f"level{scale}", branch))
            if scale == 1:
                x = level(z)
            else:
                side = z if branch is None else branch.join(branch(z))
                x = level(torch.cat([join(self._doubled(x)), side], 1))
            join = level.join
        return cast("Tensor", self.out(_wrapped(x) if self.config.wrapped_border else x))

    def _doubled(self, x: Tensor) -> Tensor:
        if not self.config.smooth:
            return F.interpolate(x, scale_factor=2.0)
        x = F.pad(x, (1, 1, 1, 1), self.config.padding)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear")[:, :, 2:-2, 2:-2]


def caffe_to_rgb(drawn: Tensor) -> Tensor:
    """BGR in 0..255 without its mean, [3, H, W], to RGB in [0, 1], not clamped."""
    return ((drawn + torch.tensor(CAFFE_MEAN).to(drawn)[:, None, None]) / 255).flip(0)


def _wrapped(x: Tensor) -> Tensor:
    """The border row 0 from row h - 2, row h - 1 from row 1; then columns alike."""
    for axis in (2, 3):
        end = x.shape[axis]
        inner = x.narrow(axis, 1, end - 2)
        x = torch.cat([x.narrow(axis, end - 2, 1), inner, x.narrow(axis, 1, 1)], axis)
    return x


@torch.no_grad()
def calibrated(net: TextureNet, inputs: Sequence[Tensor]) -> TextureNet:
    """A copy of `net` whose norms hold the statistics that these inputs give, so that it is local."""
    copy = TextureNet(replace(net.config, norm="batch")).to(inputs[0].device)
    copy.load_state_dict(net.state_dict(), strict=False)
    for norm in copy.modules():
        if isinstance(norm, Norm):
            norm.momentum = 1.0
    copy.train()(inputs)
    return copy.eval().requires_grad_(False)


def sizes(config: TextureConfig, height: int, width: int) -> list[tuple[int, int]]:
    """Height and width of each input of a texture whose sides are multiples of `shrink`, the coarsest first."""
    scales = [2**octave for octave in reversed(range(len(config.widths)))]
    return [(height // scale, width // scale) for scale in scales]


def beside(config: TextureConfig, picture: Tensor, seed: int) -> list[Tensor]:
    """Inputs of a net that takes a picture: `picture` [N, 3, H, W] at each scale, with noise behind its channels.

    Sides are continued to multiples of `shrink`; each picture of a batch has noise of its own.
    """
    height, width = picture.shape[2:]
    picture = F.pad(picture, (0, -width % config.shrink, 0, -height % config.shrink), "replicate")
    inputs = []
    for scale, size in enumerate(sizes(config, *picture.shape[2:])):
        shape = (len(picture) * (config.channels - config.content), *size)
        extra = noise(shape, seed + scale, (0, 0), size).reshape(len(picture), -1, *size)
        inputs.append(torch.cat([F.avg_pool2d(picture, picture.shape[2] // size[0]), extra.to(picture)], 1))
    return inputs


def noise(shape: tuple[int, int, int], seed: int, corner: tuple[int, int], period: tuple[int, int]) -> Tensor:
    """Uniform numbers that depend on seed, channel and place alone, so that neighboring tiles agree.

    Args:
        shape: Channels, height and width.
        seed: Another one gives other numbers.
        corner: Row and column of the first pixel; any integers.
        period: Height and width after which the numbers come again.

    Returns:
        [1, C, H, W] in [0, 1), multiples of 2^-24.
    """
    channels, height, width = shape
    rows = (torch.arange(corner[0], corner[0] + height) % period[0])[:, None]
    columns = torch.arange(corner[1], corner[1] + width) % period[1]
    # A seed has 63 bits, the mixer 32.
    key = _mixed(torch.tensor(seed & 0xFFFFFFFF)) ^ torch.tensor(seed >> 32)
    keys = _mixed(torch.arange(channels) + _mixed(key))[:, None, None]
    return (_mixed(columns + _mixed(rows + keys)) >> 8).float().div_(2**24)[None]


def _mixed(x: Tensor) -> Tensor:
    """A bijection of 32-bit numbers in int64 without visible order (Wellons 2018, "lowbias32")."""
    x = x & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)
