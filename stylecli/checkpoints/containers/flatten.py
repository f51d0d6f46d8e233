"""From nested containers to names: `{"model": {"a": [t]}}` is `model.a.0`."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from stylecli.budget import TENSOR, Budget
from stylecli.checkpoints.containers.pickle_globals import Record
from stylecli.checkpoints.containers.pickle_tensors import View
from stylecli.errors import WeightsError

DEEPEST = 64
LONGEST = 1000
"""Characters of a name."""

_MODULE = ("_parameters", "_buffers", "_modules")
"""Where a pickled `nn.Module` keeps what its state dict would name without them."""


def flatten(tree: object, budget: Budget) -> dict[str, Tensor]:
    """Every tensor in `tree` under its dotted name; one that is there twice shares its memory.

    Raises:
        WeightsError: Nested without end, or two tensors of one name.
        OverBudgetError: More values or longer names than the file can be worth.
    """
    found: dict[str, Tensor] = {}
    made: dict[int, Tensor] = {}
    waiting: list[tuple[int, tuple[str, ...], object]] = [(0, (), tree)]
    while waiting:
        depth, path, value = waiting.pop()
        if depth > DEEPEST:
            raise WeightsError("damaged: nested too deeply, or within itself")
        if isinstance(value, View | np.ndarray):
            if sum(map(len, path)) > LONGEST:
                raise WeightsError(f"damaged: a tensor with a name of more than {LONGEST} characters")
            name = ".".join(path)
            budget.take(len(name), "names that")
            budget.step(TENSOR)
            if name in found:
                raise WeightsError(f"damaged: two tensors named {name[:120]}")
            if id(value) not in made:
                made[id(value)] = value.tensor() if isinstance(value, View) else torch.from_numpy(value)
            found[name] = made[id(value)]
        else:
            # Backwards, so that the stack gives them in the order of the file.
            inside = [*_inside(value)]
            budget.step(len(inside))
            waiting += [(depth + 1, (*path, key) if key else path, inner) for key, inner in inside[::-1]]
    return found


def _inside(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Record):
        for inner in (value.entries, value.state, value.items):
            yield "", inner
    elif isinstance(value, dict):
        for key, inner in value.items():
            # Writing the digits of a very long number can take minutes.
            named = isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**63)
            if named and not isinstance(inner, str | int | float | bytes):
                yield "" if key in _MODULE else str(key), inner
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            if not isinstance(inner, str | int | float | bytes):
                yield str(index), inner
