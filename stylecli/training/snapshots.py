"""Snapshots of a training: everything to go on, the last one and the one before, and the log up to there."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stylecli.errors import InputError
from stylecli.files import atomic_write, input_error, regular
from stylecli.training import distributed

NAMES = SNAPSHOT, BEFORE = "snapshot.pt", "snapshot_before.pt"
DAMAGED = "snapshot_damaged.pt"
LOG = "log.jsonl"

Optimizers = Mapping[str, torch.optim.Optimizer]


def save(folder: Path, step: int, model: nn.Module, averaged: nn.Module, optimizers: Optimizers) -> None:
    """Writes the snapshot of a step; the one that was there becomes the one before.

    Raises:
        OutputError: It cannot be written.
    """
    state = {"step": step, "model": model.state_dict(), "averaged": averaged.state_dict()}
    last = folder / SNAPSHOT
    with atomic_write(last, follow=False) as file:
        torch.save({**state, "optimizers": {name: each.state_dict() for name, each in optimizers.items()}}, file)
        if last.exists():
            last.replace(folder / BEFORE)


def resume(folder: Path, model: nn.Module, averaged: nn.Module, optimizers: Optimizers) -> tuple[int, str]:
    """Goes back to the last snapshot that is whole; (its step or 0, what the user should know).

    One that is damaged is kept under another name. Lines of the log beyond the step are dropped.

    Raises:
        InputError: The snapshot belongs to another network, or cannot be read.
    """
    state, damaged = None, []
    for path in (folder / name for name in NAMES):
        # A link that leads nowhere is none of ours, either.
        if not path.exists():
            continue
        if (state := _read(path)) is not None:
            break
        damaged.append(path)
    step = 0 if state is None else _restored(state, path, model, averaged, optimizers)
    if distributed.rank():
        return step, ""
    for each in reversed(damaged):
        each.replace(folder / DAMAGED)
    _cut(folder / LOG, step)
    went = f"went on from step {step}" if step else "began anew"
    return step, f"{damaged[0]}: damaged, kept as {DAMAGED}; {went}" if damaged else ""


def _read(path: Path) -> object:
    """What a snapshot holds, None where it is damaged or a stranger's."""
    try:
        with open(path, "rb", opener=regular) as file:
            data = BytesIO(file.read())
    except OSError as error:
        raise input_error(str(path), error) from error
    try:
        return torch.load(data, weights_only=True, map_location="cpu")
    except MemoryError:
        raise
    except Exception:  # any: what is damaged, or a stranger's, fails in many ways
        return None


# Any: what is not as `save` wrote it raises, and becomes an error of ours.
def _restored(state: Any, path: Path, model: nn.Module, averaged: nn.Module, optimizers: Optimizers) -> int:
    try:
        model.load_state_dict(state["model"])
        averaged.load_state_dict(state["averaged"])
        # Snapshots from before there could be several optimizers hold one.
        stored = state["optimizers"] if "optimizers" in state else {"model": state["optimizer"]}
        for name, each in optimizers.items():
            # A training may go on where it did not begin.
            for group in stored[name]["param_groups"]:
                group["fused"] = each.defaults["fused"]
            each.load_state_dict(stored[name])
        return int(state["step"])
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: a snapshot of another network", "give another folder with -o") from error


def validated(folder: Path, step: int) -> list[float]:
    """What validation said up to `step`, a number for each snapshot, as the log has them."""
    rows = map(json.loads, _lines(folder / LOG, step))
    return [row["validation"] for row in rows if "validation" in row]


def _cut(log: Path, step: int) -> None:
    """Drops the lines of steps that are now run again, and those that are torn."""
    if not log.exists():
        return
    lines = _lines(log, step)
    with atomic_write(log, follow=False) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _lines(log: Path, step: int) -> list[str]:
    """The whole lines of steps up to `step`; none where there is no log."""
    if not log.exists():
        return []
    with open(log, "rb", opener=regular) as file:
        return [line for line in file.read().decode(errors="replace").splitlines() if _before(line, step)]


def _before(line: str, step: int) -> bool:
    """Whether a line of the log is whole, and of a step up to `step`: a machine that went down may have torn some."""
    try:
        return bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
