"""`train texture`: a generator that learns, goes on where it stopped, and opens with `texture`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Result
from PIL import Image

from stylecli.checkpoints.load import describe, prove
from stylecli.media.images import read_picture

Cli = Callable[..., Result]


@pytest.fixture
def words(tiny_encoder: Path, tmp_path: Path) -> list[Any]:
    waves = torch.arange(96)[:, None].mul(0.6).sin() * torch.ones(96)
    levels = torch.stack([waves * 60 + 150, waves * 30 + 60, waves * -40 + 90], 2).byte().numpy()
    Image.fromarray(levels).save(tmp_path / "red_waves.png")
    fixed = {
        "teacher": tiny_encoder,
        "output": "run",
        "size": 64,
        "sample": 64,
        "every": 10,
        "widths": "6,6,6",
        "device": "cpu",
    }
    fixed |= {"threads": 1, "style-layers": "relu1_1,relu2_1,relu3_1"}
    return [
        "train",
        "texture",
        "red_waves.png",
        *(word for key, value in fixed.items() for word in (f"--{key}", value)),
    ]


def log(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("more", [(), ("--branch", "6"), ("--norm", "instance"), ("--sliced-weight", "0")])
def test_a_generator_learns_its_exemplar(cli: Cli, words: list[Any], more: tuple[str, ...]):
    done = cli(*words, "--steps", "60", "--licence", "CC0-1.0", *more)
    assert (done.exit_code, done.stdout) == (0, "run/weights.safetensors\n"), done.stderr
    rows = log("run")
    assert sum(row["loss"] for row in rows[-5:]) < 0.4 * sum(row["loss"] for row in rows[:5])
    weights = Path("run/weights.safetensors")
    assert prove(weights) == pytest.approx(0, abs=1e-3)
    about = describe(weights).about
    assert (about["title"], about["licence"], about["recipe"]["exemplar"]) == ("red waves", "CC0-1.0", "red_waves.png")
    assert read_picture("run/sample_000060.jpg").pixels.shape == (3, 64, 192)
    done = cli("texture", "--method", "net", "--weights", weights, "--out-size", "90x70", "--device", "cpu")
    assert done.stdout == "texture.png\n", done.stderr
    made, exemplar = read_picture("texture.png").pixels, read_picture("red_waves.png").pixels
    assert made.shape == (3, 70, 90)
    assert (made.mean((1, 2)) - exemplar.mean((1, 2))).abs().max() < 0.25


def test_a_stopped_training_goes_on_with_the_same_losses(cli: Cli, words: list[Any], tmp_path: Path):
    assert cli(*words, "--steps", "20").exit_code == 0
    whole = log("run")
    # As if it had been stopped at 10, of 20: a run of 10 steps has another schedule, so the snapshot is kept by hand.
    (tmp_path / "run/snapshot.pt").unlink()
    stopped = [word if word != "run" else "again" for word in words]
    seen: list[int] = []
    from stylecli.training import snapshots

    real = snapshots.save
    with pytest.MonkeyPatch.context() as patch:

        def stop(*state: Any) -> None:
            real(*state)
            seen.append(state[1])
            raise KeyboardInterrupt

        patch.setattr(snapshots, "save", stop)
        assert cli(*stopped, "--steps", "20").exit_code == 130
    assert seen == [10]
    assert cli(*stopped, "--steps", "20").exit_code == 0
    assert [row["loss"] for row in log("again")] == [row["loss"] for row in whole]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--widths", "4,0"), "--widths: 1 to 8 numbers"),
        (("--size", "70"), "--size 70: not a multiple of 4"),
        (("--sample", "70"), "--sample 70: not a multiple of 4"),
        (("--branch", "3"), "--branch 3: the coarsest scale is a branch itself"),
        (("--octaves", "4"), "--sample 64: too small for 4 octaves"),
        (("--octaves", "4", "--size", "128", "--sample", "128"), "red_waves.png: too small for 4 octaves"),
        (("--style-layers", "relu9_9"), "layer relu9_9: not in this network"),
    ],
)
def test_bad_settings_are_refused(more: tuple[str, ...], said: str, cli: Cli, words: list[Any]):
    done = cli(*words, "--steps", "1", *more)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_a_missing_exemplar(cli: Cli):
    assert cli("train", "texture").stderr.startswith("EXEMPLAR: missing")
    assert cli("train", "texture", "none.png").exit_code != 0
