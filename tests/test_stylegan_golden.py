"""`stylegan` against what the original repositories computed (cases `stylegan*`), by `api` and command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Result
from goldens import COMPACT, FULL, WEIGHTS, apart, load, load_compact
from goldens import Golden as Case
from nvidia_pickles import generator, pickled, pytorch_file, saved, tensorflow_file
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from stylecli import api
from stylecli.media.grids import GAP

FILES: dict[str, Path] = {}
"""Checkpoints that were made, by what is in them: several cases share one."""


class Golden(Case):
    """One case: its checkpoint under the official name, and its inputs as files that commands take."""

    def __init__(self, case: str, folder: Path) -> None:
        super().__init__(case, folder)
        self.tensors = {name: torch.from_numpy(array) for name, array in self.io.items()}
        self.params = self.case["params"]

    @property
    def weights(self) -> Path:
        checkpoint = self.case["checkpoint"]
        system = self.case["system"]
        key = checkpoint.get("sha256") or json.dumps([checkpoint["container"], checkpoint["tensors"]])
        if "path" in checkpoint and (FULL / system).is_dir():
            return FULL / self.name / checkpoint["path"]
        if key not in FILES:
            FILES[key] = self.folder / checkpoint["filename"].split()[0]
            if "path" in checkpoint:
                FILES[key].write_bytes(self._pickled())
            else:
                torch.save(self.nested(), FILES[key])
        return FILES[key]

    def _pickled(self) -> bytes:
        """NVIDIA's file of the same tensors; one file serves several cases."""
        place = (Path(self.name) / self.case["checkpoint"]["path"]).parent
        owner = f"{self.case['system']}/{place.name}" if place.name != ".." else self.name
        case, arrays = load(owner)
        stored = {name.removeprefix(WEIGHTS): value for name, value in arrays.items() if name.startswith(WEIGHTS)}
        if "told" not in case:
            return tensorflow_file(stored)
        return pytorch_file({name: torch.from_numpy(value) for name, value in stored.items()}, **case["told"])

    def nested(self) -> Any:
        """The tensors as the official file nests them."""
        state, container = dict(self.state), self.case["checkpoint"]["container"]
        if container == "<state>":
            return state
        alone = {key: state.pop(what[8:-1]) for key, what in container.items() if what.startswith("<tensor ")}
        return {key: alone.get(key, state) for key in container}

    def latents(self, name: str, kind: str = "z") -> str:
        path = self.folder / f"{name}.safetensors"
        save_file({kind: self.tensors[name]}, path)
        return str(path)

    def options(self) -> dict[str, Any]:
        """The options that all commands of this case share."""
        wanted: dict[str, Any] = {"weights": str(self.weights)}
        noises = {name: value for name, value in self.tensors.items() if name.startswith("noise_")}
        if noises:
            save_file(noises, self.folder / "noise.safetensors")
            wanted["noise"] = str(self.folder / "noise.safetensors")
        if "z_mean" in self.io:
            wanted["center"] = self.latents("z_mean")
        elif "mean_style" in self.io:
            wanted["center"] = self.latents("mean_style", "w")
        if self.params.get("step"):
            wanted["size"] = 4 * 2 ** self.params["step"]
        named = ("psi", "truncation", "trunc_psi", "style_weight")
        wanted["psi"] = next((str(self.params[name]) for name in named if name in self.params), "1")
        if cutoff := self.params.get("cutoff", self.params.get("trunc_layers")):
            wanted["cutoff"] = cutoff
        return wanted

    def check_pictures(self, pictures: Tensor, wanted: np.ndarray) -> None:
        """`pictures`, nominally in [0, 1], are the golden ones in [-1, 1] within the stated tolerance."""
        assert np.nanmax(apart(pictures * 2 - 1, wanted)) <= self.case["tolerance"]

    def check_file(self, levels: np.ndarray, wanted: np.ndarray) -> None:
        """A picture file is the golden one, rounded as all of these references do."""
        low, high = (
            np.floor(((wanted + sign * self.case["tolerance"]) * 127.5 + 128).clip(0, 255)).transpose(1, 2, 0)
            for sign in (-1, 1)
        )
        assert (((low <= levels) & (levels <= high)) | np.isnan(low)).all()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden")


@pytest.fixture
def golden(shelf: Path, request: pytest.FixtureRequest) -> Golden:
    folder = shelf / request.param.replace("/", "-")
    folder.mkdir(exist_ok=True)
    return Golden(request.param, folder)


