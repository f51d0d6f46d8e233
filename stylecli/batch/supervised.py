"""A run of several jobs in a process of its own: what ends it by a signal, as a codec may, fails its file alone.

The process is split off before anything heavy is loaded, so it costs nothing but that. It tells which jobs begin and
end. When it dies, the job that it was at has failed, and another process goes on with the others; where it was at
several, that one does a job at a time until it is known which one it was.
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import BinaryIO, NoReturn

from stylecli.batch.failures import explain
from stylecli.batch.plan import Job
from stylecli.batch.runner import Past, Report
from stylecli.errors import ExitCode, InputError, StyleCliError

FAULTS = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGKILL")
"""What ends a process that did not mean to; the system kills those that take all memory."""

PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_PR_SET_PDEATHSIG = 1


def possible() -> bool:
    """Whether a process can be split off here: on Linux, from a program without threads, with streams of its own."""
    try:
        own = (sys.stdout.fileno(), sys.stdin.fileno()) == (1, 0)
    except (OSError, ValueError, AttributeError):
        own = False
    alone = threading.active_count() == 1 and "torch" not in sys.modules
    return own and alone and sys.platform == "linux"


def supervised(jobs: Sequence[Job], go: Callable[[Past], ExitCode]) -> ExitCode:
    """Does `go` in processes of their own until one of them ends; its exit code, or its error, is the result.

    Args:
        jobs: The plan.
        go: Does what is left of it, as `runner.run` with that past.

    Raises:
        StyleCliError: What `go` raised, or that it died where it was at no job.
    """
    past = Past()
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
            _be(writing, past, go)
        os.close(writing)
        with os.fdopen(reading, "rb") as file, _passed_on(child):
            try:
                at = _heard(file, past, jobs)
            finally:
                _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            return ExitCode(os.WEXITSTATUS(status))
        _died(signal.Signals(os.WTERMSIG(status)), at, past, jobs)


def _died(by: signal.Signals, at: set[int], past: Past, jobs: Sequence[Job]) -> None:
    """Blames a job, if it is known which one."""
    if by.name not in FAULTS:
        # Someone wanted the run to end.
        signal.signal(by, signal.SIG_DFL)
        os.kill(os.getpid(), by)
    hint = "it may be damaged: write it anew with another program"
    if by == signal.SIGKILL:
        hint = "was memory enough? a smaller --size, or --jobs 1, takes less"
    if not at or (past.alone and len(at) > 1):
        raise StyleCliError(f"the run was ended by {by.name}", "see what the system's log says")
    past.alone = len(at) > 1
    if not past.alone:
        job = jobs[place := at.pop()]
        error = InputError(f"{job.title}: the process that was at it was ended by {by.name}", hint)
        past.ended[place] = Report(job, 0, error=error)


def _be(writing: int, past: Past, go: Callable[[Past], ExitCode]) -> NoReturn:
    """What the process does; it never comes back."""
    lock = threading.Lock()
    with os.fdopen(writing, "wb") as file:

        def tell(what: str, place: int, report: Report | None = None) -> None:
            said = report and (report.seconds, report.outcome, report.error)
            with lock:
                pickle.dump((what, place, said), file)
                file.flush()

        past.tell = tell
        code = ExitCode.INTERRUPTED
        raised: Exception | None = None
        try:
            code = go(past)
        except KeyboardInterrupt:
            pass
        except BrokenPipeError as error:
            raised = error
        except Exception as error:
            raised = explain(error)
        pickle.dump(("raised", 0, raised), file)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _heard(file: BinaryIO, past: Past, jobs: Sequence[Job]) -> set[int]:
    """Hears a process to its end; the jobs that it was at.

    Raises:
        StyleCliError: What it raised.
    """
    at: set[int] = set()
    with suppress(EOFError, pickle.UnpicklingError):
        while True:
            what, place, said = pickle.load(file)
            if what == "raised" and said:
                raise said
            if what == "begun":
                at.add(place)
                past.begun.add(place)
            elif what == "ended":
                at.discard(place)
                seconds, outcome, error = said
                past.ended[place] = Report(jobs[place], seconds, outcome, error)
            elif what == "told":
                past.told = place + 1
    return at


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
