"""From words on the command line to the files they mean."""

import difflib
import glob
import hashlib
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

from stylecli.errors import InputError, UsageError
from stylecli.remote import Remote, place

PICTURES = frozenset([".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".avif", ".bmp", ".gif"])
SOUNDS = frozenset([".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff"])
STDIN = "-"
FETCHED = 16
"""Files from elsewhere that are kept: styles come again with every content."""


@dataclass(frozen=True)
class Source:
    """One input.

    Attributes:
        path: The file as it was named or found, with `://` where it is elsewhere, `-` for stdin.
        root: Folder that was named when the file was found below it, else None; outputs keep the tree below it.
        data: What stdin held, None for files.
        share: Weight in a mixture, 1 outside of one.
    """

    path: str
    root: str | None = None
    data: bytes | None = field(default=None, repr=False)
    share: float = 1.0

    @property
    def name(self) -> str:
        """What messages and file names call it."""
        return self.path if self.data is None else "stdin"

    @property
    def stem(self) -> str:
        """The file's name without folder and suffix."""
        return Path(self.name).stem

    @property
    def below(self) -> Path:
        """The folder between `root` and the file, `.` where no tree is kept."""
        return Path(os.path.relpath(Path(self.path).parent, self.root)) if self.root else Path()

    @property
    def held(self) -> str | bytes:
        """What readers take: the path of a file of this machine, else what is in it."""
        if self.data is None:
            return _fetched(self.path) if isinstance(place(self.path), Remote) else self.path
        return self.data

    def sha256(self) -> str:
        """The hash of what is in it; a file is read again only when its size or time has changed.

        Raises:
            InputError: The file cannot be read.
        """
        if isinstance(held := self.held, bytes):
            return hashlib.sha256(held).hexdigest()
        try:
            now = Path(held).stat()
            return _sha256(held, now.st_size, now.st_mtime_ns)
        except OSError as error:
            raise InputError(f"{self.path}: {(error.strerror or str(error)).lower()}") from error


@cache
def _sha256(path: str, size: int, mtime: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


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


def expand(
    words: Iterable[tuple[str, float]], *, recursive: bool = False, suffixes: frozenset[str] = PICTURES
) -> list[Source]:
    """The files that words mean, each once: in the order of the words, naturally sorted inside each of them.

    A word is a file (tried whatever its suffix), a folder (its own files with a fitting suffix, with `recursive`
    the whole tree; hidden and `.part` files are skipped), a glob (for shells that leave them alone; `**` crosses
    folders), `@list.txt` (UTF-8, a word a line, relative to the current folder, `#` begins a comment line) or `-`.
    All but the last may be URLs, such as `s3://bucket/folder`.

    Args:
        words: What was typed and its weight, which the files of one word share evenly.
        recursive: Take the whole tree below folders.
        suffixes: What counts in folders and globs, lower case with the dot.

    Raises:
        UsageError: No such file, nothing found in a folder, or stdin named twice.
        InputError: A list or stdin cannot be read.
    """
    # What was fetched for an earlier plan may have changed since.
    _bytes.cache_clear()
    found: dict[str, Source] = {}
    for word, share in words:
        sources = list(_sources(word, recursive, suffixes))
        for source in sources:
            key = STDIN if source.path == STDIN else str(Path(source.path).absolute())
            found.setdefault(key, replace(source, share=share / len(sources)))
    return list(found.values())


def _sources(word: str, recursive: bool, suffixes: frozenset[str]) -> Iterator[Source]:
    path = place(word)
    if word == STDIN:
        yield Source(STDIN, data=_stdin())
    elif path.is_dir():
        yield from _fitting(_below(path, recursive), path, path, suffixes)
    elif word and path.exists():
        yield Source(str(path) if "://" in word else word)
    elif word.startswith("@"):
        for line in _lines(place(word[1:])):
            yield from _sources(line, recursive, suffixes)
    elif glob.has_magic(word):
        # A suffix that is spelled out means those files, whatever counts in a folder.
        spelled = path.suffix and not glob.has_magic(path.suffix)
        root = type(path)(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        wanted = frozenset([path.suffix.lower()]) if spelled else suffixes
        yield from _fitting(_matching(path, root), path, root, wanted)
    elif isinstance(path, Remote):
        raise UsageError(*path.missing())
    else:
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1)
        raise UsageError(
            f"{word or repr(word)}: no such file", f"did you mean {path.parent / close[0]}?" if close else ""
        )


def _below(folder: Path, recursive: bool) -> Iterable[Path]:
    if isinstance(folder, Remote):
        return folder.below(recursive=recursive)
    walk = os.walk(folder) if recursive else itertools.islice(os.walk(folder), 1)
    return (path for top, _, names in walk for name in names if (path := Path(top, name)).is_file())


def _matching(pattern: Path, root: Path) -> Iterable[Path]:
    if isinstance(root, Remote):
        return root.matching(str(pattern.relative_to(root)))
    hits = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - pathlib's takes no absolute patterns
    return (path for hit in hits if (path := Path(hit)).is_file())


def _fitting(paths: Iterable[Path], word: Path, root: Path, suffixes: frozenset[str]) -> Iterator[Source]:
    """The wanted files among those below a folder."""
    fits = [
        path
        for path in paths
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in Path(os.path.relpath(path, root)).parts)
    ]
    if not fits:
        hint = "-r takes the whole tree below a folder" if word.is_dir() else ""
        raise UsageError(f"{word}: nothing there that ends in {', '.join(sorted(suffixes))}", hint)
    for path in sorted(fits, key=natural):
        yield Source(str(path), str(root))


def natural(path: Path) -> list[list[tuple[int, int, str]]]:
    """A sort key that puts `img2` before `img10`, folder by folder, the same on every system."""
    return [
        [(0, int(run), run) if run.isdecimal() else (1, 0, run) for run in re.split(r"(\d+)", part.casefold()) if run]
        + [(2, 0, part)]
        for part in path.parts
    ]


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable list: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    words = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if nested := [word for word in words if word.startswith("@") and not place(word).exists()]:
        raise UsageError(f"{path}: {nested[0]}: a list cannot name another list")
    return words


def _stdin() -> bytes:
    if sys.stdin.isatty():
        raise UsageError("-: stdin is a terminal", "pipe a file into it: stylecli ... - < photo.jpg")
    data = sys.stdin.buffer.read()
    if not data:
        raise InputError("stdin: empty", "it can be read only once: is - given twice?")
    return data
