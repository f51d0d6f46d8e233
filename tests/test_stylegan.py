"""`stylegan`: lists, truncation, mixing, saved latents, clips, and what is wrong with an input, on tiny generators."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Result, complaint
from hypothesis import given
from hypothesis import strategies as st
from nvidia_pickles import Persistent, Stub, pickled
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from stylecli import api
from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.checkpoints.layouts.stylegan2 import stored_config
from stylecli.checkpoints.load import build, describe, prove
from stylecli.checkpoints.save import save_network
from stylecli.errors import InputError, UsageError, WeightsError
from stylecli.losses.generators import filtered_mean, slerp
from stylecli.media.stored_settings import read_settings
from stylecli.nets.style_generator import StyleGenerator
from stylecli.nets.stylegan1 import StyleGAN1, StyleGAN1Config
from stylecli.nets.stylegan2 import StyleGAN2, StyleGAN2Config
from stylecli.nets.upfirdn import SMOOTH, double, smooth
from stylecli.settings import lists
from stylecli.settings.values import numbers

Make = Callable[..., str]


def randomized(net: StyleGenerator) -> StyleGenerator:
    torch.manual_seed(0)
    for each in [*net.parameters(), *net.buffers()]:
        torch.nn.init.normal_(each, std=each[0].numel() ** -0.5 if each.ndim > 1 else 0.5)
    return net


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Files of tiny generators of 16 px: `make()`, `make(classes=3, embedding=4)`, `make(StyleGAN1Config)`."""
    folder = tmp_path_factory.mktemp("generators")

    def made(kind: type = StyleGAN2Config, **options: Any) -> str:
        config = kind(**{"widths": (8, 8, 6), "mapping": (8, 8), "z_dim": 8, **options})
        path = folder / f"{kind.__name__}{len(list(folder.iterdir()))}.safetensors"
        net, name = (StyleGAN1, "stylegan1") if kind is StyleGAN1Config else (StyleGAN2, "stylegan2")
        about = {"licence": "CC0"}
        save_network(randomized(net(config)), path, network=name, config=stored_config(config), about=about, half=False)
        return str(path)

    return made


def test_doubling_is_inserting_zeros_and_filtering():
    x = torch.randn(2, 3, 5, 7)
    wide = torch.zeros(2, 3, 10, 14)
    wide[:, :, ::2, ::2] = x
    assert torch.allclose(double(x), smooth(F.pad(wide, (2, 1, 2, 1)), SMOOTH, 0, gain=4), atol=1e-6)


def test_both_ways_to_modulate_are_the_papers():
    net = randomized(StyleGAN2(StyleGAN2Config((6, 5), (8,), 8)))
    for layer in net.layers:
        x, w = torch.randn(1, layer.weight.shape[1], 64 if layer is net.layers[0] else 4, 4), torch.randn(1, 8)
        style = layer.affine(w)[0]
        weight = layer.weight * style[:, None, None]
        weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        plain = F.conv2d(x, weight, padding=1)
        if layer.up:
            plain = smooth(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), SMOOTH, 1, gain=4)
        plain = F.leaky_relu(plain + layer.bias[:, None, None], 0.2) * 2**0.5
        for batch in (1, 2):
            found = layer(x.repeat(batch, 1, 1, 1), w.repeat(batch, 1), None)
            assert torch.allclose(found, plain.expand_as(found), atol=1e-4)


@pytest.mark.parametrize("kind", [StyleGAN1Config, StyleGAN2Config])
def test_a_batch_is_its_pictures(kind: type):
    config = kind(widths=(8,) * 5 + (4,), mapping=(8,), z_dim=8)
    net = randomized((StyleGAN1 if kind is StyleGAN1Config else StyleGAN2)(config))
    ws = torch.randn(3, len(net.pixels), 8)
    noises = [torch.randn(3, 1, size, size) for size in net.noise_sizes]
    with torch.enable_grad():
        whole = net.synthesize(ws, noises).detach()
    net.freeze()
    with torch.inference_mode():
        assert torch.allclose(net.synthesize(ws, noises), whole, atol=1e-4)
        one = net.synthesize(ws[1:2], [noise[1:2] for noise in noises])
    assert torch.allclose(one[0], whole[1], atol=1e-4)


