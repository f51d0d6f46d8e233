"""Descending an objective: L-BFGS or Adam on the pixels, with an averaged picture where it is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stylecli.device import wide
from stylecli.errors import StyleCliError
from stylecli.optimise.evaluation import Evaluation, Goal
from stylecli.optimise.lbfgs import BoundedLBFGS

Watch = Callable[[int, Tensor, dict[str, float], Tensor], None]
"""Called at every evaluation with (step, picture, losses by name, gradient), before the update."""


@dataclass(frozen=True)
class Descent:
    """How to descend.

    Attributes:
        optimizer: `lbfgs` or `adam`.
        steps: Updates.
        learning_rate: 1 is L-BFGS' own step length.
        history: Pairs that L-BFGS keeps.
        betas: Of Adam.
        average: Decay of the exponential moving average of the pictures; 0 for none.
        clamp: Keep the picture in [0, 1] after every update.
    """

    optimizer: str = "lbfgs"
    steps: int = 100
    learning_rate: float = 1.0
    history: int = 20
    betas: tuple[float, float] = (0.9, 0.99)
    average: float = 0.0
    clamp: bool = False


@dataclass
class Average:
    """Bias-corrected exponential moving average (Kingma, Ba 2014, section 7.2)."""

    decay: float
    value: Tensor
    correction: float = 1.0

    @classmethod
    def starting_at(cls, decay: float, start: Tensor) -> "Average":
        """The average once updated with its start, as crowsonkb's."""
        return cls(decay, torch.zeros_like(start)).update(start)

    def update(self, value: Tensor) -> "Average":
        """Take in one more picture."""
        self.value = self.value * self.decay + value * (1 - self.decay)
        self.correction *= self.decay
        return self

    def get(self) -> Tensor:
        """The average so far."""
        return self.value / (1 - self.correction) if self.decay else self.value


@dataclass
class Path:
    """Where a descent stands; what is left when it is interrupted.

    Attributes:
        picture: The iterate, [1, 3, H, W].
        average: Its average.
        momenta: Adam's state, to warm-start a finer scale.
    """

    picture: Tensor
    average: Average
    momenta: dict[str, Tensor] = field(default_factory=dict)

    @property
    def result(self) -> Tensor:
        """The averaged picture, or the iterate itself where nothing is averaged."""
        return self.average.get().detach()


EXACT_STEPS = 2
"""Evaluations that decide L-BFGS' first curvature."""


def descend(objective: Goal, path: Path, descent: Descent, watch: Watch, exact: Goal | None = None) -> None:
    """Move `path` along `descent.steps` updates, in place.

    Args:
        objective: What to lower.
        path: The picture to start from.
        descent: How.
        watch: Told of every evaluation.
        exact: The same objective in float64 for the first two evaluations; the picture is then kept in float64. The
            first step of L-BFGS is so small that the difference of its two gradients drowns in float32's rounding, and
            everything after depends on it.

    Raises:
        StyleCliError: The loss is not a number.
    """
    near = path.picture.new_empty(0)
    first = then = Evaluation(objective, near, descent.steps)
    if exact is not None:
        path.picture = wide(path.picture)
        path.average.value = path.average.value.to(path.picture.device)
        first = Evaluation(exact, path.picture[:0], 0)
    picture = path.picture.requires_grad_(True)
    optimizer = _optimizer(picture, path, descent)
    step = 0

    def closure() -> float:
        now = first if step <= EXACT_STEPS else then
        found, gradient = now(picture)
        picture.grad = gradient
        # All numbers in one copy: on a GPU each copy waits for the picture.
        value, *values = found.tolist()
        losses = dict(zip(now.names, values, strict=True))
        if not all(map(_finite, losses.values())):
            raise StyleCliError(f"step {step}: the loss is not a number", "lower --learning-rate or the weights")
        watch(step, picture.detach(), losses, gradient)
        return float(value)

    for step in range(1, descent.steps + 1):  # noqa: B007 - the closure reads it
        optimizer.step(closure)
        if descent.clamp:
            with torch.no_grad():
                picture.clamp_(0, 1)
        path.average.update(picture.detach())
    path.momenta = dict(optimizer.state[picture]) if isinstance(optimizer, torch.optim.Adam) else {}
    path.picture = picture.detach().to(near)


def _optimizer(picture: Tensor, path: Path, descent: Descent) -> torch.optim.Optimizer | BoundedLBFGS:
    if descent.optimizer == "lbfgs" and descent.clamp:
        return BoundedLBFGS(picture, descent.history, descent.learning_rate)
    if descent.optimizer == "lbfgs":
        # One update a call, no tolerances: every update is seen, and the path is that of one long call.
        return torch.optim.LBFGS(
            [picture],
            lr=descent.learning_rate,
            max_iter=1,
            history_size=descent.history,
            tolerance_grad=-1,
            tolerance_change=-1,
        )
    adam = torch.optim.Adam([picture], lr=descent.learning_rate, betas=descent.betas)
    if path.momenta:
        adam.state[picture] = path.momenta
    return adam


def _finite(value: float) -> bool:
    return abs(value) < float("inf")
