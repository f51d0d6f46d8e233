"""What a spectrogram is optimised for, and its descent: L-BFGS between bounds, or L-BFGS-B as the original calls it."""

import math
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from stylecli.losses.sound import GramDistance
from stylecli.nets.random_conv import Along, Bank, Limit
from stylecli.optimise.lbfgs import BoundedLBFGS
from stylecli.progress import Listener, Step, silent


@dataclass
class SoundObjective:
    """Weighted distances from a content's features and a style's Gram matrix, averaged over random networks.

    Attributes:
        banks: The networks.
        content: Log-magnitudes [N, bins] of the content.
        styles: (share, log-magnitudes [M, bins]) of each recording whose Gram matrices are mixed.
        style_weight: Factor on the squared distance of Gram matrices.
        content_weight: Factor on the squared distance of features, summed over frames.
        rhythm: Copies that are compared too, each the mean of 4 frames of the one before.
        extra: Frames that count in Gram matrices besides those with features.
    """

    banks: Sequence[Bank]
    content: Tensor
    styles: Sequence[tuple[float, Tensor]]
    style_weight: float
    content_weight: float
    rhythm: int = 0
    extra: int = 0
    grams: list[list[GramDistance]] = field(init=False)

    def __post_init__(self) -> None:
        scales = list(zip(*([(s, each) for each in self._scales(x)] for s, x in self.styles), strict=True))
        self.grams = [
            [GramDistance(bank, [(s, bank.see(x)) for s, x in targets], self.extra) for targets in scales]
            for bank in self.banks
        ]
        self.seen = [bank.see(self.content) for bank in self.banks]

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """The weighted losses at log-magnitudes [N, bins]."""
        style, content = x.new_zeros(()), x.new_zeros(())
        scales = self._scales(x)
        for bank, grams, target in zip(self.banks, self.grams, self.seen, strict=True):
            seen = [gram.bank.see(each) for gram, each in zip(grams, scales, strict=True)]
            style = style + sum(gram(each) for gram, each in zip(grams, seen, strict=True))
            if self.content_weight:
                content = content + bank.distance(seen[0], target).sum()
        count = len(self.banks)
        return {"style": self.style_weight / count * style, "content": self.content_weight / count * content}

    def along(self, start: Tensor, turn: Tensor) -> "SoundObjective":
        """The same, of coordinates [N, few] in directions `turn` [bins, few]: of frames that leave `start` in these."""
        few, scales = copy(self), self._scales(start)
        banks = [[Along(bank, each, turn) for each in scales] for bank in self.banks if isinstance(bank, Limit)]
        firsts = [first for first, *_ in banks]
        few.banks, few.seen = firsts, [bank.aim(seen) for bank, seen in zip(firsts, self.seen, strict=True)]
        pairs = [zip(grams, each, strict=True) for grams, each in zip(self.grams, banks, strict=True)]
        few.grams = [[gram.along(bank) for gram, bank in each] for each in pairs]
        return few

    def _scales(self, x: Tensor) -> list[Tensor]:
        scales = [x]
        for _ in range(self.rhythm):
            scales.append(torch.nn.functional.avg_pool1d(scales[-1].T, 4).T)
        return scales


DIRECTIONS = 256
"""In which a descent goes ahead."""

HISTORY = 10
"""Pairs that L-BFGS keeps: as many as the original's."""


@dataclass(frozen=True)
class Box:
    """Where the variable of a descent stays.

    Attributes:
        low: Lowest values, broadcastable to it.
        high: Highest values.
        unit: The size of a large change.
        metric: See `BoundedLBFGS`.
        scale: See `BoundedLBFGS`.
    """

    low: Tensor
    high: Tensor
    unit: float
    metric: Callable[[Tensor], Tensor] | None = None
    scale: float | None = None


@dataclass
class Descended:
    """Where a descent ended.

    Attributes:
        x: The best point.
        losses: Weighted losses there.
        interrupted: Ctrl-C ended it early.
        scales: Inverse curvatures that it met, rising; none without a box.
    """

    x: Tensor
    losses: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    scales: list[float] = field(default_factory=list)


Goal = Callable[[Tensor], dict[str, Tensor]]
"""Losses by name at a point."""


@dataclass(frozen=True)
class Lead:
    """A cheaper objective that leads most of the way to another's lowest point, of about the same curvature.

    Attributes:
        objective: Losses by name.
        steps: Updates.
    """

    objective: Goal
    steps: int


