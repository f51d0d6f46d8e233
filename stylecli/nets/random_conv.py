"""One convolution over time with random filters: the only network of Ulyanov, Lebedev 2016.

"Audio texture synthesis and style transfer", https://dmitryulyanov.github.io/audio-texture-synthesis-and-style-transfer;
DmitryUlyanov/neural-style-audio-tf@8bfc315. Frequencies are channels; no bias; deviation sqrt(2) sqrt(2 / ((bins +
filters) width)).

What losses ask of features are inner products of frames. With infinitely many filters these have a closed form, the
arc-cosine kernel of order one (Cho, Saul 2009, "Kernel methods for deep learning", eq. 6): for Gaussian w, patches u, v
with the angle t between them,

    E relu(w u) relu(w v) = |u| |v| (sin t + (pi - t) cos t) / 2 pi,

and u v, a sum over the width of products of single frames, needs neither filters nor patches: a hundredth of the work
of 4096 filters, and no draw of luck. `Limit` is that network.
"""

import math
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from stylecli.device import Context

ALIGNED = 16
"""Frames are filled up with silent frequencies to a multiple of so many."""

ROWS = 128
"""Of a matrix of frames that are taken at once."""

SMALLEST_BLOCK = 256
"""Frames of which all products are computed."""


def deviation(bins: int, filters: int, width: int) -> float:
    """Standard deviation of a filter's taps."""
    return math.sqrt(2) * math.sqrt(2 / ((bins + filters) * width))


Seen = tuple[Tensor, ...]
"""What a bank sees of frames."""


class Bank(Protocol):
    """What losses ask of a network: inner products of the features of frames [N, bins], its width less one fewer."""

    width: int
    turns: bool
    """Whether it sees the same of frames however their frequencies are turned: only their inner products count."""

    def see(self, x: Tensor) -> Seen:
        """Whatever `products` and `distance` want of frames [N, bins]."""

    def products(self, a: Seen, b: Seen) -> Tensor:
        """[N, M]: the inner product of each feature vector seen in `a` with each one in `b`."""

    def squares(self, a: Seen, b: Seen) -> tuple[Tensor, int, int]:
        """The sum of the squares of `products`, N and M."""

    def distance(self, a: Seen, b: Seen) -> Tensor:
        """[N]: the squared distances between feature vectors at the same time."""


class RandomConv(nn.Module):
    """A drawn bank.

    Args:
        weight: [filters, bins, width].
    """

    weight: Tensor
    turns = False

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.width = weight.shape[2]

    @classmethod
    def drawn(cls, bins: int, filters: int, width: int, generator: Generator) -> "RandomConv":
        """A bank as the original draws it."""
        return cls(torch.randn(filters, bins, width, generator=generator) * deviation(bins, filters, width))

    def forward(self, x: Tensor) -> Tensor:
        """Features [N - width + 1, filters] of frames [N, bins]."""
        return nn.functional.conv1d(x.T[None], self.weight)[0].T.relu()

    def see(self, x: Tensor) -> Seen:
        """Features alone, as `forward`."""
        return (self(x),)

    def products(self, a: Seen, b: Seen) -> Tensor:
        """See `Bank`; far cheaper than Gram matrices where there are fewer frames than filters."""
        return a[0] @ b[0].T

    def squares(self, a: Seen, b: Seen) -> tuple[Tensor, int, int]:
        """See `Bank`."""
        return self.products(a, b).square().sum(), len(a[0]), len(b[0])

    def distance(self, a: Seen, b: Seen) -> Tensor:
        """See `Bank`."""
        return (a[0] - b[0]).square().sum(1)


class Limit(nn.Module):
    """As many filters as one likes, in the scale of `filters` drawn ones."""

    turns = True

    def __init__(self, bins: int, width: int, filters: int = 4096) -> None:
        super().__init__()
        self.width, self.scale = width, filters * deviation(bins, filters, width) ** 2

    def see(self, x: Tensor) -> Seen:
        """The frames [N, bins], norms of the patches that begin at each, and inner products of all of these."""
        # Products whose rows begin at even addresses take two thirds of the time.
        x = nn.functional.pad(x, (0, -x.shape[1] % ALIGNED)) if x.shape[1] % ALIGNED else x
        dots = PatchDots.apply(x, None, self.width)
        # The square root has no slope at silence.
        return (x, dots.diagonal().clamp(min=1e-12).sqrt(), dots)

    def products(self, a: Seen, b: Seen) -> Tensor:
        """See `Bank`."""
        (x, of_x, dots), (y, of_y, _) = a, b
        if x is not y:
            dots = PatchDots.apply(x, y, self.width)
        product: Tensor = ArcCosine.apply(dots, of_x[:, None], of_y[None])
        return self.scale * product

    def squares(self, a: Seen, b: Seen) -> tuple[Tensor, int, int]:
        """See `Bank`."""
        (x, of_x, dots), (y, of_y, _) = a, b
        if x is not y:
            dots = PatchDots.apply(x, y, self.width)
        total: Tensor = ArcCosineSquares.apply(dots, of_x, of_y, x is y)
        return self.scale**2 * total, len(of_x), len(of_y)

    def distance(self, a: Seen, b: Seen) -> Tensor:
        """See `Bank`."""
        (x, of_x, _), (y, of_y, _) = a, b
        dots = _wide(torch.linalg.vecdot(x, y)).unfold(0, self.width, 1).sum(1)
        product: Tensor = ArcCosine.apply(dots, of_x, of_y)
        return self.scale * (of_x.square() / 2 + of_y.square() / 2 - 2 * product)


def _wide(x: Tensor) -> Tensor:
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
        total, by_a, by_b = _wide(dots.new_zeros(())), torch.zeros_like(a), torch.zeros_like(b)
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
            total += torch.linalg.vecdot(kernel.flatten(), kernel.flatten()) + half.square().sum()
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
