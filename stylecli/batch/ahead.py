"""What an iterator gives, made in a thread of its own: stages go on side by side, and wait for one another."""

from collections.abc import Callable, Iterator
from queue import Empty, Queue
from threading import Event, Thread
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")
AHEAD = 2
"""Frames that wait between two stages."""


PATIENCE, LONGEST = 0.2, 1.0
"""Seconds after which one that waits asks whether it still should; and for which it waits for a thread at the end."""


class Ahead(Generic[T]):
    """What an iterator gives, made in a thread of its own, a few ahead.

    Args:
        items: The iterator.
        stopped: Tells all stages of a run that it is over.
        idle: Called while nothing comes; what it raises ends the run.
    """

    END = object()

    def __init__(self, items: Iterator[T], stopped: Event, idle: Callable[[], None] = lambda: None) -> None:
        self.items, self.stopped, self.idle = items, stopped, idle
        self.queue: Queue[object] = Queue(AHEAD)
        self.thread = Thread(target=self._fill, daemon=True)

    def __enter__(self) -> "Iterator[T]":
        self.thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        # A pipe that gives nothing holds its thread for ever.
        until = monotonic() + LONGEST
        while self.thread.is_alive() and monotonic() < until:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.thread.join(0.05)

    def _fill(self) -> None:
        try:
            for item in self.items:
                self.queue.put(item)
                if self.stopped.is_set():
                    return
            self.queue.put(self.END)
        except BaseException as error:  # it is raised where items are taken
            self.queue.put(error)

    def _taken(self) -> Iterator[T]:
        while not self.stopped.is_set():
            try:
                item = self.queue.get(timeout=PATIENCE)
            except Empty:
                self.idle()
                continue
            if item is self.END:
                return
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
