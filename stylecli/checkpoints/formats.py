"""THE table of checkpoint formats: what tells each one, what may be spare, and how it becomes a network of ours.

A row matches when every required name is there with its shape (None = any extent). Names and shapes decide, never the
file's name. Conversion is total both ways: every tensor is used or on the row's list of spares, and `load` checks that
every parameter and buffer of ours was filled.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from stylecli.checkpoints import vgg_formats
from stylecli.errors import WeightsError

Shape = tuple[int | None, ...]
Converted = tuple[Any, dict[str, Tensor]]


@dataclass(frozen=True)
class Format:
    """One known layout of tensors.

    Attributes:
        name: What people call it.
        network: The network of ours that it becomes (`vgg`).
        required: Tensor name to shape.
        convert: Tensors and stored config to (config, state of ours).
        spares: Patterns of names that are known and not used.
    """

    name: str
    network: str
    required: Mapping[str, Shape]
    convert: Callable[[dict[str, Tensor], dict[str, Any]], Converted]
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


FORMATS = (
    Format("stylecli VGG", "vgg", {"convs.conv1_1.weight": (None, 3, 3, 3), "preprocess": (3, 3)}, vgg_formats.ours),
    Format(
        "VGG, torchvision or Caffe-style",
        "vgg",
        {"features.0.weight": (64, 3, 3, 3), "features.2.weight": (64, 64, 3, 3), "features.5.weight": (128, 64, 3, 3)},
        vgg_formats.numbered,
        (r"classifier\.\d\.(weight|bias)",),
    ),
    Format(
        "VGG, Gatys' vgg_conv",
        "vgg",
        {"conv1_1.weight": (64, 3, 3, 3), "conv1_2.weight": (64, 64, 3, 3)},
        vgg_formats.named,
    ),
    Format(
        "VGG-19, normalised (AdaIN)",
        "vgg",
        {"0.weight": (3, 3, 1, 1), "2.weight": (64, 3, 3, 3), "5.weight": (64, 64, 3, 3), "9.weight": (128, 64, 3, 3)},
        vgg_formats.normalised,
    ),
    Format(
        "VGG-19, compressed by Collaborative Distillation",
        "vgg",
        {"conv0.weight": (3, 3, 1, 1), "conv11.weight": (None, 3, 3, 3), "conv12.weight": (None, None, 3, 3)},
        vgg_formats.distilled,
    ),
)


def identify(tensors: Mapping[str, Tensor], source: str) -> Format:
    """The one format that `tensors` are of.

    Raises:
        WeightsError: None matches (the closest is named, and what it misses), or several do.
    """
    matching = [known for known in FORMATS if not known.missing(tensors)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise WeightsError(f"{source}: matches several formats: {', '.join(known.name for known in matching)}")
    closest = min(FORMATS, key=lambda known: len(known.missing(tensors)) / len(known.required))
    lacks = "; ".join(closest.missing(tensors)[:3])
    raise WeightsError(
        f"{source}: no known network: closest is {closest.name} ({lacks})",
        "`stylecli weights list` shows what can be used; `stylecli weights check FILE` shows what is in a file",
    )


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))


def _shown(shape: Shape) -> str:
    return "[" + ", ".join("any" if extent is None else str(extent) for extent in shape) + "]"
