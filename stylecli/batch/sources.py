"""One input: a file, what came through a pipe, or what lies elsewhere, and its hash."""

import hashlib
import os
import sys
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

from stylecli.errors import InputError, UsageError
from stylecli.files import input_error, is_device, read_all, regular
from stylecli.remote import Remote, place

STDIN = "-"
LISTABLE = "mend it with `chmod +rx`, or leave it out"
FETCHED = 16
"""Files from elsewhere that are kept: styles come again with every content."""


@dataclass(frozen=True)
class Source:
    """One input.

    Attributes:
        path: The file as it was named or found, with `://` where it is elsewhere, `-` for stdin.
        root: Folder that was named when the file was found below it, else None; outputs keep the tree below it.
        data: What stdin or another pipe held, None for files.
        share: Weight in a mixture, 1 outside of one.
        closed: Why it cannot be looked into: it is a folder in place of the files in it. Empty for files.
        moving: It is a clip.
        frames: Files of its pictures, where it is a clip of these.
    """

    path: str
    root: str | None = None
    data: bytes | None = field(default=None, repr=False)
    share: float = 1.0
    closed: str = ""
    moving: bool = False
    frames: tuple[str, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """What messages and file names call it."""
        return "stdin" if self.path in (STDIN, "/dev/stdin") else self.path

    @property
    def stem(self) -> str:
        """The file's name without folder and suffix."""
        return Path(self.name).parent.name if self.frames and "%" in Path(self.name).name else Path(self.name).stem

    @property
    def below(self) -> Path:
        """The folder between `root` and the file, `.` where no tree is kept."""
        way = Path(os.path.relpath(Path(self.path).parent, self.root)) if self.root else Path()
        # Objects of a store may have any name.
        return Path(*(part for part in way.parts if part != ".."))

    @property
    def held(self) -> str | bytes:
        """What readers take: the path of a file of this machine, else what is in it.

        Raises:
            InputError: It is a folder that cannot be looked into.
        """
        if self.closed:
            raise InputError(f"{self.path}: {self.closed}", LISTABLE)
        if self.data is None:
            return _fetched(self.path) if isinstance(place(self.path), Remote) else self.path
        return self.data

    def sha256(self) -> str:
        """The hash of what is in it; a file is read again only when its size or time has changed.

        Raises:
            InputError: The file cannot be read.
        """
        if self.frames:
            return hashlib.sha256(
                "".join(replace(self, path=one, frames=()).sha256() for one in self.frames).encode()
            ).hexdigest()
        if isinstance(held := self.held, bytes):
            return hashlib.sha256(held).hexdigest()
        try:
            now = Path(held).stat()
            return _sha256(held, now.st_size, now.st_mtime_ns)
        except OSError as error:
            raise input_error(self.path, error) from error


@cache
def _sha256(path: str, size: int, mtime: int) -> str:
    with open(path, "rb", opener=regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(url: str) -> bytes:
    # A style is wanted by all jobs at once: one fetches it, the others wait.
    with _turn(url):
        return _bytes(url)


@lru_cache(FETCHED)
def _bytes(url: str) -> bytes:
    return place(url).read_bytes()


@lru_cache(FETCHED)
def _turn(url: str) -> Lock:
    return Lock()


def forget_fetched() -> None:
    """What was fetched for an earlier plan may have changed since."""
    _bytes.cache_clear()


_read_once: dict[tuple[int, int], bytes] = {}


def read_pipe(path: Path) -> bytes:
    """What a pipe or a device gives; named again, the same."""
    try:
        with path.open("rb") as file:
            if file.isatty():
                raise UsageError(f"{path}: a terminal", f"pipe a file into it: stylecli ... {path} < photo.jpg")
            if is_device(file):
                raise InputError(f"{path}: a device, not a file")
            about = os.fstat(file.fileno())
            known = about.st_dev, about.st_ino
            data = _read_once[known] if known in _read_once else read_all(file, str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if not data:
        raise InputError(f"{path}: empty", "nothing was written to it, or it was read before")
    _read_once[known] = data
    return data


def forget_pipes() -> None:
    """The next command's pipes may have the numbers of this one's."""
    _read_once.clear()


def read_stdin() -> bytes:
    """What is piped in; it can be read once."""
    if sys.stdin is None:
        raise InputError("stdin: closed", "pipe a file into it: stylecli ... - < photo.jpg")
    if sys.stdin.isatty():
        raise UsageError("-: stdin is a terminal", "pipe a file into it: stylecli ... - < photo.jpg")
    try:
        data = read_all(sys.stdin.buffer, "stdin")
    except OSError as error:
        raise InputError(f"stdin: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if not data:
        raise InputError("stdin: empty", "it can be read only once: is - given twice?")
    return data
