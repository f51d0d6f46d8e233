"""Sessions: previews, files such as the command writes, and the command; settings back to words."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer
from conftest import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from stylecli import api
from stylecli.commands._options import from_settings
from stylecli.errors import UsageError
from stylecli.settings.adain import AdainSettings
from stylecli.settings.gatys import GatysSettings
from stylecli.settings.shared import Files
from stylecli.settings.stylegan import StyleganSampleSettings
from stylecli.settings.values import build
from stylecli.settings.words import words


def parsed(kind: type, said: list[str]) -> object:
    """What the command line makes of words."""
    seen: list[object] = []

    def command(given: kind) -> None:  # type: ignore[valid-type]
        seen.append(given)

    command.__annotations__ = {"given": kind, "return": None}
    app = typer.Typer()
    app.command()(from_settings(command))
    done = CliRunner().invoke(app, said, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return seen[-1]


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "alpha": st.floats(0, 1),
            "size": st.none() | st.integers(1, 9999),
            "style_scale": st.floats(0.05, 9),
            "preserve_color": st.sampled_from(["none", "coral"]),
            "crop": st.booleans(),
            "weights": st.sampled_from(["adain", "-x", "", "a b'c", "--size"]),
            "recipe": st.sampled_from(["stylecli", "pytorch-adain"]),
        },
    )
)
def test_words_say_the_settings(options: dict[str, object]):
    made = build(AdainSettings, options)
    assert parsed(AdainSettings, shlex.split(shlex.join(words(made)))) == made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (AdainSettings(), ""),
        (AdainSettings(alpha=0.6, size=300), "--alpha 0.6 --size 300"),
        (build(AdainSettings, {"recipe": "pytorch-adain", "size": None}), "--size own --recipe pytorch-adain"),
        (StyleganSampleSettings(psi=(-0.5, 1)), "--psi=-0.5,1"),
        (GatysSettings(steps=7), "--steps 7"),
        (Files(output="-x.png", quality=80), "--output=-x.png --quality 80"),
        (Files(output="x.png", strip=True), "-o x.png --strip"),
    ],
)
def test_words_are_few(made: AdainSettings, said: str):
    assert shlex.join(words(made)) == said
    if not isinstance(made, GatysSettings):
        assert parsed(type(made), words(made)) == made


def test_a_preview_is_small_and_in_proportion(tiny_adain: Path):
    content, style = torch.rand(2, 3, 60, 90, generator=torch.Generator().manual_seed(0))
    masks = [torch.ones(1, 60, 90), torch.zeros(1, 60, 90)]
    with api.session("adain", content, [style, style.flip(0)], masks=masks, weights=str(tiny_adain)) as painted:
        small = painted.preview(30)
        assert small.at(alpha=0.5).shape == (3, 20, 30)  # type: ignore[union-attr]
        assert painted.preview(90) is painted
    sized = api.session("adain", content, style, weights=str(tiny_adain), size=30, style_size=20)
    assert sized.at().shape == (3, 30, 45)  # type: ignore[union-attr]
    small = sized.preview(15)
    assert (small.settings.size, small.settings.style_size) == (None, 7)  # type: ignore[attr-defined]
    assert small.at().shape == (3, 10, 15)  # type: ignore[union-attr]
    # Not larger than the result, though the content is.
    assert sized.preview(80).at().shape == (3, 30, 45)  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="pictures that are no files"):
        sized.save("x.png")


def test_a_session_writes_what_its_command_does(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
):
    picture("-a.png", size=(40, 30)), picture("s.png"), picture("t.png")
    with api.session("adain", "-a.png", ["s.png", "t.png"], weights=str(tiny_adain), device="cpu") as painted:
        path = painted.save("out/", alpha=0.5, shares=[1, 2])
        said = painted.command(alpha=0.5, shares=[1, 2])
        assert said[:7] == ["stylecli", "adain", "./-a.png", "--style", "s.png:1", "--style", "t.png:2"]
        with pytest.raises(UsageError, match="already there"):
            painted.save("out/", alpha=0.5, shares=[1, 2])
        with pytest.raises(UsageError, match="size: is fixed"):
            painted.save("x.png", size=3)
        with pytest.raises(UsageError, match="shares: 1 for 2"):
            painted.save("x.png", shares=[1])
        numbered = painted.write(Files(output="out/"), numbered=True, shares=[1, 2], alpha=0.5)
    assert (path, numbered) == ("out/-a_adain_s+t.png", "out/-a_adain_s+t_2.png")
    assert Path(path).read_bytes() == Path(numbered).read_bytes()
    assert cli(*said[1:], "-o", "again.png", "--device", "cpu").exit_code == 0
    # The record names the file in another way, and it is the same.
    assert torch.equal(*(torch.frombuffer(bytearray(pixels(each)), dtype=torch.uint8) for each in (path, "again.png")))


def pixels(path: str) -> bytes:
    from PIL import Image

    with Image.open(path) as image:
        return image.tobytes()
