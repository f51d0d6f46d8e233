"""Of which format the tensors of a file are; the rows are in `table`."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from stylecli.checkpoints.layouts import table
from stylecli.checkpoints.layouts.foreign import family_of
from stylecli.checkpoints.layouts.format import Format
from stylecli.errors import WeightsError

WRAPPERS = (
    "params_ema",
    "g_ema",
    "G_ema",
    "Gs",
    "g_running",
    "netG_ema",
    "generator_smooth",
    "generator",
    "ema",
    "state_dict",
    "model_state_dict",
    "params",
    "model_state",
    "model",
    "netG",
    "G",
    "GAN",
    "net",
    "nets",
    "network",
    "module",
    "_orig_mod",
)
"""Under which names training files keep a state dict; averaged weights first."""

DEEPEST = 10
"""Wrappers in wrappers."""

_AROUND = ("module", "_orig_mod")
"""What parallel and compiled training put around a network, or around any part of it."""


def identify(tensors: Mapping[str, Tensor]) -> tuple[Format, dict[str, Tensor]]:
    """The one format that `tensors` are of, and its own tensors without spares and wrappers.

    What lies beside the state dict in a training file (optimizer, counters) is no part of the network.

    Raises:
        WeightsError: None matches (what it is instead is named, or the closest and what it misses), or several do.
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
    if family := next(filter(None, map(family_of, seen)), None):
        raise WeightsError(f"holds {family.name}, which is no network of stylecli", family.mend)
    pairs = [(known, known.missing(view)) for view in seen for known in table.FORMATS]
    closest, lacks = min(pairs, key=lambda pair: len(pair[1]) / len(pair[0].required))
    near = len(lacks) <= len(closest.required) / 2
    raise WeightsError(
        "no known network" + (f": closest is {closest.name} ({'; '.join(lacks[:3])})" if near else ""),
        f"its {len(tensors)} tensors begin with {ascii(next(iter(tensors)))[1:-1][:60]}; see `stylecli weights list`",
    )


def _views(tensors: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The tensors as they are, what is inside known wrappers, and both without what lies around parts of networks."""
    yield from _unwrapped(tensors, DEEPEST)
    bare = {".".join(part for part in key.split(".") if part not in _AROUND): value for key, value in tensors.items()}
    if len(bare) == len(tensors) and bare.keys() != tensors.keys():
        yield from _unwrapped(bare, DEEPEST)


def _unwrapped(tensors: Mapping[str, Tensor], depth: int) -> Iterator[Mapping[str, Tensor]]:
    yield tensors
    inside: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        wrapper, _, name = key.partition(".")
        inside.setdefault(wrapper, {})[name] = value
    for wrapper in WRAPPERS if depth else ():
        if wrapper in inside:
            yield from _unwrapped(inside[wrapper], depth - 1)
