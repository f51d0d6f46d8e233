"""A folder run on several devices: the same files, the same order, one record. CPUs stand in for the GPUs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import moving_files
import numpy as np
import pytest
from conftest import Result, complaint
from test_runner import JOBS

from stylecli.batch import gpu_pool
from stylecli.batch.gpu_pool import dealt
from stylecli.batch.plan import Job
from stylecli.batch.sources import Source

Cli = Callable[..., Result]
WORDS = ("--style", "s.png", "--alpha", "0.5", "--alpha", "1", "--threads", "2")


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_pool, "devices", lambda: ["cpu", "cpu"])


def test_what_is_made_of_one_content_stays_together():
    def job(name: str) -> Job:
        return Job(1, "adain", {"content": (Source(name),)}, None, f"{name}.png", "png")

    assert dealt([job(name) for name in "aabccd"], 2) == [[0, 1, 3, 4], [2, 5]]
    assert dealt([job(name) for name in "ab"], 3) == [[0], [1], []]
    assert dealt(JOBS, 2) == [[0, 2], [1]]


@pytest.mark.parametrize(("gpus", "jobs"), [(2, 1), (1, 2)], ids=["two GPUs", "two processes on one"])
def test_the_same_files_and_one_record(
    cli: Cli, picture: Callable[..., Path], tiny_adain: Path, gpus: int, jobs: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gpu_pool, "devices", lambda: ["cpu"] * gpus)
    names: list[str] = []
    run = gpu_pool.run
    monkeypatch.setattr(gpu_pool, "run", lambda *a, **more: names.extend(a[2]) or run(*a, **more))
    for index in range(3):
        picture(f"in/{index}.png", size=(40 + 8 * index, 36))
    picture("s.png", size=(40, 40))
    Path("in/1b.png").write_bytes(b"no picture")
    words = ("adain", "in", *WORDS, "--weights", tiny_adain)
    told = {}
    for device, folder in (("cuda:all", "all"), ("cpu", "one")):
        more = ("--threads", "1") if folder == "one" else ("--jobs", jobs)
        done = cli(*words, "--device", device, "-o", f"{folder}/", *more)
        assert done.exit_code == 1, done.stderr
        assert "1b.png: not an image" in done.stderr
        told[folder] = [Path(line).name for line in done.stdout.splitlines()]
    assert names == ["cpu", "cpu"]
    assert told["all"] == told["one"]
    assert len(told["all"]) == 6
    for name in told["all"]:
        assert Path("all", name).read_bytes() == Path("one", name).read_bytes()
    records = [[json.loads(line) for line in Path(name, "stylecli.jsonl").read_text().splitlines()] for name in told]
    several, alone = ([(row["output"], row["state"], row["error"]) for row in rows] for rows in records)
    assert several == alone
    again = cli(*words, "--device", "cuda:all", "-o", "all/", "--skip-existing", "--json")
    assert [json.loads(line).get("skipped") for line in again.stdout.splitlines()].count(True) == 6


def test_what_cannot_be_is_said(cli: Cli, picture: Callable[..., Path], tiny_adain: Path):
    picture("in/a.png"), picture("s.png")
    words = ("adain", "in", "--style", "s.png", "--weights", tiny_adain)
    assert "no GPU of NVIDIA" in complaint(cli(*words, "--device", "cuda:all"), 2)
    assert "on one GPU only" in cli(*words, "--device", "cuda:all", "-o", "out/", "--watch").stderr
    ray = (*words, "-o", "out/", "--engine", "ray")
    assert "workers have no GPU" in complaint(cli(*ray, "--device", "cuda"), 2)
    assert "Ray says which GPU" in complaint(cli(*ray, "--device", "cuda:1", "--num-gpus", "1"), 2)
    train = ("train", "adain", "--content", ".", "--style", ".", "--device", "cuda:all")
    assert "for runs of files" in complaint(cli(*train), 2)


def test_a_method_that_cannot_be_opened(cli: Cli, picture: Callable[..., Path], tiny_encoder: Path, two: None):
    picture("a.png"), picture("b.png"), picture("s.png")
    done = cli("adain", "a.png", "b.png", "--style", "s.png", "--weights", tiny_encoder, "--device", "cuda:all")
    assert "not an any-style network" in complaint(done, 3)


SCRIPT = """
import sys
from stylecli.batch import gpu_pool
from stylecli.cli import run

if __name__ == "__main__":
    gpu_pool.devices = lambda: ["cpu", "cpu"]
    sys.exit(run(sys.argv[1:]))
"""


def test_ctrl_c_ends_all_processes(picture: Callable[..., Path], tiny_encoder: Path, tmp_path: Path):
    for index in range(4):
        picture(f"in/{index}.png", size=(40, 36))
    picture("s.png", size=(40, 40))
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    words = ["gatys", "in", "--style", "s.png", "--weights", tiny_encoder, "--steps", "100000", "--device", "cuda:all"]
    layers = ["--style-layers", "relu1_1", "--content-layers", "relu1_1", "--save-every", "20", "-o", "out/"]
    environment, out = {**os.environ, "OMP_NUM_THREADS": "1"}, tmp_path / "out"
    command = [sys.executable, script, *words, *layers]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not all([*out.glob(f"{index}_*_00020.png")] for index in (0, 1)) and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert sorted(path.name for path in out.glob("*_s.png")) == ["0_gatys_s.png", "1_gatys_s.png"], said
    assert "Traceback" not in said


def test_clips_are_jobs_too(cli: Cli, picture: Callable[..., Path], tiny_adain: Path, two: None):
    for name in ("a", "b", "c"):
        moving_files.write(Path(f"{name}.mp4"), moving_files.pan(4, (32, 48), seed=ord(name)), sound=True)
    picture("s.png", size=(40, 40))
    words = ("adain", "a.mp4", "b.mp4", "c.mp4", "--style", "s.png", "--steady", 0, "--weights", tiny_adain)
    for device, folder in (("cuda:all", "all"), ("cpu", "one")):
        done = cli(*words, "--threads", 1 if folder == "one" else 2, "--device", device, "-o", f"{folder}/")
        assert done.exit_code == 0, done.stderr
    for name in ("a", "b", "c"):
        made = [Path(f"{folder}/{name}_adain_s.mp4").read_bytes() for folder in ("all", "one")]
        frames = [moving_files.read(f"{folder}/{name}_adain_s.mp4") for folder in ("all", "one")]
        assert len(made[0]) == len(made[1])
        assert np.array_equal(*frames)
