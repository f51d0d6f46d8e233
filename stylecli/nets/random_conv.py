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

from stylecli.nets.patch_kernels import ArcCosine, ArcCosineSquares, PatchDots, wide

ALIGNED = 16
"""Frames are filled up with silent frequencies to a multiple of so many."""


def deviation(bins: int, filters: int, width: int) -> float:
    """Standard deviation of a filter's taps."""
    return math.sqrt(2) * math.sqrt(2 / ((bins + filters) * width))


Seen = tuple[Tensor, ...]
"""What a bank sees of frames."""


class Bank(Protocol):
    """What losses ask of a network: inner products of the features of frames [N, bins], its width less one fewer."""

    width: int

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
        dots = wide(torch.linalg.vecdot(x, y)).unfold(0, self.width, 1).sum(1)
        return _apart(self.scale, dots, of_x, of_y)


class Along:
    """What a `Limit` sees of frames that leave `start` [N, bins] in few directions: the same, at a part of the cost.

    Args:
        bank: The network.
        start: Frames.
        turn: Orthonormal directions [bins, few]; what is seen are the coordinates [N, few] of frames in these.
    """

    def __init__(self, bank: Limit, start: Tensor, turn: Tensor) -> None:
        self.width, self.scale = bank.width, bank.scale
        self.start, self.turn = start, turn
        self.others = self._others(start, None)
        """Inner products of patches that all other directions have, where frames stay."""

    def aim(self, target: Seen) -> Seen:
        """What is compared with coordinates, of a target that the network has seen."""
        y, of_y, _ = target
        # Without the silent frequencies that fill it up.
        y = y[:, : len(self.turn)]
        return y @ self.turn, of_y, self._others(self.start, y)

    def see(self, x: Tensor) -> Seen:
        """See `Bank`, of coordinates."""
        dots = PatchDots.apply(x, None, self.width) + self.others
        return x, dots.diagonal().clamp(min=1e-12).sqrt(), dots

    def products(self, a: Seen, b: Seen) -> Tensor:
        """See `Bank`."""
        product: Tensor = ArcCosine.apply(self._dots(a, b), a[1][:, None], b[1][None])
        return self.scale * product

    def squares(self, a: Seen, b: Seen) -> tuple[Tensor, int, int]:
        """See `Bank`."""
        total: Tensor = ArcCosineSquares.apply(self._dots(a, b), a[1], b[1], a is b)
        return self.scale**2 * total, len(a[1]), len(b[1])

    def distance(self, a: Seen, b: Seen) -> Tensor:
        """See `Bank`."""
        dots = wide(torch.linalg.vecdot(a[0], b[0])).unfold(0, self.width, 1).sum(1) + b[2].diagonal()
        return _apart(self.scale, dots, a[1], b[1])

    def _dots(self, a: Seen, b: Seen) -> Tensor:
        return a[2] if a is b else PatchDots.apply(a[0], b[0], self.width) + b[2]

    def _others(self, x: Tensor, y: Tensor | None) -> Tensor:
        few = None if y is None else y @ self.turn
        made: Tensor = PatchDots.apply(x, y, self.width) - PatchDots.apply(x @ self.turn, few, self.width)
        return made


def _apart(scale: float, dots: Tensor, of_x: Tensor, of_y: Tensor) -> Tensor:
    """Squared distances of features whose patches have these inner products and norms."""
    product: Tensor = ArcCosine.apply(dots, of_x, of_y)
    return scale * (of_x.square() / 2 + of_y.square() / 2 - 2 * product)
