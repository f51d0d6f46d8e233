"""The arc-cosine kernel of patches of frames: what losses of infinitely many random filters are made of.

Cho, Saul 2009, "Kernel methods for deep learning", eq. 6; see `nets.random_conv`.
"""

import math

import torch
from torch import Tensor, nn

from stylecli.device import Context

ROWS = 128
"""Of a matrix of frames that are taken at once."""

SMALLEST_BLOCK = 256
"""Frames of which all products are computed."""


def wide(x: Tensor) -> Tensor:
    """In float64, where there is one: sums of small differences follow, and it costs nothing."""
    return x if x.device.type == "mps" else x.double()


class PatchDots(torch.autograd.Function):
    """Inner products [N - width + 1, M - width + 1] of patches of frames [N, bins] and [M, bins], None for the same."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, y: Tensor | None, width: int) -> Tensor:
        """Sums along the diagonals of the inner products of frames."""
        ctx.save_for_backward(*(x,) if y is None else (x, y))
        frames = _squared(x) if y is None else x @ y.T
        return _diagonal_sums(frames, width)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        """By the frames of each."""
        x, y = ctx.saved_tensors[0], ctx.saved_tensors[-1]
        width = len(x) - len(grads[0]) + 1
        spread = _diagonal_sums(nn.functional.pad(grads[0], (width - 1,) * 4), width)
        if len(ctx.saved_tensors) == 1:
            return (spread + spread.T) @ x, None, None
        return spread @ y, spread.T @ x if ctx.needs_input_grad[1] else None, None


def _diagonal_sums(x: Tensor, width: int) -> Tensor:
    """The sums [N - width + 1, M - width + 1] of `width` neighbors each along the diagonals of [N, M], by doubling."""
    n, m = (side - width + 1 for side in x.shape)
    made, first, count = None, 0, 1
    while width >> first:
        if width >> first & 1:
            at = width - (width & (2 * count - 1))
            part = x[at : at + n, at : at + m]
            made = part.clone() if made is None else made.add_(part)
        first, count = first + 1, 2 * count
        if width >> first:
            half = count // 2
            x = x[:-half, :-half] + x[half:, half:]
    assert made is not None
    return made


def _squared(x: Tensor) -> Tensor:
    """`x @ x.T`: of what is symmetric, little is computed twice."""
    if len(x) < SMALLEST_BLOCK or not x.is_cpu:
        return x @ x.T
    half = len(x) // 2
    made = x.new_empty(len(x), len(x))
    made[:half, :half], made[half:, half:] = _squared(x[:half]), _squared(x[half:])
    across = x[:half] @ x[half:].T
    made[:half, half:], made[half:, :half] = across, across.T
    return made


class ArcCosineSquares(torch.autograd.Function):
    """The sum of the squares of the kernel of `dots` [N, M] and norms [N] and [M], its slopes found along with it.

    Some rows at a time, which stay in a processor's cache; of what is symmetric, the half above the diagonal.
    """

    @staticmethod
    def forward(ctx: Context, dots: Tensor, a: Tensor, b: Tensor, symmetric: bool) -> Tensor:
        """Sum of (|u| |v| (sin t + (pi - t) cos t))^2 / 4 pi^2."""
        dots, a, b = dots.detach(), a.detach(), b.detach()
        total, by_a, by_b = wide(dots.new_zeros(())), torch.zeros_like(a), torch.zeros_like(b)
        by_dots = torch.zeros_like(dots) if symmetric else torch.empty_like(dots)
        for top in range(0, len(a), ROWS):
            rows, columns = slice(top, top + ROWS), slice(top if symmetric else 0, None)
            sizes = a[rows, None] * b[columns]
            cos = (dots[rows, columns] / sizes).clamp_(-1, 1)
            # 1 - cos^2, rounded, is never below 0.
            sin = torch.addcmul(cos.new_ones(()), cos, cos, value=-1).sqrt_()
            rest = torch.rsub(cos.acos(), math.pi)
            kernel = torch.addcmul(sin, cos, rest).mul_(sizes)
            half = kernel[:, ROWS:] if symmetric else kernel[:, :0]
            total += sum(wide(torch.linalg.vecdot(part, part)).sum() for part in (kernel, half))
            half *= 2
            torch.mul(kernel, rest, out=by_dots[rows, columns])
            kernel *= sin
            by_a[rows] += kernel @ b[columns]
            by_b[columns] += a[rows] @ kernel
        ctx.save_for_backward(by_dots, by_a, by_b)
        return total / (4 * math.pi**2)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """By the dots, and both norms."""
        by_dots, by_a, by_b = (part * (grads[0] / (2 * math.pi**2)) for part in ctx.saved_tensors)
        return by_dots, by_a, by_b, None


class ArcCosine(torch.autograd.Function):
    """The kernel of `dots` [N, M] and norms that broadcast to it, with slopes that stay finite at angle 0."""

    @staticmethod
    def forward(ctx: Context, dots: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """E relu relu, see above."""
        cos = (dots / (a * b)).clamp(-1, 1)
        angle, sin = cos.acos(), (1 - cos * cos).sqrt()
        ctx.save_for_backward(angle, sin, a, b)
        return a * b * (sin + (math.pi - angle) * cos) / (2 * math.pi)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """By the dots (pi - t) / 2 pi, by |u| |v| sin t / 2 pi."""
        angle, sin, a, b = ctx.saved_tensors
        by_sin = grads[0] * sin / (2 * math.pi)
        return (
            grads[0] * (math.pi - angle) / (2 * math.pi),
            (by_sin * b).sum_to_size(a.shape),
            (by_sin * a).sum_to_size(b.shape),
        )
