"""From settings to files: what every method's command does with its options."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from stylecli.batch.inputs import forget_pipes
from stylecli.batch.jobs import STDOUT, Job
from stylecli.commands._telling import Teller, line
from stylecli.errors import ExitCode, UsageError
from stylecli.settings.shared import Compute, Contents, Files, Machine, Telling, Weighted


def run(
    method: str,
    contents: Contents,
    styles: Weighted | None,
    grid: Sequence[Any],
    outputs: Files,
    compute: Compute,
    telling: Telling,
) -> ExitCode:
    """Plans the jobs of a method and does them; see `folders.plan_files` and `folders.run_files`."""
    from stylecli.folders import plan_files

    planned = partial(plan_files, method, contents, styles, grid, say=Teller(telling).say)
    if contents.watch and not telling.dry_run:
        from stylecli.commands._watch import watch

        return watch(planned, contents, outputs, compute, telling)
    return run_jobs(planned(outputs), outputs, compute, telling)


def run_jobs(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Machine,
    telling: Telling,
    *,
    weights: Mapping[str, str] | None = None,
) -> ExitCode:
    """Does jobs, or with `--dry-run` prints them.

    Raises:
        UsageError: `--json` and the picture both want stdout.
    """
    from stylecli.folders import run_files

    if telling.dry_run:
        for job in jobs:
            print(json.dumps(line(job)) if telling.json else _sentence(job, jobs))
        return ExitCode.DONE
    if telling.json and jobs[0].output == STDOUT:
        raise UsageError("--json: stdout is taken by -o -", "write the picture to a file")
    try:
        return run_files(jobs, outputs, compute, Teller(telling), weights=weights, reraise=telling.traceback)
    finally:
        forget_pipes()


def _sentence(job: Job, jobs: Sequence[Job]) -> str:
    """A job in words: its inputs, its output, and the settings that differ between jobs."""
    names = " + ".join(one.name for some in job.inputs.values() for one in some)
    varied = [name for name in vars(job.settings) if len({getattr(each.settings, name) for each in jobs}) > 1]
    return "  ".join(
        [f"{names or job.method} -> {job.output}", *(f"{name}={getattr(job.settings, name)}" for name in varied)]
    )
