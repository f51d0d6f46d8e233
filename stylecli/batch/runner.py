"""Runs a plan on this machine: some jobs compute at once, beside them others are read and written."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypedDict, TypeVar

from stylecli.batch.failures import explain
from stylecli.batch.plan import Job
from stylecli.errors import ExitCode, Interrupted, StyleCliError
from stylecli.progress import Listener, Step

T = TypeVar("T")
AHEAD = 1
"""Jobs that are read or written beside those that compute: memory stays flat."""


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
    """How a job ended: with an outcome, or with an error and what was raised."""

    job: Job
    seconds: float
    outcome: Outcome | None = None
    error: StyleCliError | None = None
    raised: BaseException | None = None

    @property
    def interrupted(self) -> bool:
        """Stopped by Ctrl-C."""
        return isinstance(self.error, Interrupted) or bool(self.outcome and self.outcome.interrupted)


@dataclass
class Restart:
    """What became of a plan in processes that died in it, see `supervised`, and who hears how this one goes on.

    Attributes:
        ended: Reports by place in the plan.
        told: How many of them the audience has heard.
        begun: Jobs that any process was at.
        alone: One job at a time, so that it is known which one ends the process.
        tell: Hears which job has `begun`, and how it `ended`.
    """

    ended: dict[int, Report] = field(default_factory=dict)
    told: int = 0
    begun: set[int] = field(default_factory=set)
    alone: bool = False
    tell: Callable[..., None] = lambda what, place, report=None: None


@dataclass(frozen=True)
class Made:
    """A result that has yet to be written: `write` does that, and gives more notes."""

    outcome: Outcome
    write: Callable[[], Sequence[str]]

    def finish(self) -> Outcome:
        """Writes the file."""
        return replace(self.outcome, notes=(*self.outcome.notes, *self.write()))


class Staged(Protocol):
    """Work whose reading and writing may go on beside the computation; each job has a thread of its own."""

    def gather(self, job: Job) -> object:
        """What `make` takes, or an `Outcome` when there is nothing to do."""

    # Any: each kind of work takes what its own `gather` gave.
    def make(self, job: Job, given: Any, listener: Listener) -> Made:
        """The result of a job; after Ctrl-C the listener raises `KeyboardInterrupt`."""


Work = Staged | Callable[[Job, Listener], Outcome]


class Paced(TypedDict, total=False):
    """How many jobs at once, as `run` takes it."""

    at_once: int
    ahead: int
    ready: Callable[[], None]


class Audience(Protocol):
    """Who is told about the run."""

    def say(self, line: str) -> None:
        """Something goes on before the first job."""

    def begin(self, job: Job, total: int) -> Listener:
        """A job starts; the listener hears its steps. Both are called in threads, the rest is not."""

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
    at_once: int = 1,
    ahead: int = AHEAD,
    ready: Callable[[], None] = lambda: None,
    note: Callable[[Report], None] | None = None,
    reraise: bool = False,
    restart: Restart | None = None,
) -> ExitCode:
    """Does every job; one that fails does not stop the others, Ctrl-C does. Reports come in the order of the plan.

    After Ctrl-C no job begins; those that compute stop at their next step, or are finished where they tell of none.

    Args:
        jobs: The plan.
        work: Does one job, in stages or as a whole.
        audience: Hears of every step.
        at_once: Jobs that compute at the same time; they begin in the order of the plan.
        ahead: Jobs that are read or written beside them; 0 leaves that to the threads that compute.
        ready: Called in each thread before its first job.
        note: Takes every report, for the record.
        reraise: Let the first error through as it is, for developers.
        restart: Of the same plan in other processes.

    Returns:
        0; 1 when some of several jobs failed; the error's own code when the only job did; 130 when interrupted.
    """
    reports: list[Report] = []
    restart = restart or Restart()
    at_once, ahead = (1, 0) if restart.alone else (at_once, ahead)
    flow = _Flow(work, audience, len(jobs), at_once, restart)
    with interruptible(flow.stopped), ThreadPoolExecutor(at_once + ahead, initializer=ready) as pool:
        try:
            futures = [pool.submit(flow.carry, place, job) for place, job in enumerate(jobs)]
            for place, future in enumerate(futures):
                if (report := future.result()) is None:
                    continue
                reports.append(report)
                if place < restart.told:
                    continue
                if note:
                    note(report)
                audience.end(report)
                if report.raised and (reraise or isinstance(report.raised, BrokenPipeError)):
                    raise report.raised
        except BaseException:
            flow.stopped.set()
            raise
        finally:
            audience.close(reports)
    return ExitCode.INTERRUPTED if flow.stopped.is_set() else exit_code(reports, len(jobs))


def exit_code(reports: Sequence[Report], total: int) -> ExitCode:
    """How a run of `total` jobs ends that was not interrupted."""
    errors = [report.error for report in reports if report.error]
    return errors[0].exit_code if total == 1 and errors else ExitCode.SOME_FAILED if errors else ExitCode.DONE


@contextmanager
def interruptible(stopped: threading.Event) -> Iterator[None]:
    """Lets Ctrl-C stop the jobs in a block of the main thread; other threads never get it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        stopped.set()
        # Pressed again it ends the process at once; the next run clears away what that leaves.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Flow:
    """Carries jobs from their inputs to their files, each in one thread, and lets so many compute at once."""

    def __init__(self, work: Work, audience: Audience, total: int, places: int, restart: Restart) -> None:
        self.work, self.audience, self.total, self.restart = work, audience, total, restart
        self.stopped = threading.Event()
        self.free, self.next, self.changed = places, 0, threading.Condition()

    def carry(self, place: int, job: Job) -> Report | None:
        """The report of a job; None when the run was stopped before it began."""
        if known := self.restart.ended.get(place):
            with self._turn(place):
                return known
        if not self.stopped.is_set():
            self.restart.tell("begun", place)
        report = self._carried(place, job)
        if report:
            self.restart.tell("ended", place, report)
        return report

    def _carried(self, place: int, job: Job) -> Report | None:
        given: object = None
        gather: Callable[[Job], object] | None = getattr(self.work, "gather", None)
        if gather and not self.stopped.is_set():
            given = self._attempt(job, partial(gather, job))
        with self._turn(place):
            if self.stopped.is_set():
                return None
            listener = partial(self._heard, self.audience.begin(job, self.total))
            start = time.perf_counter()
            done: Made | Outcome | Report
            if isinstance(given, Report | Outcome):
                done = given
            else:
                done = self._attempt(job, partial(self._compute, job, given, listener))
        if isinstance(done, Made):
            done = self._attempt(job, done.finish)
        seconds = time.perf_counter() - start
        report = replace(done, seconds=seconds) if isinstance(done, Report) else Report(job, seconds, done)
        if report.interrupted:
            self.stopped.set()
        return report

    def _compute(self, job: Job, given: object, listener: Listener) -> "Made | Outcome":
        work: Any = self.work
        made: Made | Outcome = work(job, listener) if given is None else work.make(job, given, listener)
        # Nothing may begin while what was stopped is written.
        if (made.outcome if isinstance(made, Made) else made).interrupted:
            self.stopped.set()
        return made

    def _heard(self, listener: Listener, step: Step) -> None:
        if self.stopped.is_set():
            raise KeyboardInterrupt
        listener(step)

    def _attempt(self, job: Job, stage: Callable[[], T]) -> T | Report:
        """What a stage of a job gives, or the report of the error that ended the job."""
        try:
            return stage()
        except KeyboardInterrupt:
            self.stopped.set()
            return Report(job, 0, error=Interrupted(f"{job.title}: interrupted"))
        except Exception as failure:
            return Report(job, 0, error=explain(failure, job.settings), raised=failure)

    @contextmanager
    def _turn(self, place: int) -> Iterator[None]:
        """One of the places to compute, in the order of the plan: what one job left, the next one may take up."""
        with self.changed:
            self.changed.wait_for(lambda: self.free and self.next == place)
            self.next, self.free = self.next + 1, self.free - 1
            self.changed.notify_all()
        try:
            yield
        finally:
            with self.changed:
                self.free += 1
                self.changed.notify_all()
