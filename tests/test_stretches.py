"""A clip that is painted in stretches, apart from one another: joined, it is what it is as a whole."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import moving_files
import numpy as np
import pytest
from conftest import Result

from stylecli import plans, runs
from stylecli.batch import stretches
from stylecli.batch.plan import Job
from stylecli.progress import silent
from stylecli.settings.fast import FastSettings
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Compute, Contents

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
pytest.importorskip("cv2")
Cli = Callable[..., Result]


@pytest.fixture
def clip(cli: Cli) -> str:
    """140 frames, with a cut in the first stretch."""
    frames = [*moving_files.pan(30, (32, 48), seed=1), *moving_files.pan(110, (32, 48), seed=2)]
    return str(moving_files.write("a.mkv", frames, codec="ffv1", pixels="bgr0", sound=True))


def planned(clip: str, weights: Path, steady: float) -> tuple[Job, list[Job], Callable[[Job], object]]:
    outputs = MovingOutputs(output="apart.mkv", overwrite=True, steady=steady, codec="ffv1")
    settings = FastSettings(style=("wave",), weights=str(weights))
    (job,) = plans.plan_files("fast", Contents((clip,)), None, [settings], outputs)
    work = runs._open(job, outputs, Compute(device="cpu", threads=1))
    return job, stretches.stretches(job, outputs), lambda one: work(one, silent)


@pytest.mark.parametrize("steady", [0, 0.2])
def test_stretches_are_joined(
    steady: float, clip: str, tiny_fast: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(stretches, "LEAST", 64)
    words = ("fast", clip, "--style", "wave", "--weights", tiny_fast, "--device", "cpu", "--threads", 1)
    assert cli(*words, "--steady", steady, "--codec", "ffv1", "-o", "whole.mkv").exit_code == 0
    job, parts, do = planned(clip, tiny_fast, steady)
    assert [part.stretch.index for part in parts if part.stretch] == [0, 1, 2]
    for part in reversed(parts):  # none of them waits for another one
        do(part)
    assert not Path("apart.mkv").exists()
    do(stretches.joining(job, parts))
    assert not [each.name for each in tmp_path.iterdir() if "pieces" in each.name]
    whole, apart = (np.array(moving_files.read(name), np.int16) for name in ("whole.mkv", "apart.mkv"))
    assert len(apart) == 140
    assert len(moving_files.packets("apart.mkv", "audio")) == len(moving_files.packets("whole.mkv", "audio"))
    off = np.abs(apart - whole).mean((1, 2, 3))
    assert not off[:64].any()
    assert off.max() < (1.2 if steady else 1e-9), off.round(2)
    jumps = [np.abs(np.diff(each, axis=0)).mean((1, 2, 3)) for each in (whole, apart)]
    for seam in (63, 127):
        assert jumps[1][seam] < 1.05 * jumps[0][seam]


def test_what_a_stretch_lacks_is_painted_when_they_are_joined(
    clip: str, tiny_fast: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stretches, "LEAST", 64)
    job, parts, do = planned(clip, tiny_fast, 0)
    for part in (parts[0], parts[2]):
        do(part)
    do(stretches.joining(job, parts))
    made = moving_files.read("apart.mkv")
    do(replace(job, output="whole.mkv"))
    assert np.array_equal(made, moving_files.read("whole.mkv"))


def test_which_clips_have_stretches(clip: str, tiny_fast: Path, monkeypatch: pytest.MonkeyPatch):
    assert not planned(clip, tiny_fast, 1)[1]
    monkeypatch.setattr(stretches, "LEAST", 256)
    assert not planned(clip, tiny_fast, 0)[1]
    assert stretches.lead(0) == 0
    assert (stretches.lead(0.2) or 0) < (stretches.lead(0.4) or 0) < 64


def test_a_cluster_paints_stretches(
    clip: str, cli: Cli, tiny_fast: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(stretches, "LEAST", 64)
    words = ("fast", clip, "--style", "wave", "--steady", 0, "--weights", tiny_fast, "--device", "cpu")
    alone = cli(*words, "--threads", 1, "-o", "alone.mp4")
    shared = cli(*words, "--engine", "ray", "--address", cluster.address, "-o", "shared.mp4")
    assert (alone.exit_code, shared.exit_code) == (0, 0), shared.stderr
    assert shared.stdout == "shared.mp4\n"
    assert (tmp_path / "shared.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    assert "goes on behind" not in shared.stderr
    assert not [each.name for each in tmp_path.iterdir() if "pieces" in each.name]
