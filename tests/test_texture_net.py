"""Texture networks: the pyramid against its golden, published generators, tiles, seeds, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Result
from goldens import SHARED, Golden
from safetensors.torch import load_file, save_file
from torch import Tensor

from stylecli import api
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.load import build, converted, prove
from stylecli.checkpoints.save import save_network
from stylecli.errors import UsageError
from stylecli.media.images import read_picture
from stylecli.media.resize import resize_seamless
from stylecli.nets.texture_net import TextureConfig, TextureNet, calibrated, noise, sizes

Cli = Callable[..., Result]
PEERS = SHARED / "data/peers/ulyanov"
needs_peers = pytest.mark.skipif(not PEERS.is_dir(), reason="../shared/data/peers/ulyanov is absent")
TEXTURES, STYLES = ("bricks", "pebble", "red_peppers", "windows"), ("mosaic", "pleades", "starry", "turner")
MEAN = np.array([0.40760392, 0.45795686, 0.48501961])


@pytest.mark.parametrize("case", ["pyramid_batchstats", "pyramid_eval"])
def test_the_pyramid(case: str, tmp_path: Path):
    golden = Golden(f"texture/{case}", tmp_path)
    _, config, net = build(golden.weights)
    assert (config.widths, config.joined, config.caffe) == ((8, 16, 24, 32, 40, 48), "deep", True)
    net.train(case == "pyramid_batchstats")
    with torch.inference_mode():
        output = net([torch.from_numpy(golden.io[f"z{scale}"]) for scale in reversed(range(6))]).numpy()
    golden.check("output", output)
    rgb = (output.transpose(0, 2, 3, 1) / 255 + MEAN)[..., ::-1]
    golden.check("picture_u8", (rgb.clip(0, 1) * 255).astype(np.uint8))


@needs_peers
@pytest.mark.parametrize("name", [*TEXTURES, *STYLES])
def test_published_generators_are_read_with_the_values_behind_their_norms(name: str):
    config, state = converted(PEERS / f"{name}.t7", "texture-net", TextureConfig)
    expected = load_file(PEERS / f"{name}.safetensors")
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[key], value) for key, value in expected.items())
    assert (config.content, len(config.widths)) == ((0, 6) if name in TEXTURES else (3, 5))
    assert converted(PEERS / f"{name}.safetensors", "texture-net", TextureConfig)[0] == config


@needs_peers
@pytest.mark.parametrize("name", TEXTURES)
def test_published_generators_draw_what_they_drew(name: str):
    drawn = api.texture(method="net", weights=str(PEERS / f"{name}.t7"), out_size="250x131", device="cpu")
    assert drawn.size == (250, 131)
    made = torch.from_numpy(np.asarray(drawn).copy()).float().div(255)
    published = read_picture(PEERS / f"{name}_expected.png").pixels
    for of in (torch.mean, torch.std):
        assert torch.allclose(of(made, (0, 1)), of(published, (1, 2)), atol=0.06)


@pytest.fixture(scope="session")
def tiny_texture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of random weights."""
    torch.manual_seed(0)
    net = TextureNet(TextureConfig((6, 5, 4), kernels=(3, 1)))
    torch.nn.init.normal_(net.out.weight)
    net = calibrated(net, [torch.rand(1, 3, *size) for size in sizes(net.config, 64, 64)])
    path = tmp_path_factory.mktemp("weights") / "tiny_texture.safetensors"
    about = {"title": "Tiny"}
    save_network(net, path, network="texture-net", config=stored_config(net.config), about=about, half=False)
    return path


def drawn(weights: Path, **options: object) -> Tensor:
    image = api.texture(method="net", weights=str(weights), device="cpu", **options)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float().div(255)


def test_tiles_are_the_whole(tiny_texture: Path, monkeypatch: pytest.MonkeyPatch):
    for options in ({"out_size": "203x150"}, {"out_size": "203x150", "seamless": True}):
        whole = drawn(tiny_texture, **options)
        with monkeypatch.context() as patch:
            patch.setattr("stylecli.backends.texture_net.tile_side", lambda *_, **__: 67)
            # Resizing starts from levels then.
            assert (drawn(tiny_texture, **options) - whole).abs().max() <= 1.01 / 255
    assert whole.shape == (3, 150, 203)


def test_seeds_sizes_and_seams(tiny_texture: Path):
    one, other = drawn(tiny_texture, out_size="64x64"), drawn(tiny_texture, out_size="64x64", seed=1)
    assert (one - other).abs().mean() > 0.3 * one.std()
    assert torch.equal(one, drawn(tiny_texture, out_size="64x64"))
    odd = drawn(tiny_texture, out_size="63x65", seamless=True)
    for made in (one, odd):
        inside = made.diff(dim=2).abs().mean()
        assert 0.7 < (made[:, :, 0] - made[:, :, -1]).abs().mean() / inside < 1.4
    assert drawn(tiny_texture, out_size="1x1").shape == (3, 1, 1)


