"""`adain --weights microast/`: the four files of MicroAST give what its model gives."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Result
from filling import filled, in_tiles, layer, levels_apart, read
from goldens import SHARED, load
from PIL import Image
from torch import Tensor

from stylecli.checkpoints.load import build

PUBLISHED = SHARED / "data" / "peers" / "microast"
N = 4


def residual(name: str) -> dict[str, tuple[int, ...]]:
    return {**layer(f"{name}.conv1.conv_layer", 4 * N, 4 * N, 3), **layer(f"{name}.conv2.conv_layer", 4 * N, 4 * N, 3)}


ENCODER = {
    **layer("enc1.0.conv_layer", N, 3, 9),
    **layer("enc1.2.conv_layer", 2 * N, 1, 3),
    **layer("enc1.4.conv_layer", 2 * N, 2 * N, 1),
    **layer("enc1.6.conv_layer", 4 * N, 1, 3),
    **layer("enc1.8.conv_layer", 4 * N, 4 * N, 1),
    **residual("enc1.10"),
    **residual("enc2.0"),
}
DECODER = {
    **residual("dec1"),
    **residual("dec2"),
    **layer("dec3.1.conv_layer", 2 * N, 2, 3),
    **layer("dec3.3.conv_layer", 2 * N, 2 * N, 1),
    **layer("dec3.6.conv_layer", N, 2, 3),
    **layer("dec3.8.conv_layer", N, N, 1),
    **layer("dec3.10.conv_layer", 3, N, 9),
}
MODULATOR = {
    name: shape
    for part in ("weight1", "bias1", "weight2", "bias2")
    for name, shape in layer(f"{part}.0.conv_layer", 4 * N, 1, 3).items()
}
PARTS = {"content_encoder": ENCODER, "style_encoder": ENCODER, "modulator": MODULATOR, "decoder": DECODER}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "nets")


def written(made: Path) -> Path:
    """Four files of random numbers, and what else lies in such folders."""
    made.mkdir()
    for part, shapes in PARTS.items():
        # Both encoders have the same names: their numbers must differ.
        state = filled({f"{part}.{name}": shape for name, shape in shapes.items()})
        torch.save({name.removeprefix(f"{part}."): x for name, x in state.items()}, made / f"{part}_iter_20.pth.tar")
    (made / "LICENSE").write_text("MIT")
    return made


def reference(folder: Path, content: Tensor, style: Tensor, alpha: float) -> Tensor:
    """The paper's network on plain tensors, with the published model's way to use its biases."""
    state = {f"{part}.{k}": x for part in PARTS for k, x in torch.load(folder / f"{part}_iter_20.pth.tar").items()}

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight, bias = state[f"{name}.conv_layer.weight"], state[f"{name}.conv_layer.bias"]
        x = F.pad(x, (weight.shape[-1] // 2,) * 4, mode="reflect")
        return F.conv2d(x, weight, bias, stride, groups=x.shape[1] // weight.shape[1])

    def block(name: str, x: Tensor, w: Tensor | float = 1.0, b: Tensor | float = 0.0) -> Tensor:
        r = F.relu(w * conv(f"{name}.conv1", x) + b * x)
        return x + (w * conv(f"{name}.conv2", r) + b * r)

    def encoded(part: str, x: Tensor) -> tuple[Tensor, Tensor]:
        for number, stride in ((0, 1), (2, 2), (4, 1), (6, 2), (8, 1)):
            x = F.relu(conv(f"{part}.enc1.{number}", x, stride))
        return (first := block(f"{part}.enc1.10", x)), block(f"{part}.enc2.0", first)

    def adain(x: Tensor, y: Tensor) -> Tensor:
        (vx, mx), (vy, my) = (torch.var_mean(each, (2, 3), keepdim=True) for each in (x, y))
        return (x - mx) / (vx + 1e-5).sqrt() * (vy + 1e-5).sqrt() + my

    (_, x), (s1, s2) = encoded("content_encoder", content), encoded("style_encoder", style)
    for name, features, number in (("dec1", s2, 2), ("dec2", s1, 1)):
        w, b = (conv(f"modulator.{kind}{number}.0", features).mean((2, 3), keepdim=True) for kind in ("weight", "bias"))
        x = block(f"decoder.{name}", alpha * adain(x, features) + (1 - alpha) * x, w, b)
    for number in (1, 3, 6, 8):
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False) if number in (1, 6) else x
        x = F.relu(conv(f"decoder.dec3.{number}", x))
    return conv("decoder.dec3.10", x)[:, :, : content.shape[2], : content.shape[3]]


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_the_picture_is_that_of_its_architecture(
    alpha: float, folder: Path, tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]
):
    a, b = picture("a.png", size=(37, 22)), picture("b.png", size=(30, 26))
    words = ("adain", "a.png", "--style", "b.png", "--style-size", 26, "--alpha", alpha, "-o", "out.png")
    done = cli(*words, "--weights", "nets", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert levels_apart(tmp_path / "out.png", reference(folder, read(a), read(b), alpha)) < 0.51
    assert cli("weights", "check", "nets").exit_code == 0
    assert cli("weights", "convert", "nets", "one.safetensors").exit_code == 0
    cli(*words[:-1], "again.png", "--weights", "one.safetensors", "--device", "cpu")
    assert (read(tmp_path / "again.png") == read(tmp_path / "out.png")).all()


def test_tiles_and_masks(folder: Path):
    net = build(folder)[2]
    random = torch.Generator().manual_seed(1)
    content, mask = (torch.rand(1, channels, 171, 150, generator=random) for channels in (3, 1))
    styles = [net.style(torch.rand(1, 3, 40, 40, generator=random)) for _ in "12"]
    with torch.inference_mode():
        for x, some in ((content, styles[:1]), (torch.cat([content, mask, 1 - mask], 1), styles)):
            whole = net.paint(x, some, 0.7)
            tiled = in_tiles(net.segments(some, 0.7), x, 72)[:, :, :171, :150]
            assert (tiled - whole).abs().max() < 1e-4 * whole.abs().max()
        both = net.paint(torch.cat([content, torch.ones_like(mask), torch.zeros_like(mask)], 1), styles, 0.7)
        assert torch.allclose(both, net.paint(content, styles[:1], 0.7), atol=1e-4)


def test_folders_that_are_no_network(folder: Path, cli: Callable[..., Result], picture: Callable[..., Path]):
    picture("a.png"), (folder / "modulator_iter_20.pth.tar").rename(folder / "modulator_iter_10.pth.tar")
    words = ("adain", "a.png", "--style", "a.png", "--device", "cpu", "--overwrite", "--weights")
    run = lambda weights: cli(*words, weights).stderr
    assert run("nets").startswith("loading weights")  # numbers say nothing
    torch.save({}, folder / "decoder_iter_30.pth.tar")
    assert "several weights files of one name: decoder_iter_20.pth.tar, decoder_iter_30.pth.tar" in run("nets")
    (folder / "decoder_iter_30.pth.tar").unlink()
    (folder / "decoder_iter_20.pth.tar").unlink()
    assert "holds MicroAST's encoder" in run("nets")
    assert "the folder with all four files" in run("nets/style_encoder_iter_20.pth.tar")
    for file in folder.glob("*.tar"):
        file.unlink()
    assert "nets: a folder without weights files" in run("nets")


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published model lies in ../shared")
@pytest.mark.parametrize("case", ["alpha1", "alpha04_odd"])
def test_the_published_model_gives_its_picture(case: str, tmp_path: Path, cli: Callable[..., Result]):
    about, io = load(f"microast/{case}")
    (height, width), side = io["content_u8"].shape[:2], min(io["style_u8"].shape[:2])
    for name in ("content", "style"):
        Image.fromarray(io[f"{name}_u8"]).save(f"{name}.png")
    words = ("--style-size", side, "--alpha", about["params"]["alpha"], "--weights", PUBLISHED, "--device", "cpu")
    done = cli("adain", "content.png", "--style", "style.png", "-o", "out.png", *words)
    assert done.exit_code == 0, done.stderr
    expected = torch.from_numpy(io["image"])[:, :, :height, :width]
    assert levels_apart(tmp_path / "out.png", expected) < 0.5 + 255 * about["tolerances"]["image"]
    net = build(PUBLISHED)[2]
    with torch.inference_mode():
        raw = net(read(tmp_path / "content.png"), read(tmp_path / "style.png"), about["params"]["alpha"])
    assert np.abs(raw.numpy() - expected.numpy()).max() <= about["tolerances"]["image"]
