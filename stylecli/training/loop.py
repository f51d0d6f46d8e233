"""The training loop: snapshots that resume exactly, averaged weights, losses as JSON lines. It knows no network.

The weights that are saved for use are an exponential moving average of the iterates (Polyak, Juditsky 1992).
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from stylecli.errors import InputError, StyleCliError
from stylecli.files import atomic_write
from stylecli.media.images import write_picture
from stylecli.progress import Listener, Step

Batch = TypeVar("Batch")


class Task(Protocol[Batch]):
    """What a network's trainer gives the loop."""

    @property
    def model(self) -> nn.Module:
        """What is trained: its parameters, and nothing frozen."""

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of steps `first` to `last`; the same for the same step in every run."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted scalar losses of one batch; their sum is minimised."""

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """Write a file that `--weights` opens; `row` holds the step and its losses."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: Steps of the whole training; the learning rate falls to zero there.
        learning_rate: Peak rate of Adam.
        warmup: Steps of linear rise.
        decay: Of the averaged weights.
        every: Steps between snapshots.
        clip: Largest norm of the gradient; what is longer is shortened.
    """

    steps: int
    learning_rate: float
    warmup: int = 100
    decay: float = 0.99
    every: int = 250
    clip: float = math.inf

    def rate(self, step: int) -> float:
        """Learning rate at `step` (1 is the first): linear warm-up, then a half cosine."""
        rise = min(step / max(self.warmup, 1), 1.0)
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1.0)))


def train(task: Task[Batch], schedule: Schedule, folder: Path, listener: Listener) -> Path:
    """Train, or go on where `folder` stopped; the path of the file for `--weights` is returned.

    `folder` holds `snapshot.pt` (everything to go on), `weights.safetensors` (averaged), `log.jsonl`, and, where the
    task has a `sheet` of what the averaged network makes, `sample_N.jpg`.

    Raises:
        InputError: The snapshot belongs to another network.
        StyleCliError: The loss is not a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.Adam(task.model.parameters(), lr=schedule.learning_rate, betas=(0.9, 0.99))
    averaged = torch.optim.swa_utils.AveragedModel(
        task.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(schedule.decay)
    )
    done = _resume(task.model, averaged, optimizer, folder)
    start = time.monotonic()
    for step, batch in enumerate(task.batches(done + 1, schedule.steps), done + 1):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        losses = task.losses(batch)
        total = torch.stack(list(losses.values())).sum()
        if not math.isfinite(float(total.detach())):
            raise StyleCliError(f"step {step}: the loss is not a number", "start again from the last snapshot, slower")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(task.model.parameters(), schedule.clip)
        optimizer.step()
        averaged.update_parameters(task.model)
        row = {"step": step, "loss": float(total.detach()), "gradient": float(norm)}
        row |= {name: round(float(loss.detach()), 7) for name, loss in losses.items()}
        with (folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        if step % schedule.every == 0 or step == schedule.steps:
            _snapshot(task.model, averaged, optimizer, folder, step)
            task.export(averaged.module, folder / "weights.safetensors", row)
            if sheet := getattr(task, "sheet", None):
                write_picture(sheet(averaged.module), folder / f"sample_{step:06}.jpg")
        listener(Step(step, schedule.steps, time.monotonic() - start, row["loss"]))
    return folder / "weights.safetensors"


def _snapshot(model: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer, folder: Path, step: int) -> None:
    state = {"step": step, "model": model.state_dict(), "averaged": averaged.state_dict()}
    with atomic_write(folder / "snapshot.pt") as file:
        torch.save({**state, "optimizer": optimizer.state_dict()}, file)


def _resume(model: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer, folder: Path) -> int:
    path = folder / "snapshot.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    try:
        model.load_state_dict(state["model"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: a snapshot of another network", "give another folder with -o") from error
    # Lines after the snapshot belong to steps that are now run again.
    log = folder / "log.jsonl"
    lines = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= state["step"]]
    with atomic_write(log) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
    return int(state["step"])
