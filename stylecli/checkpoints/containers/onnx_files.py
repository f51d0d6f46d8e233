"""ONNX files read as data: tensors by the layers that use them, and the layers in order. No graph is run.

A tensor of the third convolution is `Conv.2.weight`, whatever the exporter called it. `told["layers"]` lists what the
picture passes, in the order of the file, which is the order of computation: `Pad reflect`, `Conv stride=2`,
`InstanceNormalization`. What is computed of sizes alone is left out.
"""

import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stylecli.budget import TENSOR, Budget
from stylecli.checkpoints.containers.pickle_tensors import MOST_AXES
from stylecli.checkpoints.containers.protobuf import Message, fields, packed
from stylecli.errors import WeightsError

NUMBERS = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64, 16: torch.bfloat16,
}  # fmt: skip
KNOWN = "those of onnx/models' fast_neural_style can be read"
SLOTS = {
    "Conv": ("weight", "bias"),
    "ConvTranspose": ("weight", "bias"),
    "InstanceNormalization": ("weight", "bias"),
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "Gemm": ("weight", "bias"),
    "PRelu": ("weight",),
}
"""Inputs of a layer behind the first that are its parameters."""


@dataclass
class _Node:
    kind: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    said: dict[str, object] = field(default_factory=dict)


def read_onnx(data: memoryview, budget: Budget) -> tuple[dict[str, Tensor], list[str]]:
    """(tensors, layers), see above.

    Raises:
        WeightsError: Damaged, or with its numbers in other files.
    """
    graph = next((value for number, value in fields(Message(data, 0, len(data)), budget) if number == 7), None)
    if not isinstance(graph, Message):
        raise WeightsError("an ONNX model without a graph", "fetch it again")
    nodes, constants, inputs = [], {}, []
    for number, value in fields(graph, budget):
        if not isinstance(value, Message):
            continue
        if number == 1:
            nodes.append(_node(value, budget))
        elif number == 5:
            name, made = _tensor(value, budget)
            constants[name] = made
        elif number == 11:
            inputs += [part.text() for key, part in fields(value, budget) if key == 1 and isinstance(part, Message)]
    # Exporters of old list the parameters among the inputs too.
    passing = {name for name in inputs if name not in constants}
    found: dict[str, Tensor] = {}
    layers, counts = [], Counter[str]()
    for node in nodes:
        if node.kind == "Constant" and isinstance(constant := node.said.get("value"), Tensor):
            constants |= dict.fromkeys(node.outputs, constant)
        if node.kind == "Identity" and node.inputs and node.inputs[0] in constants:
            # Exporters keep equal numbers once.
            constants |= dict.fromkeys(node.outputs, constants[node.inputs[0]])
        if node.kind in ("Shape", "Size") or not passing.intersection(node.inputs):
            continue
        passing.update(node.outputs)
        for slot, name in zip(SLOTS.get(node.kind, ()), node.inputs[1:], strict=False):
            if name not in constants:
                raise WeightsError(f"an ONNX model whose {node.kind} takes no numbers of the file", KNOWN)
            budget.step(TENSOR)
            found[f"{node.kind}.{counts[node.kind]}.{slot}"] = constants[name]
        counts[node.kind] += 1
        layers.append(_told(node, constants))
    return found, layers


def _told(node: _Node, constants: Mapping[str, Tensor]) -> str:
    said = [node.kind]
    if mode := node.said.get("mode"):
        said.append(str(mode))
    strides = _whole(node, "strides")
    if any(stride != 1 for stride in strides):
        said.append(f"stride={strides[0]}")
    if node.said.get("group", 1) != 1:
        said.append(f"group={node.said['group']}")
    borders = constants.get(node.inputs[1]) if node.kind == "Pad" and len(node.inputs) > 1 else None
    pads = _whole(node, "pads") or (borders.tolist() if borders is not None else [])
    if any(pads):
        said.append(f"pad={max(pads)}")
    return " ".join(said)


def _whole(node: _Node, name: str) -> list[int]:
    said = node.said.get(name)
    return [number for number in said if isinstance(number, int)] if isinstance(said, list) else []


def _node(message: Message, budget: Budget) -> _Node:
    node = _Node()
    for number, value in fields(message, budget):
        if not isinstance(value, Message):
            continue
        if number == 1:
            node.inputs.append(value.text())
        elif number == 2:
            node.outputs.append(value.text())
        elif number == 4:
            node.kind = value.text()[:100]
        elif number == 5:
            name, said = _attribute(value, budget)
            node.said[name] = said
    return node


def _attribute(message: Message, budget: Budget) -> tuple[str, object]:
    name, several = "", list[int]()
    said: object = None
    for number, value in fields(message, budget):
        if number == 1 and isinstance(value, Message):
            name = value.text()
        elif number == 2 and isinstance(value, Message):
            (said,) = struct.unpack("<f", value.bytes())
        elif number == 3:
            said = value
        elif number == 4 and isinstance(value, Message):
            said = value.text()
        elif number == 5 and isinstance(value, Message):
            said = _tensor(value, budget)[1]
        elif number == 8:
            several += packed(value, budget)
    return name, several or said


def _tensor(message: Message, budget: Budget) -> tuple[str, Tensor]:
    name, kind, shape = "", 0, []
    raw: memoryview | None = None
    for number, value in fields(message, budget):
        if number == 1:
            shape += packed(value, budget)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8 and isinstance(value, Message):
            name = value.text()
        elif number in (4, 9, 10) and isinstance(value, Message):
            # Packed floats are as raw numbers are.
            raw = value.bytes()
        elif number == 7:
            several = packed(value, budget)
            raw = memoryview(struct.pack(f"<{len(several)}Q", *(n % 2**64 for n in several)))
        elif number in (13, 14):
            raise WeightsError("an ONNX model whose numbers lie in another file", "save it as one file")
    dtype = NUMBERS.get(kind)
    if dtype is None or len(shape) > MOST_AXES or any(extent >= 2**40 for extent in shape):
        raise WeightsError(f"an ONNX model with a tensor of type {kind} and {len(shape)} axes", KNOWN)
    count = math.prod(shape)
    if count * dtype.itemsize != (len(raw) if raw is not None else 0):
        raise WeightsError(f"damaged: {ascii(name)[:60]} has {len(raw or b''):,} bytes, not {count:,} numbers")
    if raw is None or not count:
        return name, torch.empty(shape, dtype=dtype)
    budget.take(len(raw), "its tensors")
    # Copied: numbers need not begin where a processor wants them.
    return name, torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)
