"""What an iterator gives, made in a thread of its own: stages go on side by side, and wait for one another."""

from collections.abc import Iterator
from queue import Queue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")
AHEAD = 2
"""Frames that wait between two stages."""


class Ahead(Generic[T]):
    """What an iterator gives, made in a thread of its own, a few ahead."""

    END = object()

    def __init__(self, items: Iterator[T]) -> None:
        self.items = items
        self.queue: Queue[object] = Queue(AHEAD)
        self.stopped = False
        self.thread = Thread(target=self._fill, daemon=True)

    def __enter__(self) -> "Iterator[T]":
        self.thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self.stopped = True
        while self.thread.is_alive():
            while not self.queue.empty():
                self.queue.get_nowait()
            self.thread.join(0.05)

    def _fill(self) -> None:
        try:
            for item in self.items:
                self.queue.put(item)
                if self.stopped:
                    return
            self.queue.put(self.END)
        except BaseException as error:  # it is raised where items are taken
            self.queue.put(error)

    def _taken(self) -> Iterator[T]:
        while (item := self.queue.get()) is not self.END:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
