"""The training loop: snapshots that resume exactly, averaged weights, losses as JSON lines. It knows no network.

The weights that are saved for use are an exponential moving average of the iterates (Polyak, Juditsky 1992).
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from stylecli.errors import OutputError, StyleCliError
from stylecli.files import own
from stylecli.media.images import write_picture
from stylecli.progress import Listener, Step
from stylecli.training import distributed, snapshots
from stylecli.training.data import broken, forget

Batch = TypeVar("Batch")
Tensors = tuple[Tensor, ...] | list[Tensor]
_OURS = re.compile(r"snapshot(_before|_damaged)?\.pt|log\.jsonl|weights\.safetensors|sample_\d+\.jpg")
MOST_RETURNS = 4
"""How often training goes back to a snapshot before it gives up."""


class Task(Protocol[Batch]):
    """What a network's trainer gives the loop."""

    @property
    def model(self) -> nn.Module:
        """What is trained: its parameters, and nothing frozen.

        A task may also have `groups()`, lists of them as Adam takes them, each with a `factor` on the rate, and
        `validate(averaged)`, a loss on what is never learned from, or None: the file is then the best so far.
        """

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of steps `first` to `last`; the same for the same step in every run."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted scalar losses of one batch; their sum is minimised."""

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """Write a file that `--weights` opens; `row` holds the step and its losses."""


class Phased(Protocol[Batch]):
    """A trainer whose networks take turns, such as a generator and its discriminator; otherwise as `Task`."""

    @property
    def model(self) -> nn.Module:
        """All of them."""

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """See `Task`."""

    def groups(self) -> dict[str, list[dict[str, object]]]:
        """For each optimizer its groups of parameters, with a `factor` on the rate where it is not 1."""

    def phases(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """(optimizer, its losses) of one step; each has made its step when the next is asked for."""

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """See `Task`."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: Steps of the whole training; the learning rate falls to zero there.
        learning_rate: Peak rate of Adam.
        warmup: Steps of linear rise.
        decay: Of the averaged weights; what a training began with weighs less and less, see `average`.
        every: Steps between snapshots.
        clip: Largest norm of the gradient; what is longer is shortened.
        betas: Of Adam.
        constant: The rate stays at its peak.
        patience: Snapshots in a row that may be no better than the best before, where the task validates; 0: any.
    """

    steps: int
    learning_rate: float
    warmup: int = 100
    decay: float = 0.99
    every: int = 250
    clip: float = math.inf
    betas: tuple[float, float] = (0.9, 0.99)
    constant: bool = False
    patience: int = 0

    @torch.no_grad()
    def average(self, averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        """Moves `averaged` towards `current`, further at first: over a tenth of the steps so far, up to `decay`."""
        done = int(count)
        torch._foreach_lerp_(averaged, current, 1 - min(self.decay, (1 + done) / (10 + done)))

    def rate(self, step: int) -> float:
        """Learning rate at `step` (1 is the first): linear warm-up, then a half cosine, or none."""
        rise = min(step / max(self.warmup, 1), 1.0)
        if self.constant:
            return self.learning_rate * rise
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1.0)))


