"""Any style in one pass: through the command, and on tensors."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Result
from PIL import Image

from stylecli import api
from stylecli.backends.adain import Adain
from stylecli.device import resolve
from stylecli.method import Request
from stylecli.settings.adain import AdainSettings

CPU = ("--device", "cpu")


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), np.float64)


def test_alpha_zero_is_the_content(cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    picture("a.png", size=(45, 33)), picture("s.png", size=(30, 40))
    done = cli("adain", "a.png", "--style", "s.png", "--alpha", "0:1:3", "--weights", tiny_adain, *CPU)
    assert done.stdout.split() == [f"a_adain_s_alpha{alpha}.png" for alpha in ("0", "0.5", "1")], done.stderr
    far = [np.abs(pixels(name) - pixels("a.png")).mean() for name in done.stdout.split()]
    assert far[0] == 0
    assert far[1] > 1
    assert far[2] > 1


def test_a_style_and_a_content_are_encoded_once(monkeypatch: pytest.MonkeyPatch, tiny_adain: Path):
    backend = Adain(AdainSettings(weights=str(tiny_adain)), resolve("cpu"))
    calls = {"see": 0, "style": 0}
    for name in calls:
        done = getattr(backend.net, name)

        def counted(*args: object, name: str = name, done: Callable[..., object] = done) -> object:
            calls[name] += 1
            return done(*args)

        monkeypatch.setattr(backend.net, name, counted)
    contents, styles = torch.rand(2, 3, 24, 24), torch.rand(3, 3, 24, 24)
    contents, styles = list(contents), list(styles)
    for content in contents:
        for style in styles:
            for alpha in (0.0, 0.5, 1.0):
                backend(Request(AdainSettings(weights=str(tiny_adain), alpha=alpha), content, [style]))
    assert calls == {"see": 2, "style": 3}


def test_the_scale_of_a_style_is_the_size_at_which_it_is_shown(tiny_adain: Path):
    generator = torch.Generator().manual_seed(0)
    content, style = torch.rand(3, 40, 50, generator=generator), torch.rand(3, 120, 130, generator=generator)
    made = {
        words: api.adain(content, style, weights=str(tiny_adain), **dict(words))
        for words in [(("style_scale", 2.0),), (("style_size", 80),), (("style_size", 40), ("style_scale", 2.0)), ()]
    }
    twice, shown, both, plain = made.values()
    assert torch.equal(twice, shown)
    assert torch.equal(twice, both)
    assert not torch.allclose(twice, plain, atol=1e-2)
    # No larger than the picture is, unless its size is given.
    assert torch.equal(
        api.adain(content, style, weights=str(tiny_adain), style_scale=9.0),
        api.adain(content, style, weights=str(tiny_adain), style_size=120),
    )


def test_a_blend_of_one_style_is_that_style(tiny_adain: Path):
    content, style, other = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    alone = api.adain(content, style, weights=str(tiny_adain))
    assert torch.allclose(
        api.adain(content, [style, style], shares=[0.3, 0.7], weights=str(tiny_adain)), alone, atol=1e-4
    )
    assert torch.allclose(api.adain(content, [style, other], shares=[1, 0], weights=str(tiny_adain)), alone, atol=1e-4)
    assert not torch.allclose(api.adain(content, [style, other], weights=str(tiny_adain)), alone, atol=1e-2)


def test_a_mask_leaves_the_rest_alone(tiny_adain: Path):
    content, style = torch.rand(2, 3, 200, 320, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 200, 320)
    mask[:, :, :40] = 1
    made = api.adain(content, style, masks=[mask], weights=str(tiny_adain))
    # Beyond the reach of the decoder from the mask's edge.
    assert torch.allclose(made[:, :, 160:], content[:, :, 160:], atol=1e-4)
    assert (made - content)[:, :, :40].abs().mean() > 0.05
    full = api.adain(content, style, masks=[torch.ones(1, 200, 320)], weights=str(tiny_adain))
    assert torch.allclose(full, api.adain(content, style, weights=str(tiny_adain)), atol=1e-3)


def test_two_masks_by_the_command(cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    for name in ("a.png", "s.png", "t.png"):
        picture(name, size=(64, 48))
    left = np.zeros((48, 64), np.uint8)
    left[:, :32] = 255
    Image.fromarray(left).save("l.png")
    Image.fromarray(255 - left).save("r.png")
    words = ["adain", "a.png", "--style", "s.png", "--mask", "l.png", "--style", "t.png", "--mask", "r.png"]
    done = cli(*words, "--weights", tiny_adain, *CPU)
    assert done.exit_code == 0, done.stderr
    assert pixels(done.stdout.strip()).shape == (48, 64, 3)


@pytest.mark.parametrize("limit", [None, "tiles"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (2000, 3), (61, 47)])
def test_every_size(limit: str | None, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tiny_adain: Path):
    if limit:
        monkeypatch.setattr("stylecli.backends.adain.tile_side", lambda *_, **__: 64)
    width, height = size
    content, style = torch.rand(3, height, width), torch.rand(3, 20, 20)
    made = api.adain(content, style, weights=str(tiny_adain))
    assert made.shape == content.shape
    assert made.isfinite().all()


def test_a_style_of_one_color_gives_numbers(tiny_adain: Path):
    made = api.adain(torch.rand(3, 40, 40), torch.full((3, 30, 30), 0.5), weights=str(tiny_adain))
    assert made.isfinite().all()
    made = api.adain(torch.full((3, 40, 40), 0.5), torch.rand(3, 30, 30), weights=str(tiny_adain))
    assert made.isfinite().all()


def test_little_memory_gives_the_same_file(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path, monkeypatch: pytest.MonkeyPatch
):
    picture("a.png", size=(200, 150)), picture("s.png", size=(50, 40))
    cli("adain", "a.png", "--style", "s.png", "--weights", tiny_adain, "-o", "whole.png", *CPU)
    monkeypatch.setattr("stylecli.backends.adain.tile_side", lambda *_, **__: 64)
    cli("adain", "a.png", "--style", "s.png", "--weights", tiny_adain, "-o", "tiled.png", *CPU)
    assert np.abs(pixels("whole.png") - pixels("tiled.png")).max() <= 1


def test_no_memory_at_all(cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    picture("a.png", size=(200, 150)), picture("s.png")
    done = cli("adain", "a.png", "--style", "s.png", "--weights", tiny_adain, "--max-memory", "50M", *CPU)
    assert done.exit_code == 4
    assert "--max-memory" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--alpha", "1.5"], "--alpha"),
        (["--alpha=-0.1"], "--alpha"),
        (["--style", "t.png", "--mask", "m.png"], "--mask"),
        (["--mask", "wide.png"], "proportions"),
        (["--style", "t.png:0.5"], "--blend"),
        (["--recipe", "nobody"], "--recipe"),
        (["--animate", "clip.txt"], "clip.txt"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
):
    for name in ("a.png", "s.png", "t.png", "m.png"):
        picture(name)
    picture("wide.png", size=(60, 10))
    done = cli("adain", "a.png", "--style", "s.png", "--weights", tiny_adain, *words, *CPU)
    assert done.exit_code in (1, 2), done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path().glob("a_adain*"))


def test_weights_of_another_family(cli: Callable[..., Result], picture: Callable[..., Path], tiny_encoder: Path):
    picture("a.png"), picture("s.png")
    done = cli("adain", "a.png", "--style", "s.png", "--weights", tiny_encoder, *CPU)
    assert done.exit_code == 3
    assert "any-style" in done.stderr


def test_one_sheet_of_a_sweep(cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    for name in ("a.png", "s.png", "t.png"):
        picture(name, size=(60, 40))
    words = [
        "adain",
        "a.png",
        "--style",
        "s.png",
        "--style",
        "t.png",
        "--alpha",
        "0:1:3",
        "--weights",
        tiny_adain,
        *CPU,
    ]
    done = cli(*words, "--grid", "-o", "sheet.png")
    assert done.stdout.split() == ["sheet.png"], done.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "s.png", "sheet.png", "t.png"]
    sheet = pixels("sheet.png")
    # At alpha 0 both rows show the content itself: three columns of 60 px, two rows of 40 px with gaps of 8 px.
    shown = pixels("a.png")
    height, width = sheet.shape[:2]
    found = [
        (y, x)
        for y in range(height - 39)
        for x in range(width - 59)
        if np.array_equal(sheet[y, x : x + 60], shown[0]) and np.array_equal(sheet[y : y + 40, x : x + 60], shown)
    ]
    assert len(found) == 2
    assert found[1][0] - found[0][0] == 48
    assert cli(*words, "--grid", "-o", "sheet.png").exit_code == 2  # it is there


def folder_sweep(weights: Path, alphas: int) -> list[object]:
    """So many strengths of one style, over a folder."""
    return ["adain", "in", "--style", "s.png", "--alpha", f"0:1:{alphas}", "--weights", weights]


def test_a_folder_keeps_the_results_beside_sheet_and_clip(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
):
    for name in ("in/a.png", "in/b.png", "s.png"):
        picture(name, size=(60, 40))
    words = [
        *folder_sweep(tiny_adain, 3),
        "--grid",
        "--animate",
        "c.gif",
    ]
    done = cli(*words, "-o", "out/", *CPU)
    assert done.exit_code == 0, done.stderr
    made = sorted(path.name for path in Path("out").glob("*.png"))
    assert made == sorted(
        f"{stem}_adain_{end}.png" for stem in "ab" for end in ("grid", "s_alpha0", "s_alpha0.5", "s_alpha1")
    )
    for stem in "ab":
        with Image.open(f"c_{stem}.gif") as clip:
            assert clip.n_frames == 4  # there and back


@pytest.mark.parametrize("name", ["clip.webp", "clip.mp4"])
def test_clips(name: str, cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    picture("a.png", size=(61, 41)), picture("s.png")
    done = cli(
        "adain", "a.png", "--style", "s.png", "--alpha", "0:1:3", "--weights", tiny_adain, "--animate", name, *CPU
    )
    assert done.stdout.split() == [name], done.stderr
    assert Path(name).stat().st_size > 500
    if name.endswith("mp4"):
        import av

        with av.open(name) as clip:
            stream = clip.streams.video[0]
            assert (stream.width, stream.height) == (60, 40)


def test_a_killed_folder_goes_on(cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    for stem in "abc":
        picture(f"in/{stem}.png")
    picture("s.png")
    words = [*folder_sweep(tiny_adain, 2), "-o", "out/", *CPU]
    assert cli(*words).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}
    Path("out/b_adain_s_alpha1.png").unlink()
    done = cli(*words, "--skip-existing", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["output"] for row in rows if not row["skipped"]] == ["out/b_adain_s_alpha1.png"]
    after = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}
    assert {path for path in before if after[path] != before[path]} == {Path("out/b_adain_s_alpha1.png")}


def test_a_sheet_is_made_again_only_of_new_results(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
):
    for stem in "ab":
        picture(f"in/{stem}.png")
    picture("s.png"), Path("in/broken.png").write_bytes(Path("in/a.png").read_bytes()[:100])
    words = [
        *folder_sweep(tiny_adain, 2),
        "--grid",
        "-o",
        "out/",
        *CPU,
    ]
    sheets = [Path(f"out/{stem}_adain_grid.png") for stem in "ab"]
    assert cli(*words).exit_code == 1
    assert sorted(Path("out").glob("*grid*")) == sheets  # none of what could not be read
    before = [sheet.stat().st_mtime_ns for sheet in sheets]
    Path("out/b_adain_s_alpha1.png").unlink()
    cli(*words, "--skip-existing")
    after = [sheet.stat().st_mtime_ns for sheet in sheets]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_replay(cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    picture("a.png"), picture("s.png")
    cli("adain", "a.png", "--style", "s.png", "--alpha", "0.4", "--weights", tiny_adain, "-o", "out.png", *CPU)
    assert cli("replay", "out.png").exit_code == 0
    assert Path("out_replay.png").read_bytes() == Path("out.png").read_bytes()


@pytest.mark.parametrize("kept", ["luminance", "histogram", "coral"])
def test_the_colors_of_the_content(kept: str, tiny_adain: Path):
    generator = torch.Generator().manual_seed(0)
    content, style = torch.rand(3, 48, 48, generator=generator) * 0.2 + 0.6, torch.rand(3, 48, 48, generator=generator)
    made = api.adain(content, style, preserve_color=kept, weights=str(tiny_adain))
    assert made.shape == content.shape
    if kept == "luminance":
        spread = lambda x: (x - x.mean(0)).abs().mean()
        assert abs(float(spread(made) - spread(content))) < 0.05
