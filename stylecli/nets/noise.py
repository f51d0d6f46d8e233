"""Noise that a network gets beside a photo, so that its strokes have something to begin with in flat areas.

A convolution of a constant is a constant, and enlarged it is a pattern that repeats with the network's own period. As
in texture networks (Ulyanov et al. 2016, arXiv 1603.03417), noise breaks that. It is the same in every run for one size
of the picture, and known at every pixel before a network runs, so that tiles see what the whole picture sees.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Generator, Tensor

from stylecli.method import Rows, Span

PERIODS = (4, 8, 16, 32)
"""Distances in pixels between the independent values of each octave; all octaves are equally loud."""
DEVIATION = 0.2
ROWS = 256
KEPT, GRID = 2**23, 2**21
"""Pixels up to which the noise of a size is kept for the next picture, and places of pixels for the next frame."""


def noise_like(rgb: Tensor, seed: int = 0, shift: Tensor | None = None) -> Tensor:
    """Smooth noise [N, 1, H, W] for pictures [N, C, H, W], in the type of these: [0, 1] with mean 0.5, or uint8 levels.

    Args:
        rgb: Its size, type and device are taken.
        seed: Another one gives other noise; the pictures of one call get different ones.
        shift: As `past.Past` has it: what moves through a clip takes its noise along.
    """
    count, _, height, width = rgb.shape
    make = _plane if height * width <= KEPT else _plane.__wrapped__
    made = torch.stack([make(height, width, seed + picture)[None] for picture in range(count)])
    made = made if shift is None else _moved(made, shift)
    return made.to(rgb.device) if rgb.dtype == torch.uint8 else made.to(rgb.device, rgb.dtype).div_(255)


class Plane:
    """The noise of one picture, made where it is asked for."""

    def __init__(self, height: int, width: int, seed: int = 0) -> None:
        generator = Generator().manual_seed(seed)
        self.lattices = [(p, torch.randn(height // p + 2, width // p + 2, generator=generator)) for p in PERIODS]

    def part(self, rows: Span, columns: Span) -> Tensor:
        """Levels [h, w]."""
        plane = torch.empty(rows[1] - rows[0], columns[1] - columns[0], dtype=torch.uint8)
        for top in range(*rows, ROWS):
            lines, across = torch.arange(top, min(top + ROWS, rows[1])), torch.arange(*columns)
            octaves = [_between(_between(lattice, lines, p, 0), across, p, 1) for p, lattice in self.lattices]
            # A value between four independent ones has 4/9 of their variance, on the mean.
            loud = DEVIATION * 1.5 / len(PERIODS) ** 0.5
            made = torch.stack(octaves).sum(0).mul_(loud).add_(0.5).clamp_(0, 1).mul_(255).round_()
            plane[top - rows[0] : top - rows[0] + ROWS] = made
        return plane


@lru_cache(2)
def _plane(height: int, width: int, seed: int) -> Tensor:
    """The noise of one picture as levels [H, W], which is not to be changed: a folder has pictures of one size."""
    with torch.inference_mode(False):
        return Plane(height, width, seed).part((0, height), (0, width))


class Noisy:
    """A picture [1, C, H, W], floats or uint8, with its noise behind the colors, made where it is asked for."""

    def __init__(self, x: Rows) -> None:
        (_, channels, height, width), self.x = x.shape, x
        self.shape, self.plane = (1, channels + 1, height, width), Plane(height, width)

    def part(self, rows: Span, columns: Span) -> Tensor:
        """See `Rows`."""
        colors, noise = self.x.part(rows, columns), self.plane.part(rows, columns)[None, None]
        return torch.cat([colors, noise if colors.dtype == torch.uint8 else noise.to(colors.dtype).div_(255)], 1)


def _moved(noise: Tensor, shift: Tensor) -> Tensor:
    """`noise` [N, 1, H, W] uint8, taken at each pixel from where what is seen there came from."""
    # What found the motion; PyTorch takes three times as long for the same.
    import cv2

    remap: Any = cv2.remap  # its stubs know no map in one part
    height, width = noise.shape[2:]
    across, down = (each.numpy() for each in shift.cpu()[0])
    far = cv2.resize(cv2.merge([across * width, down * height]), (width, height), interpolation=cv2.INTER_LINEAR)
    grid = _grid if height * width <= GRID else _grid.__wrapped__
    places = cv2.add(far, grid(height, width).numpy())
    taken = [remap(each, places, None, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT) for each in noise[:, 0].numpy()]
    return torch.stack([torch.from_numpy(each)[None] for each in taken])


@lru_cache(2)
def _grid(height: int, width: int) -> Tensor:
    """Places of pixels, across and down [H, W, 2], which are not to be changed: a clip has frames of one size."""
    with torch.inference_mode(False):
        down, across = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
        return torch.stack([across, down], -1)


def _between(lattice: Tensor, places: Tensor, period: int, axis: int) -> Tensor:
    """`lattice`, whose values lie `period` pixels apart along `axis`, at whole pixels `places`."""
    before = places // period
    share = ((places % period) / period).reshape((-1, 1) if axis == 0 else (1, -1))
    return torch.lerp(lattice.index_select(axis, before), lattice.index_select(axis, before + 1), share)
