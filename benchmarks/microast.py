"""The architecture of MicroAST (Wang et al. 2023, AAAI) with random weights: the fastest published peer of `adain`.

A port from the paper: 9x9 and depthwise convolutions, two residual blocks at a quarter of the size on each side, the
moments of the style given before each block of the decoder; 471,987 parameters with the filters that it modulates.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Module):
    """Reflection padding, a convolution, and after a grouped one a 1x1; nearest x2 before, where asked for."""

    def __init__(
        self, channels: int, out: int, size: int, stride: int = 1, groups: int = 1, grow: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, size, stride, groups=groups)
        self.mixed = nn.Conv2d(out, out, 1) if groups > 1 else nn.Identity()
        self.pad, self.grow = size // 2, grow

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, D, H', W']."""
        x = F.interpolate(x, scale_factor=2.0) if self.grow else x
        return self.mixed(self.conv(F.pad(x, [self.pad] * 4, mode="reflect")))


class Residual(nn.Module):
    """Two 3x3 convolutions around which 64 channels pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Conv(64, 64, 3), Conv(64, 64, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 64, H, W] to the same."""
        return x + self.second(F.relu(self.first(x)))


def encoder() -> nn.Sequential:
    """RGB to 64 channels at a quarter of the size; content and style have one each."""
    return nn.Sequential(
        Conv(3, 16, 9), nn.ReLU(), Conv(16, 32, 3, 2, 16), nn.ReLU(), Conv(32, 64, 3, 2, 32), nn.ReLU(),
        Residual(), Residual(),
    )  # fmt: skip


class MicroAST(nn.Module):
    """Both encoders and the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.content, self.style = encoder(), encoder()
        self.blocks = nn.ModuleList([Residual(), Residual()])
        self.up = nn.Sequential(
            Conv(64, 32, 3, 1, 32, True), nn.ReLU(), Conv(32, 16, 3, 1, 16, True), nn.ReLU(), Conv(16, 3, 9)
        )

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """`content` with the moments of `style`, both [N, 3, H, W]."""
        x, y = self.content(content), self.style(style)
        for block in self.blocks:
            x = block(adain(x, y))
        return self.up(x)


def adain(x: Tensor, y: Tensor) -> Tensor:
    """`x` with the mean and deviation of `y`."""
    (now, mean), (wanted, goal) = (torch.var_mean(each, (2, 3), keepdim=True) for each in (x, y))
    return (x - mean) / (now + 1e-5).sqrt() * (wanted + 1e-5).sqrt() + goal
