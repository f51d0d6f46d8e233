"""First and second moments of features over space: all that most style losses need to know of a style.

    m = sum_p w_p f_p            mean, [C]
    S = sum_p w_p f_p f_p^T      second raw moment, [C, C]; the Gram matrix divided by the number of positions

w_p are weights over positions that sum to one: uniform, or a mask (guided Gram matrices; Gatys, Ecker, Bethge,
Hertzmann, Shechtman 2017, arXiv 1611.07865, section 4). Both are linear in the positions, so styles mix by adding.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from stylecli.device import Context
from stylecli.nets import onednn


class Statistics(NamedTuple):
    """Moments of one layer: `mean` [C] and `second` [C, C]."""

    mean: Tensor
    second: Tensor

    @property
    def variance(self) -> Tensor:
        """Per channel, [C]; never negative."""
        return (self.second.diagonal() - self.mean.square()).clamp_min(0)

    @property
    def covariance(self) -> Tensor:
        """[C, C]."""
        return self.second - self.mean[:, None] * self.mean


class _Moments(torch.autograd.Function):
    """Mean and F^T F / n, with one product backward where autograd makes two and more passes over the features."""

    @staticmethod
    def forward(ctx: Context, features: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(features)
        rows = _rows(features)
        if len(features) == 1 and onednn.usable(features):
            return rows.mean(1), onednn.products(features)[None] / rows.shape[1]
        return rows.mean(1), rows.mT @ rows / rows.shape[1]

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Tensor:
        (features,) = ctx.saved_tensors
        rows = _rows(features)
        to_mean, to_second = (grad.to(rows.dtype) / rows.shape[1] for grad in grads)
        if len(features) == 1 and onednn.usable(features, *grads):
            return onednn.mapped(features, (to_second + to_second.mT)[0], to_mean[0])
        # Autograd adds in place to what is nobody's view.
        made = torch.empty_like(features, memory_format=torch.channels_last)
        torch.baddbmm(to_mean[:, None], rows, to_second + to_second.mT, out=_rows(made))
        return made


def _rows(features: Tensor) -> Tensor:
    """[N, HW, C]; a view when channels_last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def mean_and_second(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [N, C] and second raw moment [N, C, C] over space of `features` [N, C, H, W], in their type."""
    mean, second = _Moments.apply(features)
    return mean, second


def correlations(mean: Tensor, second: Tensor) -> Tensor:
    """Pearson correlations [..., C, C] of channels with means [..., C] and second moments [..., C, C], in [-1, 1]."""
    covariance = second - mean[..., :, None] * mean[..., None, :]
    # Rounding must not make a channel that hardly varies louder than one that does not vary.
    deviation = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(1e-8).sqrt()
    return covariance / (deviation[..., :, None] * deviation[..., None, :])


def statistics(features: Tensor, weights: Tensor | None = None) -> Statistics:
    """Moments of `features` [1, C, H, W], over all positions or by `weights` [1, 1, H, W] that sum to one."""
    if weights is None:
        mean, second = mean_and_second(features)
        return Statistics(mean[0], second[0])
    rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
    column = weights.reshape(-1, 1)
    return Statistics((rows * column).sum(0), (rows * column).T @ rows)


def mix(parts: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
    """The moments of a mixture: `sum_i w_i part_i`; `weights` sum to one."""
    mean = torch.stack([part.mean * weight for part, weight in zip(parts, weights, strict=True)]).sum(0)
    second = torch.stack([part.second * weight for part, weight in zip(parts, weights, strict=True)]).sum(0)
    return Statistics(mean, second)


def mapped(stats: Statistics, matrix: Tensor, bias: Tensor) -> Statistics:
    """The moments of `matrix @ f + bias` from those of f, without making the mapped features.

    Args:
        stats: Moments of C channels.
        matrix: [D, C].
        bias: [D].
    """
    shift = matrix @ stats.mean
    cross = shift[:, None] * bias
    return Statistics(shift + bias, matrix @ stats.second @ matrix.T + cross + cross.T + bias[:, None] * bias)
