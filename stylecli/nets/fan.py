"""A face alignment network of one hourglass with coordinates: where the 98 landmarks of a face are, as heatmaps.

Bulat, Tzimiropoulos 2017 (arXiv 1703.07332) with the coordinates of Wang, Bo, Fuxin 2019 (adaptive wing loss, arXiv
1904.07399), as StarGAN v2 uses it. Batch norms are stored as what they are in use: a factor and an offset a channel.

Landmarks (WFLW): 0-32 jaw, 33-50 eyebrows, 51-59 nose, 60-75 eyes, 76-87 outer and 88-95 inner lips, 96-97 pupils.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 256
"""Faces are looked at in this size, in pixels; heatmaps have a quarter of it."""

POINTS = 98
DEPTH = 4


class Scale(nn.Module):
    """`relu(weight x + bias)` a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W]."""
        return F.relu(torch.addcmul(self.bias[:, None, None], x, self.weight[:, None, None]))


class PyramidBlock(nn.Module):
    """Three convolutions one behind the other, side by side in the result, and a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.bn1, self.bn2, self.bn3 = Scale(inputs), Scale(half), Scale(quarter)
        self.conv1 = nn.Conv2d(inputs, half, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(half, quarter, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(quarter, quarter, 3, padding=1, bias=False)
        self.downsample = (
            nn.Sequential(Scale(inputs), nn.Identity(), nn.Conv2d(inputs, outputs, 1, bias=False))
            if inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H, W]."""
        one = self.conv1(self.bn1(x))
        two = self.conv2(self.bn2(one))
        three = self.conv3(self.bn3(two))
        return torch.cat([one, two, three], 1) + (self.downsample(x) if self.downsample else x)


class CoordConv(nn.Module):
    """A convolution that also sees where each pixel is: its row, its column and its distance from the middle."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs + 3, outputs, kernel, stride, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W]."""
        rows, columns = (torch.linspace(-1, 1, extent, device=x.device, dtype=x.dtype) for extent in x.shape[2:])
        down, across = torch.meshgrid(rows, columns, indexing="ij")
        far = (down.square() + across.square()).sqrt()
        where = torch.stack([down, across, far / far.max()])
        made: Tensor = self.conv(torch.cat([x, where.expand(len(x), -1, -1, -1)], 1))
        return made


class Hourglass(nn.Module):
    """Four halvings and back, with a way around at each size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coordconv = CoordConv(channels, channels, 1, 1)
        for level in range(1, DEPTH + 1):
            for name in ("b1", "b2", "b3", *(["b2_plus"] if level == 1 else [])):
                self.add_module(f"{name}_{level}", PyramidBlock(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, H, W]."""
        return self._level(DEPTH, self.coordconv(x))

    def _level(self, level: int, x: Tensor) -> Tensor:
        block: Callable[[str], nn.Module] = lambda name: self.get_submodule(f"{name}_{level}")
        low = block("b2")(F.avg_pool2d(x, 2))
        low = self._level(level - 1, low) if level > 1 else block("b2_plus")(low)
        around: Tensor = block("b1")(x)
        return around + F.interpolate(block("b3")(low), scale_factor=2)


class FAN(nn.Module):
    """Faces [N, 3, H, W] in [-1, 1] to heatmaps [N, 98, 64, 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = CoordConv(3, 64, 7, 2)
        self.bn1 = Scale(64)
        self.conv2, self.conv3, self.conv4 = PyramidBlock(64, 128), PyramidBlock(128, 128), PyramidBlock(128, 256)
        self.m0 = Hourglass(256)
        self.top_m_0 = PyramidBlock(256, 256)
        self.conv_last0, self.bn_end0 = nn.Conv2d(256, 256, 1), Scale(256)
        # The last one is no landmark but the outline of the face.
        self.l0 = nn.Conv2d(256, POINTS + 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Heatmaps, about 1 at a landmark and 0 elsewhere."""
        x = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", align_corners=False).mul(0.5).add(0.5)
        x = self.bn1(self.conv1(x))
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        x = self.bn_end0(self.conv_last0(self.top_m_0(self.m0(x))))
        heat: Tensor = self.l0(x)
        return heat[:, :POINTS]


def landmarks(heat: Tensor) -> tuple[Tensor, Tensor]:
    """(x and y of each landmark in pixels of a face of 256 px [N, 98, 2], how high its heat is [N, 98])."""
    side = heat.shape[-1]
    high, place = heat.flatten(2).max(2)
    x, y = place % side, place // side
    found = torch.stack([x, y], 2).float()
    # Towards the higher neighbor by a quarter of a pixel, where there are neighbors.
    inside = ((x > 0) & (x < side - 1) & (y > 0) & (y < side - 1))[..., None]
    at: Callable[[int, int], Tensor] = lambda dx, dy: heat.flatten(2).gather(
        2, ((y + dy).clamp(0, side - 1) * side + (x + dx).clamp(0, side - 1))[..., None]
    )
    slope = torch.cat([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], 2)
    return (found + 0.5 + 0.25 * slope.sign() * inside) * (SIDE / side), high
