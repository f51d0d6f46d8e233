"""The runner: one bad job, Ctrl-C, exit codes."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from stylecli.batch.failures import explain
from stylecli.batch.plan import Job
from stylecli.batch.runner import Outcome, Report, run
from stylecli.batch.sources import Source
from stylecli.errors import ExitCode, InputError, MemoryLimitError, StyleCliError, WeightsError
from stylecli.progress import Listener, silent


@dataclass(frozen=True)
class Settings:
    seed: int = 0


class Log:
    def __init__(self) -> None:
        self.ended: list[Report] = []
        self.closed = 0

    def say(self, line: str) -> None:
        raise AssertionError

    def begin(self, job: Job, total: int) -> Listener:
        return silent

    def end(self, report: Report) -> None:
        self.ended.append(report)

    def made(self, path: str) -> None:
        raise AssertionError(path)

    def close(self, reports: list[Report]) -> None:  # type: ignore[override]
        self.closed += 1
        assert reports == self.ended


JOBS = [Job(i, "m", {"content": (Source(f"{i}.jpg"),)}, Settings(), f"{i}.png", "png") for i in (1, 2, 3)]


def work(*raised: BaseException | None, outcome: Outcome | None = None) -> Callable[[Job, Listener], Outcome]:
    def one(job: Job, listener: Listener) -> Outcome:
        error = raised[job.index - 1] if job.index <= len(raised) else None
        if error:
            raise error
        return outcome or Outcome()

    return one


def test_all_done():
    log = Log()
    assert run(JOBS, work(), log) == ExitCode.DONE
    assert [report.job.index for report in log.ended] == [1, 2, 3]
    assert log.closed == 1


@pytest.mark.parametrize("error", [InputError("bad"), ValueError("bug"), OSError(28, "No space left"), MemoryError()])
def test_one_bad_job_does_not_stop_the_others(error: Exception):
    log = Log()
    assert run(JOBS, work(None, error), log) == ExitCode.SOME_FAILED
    assert [report.error is None for report in log.ended] == [True, False, True]


@pytest.mark.parametrize("error", [InputError("x"), WeightsError("x"), MemoryLimitError("x")])
def test_a_single_job_gives_its_own_exit_code(error: StyleCliError):
    assert run(JOBS[:1], work(error), Log()) == error.exit_code
    assert run(JOBS, work(error), Log()) == ExitCode.SOME_FAILED


def test_ctrl_c_keeps_what_is_done():
    log = Log()
    assert run(JOBS, work(None, KeyboardInterrupt()), log) == ExitCode.INTERRUPTED
    assert len(log.ended) == 2
    assert log.closed == 1


def test_a_method_that_was_stopped_ends_the_run():
    log = Log()
    assert run(JOBS, work(outcome=Outcome(interrupted=True)), log) == ExitCode.INTERRUPTED
    assert len(log.ended) == 1


def test_developers_see_the_error_itself():
    log = Log()
    with pytest.raises(ValueError, match="bug"):
        run(JOBS, work(ValueError("bug")), log, reraise=True)
    assert log.closed == 1


def test_a_closed_pipe_ends_the_run():
    with pytest.raises(BrokenPipeError):
        run(JOBS, work(BrokenPipeError()), Log())


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("a.jpg: x"), 1, "a.jpg: x"),
        (MemoryError(), 4, "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried ..."), 4, "out of memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
            4,
            "out of memory",
        ),
        (RuntimeError("shapes"), 1, "internal error: RuntimeError: shapes"),
        (FileNotFoundError(2, "No such file or directory", "a.jpg"), 1, "a.jpg: no such file or directory"),
        (KeyError("two\nlines"), 1, "internal error: KeyError: 'two\\nlines'"),
    ],
)
def test_what_errors_mean(error: Exception, code: int, message: str):
    told = explain(error)
    assert (told.exit_code, told.message) == (code, message)
