"""Optimal transport between Gaussians (Peyré, Cuturi 2019, "Computational Optimal Transport", remark 2.31)."""

import torch
from torch import Tensor

from stylecli.device import Context

STEPS = 8


class _Root(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Context, matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        roots = values.clamp_min(values.amax(-1, keepdim=True) * 1e-6).sqrt()
        ctx.save_for_backward(roots, vectors)
        made: Tensor = (vectors * roots[:, None]) @ vectors.mT
        return made

    @staticmethod
    def backward(ctx: Context, *gradients: Tensor) -> Tensor:
        # R X + X R = G in the basis of R: unlike the gradient of eigenvectors, finite where eigenvalues agree.
        roots, vectors = ctx.saved_tensors
        inner = vectors.mT @ gradients[0] @ vectors / (roots[:, :, None] + roots[:, None])
        made: Tensor = vectors @ inner @ vectors.mT
        return made


def root(matrix: Tensor) -> Tensor:
    """R with R R = `matrix`, symmetric and positive, [N, C, C]; differentiable."""
    found: Tensor = _Root.apply(matrix)
    return found


def _between(now: Tensor, wanted: Tensor) -> Tensor:
    """The same for a few channels on a GPU, by nothing that waits for the CPU.

    A is the geometric mean of 1 / `now` and `wanted`, to which their arithmetic and harmonic means converge (Bhatia
    2007, "Positive definite matrices", 4.1), and soon if each is scaled before (Byers, Xu 2008, "A new scaling for
    Newton's iteration for the polar decomposition", eq. 3.6). No direction may vary less than a hundredth of the mean.
    """
    pair = torch.stack([now, wanted])
    size = pair.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    pair = torch.linalg.inv_ex(pair / size).inverse
    # Roots of the eigenvalues of 1 / (now wanted) lie between these.
    least, most = 1.0, 101.0 * now.shape[-1]
    scale = (least * most) ** -0.5
    following = (2 * (least * most) ** 0.5 / (least + most)) ** 0.5
    for _ in range(STEPS):
        pair = torch.add(pair * (scale / 2), torch.linalg.inv_ex(pair).inverse.flip(0), alpha=0.5 / scale)
        scale, following = following, (2 / (following + 1 / following)) ** 0.5
    return pair[0] * (size[1] / size[0]).sqrt()


def transport(now: Tensor, wanted: Tensor) -> Tensor:
    """The symmetric A with A `now` A = `wanted`, covariances [N, C, C]: what moves the distance from the mean least."""
    if now.device.type != "cpu" and (torch.is_grad_enabled() or now.device.type == "mps"):
        return transport(now.cpu(), wanted.cpu()).to(now.device)
    # In double precision: inverse roots stretch rounding errors with the weakest directions.
    if now.device.type != "cpu":
        return _between(now.double(), wanted.double()).to(now.dtype)
    # L^-T (L' `wanted` L)^1/2 L^-1 with L L' = `now`: L in place of the root of `now`, for A is one and the same.
    lower = torch.linalg.cholesky(now.double())
    upper = lower.mT
    inner = torch.linalg.solve_triangular(upper, root(upper @ wanted.double() @ lower), upper=True)
    made: Tensor = torch.linalg.solve_triangular(lower, inner, upper=False, left=False)
    return made.to(now.dtype)
