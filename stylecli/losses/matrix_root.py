"""The square root of a symmetric positive definite matrix and its gradient, by products only.

Newton-Schulz iteration on the Frobenius-normalised matrix (Higham 2008, "Functions of Matrices", eq. 5.1); the gradient
solves R X + X R = G by the same kind of iteration (Li, Xie, Wang, Gao 2018, arXiv 1712.01034, algorithm 2). Twelve
iterations each, as crowsonkb/style-transfer-pytorch@e7e2c71 takes.
"""

import torch
from torch import Tensor

from stylecli.device import Context

ITERATIONS = 12


class _Sqrtm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Context, matrix: Tensor) -> Tensor:
        norm = matrix.norm()
        identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        y, z = matrix / norm, identity
        for _ in range(ITERATIONS):
            t = (3 * identity - z @ y) / 2
            y, z = y @ t, t @ z
        root: Tensor = y * norm.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        norm = root.norm()
        identity = torch.eye(len(root), dtype=root.dtype, device=root.device)
        a, q = root / norm, grads[0] / norm
        for _ in range(ITERATIONS):
            inner = 3 * identity - a @ a
            q = (q @ inner - a.T @ (a.T @ q - q @ a)) / 2
            a = a @ inner / 2
        made: Tensor = q / 2
        return made


def sqrtm(matrix: Tensor) -> Tensor:
    """R with R R = `matrix` [C, C], symmetric positive definite; differentiable."""
    root: Tensor = _Sqrtm.apply(matrix)
    return root
