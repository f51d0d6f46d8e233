"""`stargan` against what clovaai/stargan-v2 computed (`../shared/golden/stargan2`), by function and command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Result
from goldens import SHARED, filled, needs_goldens
from PIL import Image
from torch import Tensor

from stylecli import api
from stylecli.checkpoints.load import build
from stylecli.media.faces import aligned, read_mean_face, similarity
from stylecli.media.fit_square import square
from stylecli.media.images import write_picture
from stylecli.nets.fan import landmarks
from stylecli.nets.stargan import StarGAN
from stylecli.nets.stargan_style import StarGANDiscriminator
from stylecli.training.stargan_terms import discriminator_terms, generator_terms

pytestmark = needs_goldens


class Golden:
    """One case: its checkpoint under the official name, its pictures as files and as networks take them."""

    def __init__(self, case: str, folder: Path) -> None:
        source = SHARED / "golden" / "stargan2" / case
        self.case = json.loads((source / "case.json").read_text())
        self.io = {name: torch.from_numpy(array) for name, array in np.load(source / "io.npz").items()}
        self.tree: dict[str, dict[str, Tensor]] = {}
        for key, value in filled(self.case).items():
            net, _, rest = key.partition(".")
            self.tree.setdefault(net, {})[rest] = value
        self.weights = folder / "100000_nets_ema.ckpt"
        torch.save(self.tree, self.weights)

    def net(self) -> StarGAN:
        net = build(self.weights)[2]
        assert isinstance(net, StarGAN)
        return net.freeze()

    def unit(self, name: str) -> Tensor:
        return self.io[name].permute(0, 3, 1, 2).float() / 255 * 2 - 1

    def check(self, name: str, found: Tensor) -> None:
        assert (found - self.io[name]).abs().max() <= self.case["tolerance"][name], name

    def check_file(self, path: str, raw: Tensor, tolerance: float) -> None:
        """The file holds `raw` [3, H, W] in [-1, 1] rounded to 8 bits, but for what the tolerance leaves open."""
        low, high = (
            (raw + sign * tolerance).add(1).div(2).clamp(0, 1).mul(255).add(0.5).floor().permute(1, 2, 0).numpy()
            for sign in (-1, 1)
        )
        levels = np.asarray(Image.open(path))
        assert ((low <= levels) & (levels <= high)).all()


def save(name: str, levels: Tensor) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels.numpy()).save(name)


@pytest.mark.parametrize("case", ["afhq_256_c96", "celeba_256_c96_fan"])
def test_translations(case: str, tmp_path: Path, cli: Callable[..., Result]):
    golden = Golden(case, tmp_path)
    net, x = golden.net(), golden.unit("x_src")
    config = golden.case["config"]
    known = net.config
    assert (known.size, known.domains, known.hpf) == (config["img_size"], config["num_domains"], config["w_hpf"])
    assert (known.style_dim, known.latent_dim, known.most_channels) == (64, 16, config["max_conv_dim"])
    with torch.inference_mode():
        masks = net.masks(x)
        if masks and net.fan:
            golden.check("mask0", masks[0]), golden.check("mask1", masks[1])
            golden.check("landmarks", landmarks(net.fan(x))[0])
        golden.check("s_ref", net.encoder(golden.unit("x_ref"), golden.io["y_ref"]))
        golden.check("s_lat", net.mapping(golden.io["z"], golden.io["y_lat"]))
    save("source.png", golden.io["x_src"][0]), save("reference.png", golden.io["x_ref"][0])
    shared = ["--weights", golden.weights, "--fit", "stretch", "-o", "out.png", "--overwrite"]
    domain = int(golden.io["y_ref"][0])
    done = cli("stargan", "ref", "source.png", "--reference", "reference.png", "--domain", domain, *shared)
    assert done.exit_code == 0, done.stderr
    golden.check_file("out.png", golden.io["img_ref"][0], golden.case["tolerance"]["img_ref"])
    made = api.stargan(
        "ref", (x[0] + 1) / 2, (golden.unit("x_ref")[0] + 1) / 2, weights=str(golden.weights), domain=str(domain)
    )
    bound = golden.case["tolerance"]["img_ref"]
    assert (made * 2 - 1 - golden.io["img_ref"][0].clamp(-1, 1)).abs().max() <= bound
    if "img_lat" in golden.io:
        # The first z of the case is that of its seed.
        latent = ["--domain", int(golden.io["y_lat"][0]), "--seeds", "11"]
        done = cli("stargan", "latent", "source.png", *latent, *shared)
        assert done.exit_code == 0, done.stderr
        golden.check_file("out.png", golden.io["img_lat"][0], golden.case["tolerance"]["img_lat"])


def test_the_table_of_folders(tmp_path: Path, cli: Callable[..., Result]):
    golden = Golden("grid_64", tmp_path)
    for file in golden.case["files"]:
        save(file["path"], golden.io[file["array"]])
    order = golden.case["order"]
    # In the authors' order, which is that of code points.
    Path("src.txt").write_text("\n".join(order["src"])), Path("ref.txt").write_text("\n".join(order["ref"]))
    words = ["--weights", golden.weights, "--domains", ",".join(order["classes"]), "--fit", "stretch"]
    done = cli("stargan", "ref", "@src.txt", "--reference", "@ref.txt", *words, "--grid", "-o", "grid.png")
    assert done.exit_code == 0, done.stderr
    assert "taken for" not in done.stderr
    table, wanted = np.asarray(Image.open("grid.png")).astype(int), golden.io["grid"].numpy()
    assert table.shape == wanted.shape
    difference = np.abs(table - wanted)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.002
    net = golden.net()
    for index, (path, label) in enumerate(zip(order["ref"], order["ref_labels"], strict=True)):
        levels = golden.io[next(file["array"] for file in golden.case["files"] if file["path"] == path)]
        x = square(levels.permute(2, 0, 1).float() / 255, 64, "stretch").pixels[None] * 2 - 1
        with torch.inference_mode():
            found = net.encoder(x, torch.tensor([label]))
        assert (found[0] - golden.io["s_ref"][index]).abs().max() <= golden.case["tolerance"]["s_ref"]


def test_sizing_and_rounding(tmp_path: Path):
    source = SHARED / "golden" / "stargan2" / "preprocess_128"
    io = {name: torch.from_numpy(array) for name, array in np.load(source / "io.npz").items()}
    found = square(io["photo"].permute(2, 0, 1).float() / 255, 128, "stretch").pixels * 2 - 1
    assert (found - io["x"][0]).abs().max() <= 0.00016
    for index, raw in enumerate(io["raw"]):
        write_picture(raw.add(1).div(2), tmp_path / "raw.png")
        levels = np.asarray(Image.open(tmp_path / "raw.png"))
        assert np.array_equal(levels, io["saved"][:, 20 * index : 20 * index + 20].numpy())


def test_alignment(tmp_path: Path):
    source = SHARED / "golden" / "stargan2" / "align_256"
    io = dict(np.load(source / "io.npz"))
    np.savez(tmp_path / "mean.npz", mean=io["lm_mean"])
    face = read_mean_face(str(tmp_path / "mean.npz"))
    matrix = similarity(io["landmarks"].astype(float) + 128, face, 256)
    assert np.abs(matrix - io["matrix"]).max() <= 0.001
    picture = torch.from_numpy(io["photo"]).permute(2, 0, 1).float() / 255
    made = aligned(picture, torch.from_numpy(io["landmarks"]), face).mul(255).round().permute(1, 2, 0).numpy()
    assert (np.abs(made - io["aligned"]) <= 1).mean() >= 0.999


def test_losses_of_training(tmp_path: Path):
    golden = Golden("train_losses_128_fan", tmp_path)
    net = build(golden.weights)[2]
    assert isinstance(net, StarGAN)
    critic = StarGANDiscriminator(net.config)
    critic.load_state_dict(golden.tree["discriminator"])
    io, bounds = golden.io, golden.case["tolerance"]["losses"]
    real, one, other = (golden.unit(name) for name in ("x_real", "x_ref", "x_ref2"))
    golden.check("logits_real", critic(real, io["y_org"]).detach())
    wanted = dict(zip(golden.case["outputs"]["losses"]["names"], io["losses"].tolist(), strict=True))
    net.requires_grad_(True)
    nets: dict[str, Any] = {"discriminator": critic, "generator": net.generator}
    nets |= {"mapping_network": net.mapping, "style_encoder": net.encoder}
    masks = net.masks(real)
    styles = {
        "latent": lambda: [net.mapping(io[name], io["y_trg"]) for name in ("z_trg", "z_trg2")],
        "ref": lambda: [net.encoder(x, io["y_trg"]) for x in (one, other)],
    }
    found: dict[str, float] = {}

    def keep(phase: str, terms: dict[str, Tensor], total: Tensor, of: list[str]) -> None:
        for each in nets.values():
            each.zero_grad(set_to_none=True)
        total.backward()
        found[f"{phase}/total"] = total.item()
        found.update({f"{phase}/{name}": value.item() for name, value in terms.items()})
        for name in of:
            slopes = [p.grad.square().sum() for p in nets[name].parameters() if p.grad is not None]
            found[f"{phase}/gradnorm_{name}"] = torch.stack(slopes).sum().sqrt().item() if slopes else 0.0

    for source, drawn in styles.items():
        with torch.no_grad():
            fake = net.generator(real, drawn()[0], masks)
        d = discriminator_terms(critic, real, io["y_org"], fake, io["y_trg"], penalized=True)
        keep(f"d_{source}", d, d["real"] + d["fake"] + d["reg"], ["discriminator"])
        g, _ = generator_terms(net, critic, real, io["y_org"], io["y_trg"], *drawn(), net.masks)
        total = g["adv"] + g["sty"] - g["ds"] + g["cyc"]
        keep(f"g_{source}", g, total, ["generator", "mapping_network", "style_encoder"])
    for name, value in wanted.items():
        assert abs(found[name] - value) <= bounds[name], (name, found[name], value)
