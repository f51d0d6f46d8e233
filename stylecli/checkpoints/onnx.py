"""Transformation nets out into the world, as ONNX: pictures of any size, float32."""

import importlib.util
import json
import warnings
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim

from stylecli.errors import UsageError
from stylecli.files import atomic_write
from stylecli.nets.transformer import TransformerNet

EXAMPLE = (1, 3, 40, 48)
"""Shape of the picture that the net is traced with; the numbers mean nothing."""


class _Noisy(torch.nn.Module):
    """A net that sees noise, which is drawn in a way that cannot be traced: it becomes an input."""

    def __init__(self, net: TransformerNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, content: Tensor, noise: Tensor, mix: Tensor | None = None) -> Tensor:
        """`content` [1, 3, H, W], `noise` [1, 1, H, W] and `mix` [1, S], as of `TransformerNet`."""
        painted: Tensor = self.net(torch.cat([content, noise], 1), mix)
        return painted


def save_onnx(net: torch.nn.Module, path: Path) -> None:
    """Write `net` under `path`, whole or not at all.

    Inputs: `content` [1, 3, H, W], RGB in [0, 1]; of a net with noise `noise` [1, 1, H, W] in [0, 1], as
    `nets.noise.noise_like` makes it; of several styles `mix` [1, S], the share of each, whose names stand in the
    metadata as `styles`. Output: `painted`, not clamped.

    Raises:
        UsageError: Not a transformation net, or packages that it takes are not installed.
        OutputError: It cannot be written.
    """
    if not isinstance(net, TransformerNet):
        raise UsageError(f"{path}: only nets of `stylecli fast` can become ONNX")
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxscript")):
        raise UsageError(f"{path}: takes packages that are not installed", "pip install 'stylecli[export]'")
    content, styles = torch.zeros(EXAMPLE), net.config.styles
    sizes = {2: Dim.AUTO, 3: Dim.AUTO}
    inputs: dict[str, tuple[Tensor, dict[int, object] | None]] = {"content": (content, sizes)}
    if net.config.noise:
        inputs["noise"] = (content[:, :1], sizes)
    if len(styles) > 1:
        inputs["mix"] = (net.even(content), None)
    # With gradients the net works on fresh tensors, which can be traced.
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Noisy(net) if net.config.noise else net,
            tuple(example for example, _ in inputs.values()),
            dynamo=True,
            verbose=False,
            input_names=list(inputs),
            output_names=["painted"],
            dynamic_shapes=tuple(shape for _, shape in inputs.values()),
        )
    assert program is not None
    model = program.model_proto
    said = model.metadata_props.add()
    said.key, said.value = "styles", json.dumps(styles)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())
