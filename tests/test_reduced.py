"""`nets.reduced`: branches in bfloat16, where they may be, and how little that changes.

CPUs that are not made for bfloat16 compute it too, slowly: what is decided is replaced here.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import stylecli
from stylecli import device
from stylecli.backends import fast
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.save import save_network
from stylecli.device import Device, resolve
from stylecli.method import Request
from stylecli.nets.reduced import is_reduced, reduced
from stylecli.nets.transformer import TransformerNet
from stylecli.nets.transformer_config import TransformerConfig
from stylecli.settings.fast import FastSettings


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def made_for_it(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    made: bool = request.param
    monkeypatch.setattr(device, "fast_bfloat16", lambda _: made)
    return made


def photo(side: int = 192) -> Tensor:
    with Image.open(Path(stylecli.__file__).with_name("examples") / "harbor.jpg") as picture:
        part = picture.convert("RGB").crop((200, 200, 200 + side, 200 + side))
    return torch.from_numpy(np.array(part)).permute(2, 0, 1).contiguous()


def painted(
    content: Tensor,
    precision: str = "auto",
    weights: str = "fast",
    style: str = "great_wave",
    size: int | None = None,
) -> Tensor:
    settings = FastSettings(weights=weights, style=(style,), size=size)
    return fast.build(settings, resolve("cpu", precision))(Request(settings, content)).picture


def test_hardly_any_level_changes(made_for_it: bool) -> None:
    apart = (painted(photo()).int() - painted(photo(), "float32").int()).abs()
    assert bool(apart.any()) == made_for_it
    assert apart.max() <= 2
    assert (apart > 1).float().mean() < 1e-4
    assert (apart == 1).float().mean() < 0.15


def test_a_picture_at_another_size(made_for_it: bool) -> None:
    apart = (painted(photo(), size=160) - painted(photo(), "float32", size=160)).abs() * 255
    assert bool(apart.any()) == made_for_it
    assert apart.max() < 2


def test_tiles_see_what_the_whole_sees(made_for_it: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = painted(photo(320)).int()
    monkeypatch.setattr(fast, "tile_side", lambda *_, **__: 96)
    assert (painted(photo(320)).int() - whole).abs().max() <= 1 + made_for_it


def test_what_has_no_levels_is_exact(made_for_it: bool) -> None:
    content = photo(96) / 255
    assert torch.equal(painted(content), painted(content, "float32"))


def test_foreign_networks_are_exact(made_for_it: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = TransformerConfig(widths=(8, 16, 64), blocks=(1,))
    path = str(tmp_path / "foreign.safetensors")
    net = TransformerNet(config)
    save_network(net, Path(path), network="transformer", config=stored_config(config), about={}, half=False)
    assert torch.equal(painted(photo(96), "auto", path, "style"), painted(photo(96), "float32", path, "style"))


def test_the_record_tells_it(made_for_it: bool) -> None:
    told = fast.build(FastSettings(weights="fast", style=("great_wave",)), resolve("cpu")).device.told()
    assert told["type"] == ("float32, bfloat16 inside" if made_for_it else "float32")


def test_it_ends_with_its_block() -> None:
    asked, each = Device(torch.device("cpu"), rounds=True), torch.zeros(1)
    with reduced(asked, each):
        assert not is_reduced()
    with reduced(asked, each.byte()):
        assert is_reduced()
        with reduced(asked, each):
            assert not is_reduced()
        assert is_reduced()
    assert not is_reduced()
