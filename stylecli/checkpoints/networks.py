"""What checkpoints need to know of each network of ours: how to build it, store its shape, and run its sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stylecli.checkpoints import stylegan2_formats
from stylecli.checkpoints.vgg_formats import stored_config
from stylecli.nets.style_generator import StyleGenerator
from stylecli.nets.stylegan1 import StyleGAN1
from stylecli.nets.stylegan2 import StyleGAN2
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


def _latent() -> dict[str, Tensor]:
    # As many numbers as the widest z of a known file has; each network takes the first it needs.
    return {"z": torch.randn(1, 512, generator=torch.Generator().manual_seed(0)), "label": torch.zeros(1)}


def _generated(net: StyleGenerator, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    label = inputs["label"].long() if net.config.classes else None
    w = net.mapping(inputs["z"][:, : net.config.z_dim], label)
    return {"w": w, "picture": net.synthesize(w[:, None].expand(-1, len(net.pixels), -1), net.noises())}


NETWORKS = {
    "vgg": Network(VGG, stored_config, _picture, _features),
    "stylegan1": Network(StyleGAN1, stylegan2_formats.stored_config, _latent, _generated),
    "stylegan2": Network(StyleGAN2, stylegan2_formats.stored_config, _latent, _generated),
}
"""By the name that `Format.network` and our own files say."""
