"""How far two sets of feature vectors are apart as distributions, not in moments alone.

Maximum mean discrepancy with a Gaussian kernel (Li, Wang, Liu, Hou 2017, "Demystifying neural style transfer", arXiv
1701.01036, eq. 5 and section 4.1):

    MMD^2 = sum_ij u_i u_j k(x_i, x_j) + sum_ij v_i v_j k(y_i, y_j) - 2 sum_ij u_i v_j k(x_i, y_j)

k(x, y) = exp(-|x - y|^2 / 2 s^2). Differs from the paper: s^2 is half the mean squared distance within the target, and
a fixed seeded subset of positions is compared all with all instead of an unbiased estimate over random pairs: the same
picture always gives the same loss, which L-BFGS needs.

Sliced Wasserstein distance (Heitz, Vanhoey, Chambon, Belcour 2021, "A sliced Wasserstein loss for neural texture
synthesis", arXiv 2006.07229):

    mean over directions v of |sort(v X) - sort(v Y)|^2

Differs from the paper: it is relative to the variance of v Y, and where X and Y have not as many vectors, the quantiles
of Y are interpolated.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Samples(NamedTuple):
    """Feature vectors `points` [n, C] with `weights` [n] that sum to one."""

    points: Tensor
    weights: Tensor


def samples(features: Tensor, weights: Tensor | None, count: int) -> Samples:
    """At most `count` evenly spread positions of `features` [1, C, H, W]; `weights` [1, 1, H, W] or uniform."""
    rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    spread = _spread(len(rows), count, rows.device)
    chosen = rows.new_ones(len(spread)) if weights is None else weights.reshape(-1)[spread]
    return Samples(rows[spread], chosen / chosen.sum().clamp_min(1e-12))


@lru_cache(64)
def _spread(length: int, count: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.randperm(length, generator=torch.Generator().manual_seed(0))[:count].to(device)


def gaussian(now: Samples, target: Samples) -> Tensor:
    """MMD^2 of the Gaussian kernel, in [0, 2]."""
    within = _squared(target.points, target.points)
    spread = within.mean().clamp_min(1e-12)

    def mean(a: Samples, b: Samples, squared: Tensor) -> Tensor:
        return a.weights @ torch.exp(-squared / spread) @ b.weights

    own = mean(now, now, _squared(now.points, now.points))
    return own + mean(target, target, within) - 2 * mean(now, target, _squared(now.points, target.points))


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)


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
