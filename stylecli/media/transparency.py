"""What a transparent picture looks like: on paper, at another size, and to a network, which sees no holes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.media.resize import resize


def on_paper(pixels: Tensor, alpha: Tensor) -> Tensor:
    """`pixels` [3, H, W] in [0, 1] or uint8 on white, through `alpha` [1, H, W] in [0, 1]; as floats."""
    floats = pixels.float().div(255) if pixels.dtype == torch.uint8 else pixels
    share = alpha.detach().to(floats).reshape(1, *floats.shape[1:])
    return floats * share + (1 - share)


def filled(pixels: Tensor, alpha: Tensor) -> Tensor:
    """The picture with the colors that surround them in place of those under transparent pixels.

    Whatever lies there is of no account: editors leave white, black, or an older picture. Each hole gets the mean of
    what is seen around it, from the finest of ever coarser grids that sees anything there (pull-push, Gortler et al.
    1996, The Lumigraph, section 3.4).

    Args:
        pixels: [3, H, W], floats or uint8.
        alpha: [1, H, W] in [0, 1].

    Returns:
        As `pixels`; gray where nothing at all is seen.
    """
    hidden = alpha <= 0
    if not hidden.any():
        return pixels
    if hidden.all():
        return torch.full_like(pixels, 127 if pixels.dtype == torch.uint8 else 0.5)
    weight = alpha.float()[None]
    grids = [(pixels.float()[None] * weight, weight)]
    while max(grids[-1][0].shape[2:]) > 1:
        sums, weight = grids[-1]
        grids.append((F.avg_pool2d(sums, 2, ceil_mode=True), F.avg_pool2d(weight, 2, ceil_mode=True)))
    color = _seen(*grids[-1])
    for sums, weight in reversed(grids[:-1]):
        coarse = F.interpolate(color, size=sums.shape[2:], mode="bilinear", align_corners=False)
        color = torch.where(weight > 0, _seen(sums, weight), coarse)
    color = color[0].round().to(torch.uint8) if pixels.dtype == torch.uint8 else color[0]
    return torch.where(hidden, color, pixels)


def _seen(sums: Tensor, weight: Tensor) -> Tensor:
    return sums / weight.clamp_min(1e-12)


def resize_seen(pixels: Tensor, alpha: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A picture and its alpha at another size: each pixel counts as far as it is seen.

    Args:
        pixels: [3, H, W], floats or uint8.
        alpha: [1, H, W] in [0, 1].
        size: New height and width.

    Returns:
        Floats [3, *size] and alpha [1, *size], which does not ring at its edges.
    """
    floats = pixels.float().div(255) if pixels.dtype == torch.uint8 else pixels
    smaller = resize_alpha(alpha, size)
    plain = resize(floats, size, filter="hamming")
    sums = resize(floats * alpha, size, filter="hamming")
    return torch.where(smaller > 1e-3, sums / smaller.clamp_min(1e-3), plain), smaller


def resize_alpha(alpha: Tensor, size: tuple[int, int]) -> Tensor:
    """`alpha` [1, H, W] at another size, its edges where they were and no wider than need be."""
    return resize(alpha, size, filter="hamming").clamp(0, 1)
