"""Writing our own files: safetensors with the config, licence, recipe and a stored sample in them."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from stylecli.checkpoints.load import METADATA
from stylecli.files import atomic_write

SAMPLE = "sample."
"""Prefix of the tensors that prove a network: `sample.input` and what it must give."""


def save_network(
    net: nn.Module,
    path: Path,
    *,
    network: str,
    config: dict[str, Any],
    about: dict[str, Any],
    sample: dict[str, Tensor],
    half: bool = True,
) -> None:
    """Write `net` under `path`, whole or not at all.

    Args:
        net: The network.
        path: Where to.
        network: Its family (`vgg`).
        config: What its constructor needs, JSON-able.
        about: Licence, recipe, data, paper; free fields shown by `weights show`.
        sample: `input` and named outputs, computed from the weights as they are stored.
        half: Store float16.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {name: value.detach().cpu().to(dtype).contiguous() for name, value in net.state_dict().items()}
    tensors |= {SAMPLE + name: value.detach().cpu().half().contiguous() for name, value in sample.items()}
    metadata = {METADATA: json.dumps({"network": network, "config": config, **about}, sort_keys=True)}
    with atomic_write(path) as file:
        file.write(save(tensors, metadata))
