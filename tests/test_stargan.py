"""`stargan`: domains, references, seeds, frames of any shape, tables and clips, and what is wrong, on tiny networks."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Result, complaint
from PIL import Image
from torch import Tensor, nn

from stylecli import api
from stylecli.checkpoints.layouts.stargan import ours, stored_config
from stylecli.checkpoints.load import build, describe, prove
from stylecli.checkpoints.save import save_network
from stylecli.errors import InputError, UsageError, WeightsError
from stylecli.media.faces import CELEBA, aligned, read_mean_face, similarity
from stylecli.media.fit_square import square
from stylecli.media.stored_settings import read_settings
from stylecli.nets.fan import FAN, landmarks
from stylecli.nets.noise import DEVIATION, noise_like
from stylecli.nets.stargan import StarGAN, StyleEncoder
from stylecli.nets.stargan_blocks import doubling, pooling
from stylecli.nets.stargan_generator import StarGANConfig

Make = Callable[..., str]


def randomized(config: StarGANConfig) -> StarGAN:
    torch.manual_seed(0)
    net = StarGAN(config)
    for each in net.parameters():
        torch.nn.init.normal_(each, std=each[0].numel() ** -0.5 if each.ndim > 1 else 0.5)
    for head in net.encoder.unshared:
        head.weight.data.mul_(10)
    return net


def config_of(**options: Any) -> StarGANConfig:
    small = {"size": 16, "domains": 3, "channels": 4, "most_channels": 8, "style_dim": 4, "latent_dim": 2, "hidden": 8}
    return StarGANConfig(**{**small, **options})


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Files of tiny networks of 16 px: `make()`, `make(guess=True)`."""
    folder = tmp_path_factory.mktemp("networks")

    def made(**options: Any) -> str:
        config = config_of(**{"labels": ("cat", "dog", "owl"), **options})
        path = folder / f"{len(list(folder.iterdir()))}.safetensors"
        about = {"licence": "CC0"}
        net = randomized(config)
        save_network(net, path, network="stargan", config=stored_config(config), about=about, half=False)
        return str(path)

    return made


def theirs(net: StarGAN, path: Path, prefix: str = "") -> Path:
    """Saves as clovaai does."""
    names = {"mapping": "mapping_network", "encoder": "style_encoder", "generator": "generator"}
    tree = {
        name: {f"{prefix}{key}": value for key, value in getattr(net, ours).state_dict().items()}
        for ours, name in names.items()
    }
    torch.save(tree, path)
    return path


def test_a_frame_is_reflected_and_cut_off_again():
    plain, framed = (StarGAN(config_of(size=32, frame=frame)).eval() for frame in (0, 4))
    framed.load_state_dict(plain.state_dict())
    picture, style = torch.rand(1, 3, 32, 32) * 2 - 1, torch.randn(1, 4)
    with torch.no_grad():
        around = plain.generator(F.pad(picture, (4,) * 4, "reflect"), style)
        assert torch.equal(framed.generator(picture, style), around[:, :, 4:-4, 4:-4])


def test_grain_is_of_the_picture_and_the_same_for_all_in_a_batch():
    plain, grainy = (StarGAN(config_of(size=32, grain=grain)).eval().generator for grain in (0.0, 0.2))
    grainy.load_state_dict(plain.state_dict())
    pictures, styles = torch.rand(2, 3, 32, 32) * 2 - 1, torch.randn(2, 4)
    with torch.no_grad():
        both = grainy(pictures, styles)
        noise = (noise_like(pictures[:1]) - 0.5) / DEVIATION
        assert torch.allclose(both, plain(pictures + 0.2 * noise, styles), atol=1e-5)
        assert torch.allclose(both[1:], grainy(pictures[1:], styles[1:]), atol=1e-5)
        grainy.seed = 1
        assert not torch.equal(grainy(pictures, styles), both)


