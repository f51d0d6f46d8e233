"""What the user sees of a run: results on stdout, everything else on stderr."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from stylecli.batch.plan import STDOUT, Job
from stylecli.batch.runner import Report
from stylecli.commands._bars import Bars
from stylecli.errors import Interrupted, printable
from stylecli.progress import Listener, Step, silent
from stylecli.settings.shared import Reporting

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 500


class Reporter:
    """Tells of a run as the options say.

    stdout gets the path of every written file, or with `--json` one object a job; with `--quiet` no paths. stderr
    gets a progress bar when it is a terminal, notes, and at the end a table of failures.
    """

    def __init__(self, reporting: Reporting) -> None:
        self.reporting = reporting
        self.total = self.ended = 0
        self.lock = Lock()
        self.bars: Bars | None = None

    def say(self, line: str) -> None:
        """A line on stderr, unless `--quiet`."""
        if not self.reporting.quiet:
            print(printable(line), file=sys.stderr, flush=True)

    def begin(self, job: Job, total: int) -> Listener:
        """Shows a bar on a terminal: of the job where it is the only one, else of all, and of each that has steps."""
        self.total = total
        if total == 1:
            return self.bar_for(job.title)
        with self.lock:
            if self.bars is None and self._visible:
                self.bars = Bars(_console())
                self.bars.show(0, "all", Step(self.ended, total, 0.0))
        title = f"[{job.index}/{total}] {job.title}"
        return partial(self.bars.show, job.index, title) if self.bars else silent

    def bar_for(self, title: str) -> Listener:
        """A bar on a terminal, nothing elsewhere; `clear` ends it."""
        if not self._visible:
            return silent
        self.bars = Bars(_console())
        self.bars.show(1, title)
        return partial(self.bars.show, 1, title)

    @property
    def _visible(self) -> bool:
        return not self.reporting.quiet and not self.reporting.no_progress and sys.stderr.isatty()

    def end(self, report: Report) -> None:
        """Prints the result of a job, and what is to be noted about it."""
        self.ended += 1
        with self.bars.away() if self.bars else nullcontext():
            self._print(report)
        if self.bars and self.total > 1:
            self.bars.drop(report.job.index)
            self.bars.show(0, "all", Step(self.ended, self.total, 0.0))

    def _print(self, report: Report) -> None:
        job, outcome = report.job, report.outcome
        if self.reporting.json:
            print(json.dumps(line(job, report)), flush=True)
        elif outcome and job.kept and not (outcome.skipped or self.reporting.quiet or job.output == STDOUT):
            # Other programs get the name as it is.
            print(printable(job.output) if sys.stdout.isatty() else job.output, flush=True)
        if outcome:
            if outcome.skipped:
                self.say(f"{job.output}: skipped, it holds this result")
            for note in outcome.notes:
                self.say(note)
            if self.reporting.verbose:
                losses = "".join(f", {name} {value:.4g}" for name, value in outcome.losses.items())
                self.say(f"{job.output}: {report.seconds:.1f} s{losses}")

    def made(self, path: str) -> None:
        """Prints the path of a sheet or clip."""
        if self.reporting.json:
            print(json.dumps({"output": path}), flush=True)
        elif not self.reporting.quiet:
            print(printable(path) if sys.stdout.isatty() else path, flush=True)

    def close(self, reports: Sequence[Report]) -> None:
        """Ends with the failures: a line and a hint for a single job, a table for several."""
        self.clear()
        self.ended = 0
        failed = [(each.job, each.error) for each in reports if each.error and not isinstance(each.error, Interrupted)]
        if self.total == 1:
            for _, error in failed:
                complain(error.message, error.hint)
        elif failed:
            from rich.table import Table

            table = Table("input", "output", "error", box=None, pad_edge=False)
            for job, error in failed:
                text = f"{error.message}{'; ' * bool(error.hint)}{error.hint}"
                table.add_row(printable(job.title), printable(job.output), printable(text))
            print(f"{len(failed)} of {self.total} jobs failed:", file=sys.stderr)
            _console().print(table)

    def clear(self) -> None:
        """Takes the bars away."""
        if self.bars:
            self.bars.stop()
            self.bars = None


def complain(message: str, hint: str) -> None:
    """An error on stderr: one line, and one for the hint if there is any."""
    for each in [message, *([f"hint: {hint}"] if hint else [])]:
        print(printable(each), file=sys.stderr)


def line(job: Job, report: Report | None = None) -> dict[str, object]:
    """What `--json` says of a job; the keys are the same for every job, done, skipped, failed or only planned."""
    outcome, error = (report.outcome, report.error) if report else (None, None)
    return {
        "index": job.index,
        "method": job.method,
        "input": job.main.name if job.inputs else None,
        "inputs": {role: [one.name for one in some] for role, some in job.inputs.items()},
        "output": job.output if job.kept else None,
        "seconds": round(report.seconds, 3) if report else None,
        "settings": dataclasses.asdict(job.settings),
        "losses": outcome.losses if outcome else {},
        "notes": list(outcome.notes) if outcome else [],
        "skipped": bool(outcome and outcome.skipped),
        "interrupted": bool(outcome and outcome.interrupted),
        "error": error.message if error else None,
        "hint": error.hint if error else None,
    }


def _console() -> "Console":
    from rich.console import Console

    # Lines in a file or a pipe are for other programs: they are not wrapped.
    return Console(file=sys.stderr, markup=False, highlight=False, width=None if sys.stderr.isatty() else WIDEST)