def test_our_files_carry_their_config_and_a_proof(make: Make):
    path = Path(make(classes=3, embedding=4, labels=("cat", "dog", "owl"), clamp=8.0))
    said = describe(path)
    assert said.network == "stylegan2"
    assert said.config["labels"] == ("cat", "dog", "owl")
    assert said.config["clamp"] == 8.0
    difference = prove(path)
    assert difference is not None
    assert difference < 1e-5


@given(st.lists(st.integers(0, 99), min_size=1, max_size=20))
def test_seeds_are_read_as_they_were_said(seeds: list[int]):
    assert lists.integers(",".join(map(str, seeds)), "--seeds") == tuple(seeds)


def test_lists():
    assert lists.sources("0,3,5-7,a.safetensors,b.safetensors[2]", "--seeds") == (
        0, 3, 5, 6, 7, ("a.safetensors", None), ("b.safetensors", 2),
    )  # fmt: skip
    assert numbers("0:1:6", "--psi") == (0, 0.2, 0.4, 0.6, 0.8, 1)
    assert numbers("-1,0.12345678901", "--psi") == (-1, 0.12345678901)
    pixels = (4, 8, 8, 16, 16, 32, 32, 64, 64, 64)
    assert lists.layers("coarse", pixels) == (0, 1, 2)
    assert lists.layers("middle,9", pixels) == (3, 4, 5, 6, 9)


@pytest.mark.parametrize("text", ["", "3-1", "a", "1,,2", "-1", "1.5", "4294967296", "0-99999", "1-2-3", "٣"])
def test_bad_seeds(text: str):
    with pytest.raises(UsageError, match="--seeds"):
        lists.integers(text, "--seeds")


@pytest.mark.parametrize("text", ["", "a", "0:1", "0:1:1", "nan", "inf", "0:1:2:3"])
def test_bad_psi(text: str):
    with pytest.raises(UsageError, match="--psi"):
        numbers(text, "--psi")


def test_truncation_moves_layers_before_the_cutoff(make: Make):
    weights = make()
    net = build(Path(weights))[2]
    full, half = (api.stylegan("sample", weights=weights, psi=psi).latents[0] for psi in (1, 0.5))
    assert torch.allclose(half, net.w_avg + (full - net.w_avg) / 2, atol=1e-6)
    cut = api.stylegan("sample", weights=weights, psi=0.5, cutoff=2).latents[0]
    assert torch.equal(cut[2:], full[2:])
    assert torch.equal(cut[:2], half[:2])


def test_mixing_takes_layers_of_the_columns(make: Make):
    weights = make()
    rows, columns = (api.stylegan("sample", weights=weights, seeds=s).latents for s in ("0-1", "2-4"))
    mixed = api.stylegan("mix", weights=weights, rows="0-1", columns="2-4", layers="0,3-5").latents.unflatten(0, (2, 3))
    for layer in range(6):
        wanted = columns[None, :, layer] if layer in (0, 3, 4, 5) else rows[:, None, layer]
        assert torch.equal(mixed[:, :, layer], wanted.expand(2, 3, -1)), layer


def test_noise(make: Make):
    weights = make()
    draw = lambda **options: api.stylegan("sample", weights=weights, **options).pictures
    const, none = draw(), draw(noise="none")
    assert torch.equal(const, draw())
    assert not torch.allclose(const, none)
    first, again, other = draw(seeds=1, noise="random"), draw(seeds="0,1", noise="random")[1:], draw(seeds=1)
    assert torch.allclose(first, again, atol=1e-6)
    assert not torch.allclose(first, other)


def test_a_file_without_noise_and_mean_says_so(make: Make):
    weights = make(noises=False, average=False)
    made = api.stylegan("sample", weights=weights, psi=0.5)
    assert len(made.notes) == 2
    assert torch.equal(made.pictures, api.stylegan("sample", weights=weights, psi=0.5).pictures)


def test_classes(make: Make):
    weights = make(classes=3, embedding=4, labels=("cat", "dog", "owl"))
    by_number = api.stylegan("sample", weights=weights, seeds=0, class_="1,2").pictures
    assert not torch.equal(by_number[0], by_number[1])
    by_name = api.stylegan("sample", weights=weights, seeds=0, class_="owl").pictures[0]
    assert torch.allclose(by_name, by_number[1], atol=1e-5)
    assert torch.equal(
        api.stylegan("sample", weights=weights, seeds=1).pictures,
        api.stylegan("sample", weights=weights, seeds=1, class_="dog").pictures,
    )


