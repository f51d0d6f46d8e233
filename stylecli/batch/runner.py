"""Runs a plan on this machine: while a job computes, the next one is read and the one before is written."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from stylecli.batch.failures import explain
from stylecli.batch.jobs import Job
from stylecli.errors import ExitCode, Interrupted, StyleCliError
from stylecli.progress import Listener, Step

AHEAD = 1
"""Jobs that are read before their turn, and results that wait to be written: memory stays flat."""


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


@dataclass(frozen=True)
class Made:
    """A result that has yet to be written: `write` does that, and gives more notes."""

    outcome: Outcome
    write: Callable[[], Sequence[str]]

    def finish(self) -> Outcome:
        """Writes the file."""
        return replace(self.outcome, notes=(*self.outcome.notes, *self.write()))


class Staged(Protocol):
    """Work whose reading and writing may go on beside the computation, each in a thread of its own."""

    def gather(self, job: Job) -> Any:
        """What `make` takes, or an `Outcome` when there is nothing to do."""

    def make(self, job: Job, given: Any, listener: Listener) -> Made:
        """The result of a job; only this needs the main thread, where Ctrl-C arrives."""


Work = Staged | Callable[[Job, Listener], Outcome]


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
    work: Work,
    audience: Audience,
    *,
    ahead: int = AHEAD,
    note: Callable[[Report], None] | None = None,
    reraise: bool = False,
) -> ExitCode:
    """Does every job; one that fails does not stop the others, Ctrl-C does. Reports come in the order of the plan.

    Args:
        jobs: The plan.
        work: Does one job, in stages or as a whole.
        audience: Hears of every step.
        ahead: Jobs that are read before their turn, and results that wait to be written; 0 does one thing at a time.
        note: Takes every report, for the record.
        reraise: Let the first error through as it is, for developers.

    Returns:
        0; 1 when some of several jobs failed; the error's own code when the only job did; 130 when interrupted.
    """
    reports: list[Report] = []
    writing: deque[Future[Report]] = deque()

    def tell(waiting: int) -> None:
        """Reports what is written; waits until no more than `waiting` results are not."""
        while writing and (len(writing) > waiting or writing[0].done()):
            reports.append(writing[0].result())
            writing.popleft()
            if note:
                note(reports[-1])
            audience.end(reports[-1])

    def heard(listener: Listener, step: Step) -> None:
        # A job may take an hour: the one before it is told of as soon as it is written.
        tell(len(jobs))
        listener(step)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        try:
            for job, given in _in_turn(jobs, getattr(work, "gather", None), reader, ahead):
                listener = partial(heard, audience.begin(job, len(jobs)))
                start = time.perf_counter()
                made = _attempt(job, partial(_compute, work, job, given, listener), reraise)
                seconds = time.perf_counter() - start
                tell(ahead)
                writing.append(writer.submit(_finish, job, made, seconds, reraise))
                tell(ahead)
                if _stopped(made):
                    break
        finally:
            try:
                tell(0)
            finally:
                audience.close(reports)
    errors = [report.error for report in reports if report.error]
    if reports and _stopped(reports[-1].error or reports[-1].outcome):
        return ExitCode.INTERRUPTED
    return errors[0].exit_code if len(jobs) == 1 and errors else ExitCode.SOME_FAILED if errors else ExitCode.DONE


def _in_turn(
    jobs: Sequence[Job], read: Callable[[Job], Any] | None, reader: Executor, ahead: int
) -> Iterator[tuple[Job, "Future[Any] | None"]]:
    """Each job and what is read for it, `ahead` jobs before their turn."""
    if read is None:
        yield from ((job, None) for job in jobs)
        return
    given: deque[Future[Any]] = deque()
    for index, job in enumerate(jobs):
        given += [reader.submit(read, each) for each in jobs[index + len(given) : index + ahead + 1]]
        yield job, given.popleft()


def _compute(work: Any, job: Job, given: "Future[Any] | None", listener: Listener) -> "Made | Outcome":
    if given is None:
        whole: Outcome = work(job, listener)
        return whole
    read = given.result()
    return read if isinstance(read, Outcome) else work.make(job, read, listener)


def _finish(job: Job, made: "Made | Outcome | StyleCliError", seconds: float, reraise: bool) -> Report:
    start = time.perf_counter()
    done = _attempt(job, made.finish, reraise) if isinstance(made, Made) else made
    seconds += time.perf_counter() - start
    return Report(job, seconds, error=done) if isinstance(done, StyleCliError) else Report(job, seconds, done)


def _attempt(job: Job, stage: Callable[[], Any], reraise: bool) -> Any:
    """What a stage of a job gives, or the error that ended the job."""
    try:
        return stage()
    except KeyboardInterrupt:
        return Interrupted(f"{job.title}: interrupted")
    except BrokenPipeError:
        raise
    except Exception as failure:
        if reraise:
            raise
        return explain(failure)


def _stopped(end: "Made | Outcome | StyleCliError | None") -> bool:
    outcome = end.outcome if isinstance(end, Made) else end
    return isinstance(outcome, Interrupted) or (isinstance(outcome, Outcome) and outcome.interrupted)
