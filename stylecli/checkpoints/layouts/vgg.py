"""The dialects of VGG: how each names its convolutions and scales its pixels.

Caffe-style networks take BGR in 0..255 minus (103.939, 116.779, 123.68); torchvision's take RGB in [0, 1] minus the
ImageNet mean, divided by its deviation; `vgg_normalised.pth` and compressed encoders carry their own first 1x1
convolution. Torchvision's and Caffe's files share their tensor names; a known value tells them apart.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from stylecli.checkpoints.layouts.format import Options, taken
from stylecli.errors import WeightsError
from stylecli.nets.vgg import LPIPS_LAYERS, VGGConfig

CAFFE_MEAN = (103.939, 116.779, 123.68)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
CAFFE_FIRST = (0.34116, 0.42947)
"""conv1_1.weight[0, 0, 0, 0] of the authors' VGG-19 and VGG-16."""

Converted = tuple[VGGConfig, dict[str, Tensor]]


def pixels(scale: str) -> tuple[Tensor, Tensor]:
    """(matrix [3, 3], bias [3]) that take RGB in [0, 1] to what `caffe` or `torchvision` weights were trained on."""
    if scale == "caffe":
        return torch.eye(3).flip(0) * 255, -torch.tensor(CAFFE_MEAN)
    deviation = torch.tensor(IMAGENET_DEVIATION)
    return torch.diag(1 / deviation), -torch.tensor(IMAGENET_MEAN) / deviation