def test_singles_sheets_and_replay(make: Make, cli: Callable[..., Result]):
    weights = make(classes=2, embedding=4)
    done = cli(
        "stylegan", "sample", "--weights", weights, "--seeds", "0,2", "--class", "0-1", "--psi", "0.5,1", "--json"
    )
    assert done.exit_code == 0, done.stderr
    outputs = [json.loads(line)["output"] for line in done.stdout.splitlines()]
    assert len(set(outputs)) == 8
    assert cli("stylegan", "sample", "--weights", weights, "--seeds", "0-5", "--grid").stdout == "stylegan_sheet.png\n"
    settings = json.loads(read_settings("stylegan_sheet.png") or "")["settings"]
    assert settings["seeds"] == "0-5"
    assert cli("replay", "stylegan_sheet.png").exit_code == 0
    assert Path("stylegan_sheet_replay.png").read_bytes() == Path("stylegan_sheet.png").read_bytes()
    again = cli("stylegan", "sample", "--weights", weights, "--seeds", "0-5", "--grid")
    assert again.exit_code == 2
    assert "already there" in again.stderr
    skipped = cli("stylegan", "sample", "--weights", weights, "--seeds", "0-5", "--grid", "--skip-existing")
    assert "skipped" in skipped.stderr


def test_saved_latents_give_the_picture_again(make: Make, cli: Callable[..., Result]):
    weights = make()
    first = ("stylegan", "sample", "--weights", weights, "--seeds", "0-1", "--psi", "0.5", "--save-latents", "-q")
    assert cli(*first).exit_code == 0
    assert load_file("stylegan_seed1.safetensors")["w"].shape == (1, 8)
    done = cli("stylegan", "sample", "--weights", weights, "--seeds", "stylegan_seed1.safetensors", "-o", "again.png")
    assert done.exit_code == 0, done.stderr
    assert np.array_equal(np.asarray(Image.open("again.png")), np.asarray(Image.open("stylegan_seed1.png")))
    refused = cli(*first[:-1], "--overwrite", "-o", "other/")
    assert refused.exit_code == 0
    Path("other/stylegan_seed0.png").unlink()
    Path("other/stylegan_seed1.png").unlink()
    kept = cli(*first[:-1], "-o", "other/")
    assert kept.exit_code == 1
    assert "stylegan_seed0.safetensors: already there" in kept.stderr


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".mp4"])
def test_a_clip_and_its_replay(suffix: str, make: Make, cli: Callable[..., Result]):
    done = cli("stylegan", "interpolate", "--weights", make(), "--seeds", "0-2", "--steps", "4", "-o", f"a{suffix}")
    assert done.exit_code == 0, done.stderr
    assert json.loads(read_settings(f"a{suffix}") or "")["method"] == "stylegan interpolate"
    assert cli("replay", f"a{suffix}").exit_code == 0
    assert Path(f"a_replay{suffix}").read_bytes() == Path(f"a{suffix}").read_bytes()
    if suffix != ".mp4":
        with Image.open(f"a{suffix}") as clip:
            assert clip.n_frames == 12


def test_slerp_stays_on_the_sphere():
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    assert torch.allclose(slerp(a, b, 1 / 3), torch.tensor([[3**0.5 / 2, 0.5]]), atol=1e-6)


def test_outliers_leave_the_path_length():
    values = torch.cat([torch.full((198,), 2.0), torch.tensor([-1e9, 1e9])])
    assert filtered_mean(values) == pytest.approx(2.0)


