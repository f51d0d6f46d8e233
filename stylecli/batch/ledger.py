"""A folder of results while a run writes to it: its lock, and the record of what became of every job."""

import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stylecli.batch.plan import Job
from stylecli.batch.runner import Report
from stylecli.errors import OutputError, StyleCliError
from stylecli.files import own, remove_stale
from stylecli.remote import Remote, place

LEDGER = "stylecli.jsonl"
LOCK = ".stylecli.lock"
SECONDS = 30
"""Between two puts of a record that cannot grow."""


def folder_written(jobs: Sequence[Job], output: str | None) -> Path | None:
    """The folder that `-o` names, None where it names a file or stdout, or was left out."""
    folder = place(output or "")
    inside = output and all(job.kept and folder in place(job.output).parents for job in jobs)
    return folder if inside else None


@contextmanager
def opened(folder: Path | None, say: Callable[[str], None]) -> Iterator[Callable[[Report], None]]:
    """Takes the folder for this run alone, and gives what adds a job to its record; None needs neither.

    The lock is the system's: it ends with its process, however that ends. A folder that cannot be written gets no
    lock and no record; its jobs say why they fail. Behind a URL there is no lock, and the record, which cannot grow
    there, is put anew every half minute and at the end.

    Raises:
        OutputError: Another run has the folder.
    """
    from filelock import FileLock, Timeout

    if folder is None:
        yield lambda report: None
        return
    if isinstance(folder, Remote):
        say(f"{folder}: cannot be locked; no other run must write there")
        ledger = _RemoteLedger(folder, say)
        try:
            yield ledger.add
        finally:
            ledger.put()
        return
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Taking the lock would empty the file that a link leads to.
        os.close(own(folder / LOCK, os.O_RDWR | os.O_CREAT))
        lock.acquire()
    except Timeout as error:
        wait = "wait until it is done, or write somewhere else with -o"
        raise OutputError(f"{folder}: another run is writing there", wait) from error
    except (OSError, NotImplementedError) as error:
        why = f" ({LOCK}: {error.strerror})" if isinstance(error, OSError) and error.errno == errno.EINVAL else ""
        say(f"{folder}: cannot be locked{why}; no other run must write there")
    try:
        yield _Ledger(folder, say).add
    finally:
        lock.release()


def tidy(jobs: Sequence[Job]) -> None:
    """Removes what runs that were killed left in the folders that jobs write to."""
    for folder in {place(job.output).parent for job in jobs if job.kept}:
        if not isinstance(folder, Remote):
            remove_stale(folder)


class _Ledger:
    """JSON lines, one for every job of every run, appended as jobs end; the last one of an output counts."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say, self.failed = folder, say, False

    def add(self, report: Report) -> None:
        try:
            self._append(json.dumps(self._line(report)).encode() + b"\n")
        except OSError as error:
            self._complain((error.strerror or str(error)).lower())

    def _append(self, line: bytes) -> None:
        with open(self.folder / LEDGER, "a+b", opener=own) as file:
            # A run that was killed may have left half a line.
            torn = file.tell() and (file.seek(-1, 2), file.read())[1] != b"\n"
            file.write(b"\n" * torn + line)

    def _complain(self, why: str) -> None:
        if not self.failed:
            self.say(f"{self.folder / LEDGER}: not written: {why}")
        self.failed = True

    def _line(self, report: Report) -> dict[str, object]:
        job, outcome, error = report.job, report.outcome, report.error
        done = "skipped" if outcome and outcome.skipped else "done"
        return {
            "output": place(job.output).relative_to(self.folder).as_posix(),
            "state": "interrupted" if report.interrupted else "failed" if error else done,
            "error": error.message if error else None,
            "method": job.method,
            "inputs": {role: [one.name for one in some] for role, some in job.inputs.items()},
            "seconds": round(report.seconds, 3),
        }


class _RemoteLedger(_Ledger):
    """The same where files cannot grow: all of it is put anew, now and then."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(folder, say)
        self.lines: list[bytes] = []
        self.last = time.monotonic()

    def _append(self, line: bytes) -> None:
        self.lines.append(line)
        if time.monotonic() - self.last > SECONDS:
            self.put()

    def put(self) -> None:
        """Puts what was noted so far behind what other runs did."""
        if not self.lines:
            return
        path = self.folder / LEDGER
        try:
            before = path.read_bytes() if path.exists() else b""
            path.write_bytes(before + b"".join(self.lines))
            self.lines.clear()
        except StyleCliError as error:
            self._complain(error.message)
        self.last = time.monotonic()