def ours(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Our own layout: names are the network's, the config is stored beside them."""
    said: dict[str, Any] = config
    try:
        widths = tuple(tuple(int(width) for width in block) for block in said["widths"])
        maps = tuple((str(layer), int(wide)) for layer, wide in said["maps"])
        built = VGGConfig(widths, str(said["padding"]), bool(said["ceil_mode"]), maps)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError("a stylecli VGG without its config", "the file was changed after it was written") from error
    if not {layer for layer, _ in maps} <= set(built.names()):
        raise WeightsError("a stylecli VGG with a map of no layer", "the file was changed after it was written")
    return built, tensors


def numbered(tensors: dict[str, Tensor], config: Options) -> Converted:
    """`features.N.weight`: a gap of two between convolutions of a block, of three across its pooling."""
    scale = str(config.get("pixels", "auto"))
    if scale == "auto":
        scale = _known_scale(tensors["features.0.weight"])
    return _assemble(tensors, _counted(tensors, "features.", 0, gap=2), *pixels(scale))


def normalised(tensors: dict[str, Tensor], config: Options) -> Converted:
    """`vgg_normalised.pth`: its first 1x1 convolution is the preprocessing, then pad, convolution, ReLU in threes."""
    names = _counted(tensors, "", 2, gap=3)
    built, state = _assemble(tensors, names, *_first(tensors, "0"), also=("0.weight", "0.bias"))
    return replace(built, padding="reflect", ceil_mode=True), state


def torch7(tensors: dict[str, Tensor], config: Options) -> Converted:
    """`vgg_normalised.t7` of xunhuang1995/AdaIN-style: the same modules, counted from 1."""
    return normalised(from_torch7(tensors), config)


def from_torch7(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """`modules.3.weight` as PyTorch counts, `2.weight`."""
    names = {key: re.fullmatch(r"modules\.(\d+)\.(weight|bias)", key) for key in tensors}
    if extra := next((key for key, match in names.items() if not match), None):
        raise WeightsError(f"{extra} belongs to no layer")
    return {f"{int(match[1]) - 1}.{match[2]}": tensors[key] for key, match in names.items() if match}


def named(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Gatys' `vgg_conv.pth`: `conv1_1.weight`, Caffe's pixels."""
    return _assemble(tensors, _placed(tensors, r"conv(\d)_(\d)"), *pixels("caffe"))


def distilled(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Collaborative Distillation: `convBJ`, reflection padding, `convBJ_aux` are linear maps, `conv0` the pixels."""
    names = _placed(tensors, r"conv([1-9])(\d)")
    mapped = {name.replace("conv", "relu"): f"{theirs}_aux" for name, theirs in names.items()}
    mapped = {layer: theirs for layer, theirs in mapped.items() if f"{theirs}.weight" in tensors}
    also = [f"{theirs}.{kind}" for theirs in mapped.values() for kind in ("weight", "bias")]
    built, state = _assemble(tensors, names, *_first(tensors, "conv0"), also=("conv0.weight", "conv0.bias", *also))
    for layer, theirs in mapped.items():
        state |= {f"maps.{layer}.{kind}": taken(tensors, f"{theirs}.{kind}") for kind in ("weight", "bias")}
    maps = tuple((layer, tensors[f"{theirs}.weight"].shape[0]) for layer, theirs in mapped.items())
    return replace(built, padding="reflect", maps=maps), state


def _counted(tensors: dict[str, Tensor], prefix: str, first: int, gap: int) -> dict[str, str]:
    """Our names to theirs, where modules are counted: `gap` apart in a block, one more across its pooling."""
    found = (re.fullmatch(rf"{re.escape(prefix)}(\d{{1,3}})\.weight", key) for key in tensors)
    numbers = sorted(int(match[1]) for match in found if match and int(match[1]) >= first)
    names, block, index = {"conv1_1": f"{prefix}{first}"}, 1, 1
    for before, number in pairwise(numbers):
        if number - before not in (gap, gap + 1):
            raise WeightsError(f"{prefix}{before + gap}.weight is missing")
        block, index = (block, index + 1) if number - before == gap else (block + 1, 1)
        names[f"conv{block}_{index}"] = f"{prefix}{number}"
    return names


def _placed(tensors: dict[str, Tensor], pattern: str) -> dict[str, str]:
    """Our names to theirs, where block and index are said; none may be left out."""
    found = [match for key in tensors if (match := re.fullmatch(rf"({pattern})\.weight", key))]
    places = {(int(match[2]), int(match[3])): match[1] for match in found}
    for (block, index), (next_block, next_index) in pairwise([(0, 1), *sorted(places)]):
        if (next_block, next_index) not in ((block, index + 1), (block + 1, 1)):
            raise WeightsError(f"no convolution before {places[next_block, next_index]}")
    return {f"conv{block}_{index}": places[block, index] for block, index in sorted(places)}


def _assemble(
    tensors: dict[str, Tensor], names: dict[str, str], matrix: Tensor, bias: Tensor, also: Iterable[str] = ()
) -> Converted:
    """Config and state from the convolutions `names`, ours to theirs; every tensor must be one of them or in `also`."""
    state, channels = {"preprocess": matrix, "preprocess_bias": bias}, 3
    widths: list[list[int]] = []
    for name, theirs in names.items():
        if name.endswith("_1"):
            widths.append([])
        weight = taken(tensors, f"{theirs}.weight", (None, channels, 3, 3))
        channels = weight.shape[0]
        widths[-1].append(channels)
        state |= {f"convs.{name}.weight": weight, f"convs.{name}.bias": taken(tensors, f"{theirs}.bias", (channels,))}
    known = {*also, *(f"{theirs}.{kind}" for theirs in names.values() for kind in ("weight", "bias"))}
    if extra := next((key for key in tensors if key not in known), None):
        raise WeightsError(f"{extra} belongs to no layer")
    return VGGConfig(tuple(tuple(block) for block in widths)), state


def _first(tensors: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return taken(tensors, f"{name}.weight", (3, 3, 1, 1))[:, :, 0, 0], taken(tensors, f"{name}.bias", (3,))


def _known_scale(first: Tensor) -> str:
    """Published files tell themselves by their first value; a VGG that somebody trained is taken as torchvision's."""
    return "caffe" if any(abs(float(first[0, 0, 0, 0]) - value) < 5e-4 for value in CAFFE_FIRST) else "torchvision"


def lpips(tensors: dict[str, Tensor], config: Options) -> tuple[tuple[int, ...], dict[str, Tensor]]:
    """`lin0.model.1.weight` [1, C, 1, 1] and so on."""
    found = {
        f"layers.{layer}": tensors[f"lin{index}.model.1.weight"].flatten() for index, layer in enumerate(LPIPS_LAYERS)
    }
    return tuple(len(each) for each in found.values()), found
