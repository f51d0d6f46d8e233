"""From a file of any known format to a network of ours."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylecli.checkpoints.container import read_tensors
from stylecli.checkpoints.formats import identify
from stylecli.errors import WeightsError
from stylecli.nets.vgg import VGG, deepest_of

METADATA = "stylecli"
"""The safetensors metadata key under which our own files keep their config, recipe and licence as JSON."""


def load_vgg(
    path: Path,
    layers: Iterable[str] | None = None,
    *,
    pixels: str = "auto",
    pooling: str = "max",
    pool_scale: float = 1.0,
    first_padding: str | None = None,
) -> VGG:
    """The feature network in `path`, up to the deepest of `layers` (None: all of it), in float32, frozen.

    Args:
        path: A file of any VGG dialect.
        layers: Taps that will be asked for.
        pixels: `caffe` or `torchvision` where the file cannot tell; `auto` recognises the published files.
        pooling: `max`, `average` or `l2`.
        pool_scale: Factor on pooled activations.
        first_padding: Border of the first convolution, if not that of the others.

    Raises:
        WeightsError: No VGG, or an incomplete one.
    """
    config, state = converted(path, "vgg", {"pixels": pixels})
    deepest = deepest_of(layers) if layers is not None else None
    net = VGG(config, deepest, pooling=pooling, pool_scale=pool_scale, first_padding=first_padding)
    fill(net, state, str(path), spare_above=True)
    return net.eval().requires_grad_(False)


def converted(path: Path, network: str, options: dict[str, Any]) -> tuple[Any, dict[str, Tensor]]:
    """(config, state) of the network in `path`, which must be a `network`."""
    contents = read_tensors(path)
    known = identify(contents.tensors, str(path))
    if known.network != network:
        raise WeightsError(f"{path}: holds {known.name}, not a {network}", "`stylecli weights list` names the others")
    stored = json.loads(contents.metadata.get(METADATA, "{}")).get("config", {})
    try:
        return known.convert(known.used(contents.tensors), {**stored, **options})
    except WeightsError as error:
        raise WeightsError(f"{path}: {error.message}", error.hint) from error


def fill(net: torch.nn.Module, state: dict[str, Tensor], source: str, *, spare_above: bool = False) -> None:
    """Fill every parameter and buffer of `net` from `state`.

    Args:
        net: A fresh network.
        state: Its tensors by name.
        source: For error messages.
        spare_above: Tensors of layers that were cut off may be left over.

    Raises:
        WeightsError: Something is missing, left over, or of another shape.
    """
    wanted = net.state_dict()
    missing = sorted(set(wanted) - set(state))
    left_over = [] if spare_above else sorted(set(state) - set(wanted))
    wrong = [name for name in wanted if name in state and wanted[name].shape != state[name].shape]
    for names, what in ((missing, "is missing"), (left_over, "belongs to no layer"), (wrong, "has another shape")):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise WeightsError(f"{source}: {names[0]} {what}{more}")
    net.load_state_dict({name: state[name].to(wanted[name].dtype) for name in wanted})
