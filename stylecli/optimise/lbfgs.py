"""Limited-memory BFGS for pictures and sound: bounded values, sane step lengths, one evaluation a step.

Liu, Nocedal 1989, "On the limited memory BFGS method for large scale optimization"; bounds by projection (Bertsekas
1982). Differs from `torch.optim.LBFGS`: the first step moves pixels by a visible amount instead of one over the
gradient's norm (in float32 the two first gradients would differ by rounding alone); no step moves the picture further
than a trust radius; a step that raises the loss is taken back and halved; pairs without positive curvature are dropped.
With a metric M, symmetric and positive, the matrix that updates begin from is a multiple of M, not of the identity.
"""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor, no_grad

Scalar = float | Tensor

FIRST_MOVE = 0.01
"""Root mean square of the first step, in units (pixels: of their range)."""

TRUST = 0.05
"""Largest root mean square of any step, in units."""

TOLERATED_RISE = 0.05
"""A loss may rise by this fraction before the step is taken back: the losses are not smooth (ReLU, max pooling)."""


class BoundedLBFGS:
    """Minimises over pictures in [0, 1], or anything else between bounds.

    Args:
        picture: The variable, changed in place.
        history: Pairs kept.
        learning_rate: Factor on every step.
        box: Lowest and highest values, each broadcastable to the picture.
        unit: The size of a large change.
        metric: What M makes of a gradient; by default itself.
        scale: What a gradient is multiplied by for the first move, see `scales`; by default it has FIRST_MOVE's size.
    """

    def __init__(
        self,
        picture: Tensor,
        history: int,
        learning_rate: float = 1.0,
        box: tuple[Tensor, Tensor] | None = None,
        unit: float = 1.0,
        metric: Callable[[Tensor], Tensor] | None = None,
        scale: float | None = None,
    ) -> None:
        self.picture, self.learning_rate, self.unit, self.metric = picture, learning_rate, unit, metric
        self.scale = scale
        self.low, self.high = box or (picture.new_zeros(()), picture.new_ones(()))
        self.pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=history)
        self.before: tuple[Tensor, Tensor, float] | None = None  # picture, gradient and loss of the last good point
        self.move = torch.zeros(())
        self.shrink = 1.0

    @no_grad()
    def step(self, evaluate: Callable[[], float]) -> None:
        """Evaluate at the picture, then move it. `evaluate` leaves the gradient in `picture.grad`."""
        loss = evaluate()
        assert self.picture.grad is not None
        gradient = self.picture.grad
        if self.before is not None:
            picture, old, best = self.before
            if loss > best * (1 + TOLERATED_RISE) and self.shrink > 0.05:
                self.shrink *= 0.5
                self.picture.copy_(torch.add(picture, self.move, alpha=self.shrink).clamp_(self.low, self.high))
                return
            self._remember(self.picture - picture, gradient - old)
        # Pixels that sit on a bound and want out do not take part.
        held = ((self.picture <= self.low) & (gradient > 0)) | ((self.picture >= self.high) & (gradient < 0))
        self.move = self._direction(gradient.masked_fill(held, 0)).masked_fill_(held, 0)
        size = _number(self.move.square().mean().sqrt())
        wanted: Scalar = FIRST_MOVE * self.unit
        if self.pairs or self.scale:
            wanted, most = size * self.learning_rate, TRUST * self.unit
            wanted = wanted.clamp_max(most) if isinstance(wanted, Tensor) else min(wanted, most)
        self.move *= wanted / (size.clamp_min(1e-12) if isinstance(size, Tensor) else max(size, 1e-12))
        self.before, self.shrink = (self.picture.clone(), gradient.clone(), loss), 1.0
        self.picture.add_(self.move).clamp_(self.low, self.high)

    def scales(self) -> list[float]:
        """The inverse curvatures that the pairs met, rising."""
        squares = torch.stack([y.square().sum() for _, y, _ in self.pairs]).tolist() if self.pairs else []
        return sorted(curvature / square for (_, _, curvature), square in zip(self.pairs, squares, strict=True))

    def forget(self) -> None:
        """Makes the next point the first of another objective, of about the same curvature: pairs stay."""
        self.before = None

    def _remember(self, s: Tensor, y: Tensor) -> None:
        curvature, lengths = torch.stack([s.flatten() @ y.flatten(), s.norm() * y.norm()]).tolist()
        if curvature > 1e-8 * lengths:
            self.pairs.append((s, y, curvature))

    def _direction(self, gradient: Tensor) -> Tensor:
        q, used = -gradient, []
        for s, y, curvature in reversed(self.pairs):
            amount = _number(s.flatten() @ q.flatten()) / curvature
            _add(q, y, -amount)
            used.append(amount)
        q = self._measured(q)
        if self.pairs:
            _, y, curvature = self.pairs[-1]
            q.mul_(curvature / _number(y.flatten() @ self._measured(y).flatten()))
        elif self.scale is not None:
            q.mul_(self.scale)
        for (s, y, curvature), amount in zip(self.pairs, reversed(used), strict=True):
            _add(q, s, amount - _number(y.flatten() @ q.flatten()) / curvature)
        return q

    def _measured(self, x: Tensor) -> Tensor:
        return x if self.metric is None else self.metric(x)


def _number(x: Tensor) -> Scalar:
    """`x` [] in double precision; on a GPU it stays there, for nobody shall wait for it."""
    return x.double() if x.is_cuda else float(x)


def _add(q: Tensor, x: Tensor, amount: Scalar) -> None:
    """`q` += `amount` `x`."""
    if isinstance(amount, Tensor):
        q.addcmul_(x, amount)
    else:
        q.add_(x, alpha=amount)
