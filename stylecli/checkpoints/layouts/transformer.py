"""The dialects of the transformation net: pytorch/examples, the same as ONNX, lengstrom's models, and our own."""

import re
from collections.abc import Callable
from typing import Any

from torch import Tensor

from stylecli.checkpoints.layouts.format import Options, taken
from stylecli.errors import WeightsError
from stylecli.nets.transformer_config import TransformerConfig

Converted = tuple[TransformerConfig, dict[str, Tensor]]
LARGEST = 100
"""Blocks; a file from a stranger must not decide how much is built."""


def ours(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Our own layout: names are the network's, the config is stored beside them."""
    said: dict[str, Any] = config
    try:
        styles = tuple(str(style) for style in said["styles"])
        widths, blocks = (tuple(int(number) for number in said[name]) for name in ("widths", "blocks"))
        stem, norm, pixels = int(said["stem"]), str(said["norm"]), float(said["pixels"])
        tensorflow, colors = bool(said["tensorflow"]), bool(said["colors"])
        # Nets of before there were noise and looks do not say that they have none.
        noise = bool(said.get("noise", False))
        looks = tuple((str(layer), int(channels)) for layer, channels in said.get("looks", ()))
        built = TransformerConfig(styles, widths, blocks, stem, norm, tensorflow, pixels, colors, noise, looks)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError("a stylecli net without its config", "the file was changed after it was written") from error
    fits = styles and widths and len(blocks) <= len(widths) <= 10 and all(0 <= b <= LARGEST for b in blocks)
    fits = fits and len(looks) <= LARGEST and all(0 < channels <= 2048 for _, channels in looks)
    if not (fits and stem in (1, 2) and norm in ("instance", "batch")):
        raise WeightsError("a stylecli net of no known shape", "the file was changed after it was written")
    return built, tensors


def examples(tensors: dict[str, Tensor], config: Options) -> Converted:
    """pytorch/examples@77f55b9: `conv1.conv2d.weight`, `in1.weight`, `res1.in1.weight`, `deconv3.conv2d.weight`."""
    return _translated(tensors, r"(res\d+\.)?(conv|deconv)\d\.conv2d\.weight", TransformerConfig, _examples_names)


def lengstrom(tensors: dict[str, Tensor], config: Options) -> Converted:
    """lengstrom/fast-style-transfer, published as `conv1.conv.weight`, `res1.conv1.norm.bias`, `up1.conv.weight`."""
    return _translated(
        tensors,
        r"(res\d+\.conv|conv|up)\d\.conv\.weight",
        lambda **shape: TransformerConfig(tensorflow=True, **shape),
        _lengstrom_names,
    )


def onnx(tensors: dict[str, Tensor], config: Options) -> Converted:
    """onnx/models' `mosaic-9.onnx`: the net of pytorch/examples, its convolutions in order, `Conv.0.weight`."""
    told = config.get("layers")
    blocks = (sum(key.startswith("Conv.") for key in tensors) // 2 - 6) // 2
    norm, up = (
        ["InstanceNormalization", "Relu"],
        ["nearest", "Pad reflect pad=1", "Conv", "InstanceNormalization", "Relu"],
    )
    block = ["Pad reflect pad=1", "Conv", *norm, "Pad reflect pad=1", "Conv", norm[0], "Add"]
    down = ["Pad reflect pad=4", "Conv", *norm, *["Pad reflect pad=1", "Conv stride=2", *norm] * 2]
    wanted = [*down, *block * blocks, *up * 2, "Pad reflect pad=4", "Conv"]
    # Enlarging has two names; later exporters compute the width of borders where this reader does not look.
    fits = lambda said, want: said in (want, f"Upsample {want}", f"Resize {want}", want.partition(" pad=")[0])
    if not isinstance(told, list) or len(told) != len(wanted) or not all(map(fits, told, wanted)):
        raise WeightsError(
            "an ONNX model of other layers than the transformation net of pytorch/examples",
            "those of onnx/models' fast_neural_style can be read",
        )
    order = [layer.name for layer in TransformerConfig(blocks=(blocks,)).layers()]
    place = {name: (f"Conv.{i}.", f"InstanceNormalization.{i}.") for i, name in enumerate(order)}
    return _translated(tensors, r"Conv\.\d+\.weight", TransformerConfig, lambda layer: place[layer])


def tensorflow(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Checkpoints of lengstrom/fast-style-transfer: `Variable`, `Variable_1`, ... filters, shift and scale a layer."""
    count = len(tensors) // 3
    shape = TransformerConfig(blocks=((count - 6) // 2,), tensorflow=True)
    state: dict[str, Tensor] = {}
    for index, layer in enumerate(shape.layers()):
        weight, shift, scale = (
            taken(tensors, f"Variable_{number}" if number else "Variable") for number in range(3 * index, 3 * index + 3)
        )
        if weight.ndim != 4:
            raise WeightsError(f"the filters of layer {index} are {list(weight.shape)}")
        conv, norm = _lengstrom_names(layer.name)
        state |= {f"{conv}weight": weight.permute(3, 2, 0, 1), f"{norm}bias": shift, f"{norm}weight": scale}
    if len(state) != len(tensors):
        raise WeightsError(f"{len(tensors) - len(state)} variables belong to no layer")
    return lengstrom(state, config)


def _translated(
    tensors: dict[str, Tensor],
    convolution: str,
    build: Callable[..., TransformerConfig],
    names: Callable[[str], tuple[str, str]],
) -> Converted:
    """Config from the shapes, then every tensor of ours from theirs; what is left over belongs to no layer."""
    count = sum(bool(re.fullmatch(convolution, key)) for key in tensors)
    # Three on the way down, three on the way up, two a block.
    shape = tuple(taken(tensors, names(f"down{level}")[0] + "weight").shape[0] for level in (1, 2, 3))
    config = build(widths=shape, blocks=((count - 6) // 2,))
    state, used = {}, set()
    for layer in config.layers():
        conv, norm = names(layer.name)
        for kind in ("weight",) if config.tensorflow else ("weight", "bias"):
            state[f"convs.{layer.name}.{kind}"] = taken(tensors, f"{conv}{kind}")
            used.add(f"{conv}{kind}")
        for row, kind in (("gamma", "weight"), ("beta", "bias")) if layer.normed else ():
            state[f"norms.{layer.name}.{row}"] = taken(tensors, f"{norm}{kind}")[None]
            used.add(f"{norm}{kind}")
    if extra := next((key for key in tensors if key not in used), None):
        raise WeightsError(f"{extra} belongs to no layer")
    return config, state


def _examples_names(layer: str) -> tuple[str, str]:
    """Prefixes of a layer's convolution and norm."""
    if block := re.fullmatch(r"block0_(\d+)([ab])", layer):
        part = "ab".index(block[2]) + 1
        return f"res{block[1]}.conv{part}.conv2d.", f"res{block[1]}.in{part}."
    kind, number = ("deconv", 3) if layer == "out" else (layer[:-1], int(layer[-1]))
    conv = "conv" if kind == "down" else "deconv"
    return f"{conv}{number}.conv2d.", f"in{number + 3 * (conv == 'deconv')}."


def _lengstrom_names(layer: str) -> tuple[str, str]:
    if block := re.fullmatch(r"block0_(\d+)([ab])", layer):
        start = f"res{block[1]}.conv{'ab'.index(block[2]) + 1}."
    else:
        start = "conv4." if layer == "out" else f"{layer.replace('down', 'conv')}."
    return f"{start}conv.", f"{start}norm."