def flags(options: dict[str, Any]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


SINGLES = [
    "stylegan1/sample",
    "stylegan1/sample_128",
    "stylegan1/truncate",
    "stylegan1/genforce",
    "stylegan2-rosinality/sample",
    "stylegan2-rosinality/truncate",
    "stylegan2-rosinality/no_noise_buffers",
    "stylegan2-nvlabs/sample",
    "stylegan2-nvlabs/truncate",
    "stylegan2-nvlabs/truncate_cutoff",
    "stylegan2-nvlabs/stylegan3_repo",
    "stylegan2-nvlabs/tf_legacy",
]


@pytest.mark.parametrize("golden", SINGLES, indirect=True)
def test_pictures(golden: Golden, cli: Callable[..., Result]):
    options = golden.options()
    made = api.stylegan("sample", seeds=golden.latents("z"), **options)
    golden.check_pictures(made.pictures, golden.io["image"])
    if "w" in golden.io and options["psi"] == "1":
        assert apart(made.latents[:, 0], golden.io["w"]).max() < 1e-4
    seeds = golden.params.get("seeds")
    # The first row of `z`: the files of noise have a row for each.
    words = str(seeds[0]) if seeds else f"{golden.latents('z')}[0]"
    done = cli("stylegan", "sample", "--seeds", words, "-o", "one.png", *flags(options))
    assert done.exit_code == 0, done.stderr
    golden.check_file(np.asarray(Image.open("one.png")), golden.io["image"][0])


AGAIN: dict[str, Callable[[Any], bytes]] = {
    "pickled alone": pickled,
    "saved alone": saved,
    "saved alone, before PyTorch 1.6": lambda net: saved(net, legacy=True),
    "saved in a file of a training": lambda net: saved({"step": 3, "nets": {"D": {"w": torch.ones(2)}, "G_ema": net}}),
}


@pytest.mark.parametrize("golden", ["stylegan2-nvlabs/stylegan3_repo"], indirect=True)
@pytest.mark.parametrize("how", AGAIN)
def test_networks_saved_again(golden: Golden, how: str, tmp_path: Path):
    """What no tensor shows, here a clamp of 1, is kept."""
    case, arrays = load_compact(COMPACT / f"{golden.name}.npz")
    state = {name.removeprefix(WEIGHTS): torch.from_numpy(a) for name, a in arrays.items() if name.startswith(WEIGHTS)}
    (tmp_path / "again.pt").write_bytes(AGAIN[how](generator(state, **case["told"])))
    options = golden.options() | {"weights": str(tmp_path / "again.pt")}
    golden.check_pictures(api.stylegan("sample", seeds=golden.latents("z"), **options).pictures, golden.io["image"])


@pytest.mark.parametrize("golden", ["stylegan2-nvlabs/cond"], indirect=True)
def test_classes(golden: Golden, cli: Callable[..., Result]):
    options = golden.options()
    for index, (seed, label) in enumerate(zip(golden.params["seeds"], golden.params["classes"], strict=True)):
        made = api.stylegan("sample", seeds=seed, class_=label, **options)
        golden.check_pictures(made.pictures[0], golden.io["image"][index])
    done = cli("stylegan", "sample", "--seeds", "4", "--class", "1", "-o", "one.png", *flags(options))
    assert done.exit_code == 0, done.stderr
    golden.check_file(np.asarray(Image.open("one.png")), golden.io["image"][1])


MIXES = {
    "stylegan2-nvlabs/mix": ("z_rows", "z_cols", "0-6"),
    "stylegan1/mix": ("z_target", "z_source", "0-3"),
    "stylegan2-rosinality/mix": ("z1", "z2", "4-9"),
}


@pytest.mark.parametrize("golden", MIXES, indirect=True)
def test_mixes(golden: Golden, cli: Callable[..., Result]):
    rows, columns, layers = MIXES[f"{golden.case['system']}/mix"]
    options = golden.options()
    sources = {"rows": golden.latents(rows), "columns": golden.latents(columns), "layers": layers}
    made = api.stylegan("mix", **sources, **options)
    pictures = made.pictures.unflatten(0, (2, 2))
    if golden.io["image"].ndim == 4:  # rosinality's pairs are the diagonal of the grid
        pictures = torch.stack([pictures[0, 0], pictures[1, 1]])
    golden.check_pictures(pictures, golden.io["image"])
    done = cli("stylegan", "mix", "--plain", "-o", "grid.png", *flags(sources), *flags(options))
    assert done.exit_code == 0, done.stderr
    size = made.pictures.shape[-1]
    corner = np.asarray(Image.open("grid.png"))[size + 2 * GAP :, size + 2 * GAP :][:size, :size]
    golden.check_file(corner, golden.io["image"][1] if golden.io["image"].ndim == 4 else golden.io["image"][1, 1])


@pytest.mark.parametrize("golden", ["stylegan2-rosinality/truncate"], indirect=True)
def test_a_training_file(golden: Golden, tmp_path: Path):
    """`args` is an argparse.Namespace, which torch.load(weights_only=True) refuses."""
    import argparse

    state = golden.nested()["g_ema"]
    path = tmp_path / "training.pt"
    few = {"step": 1}
    torch.save(
        {"g": state, "g_ema": state, "g_optim": few, "args": argparse.Namespace(size=64), "ada_aug_p": 0.0}, path
    )
    made = api.stylegan("sample", weights=str(path), seeds=golden.latents("z"), psi=1)
    assert made.pictures.shape == (2, 3, 64, 64)
