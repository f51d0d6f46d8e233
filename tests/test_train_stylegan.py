"""`train stylegan`: losses in closed form, and a training that resumes, is conditional, and survives a bad step."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Result
from torch import Tensor

from stylecli import api
from stylecli.checkpoints.load import describe, prove
from stylecli.device import resolve
from stylecli.errors import StyleCliError, WeightsError
from stylecli.losses.generators import (
    discriminator_loss,
    frechet_distance,
    generator_loss,
    gradient_penalty,
    path_lengths,
)
from stylecli.nets.stylegan_discriminator import StyleGANDiscriminator
from stylecli.progress import silent
from stylecli.settings.train_stylegan import TrainStyleganSettings
from stylecli.training import stylegan
from stylecli.training.augment import augment
from stylecli.training.loop import Schedule, train


def test_logits_of_zero_are_undecided():
    zero = torch.zeros(3)
    assert generator_loss(zero).item() == pytest.approx(math.log(2))
    assert discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_penalties_of_linear_maps():
    pictures = torch.randn(2, 3, 4, 4, requires_grad=True)
    slope = torch.randn(3, 4, 4)
    assert torch.allclose(gradient_penalty((pictures * slope).sum((1, 2, 3)), pictures), slope.square().sum())
    matrix, ws = torch.randn(48, 5), torch.randn(2, 3, 5, requires_grad=True)
    directions = torch.randn(2, 3, 4, 4)
    found = path_lengths((ws.sum(1) @ matrix.T).view(2, 3, 4, 4), ws, directions)
    assert torch.allclose(found, (directions.flatten(1) / 4 @ matrix).norm(dim=1))


def test_frechet_distance_of_gaussians():
    torch.manual_seed(0)
    x = torch.randn(5000, 3).double()
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T)).T)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    # |(1, 2, 0)|^2 + 3 (2 - 1)^2
    assert frechet_distance(x, 2 * x + torch.tensor([1.0, 2.0, 0.0])) == pytest.approx(8)


def test_augmentation_leaves_gradients_and_single_pictures():
    pictures = torch.rand(3, 3, 16, 16, requires_grad=True)
    changed = augment(pictures, torch.Generator().manual_seed(0))
    assert changed.shape == pictures.shape
    (slope,) = torch.autograd.grad(changed[0].sum(), pictures)
    assert slope[0].abs().sum() > 0
    assert slope[1:].abs().sum() == 0


def test_augmentation_of_a_share_leaves_the_others():
    pictures, random = torch.rand(400, 3, 16, 16), torch.Generator().manual_seed(0)
    assert torch.allclose(augment(pictures, random, 0.0), pictures, atol=1e-6)
    same = (augment(pictures, random, 0.2) - pictures).abs().amax((1, 2, 3)) < 1e-6
    assert 0.4 < float(same.float().mean()) < 0.62  # 0.8 of 0.8 of 0.8
    assert not (augment(pictures, random) - pictures).abs().amax((1, 2, 3)).lt(1e-6).any()


def test_augmentation_adapts_to_a_discriminator_that_knows(pictures: str, tmp_path: Path):
    task = stylegan.StyleganTask(options(pictures, tmp_path / "run"), resolve("cpu"))
    shares = []
    for bias in (9.0, 9.0, -9.0):
        # It holds everything for real, then everything for made.
        task.model.discriminator.out.bias.data.fill_(bias)
        next(iter(task.phases(next(task.batches(1, 1)), 1)))
        shares.append(float(task.model.augmented))
    assert 0 < shares[0] < shares[1]
    assert shares[2] == pytest.approx(shares[0])


def test_averaged_weights_forget_how_they_began():
    schedule, averaged, current = Schedule(1, 1.0, decay=0.999), [torch.zeros(3)], [torch.ones(3)]
    for count in range(1, 200):
        schedule.average(averaged, current, count)
    assert averaged[0].min() > 0.99
    before = averaged[0].clone()
    schedule.average(averaged, [torch.zeros(3)], 10**6)
    assert torch.allclose(averaged[0], 0.999 * before)


def test_a_discriminator_has_a_logit_for_each_class():
    net = StyleGANDiscriminator((8, 6, 4), classes=2)
    pictures = torch.randn(4, 3, 16, 16)
    first, second = (net(pictures, torch.full((4,), label)) for label in (0, 1))
    assert first.shape == (4,)
    assert not torch.allclose(first, second)


@pytest.fixture
def pictures(picture: Callable[..., Path], tmp_path: Path) -> str:
    for index in range(6):
        picture(f"pictures/{'ab'[index % 2]}/{index}.png", size=(20, 24), seed=index)
    return str(tmp_path / "pictures")


def options(pictures: str, output: Path, **more: Any) -> TrainStyleganSettings:
    known = {"size": "16", "channels": 4, "most_channels": 8, "w_dim": 8, "mapping_layers": 2, "batch": 4}
    small = {"steps": 4, "every": 2, "r1_every": 2, "path_every": 3, "samples": 0}
    return TrainStyleganSettings(content=(pictures,), output=str(output), **{**known, **small, **more})


def run(settings: TrainStyleganSettings, precision: str = "auto") -> Path:
    return stylegan.run(settings, resolve("cpu", precision), silent)


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_resumed_training_is_the_whole_one(pictures: str, tmp_path: Path):
    whole = run(options(pictures, tmp_path / "whole"))
    run(options(pictures, tmp_path / "halves", steps=2))
    halves = run(options(pictures, tmp_path / "halves"))
    assert log(tmp_path / "whole") == log(tmp_path / "halves")
    assert {"r1", "discriminator", "generator"} <= {*log(tmp_path / "whole")[1]}
    assert "path" in log(tmp_path / "whole")[2]
    first, second = (api.stylegan("sample", weights=str(path)).pictures for path in (whole, halves))
    assert torch.equal(first, second)
    assert (tmp_path / "whole" / "sample_000004.jpg").is_file()


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_generator_goes_on_when_its_discriminator_has_caught_up(
    version: str, pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = run(options(pictures, tmp_path / "first", version=version))
    begun = api.stylegan("sample", weights=str(first), psi=1).pictures
    monkeypatch.setattr(stylegan, "ALONE", 2)
    second = options(pictures, tmp_path / "second", version=version, start=str(first), steps=2)
    made = [api.stylegan("sample", weights=str(run(replace(second, steps=steps))), psi=1).pictures for steps in (2, 4)]
    assert torch.equal(begun, made[0])
    assert not torch.equal(begun, made[1])
    with pytest.raises(WeightsError, match="another shape"):
        run(replace(second, w_dim=10, output=str(tmp_path / "third")))


@pytest.mark.parametrize("version", ["1", "2"])
def test_half_precision_stays_near_the_full_one(version: str, pictures: str, tmp_path: Path):
    for precision in ("float32", "bfloat16"):
        run(options(pictures, tmp_path / precision, version=version, steps=3), precision)
    full, half = log(tmp_path / "float32"), log(tmp_path / "bfloat16")
    # Losses differ a little: half precision was used, and it held.
    assert full != half
    for one, other in zip(full, half, strict=True):
        assert {name: pytest.approx(value, rel=0.05, abs=0.02) for name, value in one.items()} == other


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_conditional_training_by_command(
    version: str, pictures: str, tmp_path: Path, cli: Callable[..., Result], tiny_encoder: Path
):
    settings = options(pictures, tmp_path / "run", samples=6, encoder=str(tiny_encoder), by_folder=True)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in vars(settings).items() if name in NUMBERS]
    done = cli("train", "stylegan", pictures, "--by-folder", "--version", version, *words, "--output", "run")
    assert done.exit_code == 0, done.stderr
    path = Path(done.stdout.strip())
    said = describe(path)
    assert (said.network, list(said.config["labels"])) == (f"stylegan{version}", ["a", "b"])
    assert said.about["recipe"]["content"] == [Path(pictures).name]
    assert prove(path) is not None
    distance = json.loads((tmp_path / "run" / "distances.jsonl").read_text().splitlines()[-1])
    assert distance["frechet"] > 0
    assert cli("stylegan", "sample", "--weights", path, "--class", "b").exit_code == 0


NUMBERS = (
    "size",
    "channels",
    "most_channels",
    "w_dim",
    "mapping_layers",
    "batch",
    "steps",
    "every",
    "samples",
    "encoder",
)


class Line:
    """Fits a number to 1; at step `bad`, the first `times` times it comes, the loss is not a number."""

    def __init__(self, bad: int, times: int) -> None:
        self.model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(self.model.weight)
        self.bad, self.times, self.seen = bad, times, []

    def batches(self, first: int, last: int) -> Any:
        return iter(range(first, last + 1))

    def losses(self, batch: int) -> dict[str, Tensor]:
        self.seen.append(batch)
        bad = batch == self.bad and self.seen.count(batch) <= self.times
        return {"square": (self.model.weight - 1).square().sum() * (math.nan if bad else 1)}

    def export(self, averaged: torch.nn.Module, path: Path, row: Any) -> None:
        path.touch()


def test_a_bad_step_goes_back_to_the_snapshot(tmp_path: Path):
    task = Line(bad=6, times=2)
    train(task, Schedule(8, 0.1, warmup=1, every=4, constant=True), tmp_path, silent)
    assert task.seen == [1, 2, 3, 4, 5, 6, 5, 6, 5, 6, 7, 8]
    assert [row["step"] for row in log(tmp_path)] == list(range(1, 9))
    assert bool(task.model.weight.isfinite().all())


@pytest.mark.parametrize(("bad", "times"), [(2, 1), (6, 99)])
def test_what_cannot_be_mended_is_said(bad: int, times: int, tmp_path: Path):
    with pytest.raises(StyleCliError, match=f"step {bad}: the loss is not a number"):
        train(Line(bad, times), Schedule(8, 0.1, warmup=1, every=4), tmp_path, silent)
