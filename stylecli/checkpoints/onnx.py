"""Transformation nets out into the world, as ONNX: pictures of any size, float32."""

import importlib.util
import json
import warnings
from pathlib import Path

import torch
from torch.export import Dim

from stylecli.errors import UsageError
from stylecli.files import atomic_write
from stylecli.nets.transformer import TransformerNet

EXAMPLE = (1, 3, 40, 48)
"""Shape of the picture that the net is traced with; the numbers mean nothing."""


def save_onnx(net: torch.nn.Module, path: Path) -> None:
    """Write `net` under `path`, whole or not at all.

    Inputs: `content` [1, 3, H, W], RGB in [0, 1], and for several styles `mix` [1, S], the share of each; their names
    stand in the metadata as `styles`. Output: `painted`, not clamped.

    Raises:
        UsageError: Not a transformation net, or packages that it takes are not installed.
        OutputError: It cannot be written.
    """
    if not isinstance(net, TransformerNet):
        raise UsageError(f"{path}: only nets of `stylecli fast` can become ONNX")
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxscript")):
        raise UsageError(f"{path}: takes packages that are not installed", "pip install 'stylecli[export]'")
    content, styles = torch.zeros(EXAMPLE), net.config.styles
    several = len(styles) > 1
    # With gradients the net works on fresh tensors, which can be traced.
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (content, net.even(content)) if several else (content,),
            dynamo=True,
            verbose=False,
            input_names=["content", "mix"][: 1 + several],
            output_names=["painted"],
            dynamic_shapes=({2: Dim.AUTO, 3: Dim.AUTO}, None)[: 1 + several],
        )
    assert program is not None
    model = program.model_proto
    said = model.metadata_props.add()
    said.key, said.value = "styles", json.dumps(styles)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())
