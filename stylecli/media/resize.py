"""Resizing in float, antialiased, and the sizes that `--size` asks for."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecli.errors import InputError

LONGEST = 2**17
"""Pixels of a side to which a picture is enlarged: a line of 60,000 x 1 would be a file of gigabytes."""

PLACES = 32
"""Rows or columns that are made at once."""

Filter = Literal["lanczos", "bicubic", "hamming", "bilinear", "box"]
Whole = Literal["round", "truncate"]


def resize(pixels: Tensor, size: tuple[int, int], *, filter: Filter = "lanczos") -> Tensor:
    """A picture at another size, antialiased as Pillow does it but without rounding to 8 bits.

    Args:
        pixels: [C, H, W] or [N, C, H, W] in [0, 1], or beyond it for colors outside of sRGB; or uint8 levels.
        size: New height and width in pixels, at least 1.
        filter: `lanczos` and `bicubic` overshoot at edges; their result is clamped to [0, 1], or to the range of the
            picture where that is wider.

    Returns:
        The same axes, type and device, levels as float32 in [0, 1]; not differentiable.

    Raises:
        InputError: It would be enlarged beyond `LONGEST`.
    """
    check_longest(pixels, size)
    levels = pixels.dtype == torch.uint8
    x = pixels.detach() if levels else pixels.detach().float()
    for axis in (-2, -1):
        if x.shape[axis] != size[axis]:
            x = _along(x, axis, size[axis], filter)
    if levels:
        return x.float().div_(255).clamp_(0, 1)
    if filter in {"lanczos", "bicubic"} and pixels.shape[-2:] != size:
        x = x.clamp(min(0.0, float(pixels.min())), max(1.0, float(pixels.max())))
    return x.to(pixels)


def _along(x: Tensor, axis: int, extent: int, filter: Filter) -> Tensor:
    """`x` [..., H, W] with `extent` places along one of its last two axes, some at a time: each is a product."""
    shape = list(x.shape)
    shape[axis] = extent
    made = torch.empty(shape, device=x.device)
    first, taps = _taps(x.shape[axis], extent, filter)
    with torch.autocast(x.device.type, enabled=False):
        for begin in range(0, extent, PLACES):
            some = slice(begin, begin + PLACES)
            low, high = int(first[some].min()), int(first[some].max()) + taps.shape[1]
            matrix = np.zeros((len(first[some]), high - low), np.float32)
            np.put_along_axis(matrix, first[some, None] - low + np.arange(taps.shape[1]), taps[some], 1)
            weights, part = torch.from_numpy(matrix).to(x.device), x.narrow(axis, low, min(high, x.shape[axis]) - low)
            weights = weights[:, : part.shape[axis]]
            made.narrow(axis, begin, len(weights)).copy_(
                weights @ part.float() if axis == -2 else part.float() @ weights.T
            )
    return made


def _taps(old: int, new: int, filter: Filter) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `new` places begins to see `old` ones, and how much it sees of each, [new, K]; as Pillow has it."""
    reach, weigh = FILTERS[filter]
    scale = old / new
    wide = max(scale, 1.0)
    center = (np.arange(new) + 0.5) * scale
    first = np.maximum((center - reach * wide + 0.5).astype(np.int64), 0)
    after = np.minimum((center + reach * wide + 0.5).astype(np.int64), old)
    places = first[:, None] + np.arange((after - first).max())
    taps = np.where(places < after[:, None], weigh((places - center[:, None] + 0.5) / wide), 0)
    return first, taps / taps.sum(1, keepdims=True)


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))


FILTERS: dict[Filter, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "box": (0.5, lambda x: ((x > -0.5) & (x <= 0.5)).astype(float)),
    "bilinear": (1.0, lambda x: np.maximum(1 - np.abs(x), 0)),
    "hamming": (1.0, lambda x: np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)),
    "bicubic": (2.0, _cubic),
    "lanczos": (3.0, lambda x: np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)),
}
"""How far each sees, in places of the smaller picture, and its curve."""


def check_longest(pixels: Tensor, size: tuple[int, int]) -> None:
    """Refuses to enlarge a line of pixels to what nothing can hold.

    Raises:
        InputError: A side would be longer than `LONGEST`.
    """
    (height, width), (high, wide) = pixels.shape[-2:], size
    if max(size) > max(LONGEST, height, width):
        what = f"{width:,} x {height:,} px would become {wide:,} x {high:,}"
        raise InputError(what, "cut it first, or give a smaller --size")


def resize_seamless(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture whose opposite edges meet at another size, where they still do: bicubic (Catmull, Rom 1974).

    Args:
        pixels: Floats, [..., H, W].
        size: New height and width, not much smaller than the old ones: there is no antialiasing.

    Returns:
        The same axes; overshoots at edges.
    """
    for axis, extent in zip((-2, -1), size, strict=True):
        old = pixels.shape[axis]
        if old == extent:
            continue
        place = (torch.arange(extent, device=pixels.device) + 0.5) * (old / extent) - 0.5
        first, t = place.floor().long(), (place - place.floor()).to(pixels)
        taps = (t * (t * (2 - t) - 1), t * t * (3 * t - 5) + 2, t * (t * (4 - 3 * t) + 1), t * t * (t - 1))
        parts = [
            pixels.index_select(axis, (first + offset) % old) * (tap[:, None] if axis == -2 else tap) / 2
            for offset, tap in enumerate(taps, -1)
        ]
        pixels = torch.stack(parts).sum(0)
    return pixels


def short_side(height: int, width: int, size: int, whole: Whole = "round") -> tuple[int, int]:
    """Height and width with the aspect of the given ones and a short side of `size`.

    Args:
        height: Pixels.
        width: Pixels.
        size: The short side wanted.
        whole: What makes the long side a whole number; references (torchvision) truncate.
    """
    return _scaled(height, width, size, min(height, width), whole)


def long_side(height: int, width: int, size: int, whole: Whole = "round") -> tuple[int, int]:
    """Height and width with the aspect of the given ones and a long side of `size`; else as `short_side`."""
    return _scaled(height, width, size, max(height, width), whole)


def _scaled(height: int, width: int, size: int, side: int, whole: Whole) -> tuple[int, int]:
    # Integers: `int(size * h / w)` in floats can fall short of a whole number.
    half = side // 2 if whole == "round" else 0
    return max(1, (height * size + half) // side), max(1, (width * size + half) // side)


def resize_8bit(pixels: Tensor, size: tuple[int, int], *, filter: Filter) -> Tensor:
    """[3, H, W], levels or quantized to them, resized to (height, width), as float [3, *size] in [0, 1]."""
    if pixels.shape[1:] == size:
        return pixels
    check_longest(pixels, size)
    levels = pixels if pixels.dtype == torch.uint8 else pixels.clamp(0, 1).mul(255).round().byte()
    image = Image.fromarray(levels.permute(1, 2, 0).contiguous().cpu().numpy())
    resized = image.resize((size[1], size[0]), Image.Resampling[filter.upper()])
    return torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1).float().div(255).to(pixels.device)


def sized(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """Height and width with a short side of `side` pixels, where that is wanted."""
    return short_side(*size, side) if side else size
