"""`train fast`: a net from nothing, and an added style for one that is there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Result
from safetensors.torch import load_file

from stylecli.checkpoints.load import describe, prove
from stylecli.media.images import read_picture

Cli = Callable[..., Result]
LAYERS = "relu1_1,relu2_1,relu3_1"


@pytest.fixture
def words(tiny_encoder: Path, picture: Callable[..., Path]) -> list[Any]:
    for index in range(3):
        picture(f"photos/{index}.png", size=(70 + index, 80), seed=index)
    picture("lake.png", size=(64, 64)), picture("hill.png", size=(64, 64))
    Path("catalog.csv").write_text('file,title,artist,year\nlake.png,"Lake, at dawn",A. Painter,1901\n')
    fixed = {"content": "photos", "teacher": tiny_encoder, "output": "run", "crop": 64, "batch": 2, "every": 4}
    fixed |= {"style-layers": LAYERS, "catalog": "catalog.csv", "device": "cpu", "threads": 1, "licence": "CC0-1.0"}
    fixed["strokes-layers"] = "relu2_1,relu3_1"
    return ["train", "fast", *(word for key, value in fixed.items() for word in (f"--{key}", value))]


SMALL = ["--from-scratch", "--style", "lake.png", "--style", "hill.png", "--widths", "4,6,8", "--blocks", "1,1"]


def log(folder: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(folder, "log.jsonl").read_text().splitlines()]


def test_a_net_from_scratch(cli: Cli, words: list[Any]):
    done = cli(*words, *SMALL, "--steps", "40", "--learning-rate", "0.01")
    assert (done.exit_code, done.stdout) == (0, "run/weights.safetensors\n"), done.stderr
    rows = log("run")
    assert sum(row["loss"] for row in rows[-5:]) < 0.8 * sum(row["loss"] for row in rows[:5])
    weights = Path("run/weights.safetensors")
    assert prove(weights) == pytest.approx(0, abs=1e-4)
    described = describe(weights)
    assert described.config["styles"] == ["identity", "lake", "hill"]
    assert described.about["styles"] == [
        {"name": "lake", "title": "Lake, at dawn", "artist": "A. Painter", "year": "1901"},
        {"name": "hill", "title": "", "artist": "", "year": ""},
    ]
    assert (described.about["recipe"]["steps"], described.about["recipe"]["content"]) == (40, ["photos"])
    painted = cli("fast", "photos/0.png", "--weights", weights, "--style", "hill", "--device", "cpu")
    assert painted.stdout == "0_fast_hill.png\n", painted.stderr


def test_a_stopped_training_goes_on_with_the_same_losses(cli: Cli, words: list[Any]):
    assert cli(*words, *SMALL, "--steps", "8").exit_code == 0
    whole = log("run")
    state = torch.load("run/snapshot.pt", weights_only=True)
    assert state["step"] == 8
    # A schedule of 8 steps, cut after 4: what is learned later must not depend on the stop.
    Path("run").rename("undisturbed")
    from stylecli.training import loop

    class StoppedError(Exception):
        pass

    def stop(task: Any, schedule: Any, folder: Path, listener: Any, train: Any = loop.train) -> Path:
        def heard(step: Any) -> None:
            if step.i == 5:
                raise StoppedError

        return train(task, schedule, folder, heard)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylecli.training.fast.train", stop)
        assert cli(*words, *SMALL, "--steps", "8").exit_code != 0
    assert cli(*words, *SMALL, "--steps", "8").exit_code == 0
    assert log("run") == whole


def test_a_style_more_leaves_the_others_alone(cli: Cli, words: list[Any], tiny_fast: Path):
    done = cli(*words, "--style", "lake.png", "--weights", tiny_fast, "--steps", "30", "--learning-rate", "0.05")
    assert done.exit_code == 0, done.stderr
    before, after = load_file(tiny_fast), load_file("run/weights.safetensors")
    for name, value in before.items():
        if name.startswith("norms."):
            assert torch.equal(after[name][:3], value), name
            assert not torch.allclose(after[name][3], value[1:].mean(0), atol=1e-4) or "res" in name
        elif name.startswith("convs."):
            assert torch.equal(after[name], value), name
    rows = log("run")
    looks = [row["style"] + row["strokes"] for row in rows]
    assert sum(looks[-5:]) < 0.97 * sum(looks[:5])
    listed = cli("fast", "--list-styles", "--weights", "run/weights.safetensors").stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["wave", "scream", "lake"]
    assert "Lake, at dawn" in listed
    assert cli("fast", "hill.png", "--weights", "run/weights.safetensors", "--style", "lake").exit_code == 0


def test_strokes_of_several_sizes(cli: Cli, words: list[Any]):
    first = cli(*words, *SMALL, "--steps", "2", "--output", "first").stdout.strip()
    more = ["--style", "lake.png", "--style-scales", "0.5,2", "--learning-rate", "0.05", "--steps", "20"]
    done = cli(*words, *more, "--weights", first)
    assert done.exit_code == 0, done.stderr
    weights = Path("run/weights.safetensors")
    described = describe(weights)
    assert described.config["styles"] == ["identity", "lake", "hill", "lake@0.5", "lake@2"]
    assert [one["name"] for one in described.about["styles"]] == ["lake", "hill"]
    listed = cli("fast", "--list-styles", "--weights", weights).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["lake", "hill"]
    assert listed[0].endswith("(--style-scale 0.5,1,2)")

    words = ["fast", "photos/0.png", "--style", "lake", "--device", "cpu"]

    def painted(net: str | Path, scale: str) -> torch.Tensor:
        done = cli(*words, "--weights", net, "--style-scale", scale, "--overwrite")
        assert done.exit_code == 0, done.stderr
        return read_picture(Path(done.stdout.strip())).pixels

    plain = painted(weights, "1")
    assert torch.equal(plain, painted(first, "1"))
    apart = [float((painted(weights, scale) - plain).abs().mean()) for scale in ("0.5", "1.4142135", "2")]
    assert 0 < apart[1] < apart[2]
    assert apart[0] > 0
    beyond = cli(*words, "--weights", weights, "--style-scale", "3", "--overwrite")
    assert beyond.exit_code == 2
    assert "--style-scale 3: strokes of lake were learned at 0.5 to 2 times their size" in beyond.stderr
    assert "learned at one size" in cli(*words, "--weights", first, "--style-scale", "2", "--overwrite").stderr


def test_a_texture_net_that_paints(cli: Cli, words: list[Any]):
    words = [*words, "--from-scratch", "--network", "texture-net", "--style", "lake.png", "--scales", "8,8,6"]
    done = cli(*words, "--steps", "40", "--learning-rate", "0.02")
    assert (done.exit_code, done.stdout) == (0, "run/weights.safetensors\n"), done.stderr
    rows = log("run")
    assert sum(row["loss"] for row in rows[-5:]) < 0.8 * sum(row["loss"] for row in rows[:5])
    assert prove(Path("run/weights.safetensors")) == pytest.approx(0, abs=1e-4)
    painted = cli("fast", "photos/1.png", "--weights", "run/weights.safetensors", "--device", "cpu")
    assert painted.exit_code == 0, painted.stderr
    assert read_picture(painted.stdout.strip()).pixels.shape == (3, 80, 71)
    assert "texture-net knows one" in cli(*words, "--style", "hill.png").stderr


def test_a_net_starts_from_another(cli: Cli, words: list[Any]):
    words = [*words, *SMALL, "--steps", "2"]
    first = cli(*words, "--output", "first", "--learning-rate", "0.01").stdout.strip()
    again = cli(*words, "--output", "again", "--learning-rate", "0", "--start", first).stdout.strip()
    before, after = load_file(first), load_file(again)
    assert all(torch.allclose(before[name].float(), value.float(), atol=1e-3) for name, value in after.items())


def test_johnsons_losses(cli: Cli, words: list[Any]):
    steps = [
        "--from-scratch",
        "--recipe",
        "johnson",
        "--style",
        "lake.png",
        "--steps",
        "3",
        "--content-layer",
        "relu2_2",
    ]
    done = cli(*words, *steps, "--widths", "4,6,8", "--blocks", "1", "--tv-weight", "1", "--norm", "batch")
    assert done.exit_code == 0, done.stderr
    assert {"style", "content", "tv"} <= log("run")[-1].keys()
    config = describe(Path("run/weights.safetensors")).config
    assert (config["styles"], config["stem"], config["norm"]) == (["lake"], 1, "batch")
    assert not config["colors"]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ([], 2, "--style: missing"),
        (["--style", "nope.png"], 1, "nope.png"),
        (["--style", "wave.png"], 2, "the net has a style wave"),
        (["--style", "identity.png"], 2, "the name of the photo itself"),
        (["--style", "lake.png", "--style", "photos/lake.png"], 2, "two pictures of one name"),
        (["--style", "lake.png", "--catalog", "nope.csv"], 1, "nope.csv: not a readable catalog"),
        (["--style", "lake.png", "--weights", "encoder"], 3, "holds stylecli VGG, not a transformer"),
        (["--style", "lake.png", "--content-layer", "relu9_1"], 2, "relu9_1"),
        (["--style", "lake.png", "--from-scratch", "--blocks", "1,1,1,1"], 2, "more numbers than --widths"),
    ],
)
def test_bad_input(
    cli: Cli, words: list[Any], picture: Callable[..., Path], tiny_fast: Path, more: list[str], code: int, message: str
):
    picture("wave.png"), picture("identity.png"), picture("photos/lake.png")
    weights = [] if "--weights" in more else ["--weights", tiny_fast]
    failed = cli(*words, *weights, "--steps", "1", *more)
    assert (failed.exit_code, message in failed.stderr) == (code, True), failed.stderr
