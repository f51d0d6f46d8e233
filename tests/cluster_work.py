"""What the workers of `test_ray.py` do; it imports nothing heavy, for each of them imports it anew."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from stylecli.batch.plan import Job
from stylecli.batch.runner import Outcome
from stylecli.progress import Listener

Work = Callable[[Job, Listener], Outcome]


def opening(error: Exception | None = None) -> Work:
    """Work that notes on which machine it was done; the job's format says what else happens."""
    if error:
        raise error
    return note


def note(job: Job, listener: Listener) -> Outcome:
    """Writes the number of the worker's parent, which is its machine's own process."""
    if job.format == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    path, machine = Path(job.output), str(os.getppid())
    if job.format == "together":
        # Nobody goes on until three machines are at work.
        (path.parent / "machines" / machine).touch()
        until = time.monotonic() + 120
        while len(list((path.parent / "machines").iterdir())) < 3 and time.monotonic() < until:
            time.sleep(0.05)
    time.sleep(0.1 if job.format else 0)
    path.write_text(machine)
    return Outcome(notes=(f"note {job.index}",))
