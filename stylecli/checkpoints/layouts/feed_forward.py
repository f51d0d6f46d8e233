"""Feed-forward nets of other repositories, from tensors to a list of layers, and that list as our own files keep it."""

import re
from collections import Counter
from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from stylecli.checkpoints.layouts.format import Options
from stylecli.checkpoints.layouts.layers import MOST, SIGNED, Converted, Layers, apart, counted
from stylecli.checkpoints.layouts.strict_state import ConsumedState
from stylecli.errors import WeightsError
from stylecli.nets.feed_forward import FeedForwardConfig, Step

CAFFE_MEAN = (103.939, 116.779, 123.68)
DEEPEST = 3
WIDEST = 256
"""Pixels of a border."""


def rrmina(tensors: dict[str, Tensor], config: Options) -> Converted:
    """rrmina/fast-neural-style-pytorch: pictures as OpenCV reads them, 150 tanh of what comes out."""
    net = Layers(ConsumedState(tensors))
    for index in (0, 2, 4):
        net.conv(f"ConvBlock.{index}.conv_layer", border="reflect", stride=2 if index else 1)
        net.norm(f"ConvBlock.{index}.norm_layer")
        net.relu()
    for name in counted(net, "ResidualBlock.{}"):
        inside = net.inner()
        for part in ("conv1", "conv2"):
            inside.conv(f"{name}.{part}.conv_layer", border="reflect")
            inside.norm(f"{name}.{part}.norm_layer")
            if part == "conv1":
                inside.relu()
        net.block(inside)
    for index in (0, 2):
        net.conv(f"DeconvBlock.{index}.conv_transpose", (1, 1), up=True, stride=2)
        net.norm(f"DeconvBlock.{index}.norm_layer")
        net.relu()
    net.conv("DeconvBlock.4.conv_layer", border="reflect")
    net.add(Step("tanh", 3, value=150.0))
    return net.finish(FeedForwardConfig((), bgr=True, scale=255.0))


def cyclegan(tensors: dict[str, Tensor], config: Options) -> Converted:
    """junyanz/pytorch-CycleGAN-and-pix2pix, `resnet_6blocks` and `resnet_9blocks`: norms without parameters."""
    # Norms of PyTorch before 0.4 saved statistics that they did not use.
    spare = re.compile(r".+\.(running_(mean|var)|num_batches_tracked)")
    net = Layers(ConsumedState({key: value for key, value in tensors.items() if not spare.fullmatch(key)}))
    for index in (1, 4, 7):
        net.conv(f"model.{index}", border="reflect" if index == 1 else "constant", stride=1 if index == 1 else 2)
        net.norm(channels=net.width)
        net.relu()
    last = 10
    for name in counted(net, "model.{}.conv_block", 10):
        inside, last = net.inner(), last + 1
        # With dropout the second convolution lies one further.
        for part in (1, 6 if f"{name}.6.weight" in net.theirs else 5):
            inside.conv(f"{name}.{part}", border="reflect")
            inside.norm(channels=inside.width)
            if part == 1:
                inside.relu()
        net.block(inside)
    for index in (last, last + 3):
        net.conv(f"model.{index}", (1, 1), up=True, stride=2)
        net.norm(channels=net.width)
        net.relu()
    net.conv(f"model.{last + 7}", border="reflect")
    net.add(Step("tanh", 3, value=1.0))
    return net.finish(SIGNED)


def animegan(tensors: dict[str, Tensor], config: Options) -> Converted:
    """bryandlee/animegan2-pytorch, as `torch.hub` runs it: corners of what is enlarged lie on corners."""
    net = Layers(ConsumedState(tensors))

    def layer(name: str, to: Layers, stride: int = 1, groups: int = 1) -> None:
        to.conv(f"{name}.1", (0, 1) if stride == 2 else None, stride=stride, groups=groups, border="reflect")
        to.norm(f"{name}.2", kind="layer")
        to.relu(0.2)

    for block, strides in (("a", (1, 2, 1)), ("b", (2, 1))):
        for index, stride in enumerate(strides):
            layer(f"block_{block}.{index}", net, stride)
    layer("block_c.0", net)
    last = 1
    for name in counted(net, "block_c.{}.layers", 1):
        inside, last = net.inner(), last + 1
        layer(f"{name}.0", inside)
        layer(f"{name}.1", inside, groups=inside.width)
        inside.conv(f"{name}.2")
        inside.norm(f"{name}.3", kind="layer")
        if inside.width == net.width:
            net.block(inside)
        else:
            for step, tensors_of in apart(inside):
                net.add(step, **tensors_of)
    layer(f"block_c.{last}", net)
    for block, count in (("d", 2), ("e", 3)):
        net.add(Step("bilinear", net.width))
        for index in range(count):
            layer(f"block_{block}.{index}", net)
    net.conv("out_layer.0")
    net.add(Step("tanh", 3, value=1.0))
    return net.finish(SIGNED)


def torch7(tensors: dict[str, Tensor], config: Options) -> Converted:
    """jcjohnson/fast-neural-style `.t7`: its modules say all of themselves; pixels are VGG's of Caffe."""
    said = config.get("opt")
    if (pixels := said.get("preprocessing", "vgg") if isinstance(said, dict) else "vgg") != "vgg":
        raise WeightsError(f"a net for pixels of {str(pixels)[:20]}; those of vgg are known")
    net = Layers(ConsumedState(tensors))
    _read_modules(config.get("modules"), net, 0)
    offset = tuple(-mean for mean in CAFFE_MEAN)
    # What was left over from the last pass.
    spare = re.compile(r"(.+\.)?(output|f?grad\w+|finput|gradInput|save_\w+|running_\w+|bn\..+|buffer\w*|ones|_\w+)")
    net.theirs.left = {key: value for key, value in net.theirs.left.items() if not spare.fullmatch(key)}
    return net.finish(FeedForwardConfig((), bgr=True, scale=255.0, offset=offset, back=offset))


