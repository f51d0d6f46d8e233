"""Who is served next: two lanes, each with a thread of its own and a queue that is never long.

Previews do not wait behind pictures at full size. What nobody waits for any more is not begun, or ends at its next
step.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from stylecli.progress import Listener, Step, silent

T = TypeVar("T")
LANES = {"quick": 4, "full": 1}
"""Each, and how many times as many may wait in it."""


class Gone(Exception):  # noqa: N818 - nothing has failed
    """Nobody waits for the result."""


class Full(Exception):  # noqa: N818 - nothing has failed
    """So many wait already."""


class Ticket(Generic[T]):
    """A job in a queue.

    Attributes:
        ahead: How many were before it when it came.
        result: What it gives.
    """

    def __init__(self, ahead: int, listener: Listener) -> None:
        self.ahead, self._listener, self._gone = ahead, listener, threading.Event()
        self.result: Future[T]

    def leave(self) -> None:
        """Nobody waits any more."""
        self._gone.set()
        self.result.cancel()

    def step(self, step: Step) -> None:
        """Tells of a step; ends the job where nobody waits.

        Raises:
            Gone: Nobody does.
        """
        if self._gone.is_set():
            raise Gone
        self._listener(step)


class Desk:
    """The lanes.

    Args:
        most: Jobs at full size that may wait.
    """

    def __init__(self, most: int) -> None:
        self.most, self._lock = most, threading.Lock()
        self._threads = {lane: ThreadPoolExecutor(1, thread_name_prefix=lane) for lane in LANES}
        self.inside = dict.fromkeys(LANES, 0)

    def submit(self, lane: str, work: Callable[[Listener], T], listener: Listener = silent) -> Ticket[T]:
        """Queues `work`, which is called with what hears of its steps.

        Raises:
            Full: The lane has as many as may wait, beside the one that is done.
        """
        with self._lock:
            if self.inside[lane] > self.most * LANES[lane]:
                raise Full
            self.inside[lane] += 1
            ticket: Ticket[T] = Ticket(self.inside[lane] - 1, listener)
            ticket.result = self._threads[lane].submit(work, ticket.step)
        ticket.result.add_done_callback(lambda _: self._out(lane))
        return ticket

    def _out(self, lane: str) -> None:
        with self._lock:
            self.inside[lane] -= 1

    def close(self) -> None:
        """Begins nothing more."""
        for each in self._threads.values():
            each.shutdown(wait=False, cancel_futures=True)
