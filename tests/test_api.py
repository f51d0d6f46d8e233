"""Methods in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keywords
import numpy as np
import pytest
import torch
from conftest import FakeGatys
from PIL import Image

from stylecli import api
from stylecli.errors import InputError, Stopped, UsageError
from stylecli.nets.transport import Transport
from stylecli.settings.gatys import GatysSettings


def test_an_image_gives_an_image(gatys: FakeGatys, picture: Callable[..., Path]):
    style = picture("s.png")
    with Image.open(picture("a.png")) as content:
        made = api.gatys(content, style, style_weight=0.0)
        assert isinstance(made, Image.Image)
        assert abs(np.asarray(made).astype(int) - np.asarray(content) // 2).max() <= 1


def test_a_tensor_gives_a_tensor(gatys: FakeGatys, picture: Callable[..., Path]):
    style = torch.full((3, 4, 4), 0.5)
    made = api.gatys(torch.zeros(3, 5, 6), [style, style * 2], shares=[3, 1], steps=2)
    assert isinstance(made, torch.Tensor)
    assert torch.allclose(made, torch.full((3, 5, 6), 0.625 / 2))
    assert gatys.calls[0]["settings"] == GatysSettings(steps=2)


def test_paths_and_bytes(gatys: FakeGatys, picture: Callable[..., Path]):
    path = picture("a.png")
    first = api.stylize("gatys", path, str(path), settings=GatysSettings(steps=3))
    assert first.tobytes() == api.gatys(path.read_bytes(), path.read_bytes(), steps=3).tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "1", "LA", "HSV", "I;16", "F"])
def test_every_kind_of_image(gatys: FakeGatys, mode: str):
    content = Image.new("RGB", (6, 5), (200, 100, 50))
    content = Image.new("I;16", (6, 5), 30000) if mode == "I;16" else content.convert(mode)
    assert api.gatys(content, torch.zeros(3, 2, 2)).size == (6, 5)


def test_options_are_held_to_their_ranges(gatys: FakeGatys):
    empty = torch.zeros(3, 2, 2)
    for options in ({"stpes": 1}, {"steps": 0}, {"settings": GatysSettings(), "steps": 1}, {"shares": [1, 2]}):
        with pytest.raises(UsageError):
            api.gatys(empty, empty, **options)
    assert gatys.builds == 0
    with pytest.raises(UsageError, match="styles: missing"):
        api.gatys(empty, [])


def test_what_a_method_does_not_take_is_refused(tiny_fast: Path):
    with pytest.raises(UsageError, match="masks: this method takes none"):
        api.stylize("fast", torch.zeros(3, 64, 64), masks=[], weights=str(tiny_fast), style="wave")


def test_the_keywords_are_those_of_the_settings():
    assert keywords.STUB.read_text() == keywords.text(), "python tests/keywords.py writes it anew"


def test_pictures_that_cannot_be_read(gatys: FakeGatys):
    with pytest.raises(InputError):
        api.gatys("nope.png", torch.zeros(3, 2, 2))


def test_ctrl_c(gatys: FakeGatys):
    gatys.interrupted = True
    with pytest.raises(KeyboardInterrupt) as stopped:
        api.gatys(torch.zeros(3, 2, 2), torch.zeros(3, 2, 2))
    assert isinstance(stopped.value, Stopped)
    assert torch.equal(stopped.value.result, torch.zeros(3, 2, 2))


def test_only_methods_are_functions():
    with pytest.raises(AttributeError, match="no attribute 'monet'"):
        api.monet  # noqa: B018


def test_a_session_computes_once_what_does_not_change(monkeypatch: pytest.MonkeyPatch):
    generator = torch.Generator().manual_seed(0)
    content, *styles = (torch.rand(3, 40, 48, generator=generator) for _ in range(3))
    seen: list[object] = []
    see, style = Transport.see, Transport.style
    monkeypatch.setattr(Transport, "see", lambda net, x: seen.append("content") or see(net, x))
    monkeypatch.setattr(Transport, "style", lambda net, x: seen.append("style") or style(net, x))
    with api.session("adain", content, styles, device="cpu") as painted:
        changes: list[dict[str, Any]] = [{"alpha": 0.3}, {"alpha": 0.9}, {"alpha": 0.9, "shares": [1, 3]}]
        made = [painted.at(**each) for each in changes]
        with pytest.raises(UsageError, match="size: is fixed"):
            painted.at(size=20)
    assert sorted(seen) == ["content", "style", "style"]
    for each, change in zip(made, changes, strict=True):
        assert torch.equal(each, api.adain(content, styles, device="cpu", **change))
