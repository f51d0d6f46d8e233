"""Files of watched folders, as each of them becomes complete."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from stylecli.batch.inputs import expand
from stylecli.batch.sources import Source
from stylecli.errors import UsageError

QUIET = 0.5
"""Seconds without a change after which a file may be complete."""

PATIENCE = 5.0
"""Seconds without a change after which a file that cannot be read is reported."""

OLD = 60.0
"""Seconds since its last change after which a file is complete without a closer look."""


def arriving(
    words: Sequence[str], *, recursive: bool, suffixes: frozenset[str], whole: Callable[[Source], bool]
) -> Iterator[list[Source]]:
    """Files that are complete and were not given yet, at first those that are there; one that changes is given again.

    Args:
        words: Inputs as `expand` takes them; those that are folders are watched.
        recursive: As for `expand`.
        suffixes: As for `expand`.
        whole: Whether a file can be read to its end.

    Raises:
        KeyboardInterrupt: Ctrl-C, the only end.
    """
    from watchfiles import watch

    folders = [word for word in words if Path(word).is_dir()]
    given: dict[str, tuple[int, int]] = {}
    waiting: dict[str, tuple[tuple[int, int], float]] = {}
    begun = False
    # What comes before the watch begins is found by looking; what comes later wakes it.
    for changes in watch(
        *folders, recursive=recursive, watch_filter=None, yield_on_timeout=True, rust_timeout=int(QUIET * 1000)
    ):
        if begun and not changes and not waiting:
            continue
        begun, now, ready = True, time.monotonic(), []
        before, waiting = waiting, {}
        for source in _found(words, recursive, suffixes):
            try:
                stat = Path(source.path).stat()
            except OSError:
                continue
            stamp = stat.st_size, stat.st_mtime_ns
            if given.get(source.path) == stamp:
                continue
            known, since = before.get(source.path, (stamp, now))
            if known != stamp:
                since = now
            still = now - since
            if time.time() - stat.st_mtime > OLD or still >= PATIENCE or (still >= QUIET and whole(source)):
                given[source.path] = stamp
                ready.append(source)
            else:
                waiting[source.path] = stamp, since
        if ready:
            yield ready


def _found(words: Sequence[str], recursive: bool, suffixes: frozenset[str]) -> Iterator[Source]:
    for word in words:
        # Empty, or gone: what is not there may come.
        with suppress(UsageError):
            yield from expand([(word, 1.0)], recursive=recursive, suffixes=suffixes)
