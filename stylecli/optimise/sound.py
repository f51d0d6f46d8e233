"""What a spectrogram is optimised for, and its descent: L-BFGS between bounds, or L-BFGS-B as the original calls it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from stylecli.losses.sound import GramDistance
from stylecli.nets.random_conv import Bank
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
            first, *others = [bank.see(each) for each in scales]
            style = style + sum(gram(seen) for gram, seen in zip(grams, (first, *others), strict=True))
            if self.content_weight:
                content = content + bank.distance(first, target).sum()
        count = len(self.banks)
        return {"style": self.style_weight / count * style, "content": self.content_weight / count * content}

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
    """

    low: Tensor
    high: Tensor
    unit: float
    metric: Callable[[Tensor], Tensor] | None = None


@dataclass
class Descended:
    """Where a descent ended.

    Attributes:
        x: The best point.
        losses: Weighted losses there.
        interrupted: Ctrl-C ended it early.
    """

    x: Tensor
    losses: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False


def descend(
    objective: Callable[[Tensor], dict[str, Tensor]],
    start: Tensor,
    steps: int,
    *,
    box: Box | None = None,
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
        listener: Hears of every update.
        done: Updates before this descent, of `total`.
    """
    best = Descended(start)
    lowest, updates, began = float("inf"), done, time.perf_counter()

    @torch.enable_grad()
    def evaluate(x: Tensor) -> tuple[float, Tensor]:
        nonlocal best, lowest
        x = x.detach().clone().requires_grad_()
        parts = objective(x)
        loss = torch.stack(list(parts.values())).sum()
        (gradient,) = torch.autograd.grad(loss, x)
        value, *values = torch.stack([loss, *parts.values()]).tolist()
        if value < lowest:
            best, lowest = Descended(x.detach(), dict(zip(parts, values, strict=True))), value
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
            _between(box, start, steps, evaluate, tell)
    except KeyboardInterrupt:
        best.interrupted = True
    return best


def _between(
    box: Box, start: Tensor, steps: int, evaluate: Callable[[Tensor], tuple[float, Tensor]], tell: Callable[[], None]
) -> None:
    variable = start.detach().clone().clamp_(box.low, box.high)
    optimizer = BoundedLBFGS(variable, HISTORY, box=(box.low, box.high), unit=box.unit, metric=box.metric)

    def closure() -> float:
        value, variable.grad = evaluate(variable)
        return value

    for _ in range(steps):
        optimizer.step(closure)
        tell()


def ahead(objective: SoundObjective, start: Tensor, box: Box, steps: int) -> Tensor:
    """Where about `steps` updates from `start` [N, bins] lead, at a small part of the cost.

    Frames move along the few directions that content, styles and start have most of, which losses of inner products
    see as so many frequencies; what they have of others stays. Bounds are kept at the end alone.
    """
    counting = [(objective.content_weight, objective.content), *objective.styles, (1.0, start)]
    rows = torch.cat([x for weight, x in counting if weight])
    if not all(bank.turns for bank in objective.banks) or start.shape[1] <= 2 * DIRECTIONS:
        return start
    turn = _directions(rows)
    styles = [(share, x @ turn) for share, x in objective.styles]
    weights = objective.style_weight, objective.content_weight
    few = SoundObjective(objective.banks, objective.content @ turn, styles, *weights, objective.rhythm, objective.extra)
    begin, free = start @ turn, torch.full_like(box.low, math.inf)
    size = float(begin.square().mean().sqrt() / start.square().mean().sqrt().clamp_min(1e-12))
    found = descend(few, begin, steps, box=Box(-free, free, box.unit * size)).x
    return (start + (found - begin) @ turn.T).clamp(box.low, box.high)


def _directions(rows: Tensor) -> Tensor:
    """The orthonormal [bins, DIRECTIONS] that rows [N, bins] have nearly most of.

    Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithm 4.4 with one power iteration.
    """
    drawn = torch.randn(len(rows), DIRECTIONS, generator=torch.Generator().manual_seed(0)).to(rows)
    found = torch.linalg.qr(rows.T @ drawn)[0]
    made: Tensor = torch.linalg.qr(rows.T @ (rows @ found))[0]
    return made
