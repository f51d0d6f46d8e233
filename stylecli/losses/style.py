"""Distances between the styles of two feature maps, one function each, all from the same moments.

gram         |S - S*|_F^2                                       Gatys, Ecker, Bethge 2016, eq. 4
moments      |m - m*|^2 + |sd - sd*|^2                          batch-norm statistics; Li et al. 2017, section 4.2
wasserstein  |m - m*|^2 / C + tr(A + A* - 2 (A*^1/2 A A*^1/2)^1/2) / C,  A = cov + 1e-4 I
                                                                crowsonkb/style-transfer-pytorch@e7e2c71
mmd-linear   |m - m*|^2                                         Li, Wang, Liu, Hou 2017, arXiv 1701.01036
mmd-poly     |S - S*|_F^2 + 2 c |m - m*|^2                      kernel (x.y + c)^2, c = tr(S*) / C; c = 0 is gram
correlations |P - P*|_F^2,  P_ij = cov_ij / (sd_i sd_j)             which forms go together, blind to color and contrast
mmd-gaussian see `losses/distributions.py`                                 kernel exp(-|x - y|^2 / 2 s^2)
"""

from collections.abc import Callable

import torch
from torch import Tensor

from stylecli.losses.matrix_root import sqrtm
from stylecli.losses.statistics import Statistics
from stylecli.losses.statistics import correlations as correlations_of

Distance = Callable[[Statistics, Statistics], Tensor]


def gram(now: Statistics, target: Statistics) -> Tensor:
    """Squared Frobenius distance of second moments; the MMD of the kernel (x.y)^2."""
    return (now.second - target.second).square().sum()


def moments(now: Statistics, target: Statistics) -> Tensor:
    """Squared distance of means and standard deviations."""
    # The square root has no slope at zero: a constant channel would give NaN gradients.
    deviations = [(stats.variance + 1e-8).sqrt() for stats in (now, target)]
    return (now.mean - target.mean).square().sum() + (deviations[0] - deviations[1]).square().sum()


def wasserstein(now: Statistics, target: Statistics, root: Tensor | None = None) -> Tensor:
    """Squared 2-Wasserstein distance of the Gaussians with these moments, divided by the number of channels.

    `root` is that of the target's covariance, see `root_of`, where it is known.
    """
    cov, cov_target = _definite(now), _definite(target)
    root = sqrtm(cov_target) if root is None else root
    cross = sqrtm(root @ cov @ root)
    return (now.mean - target.mean).square().mean() + (cov_target + cov - 2 * cross).diagonal().mean()


def root_of(target: Statistics) -> Tensor:
    """What `wasserstein` needs of a target at each evaluation."""
    return sqrtm(_definite(target))


def _definite(stats: Statistics) -> Tensor:
    return stats.covariance + 1e-4 * torch.eye(len(stats.mean), dtype=stats.mean.dtype, device=stats.mean.device)


def mmd_linear(now: Statistics, target: Statistics) -> Tensor:
    """Squared distance of means."""
    return (now.mean - target.mean).square().sum()


def mmd_poly(now: Statistics, target: Statistics, offset: Tensor | float | None = None) -> Tensor:
    """MMD of the kernel (x.y + offset)^2; `offset` defaults to the mean power of a channel of the target."""
    if offset is None:
        offset = target.second.diagonal().mean()
    return gram(now, target) + 2 * offset * mmd_linear(now, target)


def correlations(now: Statistics, target: Statistics) -> Tensor:
    """Squared Frobenius distance of the Pearson correlations of channels."""
    return (correlations_of(*now) - correlations_of(*target)).square().sum()


DISTANCES: dict[str, Distance] = {
    "gram": gram,
    "moments": moments,
    "wasserstein": wasserstein,
    "mmd-linear": mmd_linear,
    "mmd-poly": mmd_poly,
    "correlations": correlations,
}


def size_of(name: str, target: Statistics) -> Tensor:
    """The distance `name` from `target` to a black hole (all features zero), for losses relative to it."""
    return DISTANCES[name](Statistics(torch.zeros_like(target.mean), torch.zeros_like(target.second)), target)
