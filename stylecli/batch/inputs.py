"""From words on the command line to the files they mean."""

import difflib
import glob
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from stylecli.batch.listing import Listing, left_out, listed, matching
from stylecli.batch.sources import LISTABLE, STDIN, Source, forget_fetched, read_pipe, read_stdin
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
LONGEST_LIST = 2**26
"""Bytes of a list."""


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
    forget_fetched()
    found: dict[str, Source] = {}
    for word, share in words:
        sources = list(_sources(word, recursive, suffixes, say))
        for source in sources:
            key = STDIN if source.path == STDIN else str(Path(source.path).absolute())
            found.setdefault(key, replace(source, share=share / len(sources)))
    return list(found.values())


def recorded(path: str, share: float = 1.0, *, urls: bool = False, frames: bool = False) -> Source:
    """The one that a record names, which may be a stranger's: a file or stdin, no list; for a clip also `frames` of it.

    Raises:
        InputError: It is no regular file, or a URL and `urls` is not set.
    """
    if path in (STDIN, "/dev/stdin"):
        return Source(STDIN, data=read_stdin(), share=share)
    named = place(path)
    if frames and (files := numbered(named) or pictures_of(named)):
        return Source(path, share=share, moving=True, frames=files)
    if isinstance(named, Remote) and not urls:
        raise InputError(f"{path}: the record names a URL", "--allow-urls fetches it, if you trust the file")
    if not isinstance(named, Remote):
        try:
            os.close(regular(named, os.O_RDONLY))
        except (OSError, ValueError) as error:
            raise input_error(path, error) from error
    return Source(path, share=share)


def _sources(word: str, recursive: bool, suffixes: frozenset[str], say: Callable[[str], None]) -> Iterator[Source]:
    path = place(word)
    if word == STDIN:
        yield Source(STDIN, data=read_stdin())
    elif path.is_dir():
        yield from _fitting(_below(path, recursive), path, path, suffixes, say)
    elif word and path.exists():
        piped = is_stream(path)
        yield Source(str(path) if "://" in word else word, data=read_pipe(path) if piped else None)
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
