"""What checkpoints need to know of each network of ours: how to build it, store its shape, and run its sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stylecli.checkpoints import transformer_formats, vgg_formats
from stylecli.nets.transformer import TransformerNet
from stylecli.nets.vgg import VGG


@dataclass(frozen=True)
class Network:
    """One network.

    Attributes:
        build: Config to a fresh module.
        stored: Config to what our own files keep of it as JSON.
        inputs: Inputs of a small sample, by name, the same every time.
        run: A module and sample inputs to outputs by name.
    """

    build: Callable[[Any], nn.Module]
    stored: Callable[[Any], dict[str, Any]]
    inputs: Callable[[], dict[str, Tensor]]
    run: Callable[[Any, dict[str, Tensor]], dict[str, Tensor]]


def _picture() -> dict[str, Tensor]:
    return {"input": torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))}


def _features(net: VGG, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return net(inputs["input"], [name for name in net.names if name.startswith("relu") and name.endswith("_1")])


def _painted(net: TransformerNet, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    # All styles in even shares: no row of (gamma, beta) goes unproved.
    return {"output": net(inputs["input"])}


NETWORKS = {
    "vgg": Network(VGG, vgg_formats.stored_config, _picture, _features),
    "transformer": Network(TransformerNet, transformer_formats.stored_config, _picture, _painted),
}
"""By the name that `Format.network` and our own files say."""