def train(task: Task[Batch] | Phased[Batch], schedule: Schedule, folder: Path, listener: Listener) -> Path:
    """Train, or go on where `folder` stopped; the path of the file for `--weights` is returned.

    `folder` holds `snapshot.pt` (everything to go on; `snapshot_before.pt` is for when it is damaged),
    `weights.safetensors` (averaged), `log.jsonl`, and, where the task has a `sheet` of what the averaged network makes,
    `sample_N.jpg`. When a loss or a gradient is not a number, training goes back to the snapshot and on at half the
    rate, up to `MOST_RETURNS` times. Of several processes, see `distributed`, the first writes, to a folder that all of
    them can read.

    Raises:
        InputError: The snapshot belongs to another network.
        OutputError: One of its files is a link.
        StyleCliError: The loss is not a number, again and again, or before the first snapshot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if linked := next((path for path in folder.iterdir() if path.is_symlink() and _OURS.fullmatch(path.name)), None):
        raise OutputError(f"{linked}: a link", "a training writes no files but its own; give another folder with -o")
    given: Any = getattr(task, "groups", task.model.parameters)()
    groups = {"model": given} if hasattr(task, "losses") else given
    # On a GPU all parameters in one launch.
    fused = next(task.model.parameters()).device.type == "cuda" or None
    optimizers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.Adam(some, lr=schedule.learning_rate, betas=schedule.betas, fused=fused)
        for name, some in groups.items()
    }
    averaged = torch.optim.swa_utils.AveragedModel(task.model, multi_avg_fn=schedule.average)
    done, note = snapshots.resume(folder, task.model, averaged, optimizers)
    for network in (task.model, averaged):
        distributed.same(network)
    writes = distributed.rank() == 0
    start = time.monotonic()
    validate: Callable[[nn.Module], float | None] = getattr(task, "validate", lambda averaged: None)
    for returned in range(MOST_RETURNS + 1):
        validated = snapshots.validated(folder, done)
        try:
            for step, batch in enumerate(task.batches(done + 1, schedule.steps), done + 1):
                if _stalled(validated, schedule.patience):
                    break
                row = _step(task, batch, step, optimizers, schedule, schedule.rate(step) / 2**returned)
                averaged.update_parameters(task.model)
                due = step % schedule.every == 0 or step == schedule.steps
                if due:
                    # Running statistics are each process's own until now.
                    distributed.same(task.model)
                    if (tried := validate(averaged.module)) is not None:
                        row["validation"] = tried
                        validated.append(tried)
                if not writes:
                    continue
                with open(folder / snapshots.LOG, "a", opener=own) as file:
                    file.write(json.dumps(row) + "\n")
                if due:
                    snapshots.save(folder, step, task.model, averaged, optimizers)
                    if not validated or validated[-1] == min(validated):
                        task.export(averaged.module, folder / "weights.safetensors", row)
                    if sheet := getattr(task, "sheet", None):
                        write_picture(sheet(averaged.module), folder / f"sample_{step:06}.jpg")
                left_out = f"unreadable pictures left out: {len(broken)}" if broken else ""
                tried_last = f"validation {validated[-1]:.4g}, best {min(validated):.4g}" if validated else ""
                what = "; ".join(filter(None, (note, left_out, tried_last)))
                listener(Step(step, schedule.steps, time.monotonic() - start, row["loss"], what))
            break
        except _NotANumberError as error:
            if returned == MOST_RETURNS or not any((folder / name).exists() for name in snapshots.NAMES):
                hint = "a lower --learning-rate may help"
                raise StyleCliError(f"step {error.args[0]}: the loss is not a number", hint) from error
            done, again = snapshots.resume(folder, task.model, averaged, optimizers)
            note = note or again
        finally:
            # Pictures, and which of them are broken, are of one training.
            forget()
    return folder / "weights.safetensors"


def _stalled(validated: list[float], patience: int) -> bool:
    """Whether the last `patience` snapshots were no better than the best before them."""
    return 0 < patience < len(validated) - validated.index(min(validated)) if validated else False


class _NotANumberError(Exception):
    """Of the step in its argument."""


def _step(
    task: Task[Batch] | Phased[Batch],
    batch: Batch,
    step: int,
    optimizers: Mapping[str, torch.optim.Optimizer],
    schedule: Schedule,
    rate: float,
) -> dict[str, float]:
    """One step of every network; what the log says of it."""
    row: dict[str, float] = {"step": step, "processes": distributed.count(), "loss": 0.0, "gradient": 0.0}
    phases = iter([("model", task.losses(batch))]) if hasattr(task, "losses") else task.phases(batch, step)
    for name, losses in phases:
        optimizer = optimizers[name]
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        values = torch.stack([loss.detach().float() for loss in losses.values()])
        distributed.average([values, *(each.grad for each in trained if each.grad is not None)])
        norm = torch.nn.utils.clip_grad_norm_(trained, schedule.clip)
        # All numbers in one copy: on a GPU each copy waits for the step.
        norm, loss, *known = torch.stack([norm, values.sum(), *values]).tolist()
        # Nothing has changed yet: a snapshot never holds what a bad gradient made.
        if not math.isfinite(loss + norm):
            raise _NotANumberError(step)
        optimizer.step()
        row["loss"] += loss
        row["gradient"] = max(row["gradient"], norm)
        row |= {key: round(value, 7) for key, value in zip(losses, known, strict=True)}
    return row
