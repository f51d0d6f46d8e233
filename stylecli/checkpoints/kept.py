"""Files of weights that stay read in a process that does many commands, see `stylecli.warm`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stylecli.checkpoints.containers.detect import Contents

Signature = tuple[int, int, int, int]

_used: dict[str, None] = {}
_contents: "dict[str, tuple[Signature, Contents]]" = {}
_digests: dict[str, tuple[Signature, str]] = {}


def used() -> list[str]:
    """The files that this process has read, in the order in which it first did."""
    return list(_used)


def contents(path: Path) -> "Contents | None":
    """What is in a file that is kept and has not changed since."""
    name = os.path.realpath(path)
    _used[name] = None
    known = _contents.get(name)
    return known[1] if known and known[0] == _signature(path) else None


def digest(path: Path) -> str | None:
    """Its SHA-256, of a file that is kept and has not changed since."""
    known = _digests.get(os.path.realpath(path))
    return known[1] if known and known[0] == _signature(path) else None


def keep(path: Path) -> None:
    """Reads a file, and does so again where it has changed.

    Raises:
        WeightsError: It cannot be read.
    """
    from stylecli.checkpoints.containers.detect import read_tensors
    from stylecli.checkpoints.store import sha256

    signature, name = _signature(path), os.path.realpath(path)
    _contents[name], _digests[name] = (signature, read_tensors(path)), (signature, sha256(path))


def forget(path: Path) -> None:
    """Lets a file go."""
    name = os.path.realpath(path)
    _contents.pop(name, None)
    _digests.pop(name, None)


def _signature(path: Path) -> Signature:
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
