"""Processes of `torchrun` train one network: the gradients of all of them make each step."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TASK = """
import sys
from pathlib import Path
import torch
from torch import nn
from stylecli.device import resolve
from stylecli.progress import silent
from stylecli.training import distributed
from stylecli.training.loop import Schedule, train

class Task:
    def __init__(self, seeds):
        torch.manual_seed(seeds[0])
        self.model, self.seeds = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), seeds

    def batches(self, first, last):
        for step in range(first, last + 1):
            drawn = [torch.Generator().manual_seed(1000 * seed + step) for seed in self.seeds]
            yield torch.cat([torch.randn(5, 5, generator=one) for one in drawn])

    def losses(self, batch):
        return {"distance": (self.model(batch[:, :3]) - batch[:, 3:]).square().mean()}

    def export(self, averaged, path, row):
        pass

with distributed.joined(resolve("cpu")):
    seeds = [int(word) + distributed.rank() for word in sys.argv[2:]]
    train(Task(seeds), Schedule(6, 0.1, warmup=1, every=3), Path(sys.argv[1]), silent)
threads = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in threads), threads
"""


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_two_processes_make_the_steps_of_one_with_both_batches(tmp_path: Path):
    script = tmp_path / "task.py"
    script.write_text(TASK)
    run(*TORCHRUN, script, tmp_path / "two", 7)
    run(sys.executable, script, tmp_path / "one", 7, 8)
    one, two = (torch.load(tmp_path / name / "snapshot.pt", weights_only=True)["model"] for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(two[name], one[name])
    rows = log(tmp_path / "two")
    assert [row["processes"] for row in rows] == [2] * 6
    assert [row["distance"] for row in rows] == pytest.approx([row["distance"] for row in log(tmp_path / "one")])


def test_networks_that_take_turns_and_a_training_that_goes_on(picture: Callable[..., Path], tmp_path: Path):
    for index in range(6):
        picture(f"pictures/{'ab'[index % 2]}/{index}.png", size=(20, 24), seed=index)
    small = "--size 16 --channels 4 --most-channels 8 --hidden 8 --style-dim 4 --latent-dim 2 --batch 2 --r1-every 2"
    words = [*TORCHRUN, "-m", "stylecli", "train", "stargan", tmp_path / "pictures", *small.split(), "--every", 2]
    words += ["--diversity-steps", 4, "--device", "cpu", "--output"]
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert run(*words, whole, "--steps", 4) == f"{whole / 'weights.safetensors'}\n"
    run(*words, halves, "--steps", 2)
    run(*words, halves, "--steps", 4)
    assert log(halves) == log(whole)
    assert len(log(whole)) == 4
