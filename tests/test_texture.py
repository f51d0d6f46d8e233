"""Textures by optimization: sizes, seams, mixtures, guides, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import Result
from PIL import Image
from torch import Tensor

from stylecli import api
from stylecli.backends.texture import Textures
from stylecli.device import resolve
from stylecli.errors import UsageError
from stylecli.media.images import read_picture
from stylecli.optimise.octaves import halved
from stylecli.settings.texture import TextureSettings

Cli = Callable[..., Result]
LAYERS = "relu1_1,relu1_2,relu2_1,relu3_1"


def material(seed: int = 0, side: int = 48) -> Tensor:
    """Soft blobs, [3, side, side]."""
    noise = torch.rand(1, 3, side + 8, side + 8, generator=torch.Generator().manual_seed(seed))
    soft = F.avg_pool2d(F.avg_pool2d(noise, 5, 1), 5, 1)
    return ((soft - 0.5) * 3 + 0.5).clamp(0, 1)[0]


@pytest.fixture
def options(tiny_encoder: Path) -> dict[str, object]:
    return {"weights": str(tiny_encoder), "steps": 12, "min_size": 16, "style_layers": LAYERS, "device": "cpu"}


def test_any_size_with_the_colors_of_the_exemplar(options: dict[str, object]):
    exemplar = material()
    made = api.texture(exemplar, out_size="53x37", **options)
    assert made.shape == (3, 37, 53)
    assert torch.allclose(made.mean((1, 2)), exemplar.mean((1, 2)), atol=0.01)
    assert torch.allclose(made.std((1, 2)), exemplar.std((1, 2)), atol=0.01)
    assert torch.equal(made, api.texture(exemplar, out_size="53x37", **options))
    other = api.texture(exemplar, out_size="53x37", seed=1, **options)
    assert (made - other).abs().mean() > 0.5 * exemplar.std()
    assert api.texture(exemplar, **options).shape == exemplar.shape


def seam(made: Tensor) -> float:
    """How much more neighbors differ across the edges of the picture than inside of it."""
    across = (made[:, 0] - made[:, -1]).abs().mean() + (made[:, :, 0] - made[:, :, -1]).abs().mean()
    return float(across / (made.diff(dim=1).abs().mean() + made.diff(dim=2).abs().mean()))


@pytest.mark.parametrize("size", ["48x48", "52x41"])
def test_seamless_edges_are_as_the_inside(size: str, options: dict[str, object]):
    exemplar = material()
    assert seam(api.texture(exemplar, out_size=size, seamless=True, **options)) < 1.3
    assert seam(api.texture(exemplar, out_size=size, **options)) > 1.6


def test_a_seamless_loss_does_not_know_where_the_picture_begins(options: dict[str, object]):
    known = {name: options[name] for name in ("weights", "style_layers")}
    for seamless in (True, False):
        settings = TextureSettings(seamless=seamless, **known)  # type: ignore[arg-type]
        goal = Textures(settings, resolve("cpu")).objective([material(side=64)[None]], [1.0], settings)
        x = material(1, 64)[None]
        here, there = (float(goal(each)[0]) for each in (x, x.roll((16, 32), (2, 3))))
        assert (abs(here / there - 1) < 1e-4) == seamless


def test_halving_keeps_flat_areas_and_wraps_around():
    assert torch.allclose(halved(torch.full((1, 3, 9, 8), 0.3)), torch.full((1, 3, 4, 4), 0.3))
    x = material(side=16)[None]
    assert torch.allclose(halved(x.roll(2, 3), "circular"), halved(x, "circular").roll(1, 3), atol=1e-6)


def test_guides_say_what_goes_where(cli: Cli, options: dict[str, object], tmp_path: Path):
    dark, light = material() * 0.3, material(1) * 0.3 + 0.7
    for name, pixels in (("dark", dark), ("light", light)):
        Image.fromarray((pixels.permute(1, 2, 0) * 255).byte().numpy()).save(tmp_path / f"{name}.png")
    half = torch.zeros(48, 48, dtype=torch.uint8)
    half[:, 24:] = 255
    Image.fromarray(half.numpy()).save(tmp_path / "right.png")
    Image.fromarray((255 - half).numpy()).save(tmp_path / "left.png")
    words = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), value)]
    words[words.index("--steps") + 1] = 25
    guides = ["--guide", "left.png", "--guide", "right.png"]
    done = cli("texture", "dark.png", "light.png", *guides, *words, "-o", "both.png")
    assert done.exit_code == 0, done.stderr
    made = read_picture("both.png").pixels
    assert made[:, :, 28:].mean() - made[:, :, :20].mean() > 0.3
    done = cli("texture", "dark.png", "light.png", *guides[:2], *words)
    assert (done.exit_code, done.stderr.splitlines()[1]) == (2, "--guide: 1 for 2 exemplars")


def test_mixtures_and_their_replay(cli: Cli, options: dict[str, object], picture: Callable[..., Path]):
    picture("a.png", size=(40, 32)), picture("b.png", size=(32, 40))
    words = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), value)]
    done = cli("texture", "a.png:0.25", "b.png:0.75", "--blend", *words, "--out-size", "33x34")
    assert (done.exit_code, done.stdout.split()) == (0, ["a_texture_a+b.png"]), done.stderr
    assert read_picture("a_texture_a+b.png").pixels.shape == (3, 34, 33)
    assert cli("replay", "a_texture_a+b.png").exit_code == 0
    assert Path("a_texture_a+b_replay.png").read_bytes() == Path("a_texture_a+b.png").read_bytes()


@pytest.mark.parametrize("size", ["0x10", "10x0", "10", "ax5", "-3x5", "99999x10", "10x10x10", ""])
def test_sizes_that_are_none(size: str):
    if size:
        with pytest.raises(UsageError, match="not a size"):
            TextureSettings(out_size=size)
    else:
        assert TextureSettings(out_size=size).shape is None


def test_bad_inputs_are_one_line(cli: Cli, picture: Callable[..., Path], tiny_encoder: Path, tmp_path: Path):
    picture("tiny.png", size=(9, 9)), picture("a.png", size=(40, 40))
    weights = ("--weights", tiny_encoder, "--device", "cpu", "--steps", 1)
    for words, code, said in [
        (("tiny.png",), 2, "exemplar: 9x9 is too small for relu5_1"),
        (("a.png", "--out-size", "8x8"), 2, "--out-size: 8x8 is too small for relu5_1"),
        (("a.png", "--out-size", "0x10"), 2, "--out-size 0x10: not a size"),
        ((), 2, "EXEMPLAR: missing"),
        (("a.png", "-o", "a.png/b/"), 1, "a.png/b"),
        (("a.png", "--method", "net"), 2, "a net needs no exemplar"),
    ]:
        done = cli("texture", *words, *weights)
        assert done.exit_code in (code, 2), done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_texture_has_no_alpha(cli: Cli, options: dict[str, object], picture: Callable[..., Path]):
    picture("a.png", size=(40, 40), mode="RGBA")
    words = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), value)]
    done = cli("texture", "a.png", *words, "--out-size", "50x33")
    assert done.exit_code == 0, done.stderr
    assert read_picture("a_texture.png").alpha is None


def test_small_textures_do_with_fewer_sizes():
    # With the embedded network and its deepest layers, from an exemplar that has room for all of them.
    made = api.texture(material(side=256), out_size="100x77", steps=2, device="cpu")
    assert made.shape == (3, 77, 100)


def test_what_is_said_to_mend_a_small_size_mends_it(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_encoder: Path
):
    picture("e.png", size=(40, 40)), picture("small.png", size=(9, 9))
    words = (
        "texture",
        "e.png",
        "--weights",
        tiny_encoder,
        "--steps",
        "1",
        "--device",
        "cpu",
        "--overwrite",
        "-o",
        "o.png",
    )
    done = cli(*words, "--out-size", "15x400")
    assert "--out-size: 15x400 is too small for relu5_1: 16 pixels a side at least" in done.stderr
    assert done.exit_code == 2
    assert cli(*words, "--out-size", "16x40").exit_code == 0
    words = ("gatys", "e.png", "--style", "small.png", "--weights", tiny_encoder, "--steps", "1", "--device", "cpu")
    done = cli(*words, "-o", "p.png")
    assert "hint: --style-size 16 enlarges it" in done.stderr
    assert cli(*words, "-o", "p.png", "--style-size", "16").exit_code == 0, done.stderr