IMPOSSIBLE = [{"frame": -1}, {"frame": 16}, {"frame": 1.5}, {"frame": 2, "hpf": 1.0}, {"grain": -0.1}, {"grain": "a"}]


@pytest.mark.parametrize("options", IMPOSSIBLE)
def test_a_frame_that_cannot_be_is_refused(options: dict[str, Any]):
    fields = {**stored_config(config_of()), **options}
    with pytest.raises(WeightsError, match="describes no StarGAN"):
        ours({}, fields)


def test_the_embedded_network_takes_the_palette_and_keeps_the_scene():
    examples = Path(api.__file__).with_name("examples")
    harbor, brushwork = examples / "harbor.jpg", examples / "brushwork.jpg"

    def small(picture: Image.Image, mode: str, side: int) -> np.ndarray:
        return np.asarray(picture.convert(mode).resize((side, side)), float)

    def palette(picture: Image.Image) -> np.ndarray:
        pixels = small(picture, "RGB", 64)
        return np.concatenate([pixels.mean((0, 1)), pixels.std((0, 1))])

    content, wanted = Image.open(harbor), palette(Image.open(brushwork))
    before = np.abs(palette(content) - wanted).mean()
    results = [api.stargan("ref", harbor, brushwork, domain=name) for name in ("cubism", "ukiyo_e")]
    for made in results:
        assert np.abs(palette(made) - wanted).mean() < 0.6 * before
        assert np.corrcoef(small(content, "L", 16).ravel(), small(made, "L", 16).ravel())[0, 1] > 0.9
    assert np.abs(small(results[0], "RGB", 64) - small(results[1], "RGB", 64)).mean() > 5


def test_cheap_convolutions_are_the_plain_ones():
    conv = nn.Conv2d(3, 5, 3, padding=1)
    for size in ((6, 8), (2, 4)):
        x = torch.randn(2, 3, *size)
        down = F.conv2d(x, pooling(conv), conv.bias, stride=2, padding=1)
        assert torch.allclose(down, F.avg_pool2d(conv(x), 2), atol=1e-5)
        up = F.conv_transpose2d(x, doubling(conv), conv.bias, stride=2, padding=1)
        assert torch.allclose(up, conv(F.interpolate(x, scale_factor=2)), atol=1e-5)


def test_a_frozen_network_is_the_same():
    net, x = randomized(config_of(size=32)), torch.rand(2, 3, 32, 32)
    domain = torch.tensor([0, 2])
    with torch.inference_mode():
        wanted = net.generator(x, net.encoder(x, domain))
        net.freeze()
        assert torch.allclose(net.generator(x, net.encoder(x, domain)), wanted, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    "options",
    [{"size": 64}, {"size": 32, "domains": 5, "channels": 6, "most_channels": 5}, {"size": 128, "hpf": 1.0}],
)
def test_the_config_is_read_off_the_shapes(options: dict[str, Any], prefix: str, tmp_path: Path):
    net = randomized(config_of(**options))
    path = theirs(net, tmp_path / "100000_nets_ema.ckpt", prefix)
    _, config, found = build(path)
    # What is at most 8 wide cannot tell whether it could be wider.
    assert config == net.config
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in found.state_dict().items())


def test_unused_shortcuts_and_filters_of_masks(tmp_path: Path):
    net = randomized(config_of(size=64, hpf=2.0))
    path = theirs(net, tmp_path / "nets.ckpt")
    tree = torch.load(path)
    tree["generator"] |= {
        "hpf.filter": torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]) / 2,
        "decode.3.conv1x1.weight": torch.randn(4, 8, 1, 1),
    }
    tree["discriminator"] = {"main.0.weight": torch.randn(4, 3, 3, 3)}
    torch.save(tree, path)
    assert build(path)[1].hpf == 2


