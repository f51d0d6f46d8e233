"""The progress bar of a download, in the shape that pooch wants."""

import sys


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
