"""`stargan` against what clovaai/stargan-v2 computed (cases `stargan2`), by function and command."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Result
from goldens import Golden as Case
from goldens import apart
from PIL import Image
from torch import Tensor

from stylecli import api
from stylecli.checkpoints.load import build
from stylecli.media.faces import aligned, read_mean_face, similarity
from stylecli.media.fit_square import square
from stylecli.media.images import write_picture
from stylecli.nets.fan import landmarks
from stylecli.nets.stargan import StarGAN, StarGANDiscriminator
from stylecli.training.stargan_terms import discriminator_terms, generator_terms


class Golden(Case):
    """One case: its checkpoint under the official name, its pictures as files and as networks take them."""

    def __init__(self, case: str, folder: Path) -> None:
        super().__init__(f"stargan2/{case}", folder)

    @cached_property
    def tree(self) -> dict[str, dict[str, Tensor]]:
        made: dict[str, dict[str, Tensor]] = {}
        for key, value in self.state.items():
            net, _, rest = key.partition(".")
            made.setdefault(net, {})[rest] = value
        return made

    @cached_property
    def weights(self) -> Path:
        path = self.folder / "100000_nets_ema.ckpt"
        torch.save(self.tree, path)
        return path

    def net(self) -> StarGAN:
        net = build(self.weights)[2]
        assert isinstance(net, StarGAN)
        return net.freeze()

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self.io[name])

    def unit(self, name: str) -> Tensor:
        return self.tensor(name).permute(0, 3, 1, 2).float() / 255 * 2 - 1

    def check_file(self, path: str, name: str) -> None:
        """The file holds picture 0 of the golden `name`, rounded to 8 bits but for what the tolerance leaves open."""
        raw, tolerance = self.io[name][0], self.tolerances[name]
        low, high = (
            np.floor(((raw + sign * tolerance + 1) / 2).clip(0, 1) * 255 + 0.5).transpose(1, 2, 0) for sign in (-1, 1)
        )
        levels = np.asarray(Image.open(path))
        assert (((low <= levels) & (levels <= high)) | np.isnan(low)).all()


def save(name: str, levels: np.ndarray) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(name)


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
        s_ref = net.encoder(golden.unit("x_ref"), golden.tensor("y_ref"))
        s_lat = net.mapping(golden.tensor("z"), golden.tensor("y_lat"))
        golden.check("s_ref", s_ref), golden.check("s_lat", s_lat)
        golden.check("img_ref", net.generator(x, s_ref[:1], masks))
        if "img_lat" in golden.case["outputs"]:
            golden.check("img_lat", net.generator(x, s_lat[:1], masks))
    save("source.png", golden.io["x_src"][0]), save("reference.png", golden.io["x_ref"][0])
    shared = ["--weights", golden.weights, "--fit", "stretch", "-o", "out.png", "--overwrite"]
    domain = int(golden.io["y_ref"][0])
    done = cli("stargan", "ref", "source.png", "--reference", "reference.png", "--domain", domain, *shared)
    assert done.exit_code == 0, done.stderr
    golden.check_file("out.png", "img_ref")
    made = api.stargan(
        "ref", (x[0] + 1) / 2, (golden.unit("x_ref")[0] + 1) / 2, weights=str(golden.weights), domain=str(domain)
    )
    assert np.nanmax(apart(made * 2 - 1, golden.io["img_ref"][0].clip(-1, 1))) <= golden.tolerances["img_ref"]
    if "img_lat" in golden.case["outputs"]:
        # The first z of the case is that of its seed.
        latent = ["--domain", int(golden.io["y_lat"][0]), "--seeds", "11"]
        done = cli("stargan", "latent", "source.png", *latent, *shared)
        assert done.exit_code == 0, done.stderr
        golden.check_file("out.png", "img_lat")


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
    assert "recognized as" not in done.stderr
    table = np.asarray(Image.open("grid.png"))
    assert list(table.shape) == golden.case["outputs"]["grid"]["shape"]
    assert (golden.check("grid", table, largest=1) > 0).mean() <= 0.002
    net = golden.net()
    styles: list[Tensor] = []
    for path, label in zip(order["ref"], order["ref_labels"], strict=True):
        name = next(file["array"] for file in golden.case["files"] if file["path"] == path)
        x = square(golden.picture(name), 64, "stretch").pixels[None] * 2 - 1
        with torch.inference_mode():
            styles.append(net.encoder(x, torch.tensor([label])))
    golden.check("s_ref", torch.cat(styles))


def test_sizing_and_rounding(tmp_path: Path):
    golden = Golden("preprocess_128", tmp_path)
    golden.check("x", square(golden.picture("photo"), 128, "stretch").pixels[None] * 2 - 1)
    for index, raw in enumerate(golden.tensor("raw")):
        write_picture(raw.add(1).div(2), tmp_path / "raw.png")
        levels = np.asarray(Image.open(tmp_path / "raw.png"))
        assert np.array_equal(levels, golden.io["saved"][:, 20 * index : 20 * index + 20])


def test_alignment(tmp_path: Path):
    golden = Golden("align_256", tmp_path)
    io = golden.io
    np.savez(tmp_path / "mean.npz", mean=io["lm_mean"])
    face = read_mean_face(str(tmp_path / "mean.npz"))
    matrix = similarity(io["landmarks"].astype(float) + 128, face, 256)
    golden.check("matrix", matrix)
    made = aligned(golden.picture("photo"), golden.tensor("landmarks"), face).mul(255).round().permute(1, 2, 0)
    assert (golden.check("aligned", made, largest=255) <= 1).mean() >= 0.999


def test_losses_of_training(tmp_path: Path):
    golden = Golden("train_losses_128_fan", tmp_path)
    net = build(golden.weights)[2]
    assert isinstance(net, StarGAN)
    critic = StarGANDiscriminator(net.config)
    critic.load_state_dict(golden.tree["discriminator"])
    y_org, y_trg = golden.tensor("y_org"), golden.tensor("y_trg")
    real, one, other = (golden.unit(name) for name in ("x_real", "x_ref", "x_ref2"))
    golden.check("logits_real", critic(real, y_org).detach())
    net.requires_grad_(True)
    nets: dict[str, Any] = {"discriminator": critic, "generator": net.generator}
    nets |= {"mapping_network": net.mapping, "style_encoder": net.encoder}
    masks = net.masks(real)
    styles = {
        "latent": lambda: [net.mapping(golden.tensor(name), y_trg) for name in ("z_trg", "z_trg2")],
        "ref": lambda: [net.encoder(x, y_trg) for x in (one, other)],
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
        d = discriminator_terms(critic, real, y_org, fake, y_trg, penalized=True)
        keep(f"d_{source}", d, d["real"] + d["fake"] + d["reg"], ["discriminator"])
        g, _ = generator_terms(net, critic, real, y_org, y_trg, *drawn(), net.masks)
        total = g["adv"] + g["sty"] - g["ds"] + g["cyc"]
        keep(f"g_{source}", g, total, ["generator", "mapping_network", "style_encoder"])
    golden.check("losses", [found[name] for name in golden.case["outputs"]["losses"]["names"]])