def test_path_length_and_projection(make: Make, cli: Callable[..., Result], picture: Any, tiny_encoder: Path):
    weights = make(widths=(8, 8, 8, 8))
    done = cli("stylegan", "ppl", "--weights", weights, "--samples", 8, "--encoder", tiny_encoder)
    assert done.exit_code == 0, done.stderr
    assert float(done.stdout) > 0
    assert "not by LPIPS" in done.stderr
    weighted = {
        f"lin{index}.model.1.weight": torch.full((1, width, 1, 1), 3.0) for index, width in enumerate((4, 4, 8, 8, 8))
    }
    torch.save(weighted, "lpips.pth")
    words = ["stylegan", "ppl", "--weights", weights, "--samples", 8, "--encoder", tiny_encoder]
    done = cli(*words, "--lpips", "lpips.pth", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["notes"] == []
    torch.save({name: value / 2 for name, value in weighted.items()}, "lpips.pth")
    half = json.loads(cli(*words, "--lpips", "lpips.pth", "--json").stdout)
    assert found["ppl"] == pytest.approx(2 * half["ppl"])
    torch.save(weighted | {"lin0.model.1.weight": torch.ones(1, 64, 1, 1)}, "lpips.pth")
    wrong = cli(*words, "--lpips", "lpips.pth")
    assert wrong.exit_code == 3
    assert "weighs 64 channels of relu1_2" in wrong.stderr
    # A picture of the generator itself is found again.
    cli("stylegan", "sample", "--weights", weights, "--seeds", "5", "-o", "five.png")
    found = cli(
        "stylegan", "project", "five.png", "--weights", weights, "--encoder", tiny_encoder, "--steps", "60", "--json"
    )
    assert found.exit_code == 0, found.stderr
    losses = json.loads(found.stdout)["losses"]
    start = api.stylegan("project", photo="five.png", weights=weights, encoder=str(tiny_encoder), steps=1).losses
    assert losses["distance"] < 0.5 * start["distance"]
    assert load_file("five_stylegan.safetensors")["w"].shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["mix", "--layers", "2-6"], 2, "--layers 6: the last layer is 5"),
        (["sample", "--class", "0"], 2, "the network knows no classes"),
        (["sample", "--cutoff", "7"], 2, "there are 6 layers"),
        (["sample", "--size", "64"], 3, "makes pictures of 16 px, not 64"),
        (["sample", "--seeds", "other.safetensors"], 1, "of another network: w is [1, 9], not [N, 8]"),
        (["sample", "--seeds", "other.safetensors[3]"], 1, "of another network"),
        (["sample", "--seeds", "good.safetensors[3]"], 1, "the last row is 0"),
        (["sample", "--seeds", "gone.safetensors"], 2, "gone.safetensors: no such file"),
        (["sample", "--noise", "good.safetensors"], 1, "noise_0 is missing"),
        (["sample", "--noise", "loud"], 2, "--noise loud: not one of const, random, none"),
        (["sample", "-o", "a.mp4"], 2, "a.mp4: cannot write .mp4"),
        (["interpolate", "--seeds", "good.safetensors"], 2, "--space z: good.safetensors holds w"),
        (["interpolate", "-o", "a.png"], 2, "a.png: cannot write .png"),
        (["project", "gone.png"], 2, "gone.png: no such file"),
    ],
)
def test_what_is_wrong_is_said(words: Sequence[str], code: int, said: str, make: Make, cli: Callable[..., Result]):
    save_file({"w": torch.zeros(1, 9)}, "other.safetensors")
    save_file({"w": torch.zeros(1, 8)}, "good.safetensors")
    assert said in complaint(cli("stylegan", *words, "--weights", make()), code)


def test_a_class_that_is_not_there(make: Make, cli: Callable[..., Result]):
    weights = make(classes=3, embedding=4)
    for word in ("3", "cat"):
        line = complaint(cli("stylegan", "sample", "--weights", weights, "--class", word), 2)
        assert f"--class {word}: not a class of this network" in line


def test_psi_out_of_range_is_noted(make: Make, cli: Callable[..., Result]):
    done = cli("stylegan", "sample", "--weights", make(), "--psi", "1.5")
    assert done.exit_code == 0
    assert "psi 1.5: beyond the range" in done.stderr


def test_nothing_in_a_pickle_of_modules_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    path = Path("network.pkl")
    path.write_bytes(pickled({"G_ema": Persistent("Generator", {"_modules": {}})}))
    assert read_tensors(path).tensors == {}
    path.write_bytes(pickled({"G_ema": Persistent("Generator", {"hook": Stub("os", "system")})}))
    with pytest.raises(WeightsError, match=r"refused: it would call os\.system"):
        read_tensors(path)
    path.write_bytes(pickled({"G_ema": Persistent("Generator", {"_modules": {}})})[:-20])
    with pytest.raises(WeightsError, match=r"network\.pkl: (damaged|truncated)"):
        read_tensors(path)


