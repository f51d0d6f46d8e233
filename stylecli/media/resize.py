"""Resizing in float, antialiased, and the sizes that `--size` asks for."""

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecli.errors import InputError

LONGEST = 2**17
"""Pixels of a side to which a picture is enlarged: a line of 60,000 x 1 would be a file of gigabytes."""

Filter = Literal["lanczos", "bicubic", "hamming", "bilinear", "box"]
Whole = Literal["round", "truncate"]


def resize(pixels: Tensor, size: tuple[int, int], *, filter: Filter = "lanczos") -> Tensor:
    """A picture at another size, antialiased as Pillow does it but without rounding to 8 bits.

    Args:
        pixels: [C, H, W] or [N, C, H, W] in [0, 1], or beyond it for colors outside of sRGB.
        size: New height and width in pixels, at least 1.
        filter: `lanczos` and `bicubic` overshoot at edges; their result is clamped to [0, 1], or to the range of the
            picture where that is wider.

    Returns:
        The same axes, type and device; not differentiable.

    Raises:
        InputError: It would be enlarged beyond `LONGEST`.
    """
    height, width = size
    check_longest(pixels, size)
    if pixels.shape[-2:] == (height, width):
        return pixels
    planes = pixels.detach().float().cpu().reshape(-1, *pixels.shape[-2:]).numpy()
    method = Image.Resampling[filter.upper()]
    small = np.stack([np.asarray(Image.fromarray(plane).resize((width, height), method)) for plane in planes])
    if filter in {"lanczos", "bicubic"}:
        small = small.clip(min(0, planes.min()), max(1, planes.max()))
    return torch.from_numpy(small).reshape(*pixels.shape[:-2], height, width).to(pixels)


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
    """[3, H, W] in [0, 1], quantized to 8 bits, resized to (height, width), as float [3, *size] in [0, 1]."""
    if pixels.shape[1:] == size:
        return pixels
    check_longest(pixels, size)
    image = Image.fromarray(pixels.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy())
    resized = image.resize((size[1], size[0]), Image.Resampling[filter.upper()])
    return torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1).float().div(255).to(pixels.device)
