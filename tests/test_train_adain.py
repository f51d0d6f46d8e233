"""Training any-style networks: ours and the published one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Result
from PIL import Image

from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.checkpoints.load import describe, prove

CPU = ("--device", "cpu")
KINDS = {"embedded": "transport", "published": "adain"}


@pytest.fixture
def words(picture: Callable[..., Path], tiny_encoder: Path) -> list[object]:
    for index in range(3):
        picture(f"photos/{index}.png", size=(80, 70)), picture(f"paintings/{index}.png", size=(70, 90))
    small = ["--crop", 64, "--batch", 2, "--every", 2, "--teacher", tiny_encoder, "--pixels", "torchvision"]
    small += ["--strokes-layers", "relu2_1,relu3_1"]
    return ["train", "adain", "--content", "photos", "--style", "paintings", *small, *CPU]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    kind: str, words: list[object], cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    words = [*words, "--network", kind, "--steps", 4]
    assert cli(*words, "--output", "whole").stdout.split() == ["whole/weights.safetensors"]

    from stylecli.training import loop

    with monkeypatch.context() as patch:
        step = loop.Step
        stopped = lambda i, *said: (_ for _ in ()).throw(KeyboardInterrupt) if i == 3 else step(i, *said)
        patch.setattr(loop, "Step", stopped)
        assert cli(*words, "--output", "parts").exit_code == 130
    assert len(Path("parts/log.jsonl").read_text().splitlines()) == 3  # the snapshot is of step 2
    cli(*words, "--output", "parts")
    first, second = (
        [json.loads(line) for line in Path(f"{name}/log.jsonl").read_text().splitlines()] for name in ("whole", "parts")
    )
    assert first == second
    assert [row["step"] for row in first] == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", KINDS)
def test_snapshots_open_at_once(
    kind: str, words: list[object], cli: Callable[..., Result], picture: Callable[..., Path]
):
    done = cli(*words, "--network", kind, "--steps", 2, "--output", "run", "--data", "noise")
    weights = Path(done.stdout.strip())
    described = describe(weights)
    assert described.network == KINDS[kind]
    assert described.about["data"] == "noise"
    assert prove(weights) < 1e-3
    with Image.open("run/sample_000002.jpg") as sheet:
        assert sheet.size == (192, 224)  # two contents, two styles
    picture("a.png", size=(30, 20)), picture("s.png", size=(20, 30))
    painted = cli("adain", "a.png", "--style", "s.png", "--weights", weights, "-o", "out.png", *CPU)
    assert painted.exit_code == 0, painted.stderr
    with Image.open("out.png") as made:
        assert made.size == (30, 20)


def test_the_published_decoder_learns(words: list[object], cli: Callable[..., Result]):
    cli(*words, "--network", "published", "--steps", 40, "--learning-rate", "3e-2", "--output", "run")
    losses = [json.loads(line)["loss"] for line in Path("run/log.jsonl").read_text().splitlines()]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_the_encoder_stays_as_it_was(words: list[object], cli: Callable[..., Result], tiny_encoder: Path):
    cli(*words, "--network", "published", "--steps", 2, "--output", "run")
    before, after = read_tensors(tiny_encoder).tensors, read_tensors(Path("run/weights.safetensors")).tensors
    for name in ("convs.conv1_1.weight", "convs.conv4_1.weight"):
        assert torch.allclose(after[f"vgg.{name}"].float(), before[name].float(), atol=1e-3)


def test_a_network_starts_from_another(words: list[object], cli: Callable[..., Result]):
    first = cli(*words, "--steps", 2, "--output", "first").stdout.strip()
    again = cli(*words, "--steps", 2, "--learning-rate", "0", "--output", "again", "--start", first).stdout.strip()
    before, after = read_tensors(Path(first)).tensors, read_tensors(Path(again)).tensors
    assert all(torch.allclose(before[name].float(), value.float(), atol=1e-3) for name, value in after.items())


def test_validation_keeps_the_best_and_stops(
    words: list[object], cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    picture("unseen/a.png", size=(70, 70), seed=9)
    words = [*words, "--validation", "unseen", "--steps", 20, "--output", "run"]
    told = iter([3.0, 2.0, 2.5, 2.25, 1.0])
    with monkeypatch.context() as patch:
        patch.setattr("stylecli.training.any_style.AnyStyleTask.validate", lambda task, averaged: next(told))
        assert cli(*words, "--patience", 2).stdout.split() == ["run/weights.safetensors"]
        rows = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
        assert [row["validation"] for row in rows if "validation" in row] == [3, 2, 2.5, 2.25]
        assert rows[-1]["step"] == 8
        assert describe(Path("run/weights.safetensors")).about["losses"]["step"] == 4
        cli(*words, "--patience", 2)  # stopped it stays
        assert len(Path("run/log.jsonl").read_text().splitlines()) == 8
    done = cli(*words[:-1], "again", "--steps", 4, "--learning-rate", 0)
    rows = [json.loads(line) for line in Path("again/log.jsonl").read_text().splitlines()]
    first, second = (row["validation"] for row in rows if "validation" in row)
    assert first == pytest.approx(second)  # the same pairs each time, and nothing was learned
    assert first > 0, done.stderr
    assert "add --validation" in cli("train", "adain", "--content", "a", "--style", "b", "--patience", 2).stderr


def test_no_pictures(words: list[object], cli: Callable[..., Result], tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = cli("train", "adain", "--content", "empty", "--style", "paintings", *CPU)
    assert done.exit_code == 1
    assert "no pictures" in done.stderr
    assert cli("train", "adain", "--style", "paintings").exit_code == 2
