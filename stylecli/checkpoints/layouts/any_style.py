"""The layouts of any-style networks: pytorch-AdaIN's decoder, MicroAST's four parts, and our own."""

import re
from dataclasses import replace

from torch import Tensor

from stylecli.checkpoints.layouts import vgg
from stylecli.checkpoints.layouts.format import Options
from stylecli.errors import WeightsError
from stylecli.nets.adain import DEEPEST, AdaIN, MirrorDecoder
from stylecli.nets.microast import MicroASTConfig
from stylecli.nets.msgnet import MSGNetConfig
from stylecli.nets.transport import TransportConfig
from stylecli.nets.vgg import VGG, VGGConfig

Widths = tuple[tuple[int, ...], ...]
NUMBERS = (1, 5, 8, 11, 14, 18, 21, 25, 28)
"""Of the convolutions in pytorch-AdaIN's `nn.Sequential`: pad, convolution, ReLU, and upsampling between blocks."""

NAMES = ("conv4_1", "conv3_4", "conv3_3", "conv3_2", "conv3_1", "conv2_2", "conv2_1", "conv1_2", "conv1_1")


def numbered_decoder(tensors: dict[str, Tensor], config: Options) -> tuple[Widths, dict[str, Tensor]]:
    """`decoder.pth` of naoto0804/pytorch-AdaIN: `1.weight` ... `28.weight`."""
    return decoder(
        {
            f"convs.{name}.{kind}": tensors[f"{number}.{kind}"]
            for number, name in zip(NUMBERS, NAMES, strict=True)
            for kind in ("weight", "bias")
            if f"{number}.{kind}" in tensors
        }
        | {key: value for key, value in tensors.items() if int(key.split(".")[0]) not in NUMBERS},
        config,
    )


def torch7_decoder(tensors: dict[str, Tensor], config: Options) -> tuple[Widths, dict[str, Tensor]]:
    """`decoder.t7` of xunhuang1995/AdaIN-style: the same modules, counted from 1."""
    return numbered_decoder(vgg.from_torch7(tensors), config)


def decoder(tensors: dict[str, Tensor], config: Options) -> tuple[Widths, dict[str, Tensor]]:
    """Our own names: `convs.conv4_1.weight`."""
    return _decoder_widths(tensors, "convs."), tensors


def pair(tensors: dict[str, Tensor], config: Options) -> tuple[VGGConfig, dict[str, Tensor]]:
    """Our own file of both halves: `vgg.convs.conv1_1.weight`, `decoder.convs.conv1_1.weight`."""
    inner = config.get("vgg")
    built, _ = vgg.ours({}, inner if isinstance(inner, dict) else {})
    return replace(built, widths=_vgg_widths(tensors, "vgg.convs."), maps=()), tensors


def build(config: VGGConfig) -> AdaIN:
    """The pair for a VGG's config."""
    return AdaIN(VGG(config, DEEPEST), MirrorDecoder((*config.widths[:3], config.widths[3][:1])))


def transport(tensors: dict[str, Tensor], config: Options) -> tuple[TransportConfig, dict[str, Tensor]]:
    """Our small any-style network; everything is read off the shapes."""
    deep, middle = (
        sum(bool(re.fullmatch(rf"decoder\.{kind}\d+a\.weight", key)) for key in tensors) for kind in ("deep", "middle")
    )
    last, hidden = (_extent(tensors, f"{name}.weight") for name in ("decoder.conv2_last", "hidden"))
    noise = "decoder.conv8_skip.weight" in tensors
    return TransportConfig(VGGConfig(_vgg_widths(tensors, "vgg.convs.")), deep, middle, last, hidden, noise), tensors


MICROAST = (
    (r"(content|style)_encoder\.enc1\.", r"\1_encoder."),
    (r"(content|style)_encoder\.enc2\.0\.", r"\1_encoder.11."),
    (r"modulator\.weight([12])\.0\.", lambda match: f"weights.{int(match[1]) - 1}."),
    (r"modulator\.bias([12])\.0\.", lambda match: f"biases.{int(match[1]) - 1}."),
    (r"decoder\.dec([12])\.", lambda match: f"blocks.{int(match[1]) - 1}."),
    (r"decoder\.dec3\.", "up."),
    (r"\.conv_layer\.", "."),
)
"""Their names to ours; all else is in the order of the layers."""


