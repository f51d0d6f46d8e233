"""Nets of `fast` as ONNX give what they give here, at any size; published ONNX files are nets of `fast`."""

import contextlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Result
from filling import read
from PIL import Image

from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.load import build
from stylecli.checkpoints.save import save_network
from stylecli.errors import WeightsError
from stylecli.nets.noise import noise_like
from stylecli.nets.transformer import TransformerNet
from stylecli.nets.transformer_config import TransformerConfig

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


class Published(torch.nn.Module):
    """The net of pytorch/examples, as onnx/models exported it."""

    def __init__(self) -> None:
        super().__init__()
        conv = lambda channels, out, size, stride=1: [
            torch.nn.ReflectionPad2d(size // 2),
            torch.nn.Conv2d(channels, out, size, stride),
        ]
        norm = lambda channels: torch.nn.InstanceNorm2d(channels, affine=True)
        relu, up = torch.nn.ReLU(), torch.nn.Upsample(scale_factor=2.0)
        sizes = ((3, 4, 9, 1), (4, 6, 3, 2), (6, 8, 3, 2))
        self.down = torch.nn.Sequential(*(part for s in sizes for part in (*conv(*s), norm(s[1]), relu)))
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(*conv(8, 8, 3), norm(8), relu, *conv(8, 8, 3), norm(8)) for _ in range(5)
        )
        enlarging = ((8, 6, 3), (6, 4, 3))
        self.up = torch.nn.Sequential(*(part for s in enlarging for part in (up, *conv(*s), norm(s[1]), relu)))
        self.out = torch.nn.Sequential(*conv(4, 3, 9))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.down(x)
        for block in self.blocks:
            x = x + block(x)
        out: torch.Tensor = self.out(self.up(x))
        return out


def exported(net: torch.nn.Module, path: Path, opset: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example, names = torch.rand(1, 3, 40, 48) * 255, {"input_names": ["input1"], "output_names": ["output1"]}
        torch.onnx.export(net, (example,), str(path), dynamo=False, opset_version=opset, **names)


@pytest.mark.parametrize("opset", [9, 11, 17])
def test_published_files(opset: int, cli: Cli, picture: Callable[..., Path], tmp_path: Path):
    torch.manual_seed(0)
    net = Published()
    for module in net.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            torch.nn.init.normal_(module.weight, 1, 0.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    torch.nn.init.normal_(net.out[1].weight, 0, 2.0)
    torch.nn.init.constant_(net.out[1].bias, 128.0)
    exported(net.eval(), tmp_path / "mosaic.onnx", opset)
    photo = picture("a.png", size=(48, 40))
    done = cli("fast", "a.png", "--weights", "mosaic.onnx", "-o", "out.png", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    session = runtime.InferenceSession("mosaic.onnx", providers=["CPUExecutionProvider"])
    (expected,) = session.run(["output1"], {"input1": (read(photo) * 255).numpy()})
    levels = np.clip(expected[0], 0, 255).astype(np.uint8).transpose(1, 2, 0)
    assert np.abs(np.asarray(Image.open("out.png")).astype(int) - levels).max() <= 1
    assert "ONNX (onnx/models)" in cli("weights", "check", "mosaic.onnx").stdout


def test_files_of_other_layers_and_damaged_ones(cli: Cli, tmp_path: Path):
    net = Published()
    net.blocks[1][2] = torch.nn.Identity()
    exported(net.eval(), tmp_path / "other.onnx", 11)
    done = cli("weights", "check", "other.onnx")
    assert "other layers than the transformation net of pytorch/examples" in done.stderr
    exported(Published().eval(), tmp_path / "whole.onnx", 11)
    data = (tmp_path / "whole.onnx").read_bytes()
    random = torch.Generator().manual_seed(0)
    for end in torch.randint(9, len(data), (40,), generator=random).tolist():
        (tmp_path / "cut.onnx").write_bytes(data[:end])
        with pytest.raises(WeightsError):
            build(tmp_path / "cut.onnx")
    for _ in range(60):
        changed = bytearray(data)
        for place in torch.randint(8, 4000, (4,), generator=random).tolist():
            changed[place] = int(torch.randint(0, 256, (), generator=random))
        (tmp_path / "changed.onnx").write_bytes(changed)
        with contextlib.suppress(WeightsError):
            build(tmp_path / "changed.onnx")