def _read_modules(modules: object, net: Layers, depth: int) -> None:
    """Modules of a Torch 7 Sequential, as `containers.torch7.modules_of` tells them."""
    if not isinstance(modules, list) or depth > DEEPEST or len(net.steps) > MOST:
        raise WeightsError("a Torch 7 net of another kind")
    for module in modules:
        kind, name = str(module["kind"]).partition(".")[2], str(module["name"])
        numbers = Counter({key: int(value) for key, value in module["numbers"].items()})
        if any(not 0 <= numbers[key] <= WIDEST for key in ("padW", "adjW", "dW", "pad_l", "pad_r", "scale_factor")):
            raise WeightsError(f"{name}: a border or stride of no known net")
        if kind in ("SpatialConvolution", "SpatialConvolutionMM"):
            net.conv(name, numbers["padW"], stride=numbers["dW"] or 1)
        elif kind == "SpatialFullConvolution":
            net.conv(name, (numbers["padW"], numbers["adjW"]), up=True, stride=numbers["dW"] or 1)
        elif kind in ("SpatialReflectionPadding", "SpatialReplicationPadding"):
            border = "reflect" if "Reflection" in kind else "replicate"
            net.add(Step("pad", net.width or 3, before=numbers["pad_l"], after=numbers["pad_r"], border=border))
        elif kind == "InstanceNormalization":
            net.norm(name)
        elif kind == "SpatialBatchNormalization":
            weight, bias = net.theirs.layer(name)
            mean, variance = (net.theirs.take(f"{name}.running_{part}") for part in ("mean", "var"))
            scale = weight / (variance + float(module["numbers"].get("eps", 1e-5))).sqrt()
            net.add(Step("affine", len(weight)), weight=scale, bias=bias - mean * scale)
        elif kind == "ReLU":
            net.relu()
        elif kind == "Tanh":
            net.add(Step("tanh", 3, value=1.0))
        elif kind == "MulConstant" and net.steps and net.steps[-1].kind == "tanh":
            net.steps[-1] = replace(net.steps[-1], value=float(module["numbers"].get("constant_scalar", 1)))
        elif kind == "SpatialUpSamplingNearest":
            net.add(Step("nearest", net.width, size=numbers["scale_factor"] or 2))
        elif kind == "Sequential" and len(module["inside"]) == 2:
            inside = net.inner()
            both, added = module["inside"]
            if both["kind"] != "nn.ConcatTable" or added["kind"] != "nn.CAddTable" or len(both["inside"]) != 2:
                raise WeightsError(f"{name}: a block of another kind")
            block, passed = both["inside"]
            if passed["kind"] not in ("nn.Identity", "nn.ShaveImage"):
                raise WeightsError(f"{name}: a block around which {passed['kind'][:40]} passes")
            _read_modules(block["inside"], inside, depth + 1)
            net.block(inside)
        elif kind != "TotalVariation":
            raise WeightsError(f"{name}: a layer of the kind {kind[:40]}")


def ours(tensors: dict[str, Tensor], config: Options) -> Converted:
    """Our own layout: the layers are stored beside the tensors."""
    said: dict[str, Any] = config
    try:
        steps = tuple(_step(told, 0) for told in said["steps"])
        offset, back = (tuple(float(each) for each in said[name]) for name in ("offset", "back"))
        labels = tuple(str(label) for label in said["labels"])
        built = FeedForwardConfig(steps, bool(said["bgr"]), float(said["scale"]), offset, back, labels)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WeightsError("a stylecli net without its config", "the file was changed after it was written") from error
    count = sum(1 + len(step.inside) for step in steps)
    if not (steps and count <= MOST and built.scale and len(offset) == len(back) == 3 and len(labels) <= MOST):
        raise WeightsError("a stylecli net of no known shape", "the file was changed after it was written")
    return built, tensors


def stored_config(config: FeedForwardConfig) -> Options:
    """The config as our own files keep it."""
    said = {each.name: getattr(config, each.name) for each in fields(config)}
    return said | {"steps": [step.told() for step in config.steps]}


_KINDS = ("conv", "up", "pad", "instance", "layer", "affine", "relu", "tanh", "nearest", "bilinear", "residual")
_NUMBERS = frozenset(("channels", "out", "size", "stride", "before", "after", "groups"))
LARGEST = 2**14


def _step(told: object, depth: int) -> Step:
    text, *inside = told if isinstance(told, list) else [told]
    kind, *pairs = str(text).split()
    if kind not in _KINDS or depth > 1:
        raise ValueError(kind)
    values: dict[str, Any] = {}
    for name, _, value in (pair.partition("=") for pair in pairs):
        if name in _NUMBERS:
            values[name] = int(value)
        elif name in ("bias", "affine"):
            values[name] = value == "True"
        else:
            values[name] = float(value) if name == "value" else value
    large = {"channels": LARGEST, "out": LARGEST, "groups": LARGEST}
    if any(isinstance(value, int) and not 0 <= value <= large.get(name, WIDEST) for name, value in values.items()):
        raise ValueError(kind)
    if values.get("border", "constant") not in ("constant", "reflect", "replicate"):
        raise ValueError(kind)
    return Step(kind, **values, inside=tuple(_step(each, depth + 1) for each in inside))