def descend(
    objective: Goal,
    start: Tensor,
    steps: int,
    *,
    box: Box | None = None,
    lead: Lead | None = None,
    listener: Listener = silent,
    done: int = 0,
    total: int = 0,
) -> Descended:
    """The best point of `steps` updates, 1 or more.

    Args:
        objective: Losses by name.
        start: Where to begin: log-magnitudes, or a wave.
        steps: Updates, each of one evaluation; without a box of a few.
        box: Where to stay; without one, SciPy's L-BFGS-B goes wherever the loss falls, as the original.
        lead: What goes before it; needs a box.
        listener: Hears of every update.
        done: Updates before this descent, of `total`.
    """
    best = Descended(start)
    lowest, updates, began = float("inf"), done, time.perf_counter()

    def evaluate(x: Tensor) -> tuple[float, Tensor]:
        nonlocal best, lowest
        value, gradient, losses = _evaluated(objective, x)
        if value < lowest:
            best, lowest = Descended(x.detach().clone(), losses), value
        return value, gradient

    def tell(_: object = None) -> None:
        nonlocal updates
        updates += 1
        listener(Step(updates, total or steps, time.perf_counter() - began, loss=lowest))

    def of_values(values: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evaluate(torch.from_numpy(values).view(start.shape).to(start.dtype).to(start.device))
        return value, gradient.cpu().double().numpy().ravel()

    try:
        if box is None:
            from scipy.optimize import minimize  # takes a fifth of PyTorch's time

            first = start.detach().cpu().double().numpy().ravel()
            options = {"maxiter": steps, "maxcor": HISTORY}
            minimize(of_values, first, jac=True, method="L-BFGS-B", callback=tell, options=options)
        else:
            best.scales = _between(box, start, steps, lead, evaluate, tell)
    except KeyboardInterrupt:
        best.interrupted = True
    return best


@torch.enable_grad()
def _evaluated(objective: Goal, x: Tensor) -> tuple[float, Tensor, dict[str, float]]:
    """The loss at `x`, its gradient, and its parts."""
    x = x.detach().requires_grad_()
    parts = objective(x)
    loss = torch.stack(list(parts.values())).sum()
    (gradient,) = torch.autograd.grad(loss, x)
    value, *values = torch.stack([loss, *parts.values()]).tolist()
    return value, gradient, dict(zip(parts, values, strict=True))


def _between(
    box: Box,
    start: Tensor,
    steps: int,
    lead: Lead | None,
    evaluate: Callable[[Tensor], tuple[float, Tensor]],
    tell: Callable[[], None],
) -> list[float]:
    variable = start.detach().clone().clamp_(box.low, box.high)
    optimizer = BoundedLBFGS(
        variable, HISTORY, box=(box.low, box.high), unit=box.unit, metric=box.metric, scale=box.scale
    )

    def closure() -> float:
        value, variable.grad = evaluate(variable)
        return value

    def leading() -> float:
        assert lead is not None
        value, variable.grad, _ = _evaluated(lead.objective, variable)
        return value

    for _ in range(lead.steps if lead else 0):
        optimizer.step(leading)
    optimizer.forget()
    for _ in range(steps):
        optimizer.step(closure)
        tell()
    return optimizer.scales()


def ahead(objective: SoundObjective, start: Tensor, box: Box, steps: int) -> Descended:
    """Where `steps` updates from `start` [N, bins] lead along few directions, at a small part of the cost.

    Directions are those that content, styles and start have most of; what frames have of others stays. Bounds are kept
    at the end alone.
    """
    if not all(isinstance(bank, Limit) for bank in objective.banks) or start.shape[1] <= 2 * DIRECTIONS:
        return Descended(start)
    counting = [(objective.content_weight, objective.content), *objective.styles, (1.0, start)]
    turn = _directions(torch.cat([x for weight, x in counting if weight]))
    begin, free = start @ turn, torch.full_like(box.low, math.inf)
    size = float(begin.square().mean().sqrt() / start.square().mean().sqrt().clamp_min(1e-12))
    found = descend(objective.along(start, turn), begin, steps, box=Box(-free, free, box.unit * size))
    return replace(found, x=(start + (found.x - begin) @ turn.T).clamp(box.low, box.high))


def _directions(rows: Tensor) -> Tensor:
    """The orthonormal [bins, DIRECTIONS] that rows [N, bins] have nearly most of.

    Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithm 4.4 with one power iteration.
    """
    drawn = torch.randn(len(rows), DIRECTIONS, generator=torch.Generator().manual_seed(0)).to(rows)
    found = torch.linalg.qr(rows.T @ drawn)[0]
    made: Tensor = torch.linalg.qr(rows.T @ (rows @ found))[0]
    return made
