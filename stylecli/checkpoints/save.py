"""Writing our own files: safetensors with the config, licence, recipe and a stored sample in them."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from stylecli.checkpoints.header import SAMPLE
from stylecli.checkpoints.layouts.networks import NETWORKS
from stylecli.checkpoints.load import METADATA
from stylecli.files import atomic_write

SMALL = 1024
"""Tensors of at most so many values stay float32: it costs nothing, and pixel means need it."""


def save_network(
    net: nn.Module,
    path: Path,
    *,
    network: str,
    config: Mapping[str, object],
    about: Mapping[str, object],
    sample: Mapping[str, Tensor] | None = None,
    half: bool = True,
) -> None:
    """Write `net` under `path`, whole or not at all, with a sample computed from the weights as they are stored.

    Args:
        net: The network.
        path: Where to.
        network: Its family (`vgg`).
        config: What its constructor needs, JSON-able.
        about: Licence, recipe, data, paper; free fields shown by `weights show`.
        sample: Inputs of the sample (`input` [N, 3, H, W]); the family's own small ones when there are none.
        half: Store weights as float16.

    Raises:
        OutputError: It cannot be written.
    """
    tensors = {name: _stored(value.detach().cpu(), half) for name, value in net.state_dict().items()}
    if network in NETWORKS:
        inputs = {
            name: value.detach().cpu().float() for name, value in (sample or NETWORKS[network].inputs(net)).items()
        }
        proof = copy.deepcopy(net).cpu().float().eval()
        proof.load_state_dict(tensors)
        with torch.inference_mode():
            outputs = NETWORKS[network].run(proof, inputs)
        tensors |= {SAMPLE + name: value.clone().contiguous() for name, value in (inputs | outputs).items()}
    metadata = {METADATA: json.dumps({"network": network, "config": config, **about}, sort_keys=True)}
    data = save(tensors, metadata)
    with atomic_write(path) as file:
        file.write(data)


def _stored(value: Tensor, half: bool) -> Tensor:
    if value.is_floating_point():
        rounded = value.half()
        # What float16 cannot hold, it would turn into infinity.
        fits = half and value.numel() > SMALL and bool(rounded.isfinite().all() | ~value.isfinite().all())
        value = rounded if fits else value.float()
    return value.contiguous()
