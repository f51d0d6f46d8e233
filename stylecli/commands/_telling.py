"""What the user sees of a run: results on stdout, everything else on stderr."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stylecli.batch.jobs import STDOUT, Job
from stylecli.batch.runner import Report
from stylecli.errors import Interrupted
from stylecli.progress import Listener, Step, silent
from stylecli.settings.shared import Telling

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

WIDEST = 500


class Teller:
    """Tells of a run as the options say.

    stdout gets the path of every written file, or with `--json` one object a job; with `--quiet` no paths. stderr
    gets a progress bar when it is a terminal, notes, and at the end a table of failures.
    """

    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.total = 0
        self.bar: Progress | None = None
        self.shown: Job | None = None

    def say(self, line: str) -> None:
        """A line on stderr, unless `--quiet`."""
        if not self.telling.quiet:
            print(line, file=sys.stderr, flush=True)

    def begin(self, job: Job, total: int) -> Listener:
        """Shows a bar for the job on a terminal."""
        self.total, self.shown = total, job
        return self.bar_for(f"[{job.index}/{total}] {job.title}" if total > 1 else job.title)

    def bar_for(self, title: str) -> Listener:
        """A bar on a terminal, nothing elsewhere; `clear` ends it."""
        if self.telling.quiet or self.telling.no_progress or not sys.stderr.isatty():
            return silent
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        text = TextColumn("{task.description}", markup=False)
        loss = TextColumn("{task.fields[loss]}", markup=False)
        columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), loss)
        # Rich must not touch stdout, which may be a pipe: the bar is gone before a result is printed.
        bar = Progress(*columns, console=_console(), transient=True, redirect_stdout=False, redirect_stderr=False)
        task = bar.add_task(title, total=None, loss="")
        self.clear()
        bar.start()
        self.bar = bar

        def show(step: Step) -> None:
            extra = " ".join([*([f"loss {step.loss:.4g}"] if step.loss is not None else []), step.what])
            bar.update(task, completed=step.i, total=step.total, loss=extra)

        return show

    def end(self, report: Report) -> None:
        """Prints the result of a job, and what is to be noted about it."""
        job, outcome = report.job, report.outcome
        if self.bar:
            self.bar.stop()
        if self.telling.json:
            print(json.dumps(line(job, report)), flush=True)
        elif outcome and job.kept and not (outcome.skipped or self.telling.quiet or job.output == STDOUT):
            print(job.output, flush=True)
        if outcome:
            if outcome.skipped:
                self.say(f"{job.output}: skipped, it holds this result")
            for note in outcome.notes:
                self.say(note)
            if self.telling.verbose:
                losses = "".join(f", {name} {value:.4g}" for name, value in outcome.losses.items())
                self.say(f"{job.output}: {report.seconds:.1f} s{losses}")
        if self.bar and self.shown is not job:
            # The next job has already begun.
            self.bar.start()

    def made(self, path: str) -> None:
        """Prints the path of a sheet or clip."""
        if self.telling.json:
            print(json.dumps({"output": path}), flush=True)
        elif not self.telling.quiet:
            print(path, flush=True)

    def close(self, reports: Sequence[Report]) -> None:
        """Ends with the failures: a line and a hint for a single job, a table for several."""
        self.clear()
        failed = [(each.job, each.error) for each in reports if each.error and not isinstance(each.error, Interrupted)]
        if self.total == 1:
            for _, error in failed:
                complain(error.message, error.hint)
        elif failed:
            from rich.table import Table

            table = Table("input", "output", "error", box=None, pad_edge=False)
            for job, error in failed:
                table.add_row(job.title, job.output, f"{error.message}{'; ' * bool(error.hint)}{error.hint}")
            print(f"{len(failed)} of {self.total} jobs failed:", file=sys.stderr)
            _console().print(table)

    def clear(self) -> None:
        """Takes the bar away."""
        if self.bar:
            self.bar.stop()
            self.bar = None


def complain(message: str, hint: str) -> None:
    """An error on stderr: one line, and one for the hint if there is any."""
    # A file name may hold a line end, the line may not.
    for each in [message, *([f"hint: {hint}"] if hint else [])]:
        print(each.replace("\n", "\\n"), file=sys.stderr)


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