def test_our_files_carry_their_config_and_a_proof(make: Make):
    path = Path(make(guess=True, hpf=1.0))
    said = describe(path)
    assert (said.network, said.config["labels"], said.config["hpf"]) == ("stargan", ("cat", "dog", "owl"), 1.0)
    difference = prove(path)
    assert difference is not None
    assert difference < 1e-5


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(20, 30), (40, 9), (16, 16), (3, 64)])
def test_squares_and_back(fit: str, size: tuple[int, int]):
    picture = torch.rand(3, 4, 5).repeat_interleave(size[0] // 2, 1).repeat_interleave(size[1] // 2, 2)
    shape = square(picture, 16, fit)
    assert shape.pixels.shape == (3, 16, 16)
    frame = picture.shape[1:] if fit == "pad" else (16, 16)
    assert shape.back(shape.pixels).shape == (3, *frame)


def test_a_padded_square_is_a_mirror():
    picture = torch.arange(16.0).div(15).expand(3, 4, 16)
    found = square(picture.mT, 16, "pad")
    assert found.inside == (0, 6, 16, 4)
    assert torch.equal(found.pixels[:, :, 6:10], found.pixels[:, :, 2:6].flip(2))
    assert torch.equal(found.cut(found.pixels), found.pixels[:, :, 6:10])


def test_a_result_keeps_the_frame_and_the_alpha(make: Make, cli: Callable[..., Result], picture: Callable[..., Path]):
    picture("a.png", size=(30, 20), mode="RGBA"), picture("r.png")
    done = cli("stargan", "ref", "a.png", "--reference", "r.png", "--domain", "dog", "--weights", make())
    assert done.exit_code == 0, done.stderr
    made, given = Image.open("a_stargan-ref_r.png"), Image.open("a.png")
    assert made.size == given.size
    assert np.array_equal(np.asarray(made)[..., 3], np.asarray(given)[..., 3])
    assert json.loads(read_settings("a_stargan-ref_r.png") or "")["method"] == "stargan ref"
    words = ["--domain", "dog", "--weights", make(), "--fit", "crop", "-o", "crop.png"]
    assert cli("stargan", "ref", "a.png", "--reference", "r.png", *words).exit_code == 0
    alpha = torch.from_numpy(np.asarray(given)[..., 3].copy())[None, :, 5:25].float() / 255
    from stylecli.media.transparency import resize_alpha

    assert np.array_equal(np.asarray(Image.open("crop.png"))[..., 3], resize_alpha(alpha, (16, 16))[0].mul(255).round())


@pytest.mark.parametrize("hpf", [0.0, 1.0])
def test_contents_may_be_larger_than_those_of_training(hpf: float, make: Make, picture: Callable[..., Path]):
    options: dict[str, Any] = {"weights": make(hpf=hpf, size=32), "domain": "dog", "no_masks": True}
    content, reference = picture("a.png", size=(90, 60)), picture("r.png")

    def made(size: int | None, **more: Any) -> np.ndarray:
        return np.asarray(api.stargan("ref", content, reference, size=size, **options, **more))

    assert np.array_equal(made(None), made(32))
    assert made(96).shape == (60, 90, 3)
    assert np.array_equal(made(96), made(95))  # of what halves, the next
    assert not np.array_equal(made(96), made(32))
    small, large = (made(size, alpha=0.5, content_domain="cat") for size in (32, 96))
    assert abs(small.mean() - large.mean()) < 20


def test_strength_and_mixtures_are_lines_between_styles(make: Make):
    weights = make()
    net = build(Path(weights))[2]
    assert isinstance(net, StarGAN)
    content, one, other = torch.rand(3, 3, 16, 16).mul(255).round().div(255)
    unit = lambda x: x[None] * 2 - 1
    with torch.inference_mode():
        own = net.encoder(unit(content), torch.tensor([0]))
        target = sum(s * net.encoder(unit(x), torch.tensor([2])) for s, x in ((0.25, one), (0.75, other)))
        wanted = net.generator(unit(content), 0.7 * own + 0.3 * target)[0].add(1).div(2).clamp(0, 1)
    found = api.stargan(
        "ref", content, [one, other], weights=weights, domain="owl", content_domain="cat", alpha=0.3, shares=[1, 3]
    )
    assert torch.allclose(found, wanted, atol=1e-4)


def test_seeds_and_truncation(make: Make):
    weights, content = make(), torch.rand(3, 16, 16)
    draw = lambda **options: api.stargan("latent", content, weights=weights, domain="dog", **options)
    assert torch.equal(draw(seeds=3), draw(seeds=3))
    assert not torch.allclose(draw(seeds=3), draw(seeds=4))
    assert torch.allclose(draw(seeds=3, psi=0.0), draw(seeds=4, psi=0.0), atol=1e-6)


def test_the_domain_of_a_picture(make: Make, cli: Callable[..., Result], picture: Callable[..., Path]):
    for name in ("dog/1.png", "a.png", "r.png"):
        picture(name, size=(16, 16))
    Path("known.png").write_bytes(Path("dog/1.png").read_bytes())
    shared = ["--weights", make(guess=True)]
    told = cli("stargan", "ref", "a.png", "--reference", "dog/1.png", *shared, "-o", "folder.png")
    assert "recognized as" not in told.stderr
    cli("stargan", "ref", "a.png", "--reference", "known.png", "--domain", "dog", *shared, "-o", "said.png")
    cli("stargan", "ref", "a.png", "--reference", "known.png", "--domain", "1", *shared, "-o", "number.png")
    cli("stargan", "ref", "a.png", "--reference", "known.png", "--domain", "Dog", *shared, "-o", "case.png")
    first, *others = (np.asarray(Image.open(f"{name}.png")) for name in ("folder", "said", "number", "case"))
    assert all(np.array_equal(first, other) for other in others)
    piped = cli("stargan", "ref", "a.png", "--reference", "-", *shared, "-o", "p.png", stdin=Path("r.png").read_bytes())
    assert "stdin: recognized as " in piped.stderr
    for name, weights in (("x.png", make(guess=True)), ("y.png", make())):
        done = cli("stargan", "ref", "a.png", "--reference", "r.png", "--weights", weights, "-o", name)
        assert done.exit_code == 0
        assert "r.png: recognized as " in done.stderr
        assert "--domain names another domain" in done.stderr


def test_names_of_domains(make: Make, cli: Callable[..., Result], tmp_path: Path):
    path = theirs(randomized(config_of(size=32)), tmp_path / "nets.ckpt")
    domains = lambda *words: cli("stargan", "domains", "--weights", path, *words)
    assert domains().stdout.split() == ["0", "1", "2"]
    assert domains("--domains", "cat,dog,wild").stdout.split() == ["cat", "dog", "wild"]
    Path("nets.ckpt.domains").write_text("a\nb\nc\n")
    assert domains("--json").stdout.splitlines()[1] == '{"index": 1, "domain": "b"}'
    wrong = domains("--domains", "cat,dog")
    assert wrong.exit_code == 3
    assert "has 3 domains, 2 names are given: cat, dog" in wrong.stderr


def test_a_style_is_computed_once_a_reference(
    make: Make, cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    for name in ("a.png", "b.png", "r.png", "s.png"):
        picture(name, size=(16, 16))
    seen: list[Tensor] = []
    weights, whole = make(), StyleEncoder.features
    monkeypatch.setattr(StyleEncoder, "features", lambda self, x: seen.append(x) or whole(self, x))
    words = ["--reference", "r.png", "--reference", "s.png", "--domain", "cat", "--weights", weights, "-o", "out/"]
    done = cli("stargan", "ref", "a.png", "b.png", *words)
    assert len(done.stdout.split()) == 4, done.stderr
    assert len(seen) == 2


def test_the_papers_table_and_singles(make: Make, cli: Callable[..., Result], picture: Callable[..., Path]):
    for name in ("a.png", "b.png", "r.png", "s.png", "t.png"):
        picture(name, size=(16, 16))
    words = ["--reference", "r.png", "--reference", "s.png", "--reference", "t.png", "--domain", "cat"]
    words += ["--weights", make(), "--fit", "stretch", "--grid", "-o", "out/"]
    done = cli("stargan", "ref", "a.png", "b.png", *words)
    assert done.exit_code == 0, done.stderr
    table = np.asarray(Image.open("out/a_stargan-ref_grid.png"))
    cells = table.reshape(4, 16, 3, 16, 3).swapaxes(1, 2)
    load = lambda name: np.asarray(Image.open(name))
    assert (cells[0, 0] == 255).all()
    assert np.array_equal(cells[0, 2], load("b.png"))
    assert np.array_equal(cells[2, 0], load("s.png"))
    assert np.array_equal(cells[2, 1], load("out/a_stargan-ref_s.png"))
    assert np.array_equal(cells[3, 2], load("out/b_stargan-ref_t.png"))
    # A sweep has a labelled sheet for each content.
    done = cli(
        "stargan", "ref", "a.png", "b.png", *words[:-1], "sweep/", "--alpha", "0.5:1:2", "--content-domain", "dog"
    )
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in Path("sweep").glob("*grid*")) == [f"{x}_stargan-ref_grid.png" for x in "ab"]


def test_a_clip_and_its_replay(make: Make, cli: Callable[..., Result], picture: Callable[..., Path]):
    for name in ("a.png", "r.png", "s.png"):
        picture(name, size=(16, 12))
    words = ["--reference", "r.png", "--reference", "s.png", "--domain", "cat", "--weights", make(), "--frames", "3"]
    done = cli("stargan", "ref", "a.png", *words, "--animate", "morph.webp")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == ["morph.webp"]
    with Image.open("morph.webp") as clip:
        assert (clip.n_frames, clip.size) == (6, (16, 12))
    assert cli("replay", "morph.webp").exit_code == 0
    assert Path("morph_replay.webp").read_bytes() == Path("morph.webp").read_bytes()


def test_replay_and_skip(make: Make, cli: Callable[..., Result], picture: Callable[..., Path]):
    picture("a.png", size=(20, 14))
    words = ["stargan", "latent", "a.png", "--domain", "owl", "--seeds", "0-2", "--weights", make(), "--psi", "0.5"]
    done = cli(*words)
    assert done.stdout.split() == [f"a_stargan-latent_seeds{seed}.png" for seed in range(3)], done.stderr
    assert cli(*words, "--skip-existing").exit_code == 0
    assert cli("replay", "a_stargan-latent_seeds1.png").exit_code == 0
    replayed = Path("a_stargan-latent_seeds1_replay.png")
    assert replayed.read_bytes() == Path("a_stargan-latent_seeds1.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["ref", "a.png", "--reference", "r.png", "--domain", "dgo"], 2, "--domain dgo: not a domain of this network"),
        (["ref", "a.png", "--reference", "r.png", "--domain", "3"], 2, "--domain 3: not a domain of this network"),
        (["ref", "a.png"], 2, "--reference: missing"),
        (["ref", "a.png", "--reference", "r.png:2"], 2, "--reference: a weight says how much of a mixture"),
        (["ref", "a.png", "--reference", "r.png", "--animate", "x.webp"], 2, "goes from one style to the next"),
        (["ref", "a.png", "--reference", "r.png", "--reference", "a.png", "--animate", "x.png"], 2, "not a clip"),
        (["ref", "a.png", "--reference", "gone.png"], 2, "gone.png: no such file"),
        (["latent", "a.png"], 2, "--domain: missing"),
        (["latent", "a.png", "--domain", "cat", "--seeds", "x"], 2, "--seeds x: cannot use"),
        (["ref", "a.png", "--reference", "r.png", "--domain", "cat", "--mean-face", "r.png"], 1, "r.png: no mean face"),
        (["ref", "a.png", "--reference", "r.png", "--align"], 3, "--align needs wing: not pulled yet"),
    ],
)
def test_what_is_wrong_is_said(
    words: Sequence[str],
    code: int,
    said: str,
    make: Make,
    cli: Callable[..., Result],
    picture: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.setenv("STYLECLI_WEIGHTS", str(tmp_path / "cache"))
    picture("a.png"), picture("r.png")
    assert said in complaint(cli("stargan", *words, "--weights", make()), code)


def test_names_are_offered(make: Make, cli: Callable[..., Result], picture: Callable[..., Path]):
    picture("a.png"), picture("r.png")
    ref = ["stargan", "ref", "a.png", "--reference", "r.png", "--weights", make()]
    assert "did you mean dog?" in cli(*ref, "--domain", "dgo").stderr
    assert "one of cat, dog, owl" in cli(*ref, "--domain", "zebra").stderr


def test_masks_need_landmarks(
    make: Make, cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STYLECLI_WEIGHTS", str(Path("cache").absolute()))
    picture("a.png"), picture("r.png")
    words = ["stargan", "ref", "a.png", "--reference", "r.png", "--domain", "cat", "--weights", make(size=32, hpf=1.0)]
    done = cli(*words)
    assert "was trained with masks of faces, which needs wing: not pulled yet" in complaint(done, 3)
    assert "weights pull wing" in done.stderr
    assert "--no-masks" in done.stderr
    assert cli(*words, "--no-masks").exit_code == 0


def test_no_face(make: Make, tmp_path: Path):
    fan = FAN()
    for parameter in fan.parameters():
        torch.nn.init.zeros_(parameter)
    path = tmp_path / "wing.safetensors"
    save_network(fan, path, network="fan", config={}, about={}, half=False)
    options: dict[str, Any] = {"weights": make(), "align": True, "fan": str(path), "domain": "cat"}
    with pytest.raises(InputError, match="content: no face found"):
        api.stargan("ref", torch.rand(3, 16, 16), torch.rand(3, 16, 16), **options)
    with pytest.raises(UsageError, match="--size 32: faces are found at the network's own size, 16 px"):
        api.stargan("ref", torch.rand(3, 16, 16), torch.rand(3, 16, 16), **options, size=32)
    assert prove(path) is not None
    with pytest.raises(WeightsError, match="holds stylecli StarGAN v2, not a fan"):
        api.stargan("ref", torch.rand(3, 16, 16), torch.rand(3, 16, 16), **{**options, "fan": make()})


def test_landmarks_are_the_warmest_places():
    heat = torch.zeros(1, 98, 64, 64)
    heat[0, :, 10, 20] = 1
    heat[0, :, 10, 21], heat[0, :, 11, 20] = 0.5, 0.25
    found, warmth = landmarks(heat)
    assert torch.equal(found[0, 0], torch.tensor([(20 + 0.75) * 4, (10 + 0.75) * 4]))
    assert bool((warmth == 1).all())


def test_an_upright_face_stays(tmp_path: Path):
    points = np.tile(CELEBA.center, (98, 1))
    for index, x, y in ((96, -32, -32), (97, 32, -32), (76, -25.6, 32), (82, 25.6, 32)):
        points[index] += (x, y)
    points[60:68], points[68:76] = points[96], points[97]
    # Eyes have more landmarks than the mouth: the center moves, but nothing turns.
    np.savez(tmp_path / "mean.npz", mean=points)
    face = read_mean_face(str(tmp_path / "mean.npz"))
    assert np.allclose(similarity(points, face, 256), np.eye(3), atol=1e-9)
    picture = torch.rand(3, 64, 64).mul(255).round().div(255)
    border = torch.from_numpy(points) / 4
    made = aligned(picture, border, face)
    assert (made - picture).abs().max() <= 1.01 / 255
