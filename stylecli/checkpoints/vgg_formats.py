"""The dialects of VGG: how each names its convolutions and scales its pixels.

Caffe-style networks take BGR in 0..255 minus (103.939, 116.779, 123.68); torchvision's take RGB in [0, 1] minus the
ImageNet mean, divided by its deviation; `vgg_normalised.pth` and compressed encoders carry their own first 1x1
convolution. Torchvision's and Caffe's files share their tensor names; a known value tells them apart.
"""

import json
import re
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from stylecli.errors import WeightsError
from stylecli.nets.vgg import VGGConfig

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


def ours(tensors: dict[str, Tensor], config: dict[str, Any]) -> Converted:
    """Our own layout: names are the network's, the config is stored beside them."""
    try:
        widths = tuple(tuple(int(width) for width in block) for block in config["widths"])
        maps = tuple((str(layer), int(wide)) for layer, wide in config["maps"])
        return VGGConfig(widths, str(config["padding"]), bool(config["ceil_mode"]), maps), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError("a stylecli VGG without its config", "the file was changed after it was written") from error


def stored_config(config: VGGConfig) -> dict[str, Any]:
    """What `ours` reads back."""
    return json.loads(json.dumps(vars(config)))


def numbered(tensors: dict[str, Tensor], config: dict[str, Any]) -> Converted:
    """`features.N.weight`: a gap of two between convolutions of a block, of three across its pooling."""
    scale = config.get("pixels", "auto")
    if scale == "auto":
        scale = _known_scale(tensors["features.0.weight"])
    return _sequential(tensors, r"features\.(\d+)\.(weight|bias)", gap=2, preprocess=pixels(scale))


def normalised(tensors: dict[str, Tensor], config: dict[str, Any]) -> Converted:
    """`vgg_normalised.pth`: its first 1x1 convolution is the preprocessing, then pad, convolution, ReLU in threes."""
    preprocess = tensors["0.weight"][:, :, 0, 0], tensors["0.bias"]
    rest = {key: value for key, value in tensors.items() if not key.startswith("0.")}
    built, state = _sequential(rest, r"(\d+)\.(weight|bias)", gap=3, preprocess=preprocess)
    return replace(built, padding="reflect", ceil_mode=True), state


def named(tensors: dict[str, Tensor], config: dict[str, Any]) -> Converted:
    """Gatys' `vgg_conv.pth`: `conv1_1.weight`, Caffe's pixels."""
    names = sorted({key.partition(".")[0] for key in tensors}, key=_position)
    return _assemble({name: (tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names}, pixels("caffe"))


def distilled(tensors: dict[str, Tensor], config: dict[str, Any]) -> Converted:
    """Collaborative Distillation: `convBJ`, reflection padding, `convB1_aux` are the linear maps, `conv0` the pixels."""
    matches = [re.fullmatch(r"conv([1-5])([1-4])\.weight", key) for key in tensors]
    names = sorted(f"conv{m[1]}_{m[2]}" for m in matches if m)
    convs = {n: tuple(tensors[f"{n.replace('_', '')}.{kind}"] for kind in ("weight", "bias")) for n in names}
    built, state = _assemble(convs, (tensors["conv0.weight"][:, :, 0, 0], tensors["conv0.bias"]))
    maps = []
    for name in names:
        key = f"{name.replace('_', '')}_aux"
        if f"{key}.weight" in tensors:
            layer = name.replace("conv", "relu")
            maps.append((layer, tensors[f"{key}.weight"].shape[0]))
            state |= {f"maps.{layer}.{kind}": tensors[f"{key}.{kind}"] for kind in ("weight", "bias")}
    return replace(built, padding="reflect", maps=tuple(maps)), state


def _sequential(tensors: dict[str, Tensor], pattern: str, gap: int, preprocess: tuple[Tensor, Tensor]) -> Converted:
    found: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        match = re.fullmatch(pattern, key)
        if not match:
            raise WeightsError(f"a VGG with a tensor that is not of one: {key}")
        found.setdefault(int(match[1]), {})[match[2]] = value
    convs, block, index, before = {}, 1, 0, None
    for number in sorted(found):
        block, index = (block + 1, 1) if before is not None and number - before > gap else (block, index + 1)
        convs[f"conv{block}_{index}"] = (found[number]["weight"], found[number]["bias"])
        before = number
    return _assemble(convs, preprocess)


def _assemble(convs: dict[str, Any], preprocess: tuple[Tensor, Tensor]) -> Converted:
    state = {"preprocess": preprocess[0], "preprocess_bias": preprocess[1]}
    widths: list[list[int]] = []
    for name, (weight, bias) in convs.items():
        if _position(name)[1] == 1:
            widths.append([])
        widths[-1].append(weight.shape[0])
        state |= {f"convs.{name}.weight": weight, f"convs.{name}.bias": bias}
    return VGGConfig(tuple(tuple(block) for block in widths)), state


def _position(name: str) -> tuple[int, int]:
    block, _, index = name.removeprefix("conv").partition("_")
    return int(block), int(index)


def _known_scale(first: Tensor) -> str:
    """The published files tell themselves by their first value; a VGG that somebody trained is taken as torchvision's."""
    return "caffe" if any(abs(float(first[0, 0, 0, 0]) - value) < 5e-4 for value in CAFFE_FIRST) else "torchvision"