def test_stylegan3_is_refused_by_name(tmp_path: Path, cli: Callable[..., Result]):
    arrays: dict[str, Tensor] = {"freqs": torch.zeros(4, 2), "phases": torch.zeros(4)}
    torch.save({"G_ema": {f"synthesis.input.{name}": value for name, value in arrays.items()}}, "three.pth")
    line = complaint(cli("stylegan", "sample", "--weights", "three.pth"), 3)
    assert re.search("three.pth: holds StyleGAN 3, not StyleGAN 1 or 2", line)


def test_noise_of_another_network_is_refused(make: Make, tmp_path: Path):
    path = tmp_path / "noise.safetensors"
    save_file({"noise_0": torch.zeros(1, 1, 4, 5)}, path)
    with pytest.raises(InputError, match=r"noise_0 is \[1, 1, 4, 5\], not \[N, 1, 4, 4\]"):
        api.stylegan("sample", weights=make(), noise=str(path))


@pytest.fixture
def strange(make: Make, tmp_path: Path) -> dict[str, tuple[str, Tensor]]:
    """Files of latents as others write them, for a network of 16 px: w of all layers, and what it is."""
    layers, width = 6, 8
    w = torch.from_numpy(np.random.default_rng(0).standard_normal((1, layers, width)).astype(np.float32))
    np.savez(tmp_path / "projected_w.npz", w=w.numpy())
    np.save(tmp_path / "w.npy", w.numpy().astype(np.float64))
    np.save(tmp_path / "flat.npy", w[0, 0].numpy())
    np.savez(tmp_path / "one.npz", w=w[:, :1].numpy())
    torch.save({"latent": w}, tmp_path / "external.pt")
    torch.save({"face.png": {"img": torch.zeros(1, 3, 4, 4), "latent": w[0], "noise": []}}, tmp_path / "rosinality.pt")
    torch.save(w, tmp_path / "bare.pt")
    same = dict.fromkeys(("projected_w.npz", "w.npy", "external.pt", "rosinality.pt", "bare.pt"), w)
    alike = w[:, :1].expand(-1, layers, -1)
    return {name: (str(tmp_path / name), each) for name, each in (same | {"flat.npy": alike, "one.npz": alike}).items()}


@pytest.mark.parametrize(
    "name", ["projected_w.npz", "w.npy", "external.pt", "rosinality.pt", "bare.pt", "flat.npy", "one.npz"]
)
def test_latents_of_other_projects(name: str, make: Make, strange: dict[str, tuple[str, Tensor]]):
    path, w = strange[name]
    made = api.stylegan("sample", weights=make(), seeds=path)
    assert torch.allclose(made.latents, w, atol=1e-6)


def test_odd_latents_get_one_line(make: Make, cli: Callable[..., Result], tmp_path: Path):
    np.save(tmp_path / "other.npy", np.zeros((1, 5, 7), np.float32))
    np.save(tmp_path / "whole.npy", np.zeros((1, 8), np.int64))
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object))
    np.savez(tmp_path / "two.npz", a=np.zeros((1, 8), np.float32), b=np.zeros((1, 8), np.float32))
    (tmp_path / "none.npz").write_bytes(b"PK\3\4 and nothing")
    torch.save({"a.latent": torch.zeros(6, 8), "b.latent": torch.zeros(8)}, tmp_path / "mixed.pt")
    for name, why in {
        "other.npy": "of another network",
        "whole.npy": "int64",
        "object.npy": "not a readable array",
        "two.npz": "no latents in it",
        "none.npz": "not a readable array",
        "mixed.pt": "several shapes",
    }.items():
        done = cli("stylegan", "sample", "--weights", make(), "--seeds", name, "-o", "o.png")
        assert why in complaint(done, 1), name
        assert "hint: " in done.stderr


def test_a_walk_shows_each_seed_as_sample_does(make: Make):
    weights = make(classes=3, embedding=4)
    walk = api.stylegan("interpolate", weights=weights, seeds="3,4,5", steps=2, space="z", psi="1")
    for place, seed in enumerate((3, 4, 5)):
        one = api.stylegan("sample", weights=weights, seeds=seed)
        assert torch.allclose(walk.latents[2 * place], one.latents[0], atol=1e-5)
    held = api.stylegan("interpolate", weights=weights, seeds="3,4", steps=2, space="z", psi="1", class_="2")
    assert torch.allclose(
        held.latents[2], api.stylegan("sample", weights=weights, seeds=4, class_="2").latents[0], atol=1e-5
    )
