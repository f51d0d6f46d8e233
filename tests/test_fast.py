"""`fast`: styles by name, strengths, mixtures, and what is wrong with them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Result, complaint
from goldens import Golden
from PIL import Image

from stylecli import api
from stylecli.backends import fast
from stylecli.checkpoints import store
from stylecli.device import resolve
from stylecli.errors import UsageError
from stylecli.method import Request
from stylecli.settings.fast import FastSettings

Cli = Callable[..., Result]


def levels(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_styles_and_strengths_make_a_grid(cli: Cli, picture: Callable[..., Path], tiny_fast: Path):
    picture("a.png", size=(40, 31))
    words = ["fast", "a.png", "--weights", tiny_fast, "--style", "wave", "--style", "scream", "--device", "cpu"]
    done = cli(*words, "--alpha", "0:1:2")
    names = [f"a_fast_{style}_alpha{alpha}.png" for style in ("wave", "scream") for alpha in "01"]
    assert done.stdout.split() == names, done.stderr
    photo, zero, wave, _, scream = (levels(name) for name in ("a.png", *names))
    assert (zero == photo).all()
    assert (wave.shape, bool((wave != scream).any()), bool((wave != photo).any())) == (photo.shape, True, True)
    assert cli("replay", names[1]).exit_code == 0
    assert Path("a_fast_wave_alpha1_replay.png").read_bytes() == Path(names[1]).read_bytes()

    again = cli(*words, "--alpha", "0:1:2", "--skip-existing", "--json")
    assert [json.loads(line)["skipped"] for line in again.stdout.splitlines()] == [True] * 4
    changed = cli(*words[:6], "--alpha", "0.5", "-o", names[1], "--skip-existing")
    assert "exists, with another alpha" in changed.stderr


def test_mixtures(cli: Cli, picture: Callable[..., Path], tiny_fast: Path):
    picture("a.png", size=(40, 32))
    words = ("fast", "a.png", "--weights", tiny_fast, "--device", "cpu")
    assert cli(*words, "--style", "wave:1", "--style", "scream:3", "--blend", "-o", "b.png").exit_code == 0
    assert cli(*words, "--style", "wave:0.25,scream:0.75", "-o", "c.png").exit_code == 0
    assert cli(*words, "--style", "wave:1", "--style", "scream:0", "--blend", "-o", "d.png").exit_code == 0
    assert cli(*words, "--style", "wave").stdout == "a_fast_wave.png\n"
    assert (levels("b.png") == levels("c.png")).all()
    assert (levels("d.png") == levels("a_fast_wave.png")).all()
    assert (levels("b.png") != levels("d.png")).any()
    photo, mixed = (torch.from_numpy(levels(name)).permute(2, 0, 1).float() / 255 for name in ("a.png", "b.png"))
    made = api.fast(photo, weights=str(tiny_fast), style=("wave:1", "scream:3"), device="cpu")
    assert (made - mixed).abs().max() <= 0.51 / 255


def test_colors_and_sizes(picture: Callable[..., Path], tiny_fast: Path):
    photo = torch.rand(3, 41, 60)
    options = {"weights": str(tiny_fast), "style": "wave", "device": "cpu"}
    assert api.fast(photo, size=20, **options).shape == (3, 20, 29)
    plain = api.fast(photo, **options)
    kept = api.fast(photo, preserve_color="coral", **options)
    assert (
        (kept.mean((1, 2)) - photo.mean((1, 2))).abs().max()
        < 0.02
        < (plain.mean((1, 2)) - photo.mean((1, 2))).abs().max()
    )


@pytest.mark.parametrize("alpha", [1.0, 0.4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_in_tiles(monkeypatch: pytest.MonkeyPatch, tiny_fast: Path, alpha: float, dtype: torch.dtype):
    settings = FastSettings(weights=str(tiny_fast), style=("wave",), alpha=alpha)
    backend = fast.build(settings, resolve("cpu"))
    photo = torch.rand(3, 300, 83)
    photo = photo.mul(255).byte() if dtype == torch.uint8 else photo
    whole = backend(Request(settings, photo)).picture
    monkeypatch.setattr(fast, "tile_side", lambda *_, **__: 40)
    tiled = backend(Request(settings, photo)).picture
    assert tiled.dtype == dtype
    assert (tiled.float() - whole.float()).abs().max() <= (1 if dtype == torch.uint8 else 1 / 255)


def test_the_styles_are_listed(cli: Cli, tiny_fast: Path):
    assert cli("fast", "--list-styles", "--weights", tiny_fast).stdout.splitlines() == [
        "wave    The Wave  Hokusai, 1831",
        "scream",
    ]
    rows = [
        json.loads(line) for line in cli("fast", "--list-styles", "--weights", tiny_fast, "--json").stdout.splitlines()
    ]
    assert rows[0] == {"name": "wave", "title": "The Wave", "artist": "Hokusai", "year": "1831"}


def test_previews_on_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, tiny_fast: Path):
    words = ["fast", "--list-styles", "--preview", "--weights", tiny_fast]
    assert "stdout shows no colors" in complaint(cli(*words), 2)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    done = cli(*words)
    assert not done.stderr
    lines = done.stdout.splitlines()
    wave, scream = lines.index("wave    The Wave  Hokusai, 1831"), lines.index("scream")
    assert (wave, scream, len(lines)) == (0, 13, 26)
    assert all(line.count("▀") == 36 and "\x1b[38;2;" in line for line in lines[1:13])
    assert lines[1:13] != lines[14:26]


def test_a_shell_completes_styles(monkeypatch: pytest.MonkeyPatch, tiny_fast: Path):
    monkeypatch.setattr(store, "embedded", lambda: tiny_fast.parent)
    assert store.complete_styles("wa") == ["wave"]
    assert store.complete_styles("x") == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--style", "wav"], 2, "did you mean wave?"),
        ([], 2, "one of wave, scream"),
        (["--style", "wave:0.5"], 2, "add --blend"),
        (["--style", "wave,wave"], 2, "each name once"),
        (["--style", "wave:x"], 2, "NAME:WEIGHT"),
        (["--style", "wave:0,scream:0"], 2, "all weights of the mixture are 0"),
        (["--style", "wave", "--alpha", "1.5"], 2, "from 0 to 1"),
        (["--style", "wave", "--size", "8"], 2, "8x8: too small for this network"),
        (["--weights", "encoder", "--style", "wave"], 3, "holds stylecli VGG, not a transformer"),
    ],
)
def test_bad_input(cli: Cli, picture: Callable[..., Path], tiny_fast: Path, words: list[str], code: int, message: str):
    picture("a.png", size=(32, 32))
    failed = cli("fast", "a.png", *([] if "--weights" in words else ["--weights", tiny_fast]), *words)
    assert (failed.exit_code, message in failed.stderr) == (code, True), failed.stderr


def test_no_content_and_pictures_as_styles(cli: Cli, tiny_fast: Path):
    assert "CONTENT: missing" in cli("fast", "--style", "wave").stderr
    with pytest.raises(UsageError, match="styles: this method takes no pictures"):
        api.stylize("fast", torch.rand(3, 32, 32), torch.rand(3, 32, 32), weights=str(tiny_fast), style="wave")


@pytest.mark.parametrize("case", ["plain", "legacy_running", "odd_size"])
def test_the_reference(case: str, tmp_path: Path, cli: Cli):
    golden = Golden(f"fast/{case}", tmp_path)
    settings = FastSettings(weights=str(golden.weights))
    backend = fast.build(settings, resolve("cpu"))
    with torch.inference_mode():
        golden.check("output", backend.net(golden.picture("content_u8")[None]) * 255)

    Image.fromarray(golden.io["content_u8"]).save("content.png")
    done = cli("fast", "content.png", "--weights", golden.weights, "-o", "out.png", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    golden.check("picture_u8", levels("out.png"))
    assert "no identity style" in cli("fast", "content.png", "--weights", golden.weights, "--alpha", "0.5").stderr
    assert (
        cli("fast", "content.png", "--weights", golden.weights, "-o", "own.png", "--recipe", "stylecli").exit_code == 0
    )
    assert levels("own.png").shape == levels("content.png").shape
