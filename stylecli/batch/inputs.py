"""From words on the command line to the files they mean."""

import difflib
import glob
import hashlib
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock

from stylecli.batch.listing import Listing, left_out, listed, matching
from stylecli.errors import InputError, UsageError
from stylecli.files import input_error, is_device, is_stream, read_all, regular
from stylecli.remote import Remote, place

PICTURES = frozenset(
    [".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl", ".bmp", ".gif"]
)
VIDEOS = frozenset([
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".ogv",
    ".3gp", ".mxf", ".apng",
])  # fmt: skip
SOUNDS = frozenset([
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".m4b", ".aac", ".mka", ".wma", ".aif", ".aiff", ".aifc",
    ".au", ".caf", ".w64", ".rf64",
])  # fmt: skip
STDIN = "-"
LISTABLE = "mend it with `chmod +rx`, or leave it out"
LONGEST_LIST = 2**26
"""Bytes of a list."""

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

    @classmethod
    def recorded(cls, path: str, share: float = 1.0, *, urls: bool = False) -> "Source":
        """The one that a record names, which may be a stranger's: a file or stdin, no list, folder or pattern.

        Raises:
            InputError: It is no regular file, or a URL and `urls` is not set.
        """
        if path in (STDIN, "/dev/stdin"):
            return replace(expand([(path, share)])[0], share=share)
        named = place(path)
        if files := numbered(named) or pictures_of(named):
            return cls(path, share=share, moving=True, frames=files)
        if isinstance(named, Remote) and not urls:
            raise InputError(f"{path}: the record names a URL", "--allow-urls fetches it, if you trust the file")
        if not isinstance(named, Remote):
            try:
                os.close(regular(named, os.O_RDONLY))
            except (OSError, ValueError) as error:
                raise input_error(path, error) from error
        return cls(path, share=share)

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


def expand(
    words: Iterable[tuple[str, float]],
    *,
    recursive: bool = False,
    suffixes: frozenset[str] = PICTURES,
    say: Callable[[str], None] = lambda note: None,
) -> list[Source]:
    """The files that words mean, each once: in the order of the words, naturally sorted inside each of them.

    A word is a file (tried whatever its suffix), a folder (its own files with a fitting suffix, with `recursive`
    the whole tree; hidden files are skipped), a glob (for shells that leave them alone; `**` crosses folders),
    `@list.txt` (UTF-8, a word a line, relative to the current folder, `#` begins a comment line), `-` or another pipe,
    which is read here, once. All but the last may be URLs, such as `s3://bucket/folder`. A folder inside of another
    one that cannot be looked into is a source too, which cannot be read.

    Args:
        words: What was typed and its weight, which the files of one word share evenly.
        recursive: Take the whole tree below folders.
        suffixes: What counts in folders and globs, lower case with the dot.
        say: Hears what was left out of folders.

    Raises:
        UsageError: No such file, nothing found in a folder, or stdin named twice.
        InputError: A list, a folder or stdin cannot be read.
    """
    # What was fetched for an earlier plan may have changed since.
    _bytes.cache_clear()
    found: dict[str, Source] = {}
    for word, share in words:
        sources = list(_sources(word, recursive, suffixes, say))
        for source in sources:
            key = STDIN if source.path == STDIN else str(Path(source.path).absolute())
            found.setdefault(key, replace(source, share=share / len(sources)))
    return list(found.values())


def _sources(word: str, recursive: bool, suffixes: frozenset[str], say: Callable[[str], None]) -> Iterator[Source]:
    path = place(word)
    if word == STDIN:
        yield Source(STDIN, data=_stdin())
    elif path.is_dir():
        yield from _fitting(_below(path, recursive), path, path, suffixes, say)
    elif word and path.exists():
        piped = is_stream(path)
        yield Source(str(path) if "://" in word else word, data=_piped(path) if piped else None)
    elif files := numbered(path):
        yield Source(word, moving=True, frames=files)
    elif word.startswith("@"):
        listed = place(word[1:])
        for line in _lines(listed):
            if line != STDIN and is_stream(place(line)):
                raise InputError(f"{listed}: {line}: not a file", "a list names files, folders and globs")
            yield from _sources(line, recursive, suffixes, say)
    elif glob.has_magic(word):
        # A suffix that is spelled out means those files, whatever counts in a folder.
        spelled = path.suffix and not glob.has_magic(path.suffix)
        root = type(path)(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        wanted = frozenset([path.suffix.lower()]) if spelled else suffixes
        yield from _fitting(_matching(path, root), path, root, wanted, lambda note: None)
    elif isinstance(path, Remote):
        raise UsageError(*path.missing())
    else:
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1)
        raise UsageError(
            f"{word or repr(word)}: no such file", f"did you mean {path.parent / close[0]}?" if close else ""
        )


