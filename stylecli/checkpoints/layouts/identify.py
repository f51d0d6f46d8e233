"""Of which format the tensors of a file are; the table itself is `formats`."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from stylecli.checkpoints.layouts import table
from stylecli.checkpoints.layouts.format import Format
from stylecli.errors import WeightsError

WRAPPERS = (
    "params_ema",
    "g_ema",
    "G_ema",
    "Gs",
    "g_running",
    "generator_smooth",
    "generator",
    "ema",
    "state_dict",
    "model_state_dict",
    "params",
    "model",
    "net",
    "module",
)
"""Under which names training files keep a state dict; averaged weights first."""


def identify(tensors: Mapping[str, Tensor]) -> tuple[Format, dict[str, Tensor]]:
    """The one format that `tensors` are of, and its own tensors without spares and wrappers.

    What lies beside the state dict in a training file (optimizer, counters) is no part of the network.

    Raises:
        WeightsError: None matches (the closest is named, and what it misses), or several do.
    """
    seen = [*_views(tensors)]
    for view in seen:
        matching = [known for known in table.FORMATS if not known.missing(view)]
        if len(matching) > 1:
            raise WeightsError(f"matches several formats: {', '.join(known.name for known in matching)}")
        if matching:
            return matching[0], matching[0].used(view)
    if not tensors:
        raise WeightsError("no tensors in it")
    pairs = [(known, known.missing(view)) for view in seen for known in table.FORMATS]
    closest, lacks = min(pairs, key=lambda pair: len(pair[1]) / len(pair[0].required))
    raise WeightsError(
        f"no known network: closest is {closest.name} ({'; '.join(lacks[:3])})",
        f"its {len(tensors)} tensors begin with {ascii(next(iter(tensors)))[1:-1][:60]}; see `stylecli weights list`",
    )


def _views(tensors: Mapping[str, Tensor], depth: int = 3) -> Iterator[Mapping[str, Tensor]]:
    """The tensors as they are, then what is inside known wrappers."""
    yield tensors
    for wrapper in WRAPPERS if depth else ():
        start = f"{wrapper}."
        if inner := {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}:
            yield from _views(inner, depth - 1)
