"""`train encoder` through the command line, with a tiny teacher."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Result

from stylecli.checkpoints.load import describe, load_vgg, prove


@pytest.fixture
def words(tiny_encoder: Path, picture: Callable[..., Path]) -> list[str]:
    for index in range(3):
        picture(f"photos/{index}.png", size=(50 + index, 60), seed=index)
    options = {"content": "photos", "teacher": tiny_encoder, "output": "run", "crop": 32, "batch": 2, "every": 4}
    fixed = {"steps": 12, "device": "cpu", "threads": 1, "licence": "CC0-1.0"}
    return [
        "train",
        "encoder",
        *(str(word) for key, value in (options | fixed).items() for word in (f"--{key}", value)),
    ]


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_losses_fall_and_the_weights_open(cli: Callable[..., Result], words: list[str], tmp_path: Path) -> None:
    done = cli(*words, "--steps", "40", "--learning-rate", "0.01")
    assert (done.exit_code, done.stdout) == (0, "run/weights.safetensors\n"), done.stderr
    rows = log(tmp_path / "run")
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert rows[-1]["loss"] < 0.9 * rows[0]["loss"]
    weights = tmp_path / "run/weights.safetensors"
    assert prove(weights) == pytest.approx(0, abs=1e-4)
    about = describe(weights).about
    assert (about["licence"], about["pictures"], about["recipe"]["steps"]) == ("CC0-1.0", 3, 40)
    taps = load_vgg(weights, ["relu4_1"])(torch.rand(1, 3, 32, 32), ["relu1_1", "relu4_1"])
    assert taps["relu4_1"].shape == (1, 128, 4, 4)


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_a_killed_training_goes_on_with_the_same_losses(
    cli: Callable[..., Result], words: list[str], tmp_path: Path
) -> None:
    assert cli(*words).exit_code == 0
    whole = log(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "undisturbed")

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "stylecli", *words]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (tmp_path / "run/snapshot.pt").exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert cli(*words).exit_code == 0
    assert log(tmp_path / "run") == whole
    final = [tmp_path / name / "weights.safetensors" for name in ("run", "undisturbed")]
    for a, b in zip(*(load_vgg(path).state_dict().values() for path in final), strict=True):
        assert torch.equal(a, b)


def test_bad_input(cli: Callable[..., Result], words: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    failed = cli(*[word if word != "photos" else "empty" for word in words])
    assert (failed.exit_code, "empty: no pictures below it" in failed.stderr) == (1, True)
    assert cli("train", "encoder").exit_code == 2
    assert cli(*words, "--teacher", "nope").exit_code == 3
    (tmp_path / "run").mkdir()
    torch.save({"step": 1, "model": {}, "averaged": {}, "optimizer": {}}, tmp_path / "run/snapshot.pt")
    assert "a snapshot of another network" in cli(*words).stderr
