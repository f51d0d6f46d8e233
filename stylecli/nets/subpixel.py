"""Four pixels at a time: convolutions that give them, and pooling that takes them.

A convolution of a picture enlarged x2 by repetition is one of the picture itself, with four phases: less than half the
products, and nothing is enlarged. One with few channels out is one of stride 2 with four times as many: processors
compute 16 channels in the time of 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def phases(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A convolution [O, I, k, k] of a picture enlarged x2 by repetition, as one of the picture itself.

    Returns:
        Weight [4 O, I, t, t] and bias [4 O] for `interleaved`, of the picture padded by t // 2; where t is even
        (k = 3 mod 4), its `shift` is 1.
    """
    size = weight.shape[-1]
    half = size // 2
    shift = half % 2
    before = (half + shift) // 2
    taps = 2 * before + 1 - shift
    # Row r of a pair sees, through tap j of the large kernel, tap t of the small one.
    sums = torch.zeros(2, taps, size, dtype=weight.dtype, device=weight.device)
    for row in range(2):
        for tap in range(size):
            sums[row, (row - shift + tap - half) // 2 + before, tap] = 1
    small = torch.einsum("rtj,suk,oijk->rsoitu", sums, sums, weight)
    return small.flatten(0, 2), bias.repeat(4)


def paired(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """A convolution [O, I, k, k] as one of stride 2, [4 O, I, k + 1, k + 1], for `interleaved`."""
    shifted = [F.pad(weight, (column, 1 - column, row, 1 - row)) for row in range(2) for column in range(2)]
    return torch.cat(shifted), None if bias is None else bias.repeat(4)


def beside(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Four phases [4 O, I, k, k], of two pixels in a row as one convolution of stride (1, 2), [8 O, I, k, k + 1]."""
    rows = weight.unflatten(0, (2, -1))
    return torch.stack([F.pad(rows, (pixel, 1 - pixel)) for pixel in range(2)], 1).flatten(0, 2), bias.repeat(2)


def interleaved(x: Tensor, shift: int = 0, pixels: int = 1) -> Tensor:
    """Four phases [N, 4 O, H, W], row by row, to [N, O, 2 H, 2 W].

    Args:
        x: The phases, [N, 4 O pixels, H, W / pixels].
        shift: Lines that are cut off on each side.
        pixels: How many side by side have their phases in one.
    """
    count, _, height, width = x.shape
    width *= pixels
    if torch.is_grad_enabled() or not x.is_cpu or (x.shape[1] < 64 and not shift):
        rows = x.permute(0, 2, 3, 1).unflatten(3, (2, -1)).transpose(2, 3)  # [N, H, 2, W, 2 O]
        y = rows.reshape(count, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)
        made: Tensor = y[:, :, shift : 2 * height - shift, shift : 2 * width - shift]
        return made
    parts = x.unflatten(1, (2, 2, -1))  # [N, 2, 2, O, H, W]
    height, width = height - shift, width - shift
    shape = (count, parts.shape[3], 2 * height, 2 * width)
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    for row in range(2):
        for column in range(2):
            top, left = shift * (1 - row), shift * (1 - column)
            part = parts[:, row, column, :, top : top + height, left : left + width]
            y[:, :, (row - shift) % 2 :: 2, (column - shift) % 2 :: 2] = part
    return y


def pooled(x: Tensor, how: str, *, ceil: bool = False) -> Tensor:
    """2x2 pooling of [N, C, H, W], `max` or `average`; a last odd row or column is left out, or with `ceil` kept."""
    height, width = (side // 2 * 2 for side in x.shape[2:])
    plain = torch.is_grad_enabled() or not x.is_cpu or not x.is_contiguous(memory_format=torch.channels_last)
    if plain or (ceil and (height, width) != x.shape[2:]):
        return F.max_pool2d(x, 2, ceil_mode=ceil) if how == "max" else F.avg_pool2d(x, 2, ceil_mode=ceil)
    # PyTorch's own finds out where each maximum was, and takes means of a few channels one by one.
    first, *others = (x[:, :, row:height:2, column:width:2] for row in range(2) for column in range(2))
    if how == "max":
        made = torch.maximum(first, others[0])
        return torch.maximum(made, torch.maximum(*others[1:]), out=made)
    return (first + others[0]).add_(others[1]).add_(others[2]).mul_(0.25)
