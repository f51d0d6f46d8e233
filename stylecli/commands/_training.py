"""From settings to a training: what every `train` command does."""

import dataclasses
import json
import os
from pathlib import Path

from stylecli.commands._report import Reporter
from stylecli.errors import ExitCode, UsageError
from stylecli.progress import Step
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.training import Training


def run(network: str, settings: Training, compute: Machine, reporting: Reporting) -> ExitCode:
    """Trains, with a bar on a terminal; the path of the weights is printed. Errors are those of `api.train`.

    Raises:
        UsageError: A limit on memory, which trainings do not keep.
    """
    if compute.max_memory:
        raise UsageError("--max-memory: a training takes what its batch needs", "a smaller --batch takes less")
    # Of the processes that torchrun starts, the first reports.
    quiet = reporting.quiet or os.environ.get("RANK", "0") != "0"
    reporter = Reporter(dataclasses.replace(reporting, quiet=quiet, verbose=reporting.verbose and not quiet))
    if reporting.dry_run:
        planned = {"network": network, "output": settings.output, "settings": dataclasses.asdict(settings)}
        if not quiet:
            print(json.dumps(planned) if reporting.json else f"train {network} -> {settings.output}")
        return ExitCode.DONE
    from stylecli import api

    bar, said = reporter.bar_for(network), ""

    def heard(step: Step) -> None:
        nonlocal said
        said = step.what
        bar(step)

    try:
        path = api.train(network, settings, compute, heard)
    finally:
        reporter.clear()
        if said:
            reporter.say(said)
    last = _last(path.with_name("log.jsonl"))
    if not quiet:
        print(json.dumps({"network": network, "output": str(path), **last}) if reporting.json else path)
    if reporting.verbose:
        losses = ", ".join(f"{name} {value:.4g}" for name, value in last.items() if isinstance(value, float))
        reporter.say(f"{path}: step {last.get('step')}: {losses}")
    return ExitCode.DONE


def _last(log: Path) -> dict[str, object]:
    """The last line of a training's log: its step and losses; nothing where it was lost."""
    with log.open() as file:
        *_, line = "{}", *file
    row: dict[str, object] = json.loads(line)
    return row
