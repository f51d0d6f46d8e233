"""What was read last is kept, for it may come again."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stylecli.media.images import Picture


class PictureCache:
    """Pictures by the hash of their file; a thread that wants what another one is reading waits for it.

    Args:
        room: Bytes of pixels that are kept, or the last picture where it is larger.
    """

    def __init__(self, room: int) -> None:
        self.room, self.lock = room, Lock()
        self.kept: dict[str, Future[Picture | None]] = {}

    def take(self, key: str, read: "Callable[[], Picture]") -> "Picture":
        """A picture; the same object again while it is kept, so that a method knows what it has already encoded."""
        with self.lock:
            known = self.kept.pop(key, None)
            mine = self.kept[key] = known or Future()
        if known:
            # Where another thread failed to read it, this one says why for itself.
            return known.result() or read()
        try:
            picture = read()
        except BaseException:
            with self.lock:
                self.kept.pop(key, None)
            mine.set_result(None)
            raise
        mine.set_result(picture)
        with self.lock:
            self._make_room(key)
        return picture

    def _make_room(self, last: str) -> None:
        sizes = {
            key: there.pixels.nbytes for key, each in self.kept.items() if each.done() and (there := each.result())
        }
        for key in [key for key in sizes if key != last]:
            if sum(sizes.values()) > self.room:
                del self.kept[key], sizes[key]
