"""The dialects of texture nets: the authors' Torch 7 files, a PyTorch port, and our own."""

from typing import Any

import torch
from torch import Tensor

from stylecli.checkpoints.layouts.format import Options, taken
from stylecli.errors import WeightsError
from stylecli.nets.texture_net import TextureConfig

Converted = tuple[TextureConfig, dict[str, Tensor]]
CONVOLUTION = (None,) * 4
MOST_SCALES = 10
WIDEST = 1024
"""Channels; a file from a stranger must not decide how much is built."""


def ours(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Our own layout: names are the network's, the config is stored beside them."""
    try:
        fields: dict[str, Any] = config
        built = TextureConfig(**{**fields, **{name: tuple(fields[name]) for name in ("widths", "kernels")}})
        fits = 0 < len(built.widths) <= MOST_SCALES and 0 < len(built.kernels) <= 4
        fits &= all(0 < width <= WIDEST for width in built.widths) and all(
            kernel in (1, 3, 5) for kernel in built.kernels
        )
        fits &= 0 <= built.branch <= WIDEST and 0 < built.channels <= 16 and 0 <= built.content < built.channels + 1
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError("a texture net without its config", "the file was changed after it was written") from error
    fits = fits and built.padding in ("circular", "replicate")
    if not (fits and built.norm in ("batch", "instance") and built.joined in ("both", "deep", "none")):
        raise WeightsError("a texture net of no known shape", "the file was changed after it was written")
    return built, tensors


def port(tensors: dict[str, Tensor], config: Options) -> Converted:
    """JorgeGtz/TextureNets_implementation@09c297a: `cb1_1.conv1.weight`, `cb2_2.bn1.weight`, `up1.bn.weight`."""
    scales = _scales(tensors, "cb{}_1.conv1.weight")
    names = {f"cb{scale}_1": f"branch{scale}" for scale in range(1, scales + 1)}
    names |= {f"cb{scale}_2": f"level{scale}" for scale in range(2, scales + 1)}
    state = {}
    for key, value in tensors.items():
        start, _, rest = key.partition(".")
        if start == "last_conv":
            state[f"out.{rest}"] = value
        elif start.startswith("up") and start[2:].isdecimal():
            state[f"{'branch' if start == 'up1' else 'level'}{start[2:]}.join.{rest.removeprefix('bn.')}"] = value
        elif start in names:
            state[f"{names[start]}.{rest.replace('bn', 'norm')}"] = value
        else:
            raise WeightsError(f"{key} belongs to no layer")
    return _built(state, scales, norm="batch", joined="deep"), state


def readable(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Nets with branches under our names, `branch1.conv1.weight`: our own, or the authors' without a config."""
    if "widths" in config:
        return ours(tensors, config)
    scales = _scales(tensors, "branch{}.conv1.weight")
    channels = taken(tensors, "branch1.conv1.weight", CONVOLUTION).shape[1]
    # Nets with a picture among their inputs are the style nets.
    content = channels - 3
    return _built(tensors, scales, norm="instance", joined="both", content=content, wrapped_border=content > 0), tensors


def torch7(tensors: dict[str, Tensor], config: Options) -> Converted:
    """The authors' files: modules in modules by number, `modules.1.modules.1.modules.2.modules.2.weight`.

    A Sequential is `[Concat of (the one below, a branch), convolutions and norms]`; the deepest is branch 1. In the
    published files every norm of what comes from below was made for 8 channels but runs on 16 to 40, because checks
    were off; all parameters lie in one storage, and the kernel reads on in it: so do we, see `_beyond`.
    """
    state: dict[str, Tensor] = {}
    prefixes = [""]
    while any(key.startswith(f"{prefixes[-1]}modules.1.modules.2.") for key in tensors):
        prefixes.append(f"{prefixes[-1]}modules.1.modules.1.")
        if len(prefixes) > MOST_SCALES:
            raise WeightsError(f"more than {MOST_SCALES} scales")
    count = len(prefixes)
    for index, start in enumerate(prefixes):
        scale = count - index
        if scale == 1:
            state |= _sequence(tensors, start, "", "branch1")
        else:
            state |= _sequence(tensors, start, f"{start}modules.1.modules.", f"level{scale}")
            state |= _sequence(tensors, f"{start}modules.1.modules.2.", "", f"branch{scale}")
    if sum(key.endswith((".weight", ".bias")) for key in tensors) != len(state):
        raise WeightsError("some layers are of no pyramid")
    return readable(state, {})


def _sequence(tensors: dict[str, Tensor], start: str, apart: str, name: str) -> dict[str, Tensor]:
    """The convolutions and norms of a Sequential, in order: `{name}.conv1.weight`, ..., join and out."""
    keys = [
        key.removesuffix("weight")
        for key in tensors
        if key.startswith(start) and key.endswith(".weight") and not (apart and key.startswith(apart))
    ]
    keys.sort(key=lambda key: [int(part) for part in key.split(".") if part.isdecimal()])
    convs, norms = ([key for key in keys if tensors[f"{key}weight"].ndim == axes] for axes in (4, 1))
    if len(convs) + len(norms) != len(keys) or not convs or abs(len(convs) - len(norms)) != 1:
        raise WeightsError(f"{name}: {len(keys)} layers that are no block")
    names = {key: f"{name}.conv{number}." for number, key in enumerate(convs, 1)}
    names |= {key: f"{name}.norm{number}." for number, key in enumerate(norms, 1)}
    if len(convs) > len(norms):
        names[convs[-1]] = "out."
    else:
        names[norms[-1]] = f"{name}.join."
    width = tensors[f"{convs[0]}weight"].shape[0]
    state = {}
    for key, ours in names.items():
        for kind in ("weight", "bias"):
            if f"{key}{kind}" not in tensors:
                raise WeightsError(f"{key}{kind} is missing")
            value = tensors[f"{key}{kind}"]
            state[f"{ours}{kind}"] = _beyond(value, width) if ours.endswith("join.") else value
    return state


def _beyond(tensor: Tensor, count: int) -> Tensor:
    """`count` values from where the vector `tensor` begins in its storage, past its end."""
    there = tensor.untyped_storage().nbytes() // tensor.element_size() - tensor.storage_offset()
    if tensor.ndim != 1 or not 0 < count <= there:
        raise WeightsError(f"a norm of {count} channels with {there} values")
    return torch.as_strided(tensor, (count,), (1,), tensor.storage_offset())


def _built(
    state: dict[str, Tensor], scales: int, norm: str, joined: str, content: int = 0, wrapped_border: bool = False
) -> TextureConfig:
    first = taken(state, "branch1.conv1.weight", CONVOLUTION)
    widths = (
        first.shape[0],
        *(taken(state, f"level{k}.conv1.weight", CONVOLUTION).shape[0] for k in range(2, scales + 1)),
    )
    count = _scales(state, "branch1.conv{}.weight")
    kernels = tuple(taken(state, f"branch1.conv{index}.weight", CONVOLUTION).shape[-1] for index in range(1, count + 1))
    return TextureConfig(
        widths,
        first.shape[0],
        kernels,
        first.shape[1],
        norm=norm,
        joined=joined,
        caffe=True,
        content=content,
        wrapped_border=wrapped_border,
    )


def _scales(tensors: dict[str, Tensor], name: str) -> int:
    count = next(index for index in range(1, MOST_SCALES + 2) if name.format(index) not in tensors) - 1
    if not 1 <= count <= MOST_SCALES:
        raise WeightsError(f"{name.format(1)} is missing")
    return count
