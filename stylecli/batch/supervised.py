"""A run of several jobs in a process of its own: what ends it by a signal, as a codec may, fails its file alone.

The process is split off before anything heavy is loaded, so it costs nothing but that. It tells this one, which tells
the user, what begins and ends. When it dies, the job that it was at has failed, and another process goes on with the
others; where it was at several, that one does a job at a time until it is known which one it was.
"""

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, BinaryIO, NoReturn

from stylecli.batch.failures import explain
from stylecli.batch.plan import Job
from stylecli.batch.runner import Audience, Report, Restart
from stylecli.errors import ExitCode, InputError, StyleCliError
from stylecli.progress import Listener, Step

FAULTS = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGKILL")
"""What ends a process that did not mean to; the system kills those that take all memory."""

PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
STEP = 0.05
"""Seconds between two steps of a job that are told."""

_PR_SET_PDEATHSIG = 1


fresh = False
"""PyTorch is loaded, but has done nothing yet: it has no threads."""


def possible() -> bool:
    """Whether a process can be split off here: on Linux, from a program without threads, with streams of its own."""
    try:
        own = (sys.stdout.fileno(), sys.stdin.fileno()) == (1, 0)
    except (OSError, ValueError, AttributeError):
        own = False
    alone = threading.active_count() == 1 and (fresh or "torch" not in sys.modules)
    return own and alone and sys.platform == "linux"


Go = Callable[[Audience, Restart], ExitCode]
"""Does what is left of a plan, as `runner.run` with that audience and restart."""


def supervised(jobs: Sequence[Job], go: Go, audience: Audience) -> ExitCode:
    """Does `go` in processes of their own until one of them ends; its exit code, or its error, is the result.

    Args:
        jobs: The plan.
        go: Does it.
        audience: Hears of every step, in this process.

    Raises:
        StyleCliError: What `go` raised, or that it died where it was at no job.
    """
    watch = _Watch(jobs, audience)
    while True:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with _signals_wait():
            parent, child = os.getpid(), os.fork()
            if not child:
                os.close(reading)
                _depend_on(parent)
        if not child:
            _be(writing, jobs, watch.restart, go)
        os.close(writing)
        with os.fdopen(reading, "rb") as file, _passed_on(child):
            try:
                at = watch.hear(file)
            except BaseException:
                os.kill(child, signal.SIGINT)
                file.read()
                raise
            finally:
                _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return ExitCode(os.WEXITSTATUS(status))
        watch.died(signal.Signals(os.WTERMSIG(status)), at)


class _Watch:
    """What is known of the plan, in this process."""

    def __init__(self, jobs: Sequence[Job], audience: Audience) -> None:
        self.jobs, self.audience, self.restart = jobs, audience, Restart()
        self.reports: list[Report] = []
        self.listeners: dict[int, Listener] = {}

    def hear(self, file: BinaryIO) -> set[int]:
        """Hears a process to its end; the jobs that it was at.

        Raises:
            StyleCliError: What it raised.
        """
        at: set[int] = set()
        with suppress(EOFError, pickle.UnpicklingError):
            while True:
                what, place, said = pickle.load(file)
                if what == "begun":
                    at.add(place)
                    self.restart.begun.add(place)
                elif what == "ended":
                    at.discard(place)
                    self.restart.ended[place] = Report(self.jobs[place], *said)
                else:
                    self._tell(what, place, said)
        return at

    # Any: `what` came through the pipe with `said`, and tells its type.
    def _tell(self, what: str, place: int, said: Any) -> None:
        match what:
            case "say" | "made":
                getattr(self.audience, what)(said)
            case "begin":
                self.listeners[place] = self.audience.begin(self.jobs[place], len(self.jobs))
            case "step":
                self.listeners[place](said)
            case "end":
                self.reports.append(Report(self.jobs[place], *said))
                self.restart.told = place + 1
                self.audience.end(self.reports[-1])
            case "close":
                self.audience.close(self.reports)
            case "raised":
                raise said

    def died(self, by: signal.Signals, at: set[int]) -> None:
        """Blames a job, if it is known which one."""
        if by.name not in FAULTS:
            # Someone wanted the run to end.
            self.audience.close(self.reports)
            signal.signal(by, signal.SIG_DFL)
            os.kill(os.getpid(), by)
        if not at or (self.restart.alone and len(at) > 1):
            self.audience.close(self.reports)
            raise StyleCliError(f"the run was ended by {by.name}", "see what the system's log says")
        self.restart.alone = len(at) > 1
        if not self.restart.alone:
            job = self.jobs[place := at.pop()]
            hint = "it may be damaged: write it anew with another program"
            if by == signal.SIGKILL:
                hint = "was memory enough? a smaller --size, or --jobs 1, takes less"
            error = InputError(f"{job.title}: the process that was at it was ended by {by.name}", hint)
            self.restart.ended[place] = Report(job, 0, error=error)


class _Relay:
    """The audience in the other process: passes on what it hears."""

    def __init__(self, jobs: Sequence[Job], file: BinaryIO) -> None:
        self.places, self.file, self.lock = {id(job): place for place, job in enumerate(jobs)}, file, threading.Lock()
        self.last: dict[int, float] = {}

    def tell(self, what: str, place: int = 0, said: object = None) -> None:
        if isinstance(said, Report):
            # What was raised may hold anything; the error says it in words.
            said = (said.seconds, said.outcome, said.error)
        with self.lock:
            pickle.dump((what, place, said), self.file)
            self.file.flush()

    def say(self, line: str) -> None:
        self.tell("say", 0, line)

    def made(self, path: str) -> None:
        self.tell("made", 0, path)

    def begin(self, job: Job, total: int) -> Listener:
        place = self.places[id(job)]
        self.tell("begin", place)

        def listener(step: Step) -> None:
            now = time.monotonic()
            if step.i == step.total or now - self.last.get(place, 0) > STEP:
                self.last[place] = now
                self.tell("step", place, step)

        return listener

    def end(self, report: Report) -> None:
        self.tell("end", self.places[id(report.job)], report)

    def close(self, reports: Sequence[Report]) -> None:
        self.tell("close")


def _be(writing: int, jobs: Sequence[Job], restart: Restart, go: Go) -> NoReturn:
    """What the process does; it never comes back."""
    with os.fdopen(writing, "wb") as file:
        relay = _Relay(jobs, file)
        restart.tell = relay.tell
        code = ExitCode.INTERRUPTED
        try:
            code = go(relay, restart)
        except KeyboardInterrupt:
            pass
        except BrokenPipeError as error:
            relay.tell("raised", 0, error)
        except Exception as error:
            relay.tell("raised", 0, explain(error))
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _depend_on(parent: int) -> None:
    """Ends this process with its parent, and leaves Ctrl-C to that: it would come twice."""
    import ctypes

    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(ExitCode.INTERRUPTED)


@contextmanager
def _signals_wait() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*map(_signal, PASSED_ON), signal.SIGTSTP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _passed_on(child: int) -> Iterator[None]:
    """Signals to this process reach the other one; Ctrl-Z stops both."""

    def passed(number: int, _: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    def paused(number: int, _: FrameType | None) -> None:
        passed(signal.SIGSTOP, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        passed(signal.SIGCONT, None)

    wanted: dict[int, Callable[[int, FrameType | None], None]] = {
        **dict.fromkeys(map(_signal, PASSED_ON), passed),
        signal.SIGTSTP: paused,
    }
    # What is ignored, as by nohup, stays so.
    before = {
        number: signal.signal(number, handler)
        for number, handler in wanted.items()
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal(name: str) -> signal.Signals:
    return signal.Signals[name]
