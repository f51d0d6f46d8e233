"""One row of the table of checkpoint formats: what tells a layout of tensors, and what it becomes."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from stylecli.checkpoints.header import OURS
from stylecli.errors import WeightsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Shape = tuple[int | None, ...]
Converted = tuple[object, dict[str, Tensor]]
Options = dict[str, object]
"""A config as it is stored, JSON of a stranger: each layout checks what it takes of it."""

Converter = Callable[[dict[str, Tensor], Options], Converted]

LAST_PASS = r"(.+\.)?(output|f?grad\w+|finput|gradInput|_\w+)"
"""What modules of Torch 7 keep of their last pass."""


def stored_config(config: "DataclassInstance") -> Options:
    """A network's config as our own files keep it, which the layout `ours` reads back."""
    made: Options = json.loads(json.dumps(asdict(config)))
    return made


@dataclass(frozen=True)
class Format:
    """One known layout of tensors.

    Attributes:
        name: What people call it.
        network: The network of ours that it becomes (`vgg`), see `networks`.
        required: Tensor name to shape.
        convert: Tensors and stored config to (config, state of ours).
        spares: Patterns of names that are known and not used.
    """

    name: str
    network: str
    required: Mapping[str, Shape]
    convert: Converter
    spares: tuple[str, ...] = ()

    def missing(self, tensors: Mapping[str, Tensor]) -> list[str]:
        """What keeps `tensors` from being of this format, one phrase each; empty when they are."""
        lacks = []
        for name, shape in self.required.items():
            if name not in tensors:
                lacks.append(f"no {name}")
            elif not _fits(tensors[name].shape, shape):
                lacks.append(f"{name} is {list(tensors[name].shape)}, not {_shown(shape)}")
        return lacks

    def used(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`tensors` without the known spares."""
        return {key: value for key, value in tensors.items() if not any(re.fullmatch(s, key) for s in self.spares)}


def own(network: str, required: Mapping[str, Shape], convert: Converter) -> Format:
    """The row of what `save_network` writes."""
    return Format(OURS[network], network, required, convert, (r"sample\..+",))


def taken(tensors: Mapping[str, Tensor], name: str, shape: Shape | None = None) -> Tensor:
    """One of the tensors.

    Raises:
        WeightsError: There is none, or it has another shape.
    """
    if name not in tensors:
        raise WeightsError(f"{name} is missing", "the file is incomplete, or of another version")
    if shape and not _fits(tensors[name].shape, shape):
        raise WeightsError(f"{name} is {list(tensors[name].shape)}, not {_shown(shape)}")
    return tensors[name]


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))


def _shown(shape: Shape) -> str:
    return "[" + ", ".join("any" if extent is None else str(extent) for extent in shape) + "]"
