"""Runs a plan on this machine, one job after the other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stylecli.batch.failures import explain
from stylecli.batch.jobs import Job
from stylecli.errors import ExitCode, Interrupted, StyleCliError
from stylecli.progress import Listener


@dataclass(frozen=True)
class Outcome:
    """What became of a job that did not fail.

    Attributes:
        losses: Final losses by name.
        notes: What the user should know.
        skipped: The file already held this very result.
        interrupted: Stopped by Ctrl-C; the file holds the best picture so far.
    """

    losses: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    skipped: bool = False
    interrupted: bool = False


@dataclass(frozen=True)
class Report:
    """How a job ended: with an outcome or with an error."""

    job: Job
    seconds: float
    outcome: Outcome | None = None
    error: StyleCliError | None = None


class Audience(Protocol):
    """Who is told about the run."""

    def say(self, line: str) -> None:
        """Something goes on before the first job."""

    def begin(self, job: Job, total: int) -> Listener:
        """A job starts; the listener hears its steps."""

    def end(self, report: Report) -> None:
        """A job is over."""

    def made(self, path: str) -> None:
        """A sheet or clip was made of the results."""

    def close(self, reports: Sequence[Report]) -> None:
        """No job is left, or the run was stopped."""


def run(
    jobs: Sequence[Job],
    work: Callable[[Job, Listener], Outcome],
    audience: Audience,
    *,
    reraise: bool = False,
) -> ExitCode:
    """Does every job; one that fails does not stop the others, Ctrl-C does.

    Args:
        jobs: The plan.
        work: Does one job.
        audience: Hears of every step.
        reraise: Let the first error through as it is, for developers.

    Returns:
        0; 1 when some of several jobs failed; the error's own code when the only job did; 130 when interrupted.
    """
    reports: list[Report] = []
    try:
        for job in jobs:
            reports.append(_one(job, work, audience.begin(job, len(jobs)), reraise))
            audience.end(reports[-1])
            if _stopped(reports[-1]):
                break
    finally:
        audience.close(reports)
    errors = [report.error for report in reports if report.error]
    if reports and _stopped(reports[-1]):
        return ExitCode.INTERRUPTED
    return errors[0].exit_code if len(jobs) == 1 and errors else ExitCode.SOME_FAILED if errors else ExitCode.DONE


def _one(job: Job, work: Callable[[Job, Listener], Outcome], listener: Listener, reraise: bool) -> Report:
    start = time.perf_counter()
    outcome: Outcome | None = None
    error: StyleCliError | None = None
    try:
        outcome = work(job, listener)
    except KeyboardInterrupt:
        error = Interrupted(f"{job.title}: interrupted")
    except BrokenPipeError:
        raise
    except Exception as failure:
        if reraise:
            raise
        error = explain(failure)
    return Report(job, time.perf_counter() - start, outcome, error)


def _stopped(report: Report) -> bool:
    return isinstance(report.error, Interrupted) or bool(report.outcome and report.outcome.interrupted)