def _below(folder: Path, recursive: bool) -> Listing:
    if isinstance(folder, Remote):
        return Listing(list(folder.below(recursive=recursive)))
    found = listed(folder, recursive=recursive)
    if found.closed and found.closed[0][0] == folder:
        raise InputError(f"{folder}: {_why(found.closed[0][1])}", LISTABLE)
    return found


def _why(error: OSError) -> str:
    return "not permitted to list it" if isinstance(error, PermissionError) else (error.strerror or str(error)).lower()


def _matching(pattern: Path, root: Path) -> Listing:
    if isinstance(root, Remote):
        return Listing(list(root.matching(str(pattern.relative_to(root)))))
    if "**" in pattern.parts:
        found = listed(root, recursive=True)
        return Listing(matching(found.files, root, pattern.relative_to(root).parts), closed=found.closed)
    hits = glob.glob(str(pattern))  # noqa: PTH207 - pathlib's takes no absolute patterns
    return Listing([path for hit in hits if (path := Path(hit)).is_file()])


def _fitting(
    found: Listing, word: Path, root: Path, suffixes: frozenset[str], say: Callable[[str], None]
) -> Iterator[Source]:
    """The wanted files among those below a folder."""
    fits = [
        path
        for path in found.files
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in Path(os.path.relpath(path, root)).parts)
    ]
    if not fits and not found.closed:
        hint = "-r takes the whole tree below a folder" if word.is_dir() else ""
        raise UsageError(f"{word}: nothing there that ends in {', '.join(sorted(suffixes))}", hint)
    if note := left_out(found, suffixes):
        say(f"{word}: {note} left out")
    for path in sorted(fits, key=natural):
        yield Source(str(path), str(root))
    for path, error in sorted(found.closed, key=lambda each: natural(each[0])):
        yield Source(str(path), str(root), closed=_why(error))


def numbered(pattern: Path) -> tuple[str, ...]:
    """The files that `frames/%05d.png` means, from the first number that is there on; none where it means nothing."""
    if not (found := re.fullmatch(r"([^%]*)%(0\d)?d([^%]*)", pattern.name, re.ASCII)) or isinstance(pattern, Remote):
        return ()
    before, width, after = found.groups()
    digits = rf"\d{{{width}}}" if width else r"(?:0|[1-9]\d*)"
    name = re.compile(rf"{re.escape(before)}({digits}){re.escape(after)}", re.ASCII)
    try:
        known = {
            int(one[1]): path
            for path in listed(pattern.parent, recursive=False).files
            if (one := name.fullmatch(path.name))
        }
    except OSError:
        return ()
    return tuple(str(known[number]) for number in sorted(known))


def pictures_of(folder: Path) -> tuple[str, ...]:
    """The pictures of a folder in their order, as frames of a clip; none where clips are among them."""
    files = [] if isinstance(folder, Remote) or not folder.is_dir() else listed(folder, recursive=False).files
    if any(path.suffix.lower() in VIDEOS for path in files):
        return ()
    return tuple(str(path) for path in sorted(files, key=natural) if path.suffix.lower() in PICTURES)


def natural(path: Path) -> list[list[tuple[int, int, str]]]:
    """A sort key that puts `img2` before `img10`, folder by folder, the same on every system."""
    return [
        [(0, int(run), run) if run.isdecimal() else (1, 0, run) for run in re.split(r"(\d+)", part.casefold()) if run]
        + [(2, 0, part)]
        for part in path.parts
    ]


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes() if isinstance(path, Remote) else _listed(path)
        if len(text) > LONGEST_LIST:
            raise InputError(f"{path}: a list of more than {LONGEST_LIST:,} bytes")
        lines = text.decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable list: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
    words = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if nested := [word for word in words if word.startswith("@") and not place(word).exists()]:
        raise UsageError(f"{path}: {nested[0]}: a list cannot name another list")
    return words


def _listed(path: Path) -> bytes:
    with path.open("rb") as file:
        if is_device(file):
            raise InputError(f"{path}: a device, not a list")
        return read_all(file, str(path))


_read_once: dict[tuple[int, int], bytes] = {}


def _piped(path: Path) -> bytes:
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


def _stdin() -> bytes:
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