def microast(tensors: dict[str, Tensor], config: Options) -> tuple[MicroASTConfig, dict[str, Tensor]]:
    """EndyWon/MicroAST: four state dicts in a folder, `decoder.dec1.conv1.conv_layer.weight`; or our own names."""
    state = {}
    for key, value in tensors.items():
        name = key
        for theirs, ours in MICROAST:
            name = re.sub(theirs, ours, name)
        state[name] = value
    return MicroASTConfig(_extent(state, "content_encoder.0.weight")), state


def msgnet(tensors: dict[str, Tensor], config: Options) -> tuple[MSGNetConfig, dict[str, Tensor]]:
    """`21styles.model` of zhanghang1989/PyTorch-Multi-Style-Transfer; its way down is there twice."""
    count = sum(bool(re.fullmatch(r"model\.\d+\.conv_block\.5\.conv2d\.weight", key)) for key in tensors) - 2
    blocks = {"model1.3": "down.0", "model1.4": "down.1"} | {f"model.{2 + i}": f"blocks.{i}" for i in range(count)}
    blocks |= {f"model.{2 + count + i}": f"up.{i}" for i in range(2)}
    names = {"model1.0.conv2d": "stem", f"model.{6 + count}.conv2d": "out"}
    for theirs, ours in blocks.items():
        inner = {"conv_block.2": "narrow", "conv_block.5.conv2d": "middle", "conv_block.8": "wide"}
        inner |= {"residual_layer": "skip"} if ours.startswith("down") else {}
        inner |= {"residual_layer.conv2d": "skip"} if ours.startswith("up") else {}
        names |= {f"{theirs}.{a}": f"{ours}.{b}" for a, b in inner.items()}
    state = {"inspiration": tensors["ins.weight"][0]}
    for key, value in tensors.items():
        start, _, kind = key.rpartition(".")
        if start in names:
            state[f"{names[start]}.{kind}"] = value
        elif key != "ins.weight":
            raise WeightsError(f"{key} belongs to no layer")
    return _msgnet_config(state), state


def own_msgnet(tensors: dict[str, Tensor], config: Options) -> tuple[MSGNetConfig, dict[str, Tensor]]:
    """The same under our own names; everything is read off the shapes."""
    return _msgnet_config(tensors), tensors


def _msgnet_config(state: dict[str, Tensor]) -> MSGNetConfig:
    def sizes(name: str) -> tuple[tuple[int, int], ...]:
        narrow, wide = ([_extent(state, f"{name}.{i}.{part}.weight") for i in (0, 1)] for part in ("narrow", "wide"))
        return tuple(zip(narrow, wide, strict=True))

    count = sum(bool(re.fullmatch(r"blocks\.\d+\.narrow\.weight", key)) for key in state)
    inside = _extent(state, "blocks.0.narrow.weight")
    return MSGNetConfig(_extent(state, "stem.weight"), sizes("down"), count, inside, sizes("up"))


def _decoder_widths(tensors: dict[str, Tensor], start: str) -> Widths:
    """Widths of the encoder that a decoder mirrors: input channels of each of its convolutions."""
    found = [_extent(tensors, f"{start}{name}.weight", 1) for name in reversed(NAMES)]
    return tuple(found[:2]), tuple(found[2:4]), tuple(found[4:8]), tuple(found[8:])


def _vgg_widths(tensors: dict[str, Tensor], start: str) -> Widths:
    blocks: dict[int, list[int]] = {}
    found = (re.fullmatch(rf"{re.escape(start)}conv(\d)_(\d)\.weight", key) for key in tensors)
    for block, index in sorted((int(match[1]), int(match[2])) for match in found if match):
        blocks.setdefault(block, []).append(_extent(tensors, f"{start}conv{block}_{index}.weight"))
    return tuple(tuple(widths) for widths in blocks.values())


def _extent(tensors: dict[str, Tensor], name: str, axis: int = 0) -> int:
    if name not in tensors or tensors[name].ndim <= axis:
        raise WeightsError(f"{name} is missing")
    return tensors[name].shape[axis]
