"""Nets of `fast` as ONNX give what they give here, at any size."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Result

from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.load import build
from stylecli.checkpoints.save import save_network
from stylecli.nets.noise import noise_like
from stylecli.nets.transformer import TransformerConfig, TransformerNet

runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
Cli = Callable[..., Result]


def single(path: Path) -> Path:
    torch.manual_seed(0)
    net = TransformerNet(TransformerConfig(widths=(4, 6, 8), blocks=(1,), tensorflow=True))
    save_network(net, path, network="transformer", config=stored_config(net.config), about={}, half=False)
    return path


@pytest.mark.parametrize("several", [True, False])
def test_any_size(several: bool, cli: Cli, tiny_fast: Path, tmp_path: Path):
    weights = tiny_fast if several else single(tmp_path / "single.safetensors")
    done = cli("weights", "convert", weights, "out.onnx")
    assert (done.exit_code, done.stdout) == (0, "out.onnx\n"), done.stderr
    session = runtime.InferenceSession("out.onnx", providers=["CPUExecutionProvider"])
    net = build(weights)[2]
    assert json.loads(session.get_modelmeta().custom_metadata_map["styles"]) == list(net.config.styles)
    mix = torch.tensor([[0.2, 0.5, 0.3]])
    for height, width in ((40, 48), (37, 51), (65, 33)):
        rgb = torch.rand(1, 3, height, width)
        given = {"content": rgb.numpy(), **({"mix": mix.numpy(), "noise": noise_like(rgb).numpy()} if several else {})}
        with torch.inference_mode():
            expected = net(rgb, mix) if several else net(rgb)
        np.testing.assert_allclose(session.run(["painted"], given)[0], expected.numpy(), atol=1e-4)


def test_what_cannot_be_onnx(cli: Cli, tiny_encoder: Path, tiny_fast: Path):
    assert "only nets of `stylecli fast`" in cli("weights", "convert", tiny_encoder, "out.onnx").stderr
    assert cli("weights", "convert", tiny_fast, "out.onnx", "--half").exit_code == 2
    assert not Path("out.onnx").exists()
