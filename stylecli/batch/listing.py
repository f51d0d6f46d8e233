"""What is in a folder of this machine: its files, and what was left out or could not be looked into."""

import fnmatch
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OURS = frozenset(["stylecli.jsonl", "thumbs.db", "desktop.ini"])
"""Files that lie in folders of pictures and that nobody misses."""


@dataclass
class Listing:
    """The files below a folder.

    Attributes:
        files: Those that are not hidden, in no order.
        linked: How many links to folders were not followed: they may lead back.
        closed: Folders that cannot be listed, and why.
    """

    files: list[Path] = field(default_factory=list)
    linked: int = 0
    closed: list[tuple[Path, OSError]] = field(default_factory=list)


def listed(folder: Path, *, recursive: bool) -> Listing:
    """The files of a folder, with `recursive` of the whole tree below it."""
    found, waiting = Listing(), [folder]
    while waiting:
        top = waiting.pop()
        try:
            with os.scandir(top) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            found.closed.append((top, error))
            continue
        for entry in visible:
            path = top / entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting += [path] * recursive
                elif entry.is_symlink() and entry.is_dir():
                    found.linked += recursive
                elif entry.is_file():
                    found.files.append(path)
            except OSError:  # a link to nowhere, or into a closed folder
                continue
    return found


def matching(files: Iterable[Path], root: Path, pattern: Sequence[str]) -> list[Path]:
    """Files whose path below `root` fits a pattern of names, among which `**` stands for any folders."""
    plain = [part for i, part in enumerate(pattern) if part != "**" or pattern[i - 1 : i] != ("**",)]
    return [path for path in files if _fits(path.relative_to(root).parts, plain)]


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return not pattern[1:] or any(_fits(parts[i:], pattern[1:]) for i in range(len(parts)))
    return bool(parts) and fnmatch.fnmatch(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def left_out(found: Listing, suffixes: frozenset[str]) -> str:
    """What of a listing is no input, in words; empty where there is nothing to tell."""
    others = [path for path in found.files if path.suffix.lower() not in suffixes and path.name.lower() not in OURS]
    kinds = [kind or "without suffix" for kind, _ in Counter(path.suffix.lower() for path in others).most_common(4)]
    more = ", ..." if len({path.suffix.lower() for path in others}) > len(kinds) else ""
    parts = [
        f"{found.linked} linked folder{'s' * (found.linked > 1)}" if found.linked else "",
        f"{len(others)} file{'s' * (len(others) > 1)} of other kinds ({', '.join(kinds)}{more})" if others else "",
    ]
    return " and ".join(filter(None, parts))
