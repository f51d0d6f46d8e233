"""From settings to files: what every method's command does with its options."""

import json
from collections.abc import Mapping, Sequence
from functools import partial

from stylecli.batch.plan import STDOUT, Job
from stylecli.batch.runner import Audience, Restart
from stylecli.batch.sources import forget_pipes
from stylecli.commands._report import Reporter, line
from stylecli.errors import ExitCode, UsageError, printable
from stylecli.settings.fields import Settings
from stylecli.settings.shared import Compute, Contents, Files, Machine, Reporting, Weighted


def run(
    method: str,
    contents: Contents | None,
    styles: Weighted | None,
    grid: Sequence[Settings],
    outputs: Files,
    compute: Compute,
    reporting: Reporting,
    *,
    stems: Sequence[str] = (),
    clip: bool = False,
) -> ExitCode:
    """Plans the jobs of a method and does them; see `plans.plan_files` and `runs.run_files`."""
    from stylecli.plans import plan_files

    say = Reporter(reporting).say
    planned = partial(plan_files, method, contents, styles, grid, stems=stems, clip=clip, say=say)
    if contents and contents.watch and not reporting.dry_run:
        from stylecli.commands._watch import watch

        return watch(planned, contents, outputs, compute, reporting)
    return run_jobs(planned(outputs), outputs, compute, reporting)


def run_jobs(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Machine,
    reporting: Reporting,
    *,
    weights: Mapping[str, str] | None = None,
) -> ExitCode:
    """Does jobs, or with `--dry-run` prints them.

    Raises:
        UsageError: `--json` and the picture both want stdout.
    """
    from stylecli.batch.gpu_pool import ALL
    from stylecli.batch.supervised import possible, supervised
    from stylecli.runs import run_files

    if reporting.dry_run:
        for job in jobs:
            print(json.dumps(line(job)) if reporting.json else printable(_sentence(job, jobs)))
        return ExitCode.DONE
    if reporting.json and jobs[0].output == STDOUT:
        raise UsageError("--json: stdout is taken by -o -", "write the picture to a file")

    def go(audience: Audience, restart: Restart | None = None) -> ExitCode:
        return run_files(
            jobs, outputs, compute, audience, weights=weights, reraise=reporting.traceback, restart=restart
        )

    # A cluster, and several GPUs, have processes of their own.
    several = len(jobs) > 1 and compute.device != ALL and getattr(compute, "engine", "serial") == "serial"
    try:
        reporter = Reporter(reporting)
        return supervised(jobs, go, reporter) if several and not reporting.traceback and possible() else go(reporter)
    finally:
        forget_pipes()


def _sentence(job: Job, jobs: Sequence[Job]) -> str:
    """A job in words: its inputs, its output, and the settings that differ between jobs."""
    names = " + ".join(one.name for some in job.inputs.values() for one in some)
    varied = [name for name in vars(job.settings) if len({getattr(each.settings, name) for each in jobs}) > 1]
    return "  ".join(
        [f"{names or job.method} -> {job.output}", *(f"{name}={getattr(job.settings, name)}" for name in varied)]
    )
