"""Progress on a terminal: a bar for each thing that goes on, told of by any thread."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from stylecli.errors import printable
from stylecli.progress import Step

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


class Bars:
    """Bars on a console, by number."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        text = TextColumn("{task.description}", markup=False)
        loss = TextColumn("{task.fields[loss]}", markup=False)
        columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), loss)
        # Rich must not touch stdout, which may be a pipe: bars are away while a result is printed.
        self.progress = Progress(
            *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self.tasks: dict[int, TaskID] = {}
        self.lock = RLock()
        self.progress.start()

    def show(self, number: int, title: str, step: Step | None = None) -> None:
        """Moves a bar, which appears with its first step; without a step nothing is known of how far it is."""
        with self.lock:
            if number not in self.tasks:
                self.tasks[number] = self.progress.add_task(printable(title), total=None, loss="")
            if step:
                extra = " ".join([*([f"loss {step.loss:.4g}"] if step.loss is not None else []), step.what])
                self.progress.update(self.tasks[number], completed=step.i, total=step.total, loss=extra)

    def drop(self, number: int) -> None:
        """Takes a bar away, if it is there."""
        with self.lock:
            if number in self.tasks:
                self.progress.remove_task(self.tasks.pop(number))

    @contextmanager
    def away(self) -> Iterator[None]:
        """A block in which the terminal is free for lines."""
        with self.lock:
            self.progress.stop()
            yield
            self.progress.start()

    def stop(self) -> None:
        """Takes all away for good."""
        self.progress.stop()


class Bar:
    """Bytes on stderr; appears with the first of them.

    Args:
        name: What is fetched.
    """

    total: int = 0

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        text = TextColumn("{task.description}", markup=False)
        columns = (text, BarColumn(), DownloadColumn(), TimeRemainingColumn())
        console = Console(file=sys.stderr)
        self.progress = Progress(
            *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self.task = self.progress.add_task(name, total=None)

    def update(self, count: int) -> None:
        """So many bytes more."""
        self.progress.start()
        self.progress.update(self.task, advance=count, total=self.total or None)

    def reset(self) -> None:
        """Back to nothing; pooch does this before it says that all is there."""
        self.progress.reset(self.task)

    def close(self) -> None:
        """The bar is gone."""
        self.progress.stop()
