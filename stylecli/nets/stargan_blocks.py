"""Residual blocks of StarGAN v2 (Choi et al. 2020, arXiv 1912.01865, appendix B), with half of their work left out.

    down   (pool(conv1x1 x) + conv(act(norm(pool(conv(act(norm x))))))) / sqrt 2,   act = lrelu_0.2, pool = 2x2 mean
    up     conv(act(adain(conv(double(act(adain x)))))), and with a shortcut (double(conv1x1 x) + that) / sqrt 2
    adain  (1 + gamma) norm(x) + beta,  (gamma, beta) = a linear map of the style;  norm over space, epsilon 1e-5

A convolution in front of a pooling is one of 4 x 4 and stride 2, one behind a doubling is a transposed one of 4 x 4:
16 products where there would be 36. A 1x1 convolution changes places with either. All of it is exact.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.segments import moments
from stylecli.nets.winograd import Conv2d

SLOPE = 0.2
EPSILON = 1e-5


def act(x: Tensor) -> Tensor:
    """The activation of all of StarGAN v2."""
    return F.leaky_relu(x, SLOPE)


def pooling(conv: nn.Conv2d) -> Tensor:
    """The kernel of a 3x3 convolution and the mean of 2 x 2 behind it, for a stride of 2: [out, in, 4, 4]."""
    return F.avg_pool2d(F.pad(conv.weight, (1, 1, 1, 1)), 2, stride=1)


def doubling(conv: nn.Conv2d) -> Tensor:
    """The kernel of a 3x3 convolution of doubled pixels, transposed, for a stride of 2: [in, out, 4, 4]."""
    # Along an axis the taps a, b, c see x[i - 1], x[i], x[i] or x[i], x[i], x[i + 1].
    w = conv.weight.transpose(0, 1)
    for axis in (2, 3):
        a, b, c = w.split(1, axis)
        w = torch.cat([c, b + c, a + b, a], axis)
    return w


def normed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`x` [N, C, H, W] with a mean of `bias` and a deviation of `weight` over space, both [N or 1, C]."""
    # In float32, and as a factor and an offset: `group_norm` is as fast, and off by a ten thousandth at 256 px.
    mean, variance, _ = moments(x)
    scale = weight[:, :, None, None].float() * (variance.float() + EPSILON).rsqrt()
    return torch.addcmul((bias[:, :, None, None].float() - mean * scale).to(x), x, scale.to(x))


class InstanceNorm(nn.Module):
    """[N, C, H, W] with the mean and variance over space that are learned."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The norm."""
        return normed(x, self.weight[None], self.bias[None])


class AdaIN(nn.Module):
    """[N, C, H, W] with the mean and variance over space that a style asks for."""

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style_dim, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`style` [N, style_dim]."""
        gamma, beta = self.fc(style).chunk(2, 1)
        return normed(x, 1 + gamma, beta)


class DownBlock(nn.Module):
    """[N, inputs, H, W] to [N, outputs, H', W'].

    Args:
        inputs: Channels that come.
        outputs: Channels that leave.
        norm: With instance norms, as the generator has them.
        down: Halve the size.
    """

    def __init__(self, inputs: int, outputs: int, *, norm: bool = False, down: bool = False) -> None:
        super().__init__()
        self.down = down
        self.register_buffer("kernel", None, persistent=False)
        self.kernel: Tensor | None
        self.conv1 = Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = Conv2d(inputs, outputs, 3, padding=1)
        self.norm1 = InstanceNorm(inputs) if norm else None
        self.norm2 = InstanceNorm(inputs) if norm else None
        self.conv1x1 = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else None

    def freeze(self) -> None:
        """Makes the kernel once; its weights must not change any more."""
        self.kernel = pooling(self.conv1).detach() if self.down else None

    def forward(self, x: Tensor) -> Tensor:
        """Both ways, joined."""
        y = act(self.norm1(x) if self.norm1 else x)
        if self.down:
            kernel = pooling(self.conv1) if self.kernel is None else self.kernel
            y = F.conv2d(y, kernel, self.conv1.bias, stride=2, padding=1)
        else:
            y = self.conv1(y)
        y = self.conv2(act(self.norm2(y) if self.norm2 else y))
        x = F.avg_pool2d(x, 2) if self.down else x
        made: Tensor = (y + (self.conv1x1(x) if self.conv1x1 else x)) / math.sqrt(2)
        return made


class UpBlock(nn.Module):
    """[N, inputs, H, W] and a style to [N, outputs, H', W'].

    Args:
        inputs: Channels that come.
        outputs: Channels that leave.
        style_dim: Width of the style.
        up: Double the size.
        shortcut: With one; where details come through masks there is none.
    """

    def __init__(self, inputs: int, outputs: int, style_dim: int, *, up: bool = False, shortcut: bool = True) -> None:
        super().__init__()
        self.up, self.shortcut = up, shortcut
        self.register_buffer("kernel", None, persistent=False)
        self.kernel: Tensor | None
        self.norm1, self.norm2 = AdaIN(inputs, style_dim), AdaIN(outputs, style_dim)
        self.conv1 = Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = Conv2d(outputs, outputs, 3, padding=1)
        self.conv1x1 = nn.Conv2d(inputs, outputs, 1, bias=False) if shortcut and inputs != outputs else None

    def freeze(self) -> None:
        """See `DownBlock`."""
        self.kernel = doubling(self.conv1).detach() if self.up else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """`style` [N, style_dim]."""
        y = act(self.norm1(x, style))
        if self.up:
            kernel = doubling(self.conv1) if self.kernel is None else self.kernel
            y = F.conv_transpose2d(y, kernel, self.conv1.bias, stride=2, padding=1)
        else:
            y = self.conv1(y)
        made: Tensor = self.conv2(act(self.norm2(y, style)))
        if self.shortcut:
            x = self.conv1x1(x) if self.conv1x1 else x
            made = (made + (F.interpolate(x, scale_factor=2) if self.up else x)) / math.sqrt(2)
        return made


def picked(heads: nn.ModuleList, x: Tensor, domain: Tensor) -> Tensor:
    """What the head of each row's domain gives, in float32: `x` [N, D], `domain` [N]."""
    made = torch.stack([head(x).float() for head in heads], 1)
    return made[torch.arange(len(x), device=x.device), domain]
