"""Tensors for checkpoints of other repositories: random ones under their names, of sizes that keep signals alive."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecli.media.tiles import output_size, stream, whole
from stylecli.nets.segments import Segment

Shapes = Mapping[str, tuple[int, ...]]


def filled(shapes: Shapes) -> dict[str, Tensor]:
    """Each tensor from the stream of its name: filters of gain sqrt 2, vectors near 0, weights of norms near 1."""
    return {name: _filled(name, shape) for name, shape in shapes.items()}


def _filled(name: str, shape: tuple[int, ...]) -> Tensor:
    random = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    x = torch.randn(shape, generator=random)
    if len(shape) > 1:
        return x * (2 / x[0].numel()) ** 0.5
    return 0.1 * x + float(name.endswith(("weight", "scale")))


def layer(name: str, out: int, channels: int, size: int, bias: bool = True) -> Shapes:
    """Shapes of a convolution."""
    return {f"{name}.weight": (out, channels, size, size)} | ({f"{name}.bias": (out,)} if bias else {})


def norm(name: str, channels: int) -> Shapes:
    """Shapes of an affine norm."""
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def read(path: Path) -> Tensor:
    """[1, 3, H, W] in [0, 1]."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None] / 255


def levels_apart(path: Path, expected: Tensor) -> float:
    """Largest difference of a picture from `expected` [1, 3, H, W] in [0, 1], in levels of 255."""
    return float((read(path) - expected.clamp(0, 1)).abs().max()) * 255


def in_tiles(segments: Sequence[Segment], x: Tensor, side: int, **how: Any) -> Tensor:
    """All that `media.tiles.stream` gives."""
    return whole(stream(segments, x, side, **how), output_size(segments, x.shape))