def test_noise_is_uniform_periodic_and_a_matter_of_place():
    whole = noise((2, 60, 50), 7, (0, 0), (60, 50))
    assert torch.equal(noise((2, 20, 30), 7, (-10, 35), (60, 50)), whole.roll((10, -35), (2, 3))[:, :, :20, :30])
    many = noise((3, 300, 300), 2**62 + 5, (0, 0), (300, 300))
    assert abs(float(many.mean()) - 0.5) < 0.003
    assert abs(float(many.var()) - 1 / 12) < 0.001
    flat = many.flatten(2)[0] - 0.5
    beside = [(flat[0] * flat[1]).mean(), (flat[:, 1:] * flat[:, :-1]).mean(), (flat[:, 300:] * flat[:, :-300]).mean()]
    assert max(abs(float(each)) for each in beside) < 0.001
    assert not torch.equal(noise((1, 4, 4), 0, (0, 0), (4, 4)), noise((1, 4, 4), 2**32, (0, 0), (4, 4)))


def test_seamless_resizing_turns_with_the_picture():
    x = torch.rand(3, 12, 10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(resize_seamless(x.roll(3, 1), (24, 10)), resize_seamless(x, (24, 10)).roll(6, 1), atol=1e-6)
    assert torch.allclose(resize_seamless(torch.full((1, 7, 9), 0.4), (8, 11)), torch.full((1, 8, 11), 0.4))


@pytest.mark.parametrize(("joined", "branch"), [("both", 3), ("deep", 3), ("none", 0)])
def test_our_files_carry_their_shape(joined: str, branch: int, tmp_path: Path):
    config = TextureConfig((branch or 5, 7, 4), branch, (3, 1), 4, joined=joined)
    net = TextureNet(config)
    save_network(net, tmp_path / "a.safetensors", network="texture-net", config=stored_config(config), about={})
    assert converted(tmp_path / "a.safetensors", "texture-net", TextureConfig)[0] == config
    assert prove(tmp_path / "a.safetensors") < 1e-3


def test_what_is_refused(cli: Cli, tiny_texture: Path, tmp_path: Path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    for words, code, said in [
        ((), 2, "--style: missing"),
        (("--style", "nowhere"), 2, "--style nowhere: no such texture"),
        (("--style", "a", "--weights", tiny_texture), 2, "--style and --weights: one of the two"),
        (("--weights", tiny_texture, "--out-size", "0x10"), 2, "--out-size 0x10: not a size"),
        (("--weights", tmp_path / "a.safetensors"), 3, "no known network"),
        (("--weights", tiny_texture, "--guide", "a.png"), 2, "--guide: a net knows one texture"),
    ]:
        done = cli("texture", "--method", "net", "--device", "cpu", *words)
        assert (done.exit_code, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_files_names_and_replay(cli: Cli, tiny_texture: Path):
    words = ("--method", "net", "--weights", tiny_texture, "--device", "cpu", "--out-size", "40x30")
    done = cli("texture", *words, "--seed", "0:2:3")
    assert done.stdout.split() == ["texture_seed0.png", "texture_seed1.png", "texture_seed2.png"], done.stderr
    assert cli("replay", "texture_seed1.png").exit_code == 0
    assert Path("texture_seed1_replay.png").read_bytes() == Path("texture_seed1.png").read_bytes()
    assert cli("texture", "--list").exit_code == 0


@needs_peers
@pytest.mark.parametrize("name", STYLES)
def test_published_styles_paint_with_fast(name: str):
    content = torch.rand(3, 70, 101, generator=torch.Generator().manual_seed(0))
    content = torch.nn.functional.avg_pool2d(content, 9, 1, 4)
    painted = api.fast(content, weights=str(PEERS / f"{name}.t7"), device="cpu")
    exemplar = read_picture(PEERS / f"{name}.exemplar.jpg").pixels
    assert painted.shape == content.shape
    assert (painted.mean((1, 2)) - exemplar.mean((1, 2))).abs().max() < 0.25
    with pytest.raises(UsageError, match="paints in full"):
        api.fast(content, weights=str(PEERS / f"{name}.t7"), device="cpu", alpha=0.5)


@needs_peers
def test_nets_of_textures_and_of_styles_are_told_apart():
    with pytest.raises(UsageError, match="draws textures"):
        api.fast(torch.rand(3, 64, 64), weights=str(PEERS / "bricks.t7"), device="cpu")
    with pytest.raises(UsageError, match="paints pictures"):
        api.texture(method="net", weights=str(PEERS / "starry.t7"), device="cpu")
