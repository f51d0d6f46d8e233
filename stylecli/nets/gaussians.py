"""Optimal transport between Gaussians (Peyré, Cuturi 2019, "Computational Optimal Transport", remark 2.31)."""

from typing import Any

import torch
from torch import Tensor


class _Root(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        roots = values.clamp_min(values.amax(-1, keepdim=True) * 1e-6).sqrt()
        ctx.save_for_backward(roots, vectors)
        return (vectors * roots[:, None]) @ vectors.mT

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # R X + X R = G in the basis of R: unlike the gradient of eigenvectors, finite where eigenvalues agree.
        roots, vectors = ctx.saved_tensors
        inner = vectors.mT @ gradients[0] @ vectors / (roots[:, :, None] + roots[:, None])
        return vectors @ inner @ vectors.mT


def root(matrix: Tensor) -> Tensor:
    """R with R R = `matrix`, symmetric and positive, [N, C, C]; differentiable."""
    found: Tensor = _Root.apply(matrix)
    return found


def transport(now: Tensor, wanted: Tensor) -> Tensor:
    """The symmetric A with A `now` A = `wanted`, covariances [N, C, C]: what moves the distance from the mean least."""
    # In double precision: inverse roots stretch rounding errors with the weakest directions.
    half = root(now.double())
    inverse = torch.linalg.inv(half)
    return (inverse @ root(half @ wanted.double() @ half) @ inverse).to(now.dtype)
