"""Sliced Wasserstein distance: how far two sets of feature vectors are apart as distributions, not in moments alone.

Heitz, Vanhoey, Chambon, Belcour 2021, "A sliced Wasserstein loss for neural texture synthesis", arXiv 2006.07229:

    mean over directions v of |sort(v X) - sort(v Y)|^2

Differs from the paper: it is relative to the variance of v Y, and where X and Y have not as many vectors, the quantiles
of Y are interpolated.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def directions(count: int, channels: int, generator: torch.Generator) -> Tensor:
    """Random unit vectors, [count, channels]."""
    return F.normalize(torch.randn(count, channels, generator=generator))


def sliced_wasserstein(now: Tensor, target: Tensor, along: Tensor) -> Tensor:
    """The distance of each of `now` [N, C, P] from `target` [C, Q] along the rows of `along` [D, C]; [N]."""
    found = (along @ now).sort(-1).values
    wanted = (along @ target).sort(-1).values
    variance = wanted.var(-1, correction=0).mean().clamp_min(1e-12)
    if wanted.shape[-1] != found.shape[-1]:
        wanted = F.interpolate(wanted[None], size=found.shape[-1], mode="linear")[0]
    return (found - wanted).square().mean((1, 2)) / variance
