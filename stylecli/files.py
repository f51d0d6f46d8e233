"""Writing files whole or not at all."""

import errno
import os
import re
import secrets
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from stylecli.errors import InputError, OutputError
from stylecli.remote import Remote, place

_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part")
_ELSEWHERE = "write somewhere else with -o"
_WRONG = {
    errno.EACCES: ("not permitted to write here", _ELSEWHERE),
    errno.EPERM: ("not permitted to write here", _ELSEWHERE),
    errno.EROFS: ("the disk is read-only", _ELSEWHERE),
    errno.ENOSPC: ("the disk is full", "free some space, or " + _ELSEWHERE),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or " + _ELSEWHERE),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one with -o or --name"),
    errno.EISDIR: ("a folder, not a file", "name a file in it"),
    errno.ENOTDIR: ("no such folder: part of the path is a file", _ELSEWHERE),
}

_UNREADABLE = {
    errno.ENOENT: ("no such file", "check the path"),
    errno.ENOTDIR: ("no such file", "check the path"),
    errno.EISDIR: ("a folder, not a picture", "name the pictures in it"),
    errno.EACCES: ("not permitted to read it", "mend it with `chmod +r`"),
    errno.ENAMETOOLONG: ("the name is too long", "check the path"),
}


CHUNK = 2**20
LARGEST = 2**31
"""Bytes that are taken of a file of pictures or sound, or of a pipe: some never end."""


def regular(path: str | Path, flags: int) -> int:
    """An opener for `open` that waits for nothing, and takes nothing but files: no device, pipe or socket.

    Raises:
        OSError: It is one of those.
    """
    return _opened(path, flags, lambda about: stat.S_ISREG(about.st_mode), "not a regular file")


def own(path: str | Path, flags: int) -> int:
    """An opener for files that we keep beside results: it follows no link, and takes no file with a second name.

    A folder that comes from a stranger may have such links, to files of the user's.

    Raises:
        OSError: It is a link.
    """
    plain = lambda about: stat.S_ISREG(about.st_mode) and about.st_nlink < 2
    return _opened(path, flags | getattr(os, "O_NOFOLLOW", 0), plain, "a link, or not a regular file")


def _opened(path: str | Path, flags: int, fits: Callable[[os.stat_result], bool], why: str) -> int:
    try:
        opened = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.EINVAL, why, str(path)) from error
        raise
    if not fits(os.fstat(opened)):
        os.close(opened)
        raise OSError(errno.EINVAL, why, str(path))
    return opened


def read_bytes(source: str | Path | bytes, name: str) -> bytes:
    """The bytes of a file, or the bytes themselves.

    Raises:
        InputError: Missing, a folder, a device, empty, without end, or not readable.
    """
    try:
        data = source if isinstance(source, bytes) else _read(place(source), name)
    except (OSError, ValueError) as error:
        raise input_error(name, error) from error
    if not data:
        raise InputError(f"{name}: empty file (0 bytes)", "write or copy it again")
    return data


def _read(path: Path, name: str) -> bytes:
    if isinstance(path, Remote):
        return path.read_bytes()
    with path.open("rb") as file:
        if is_device(file):
            raise InputError(f"{name}: a device, not a file")
        return read_all(file, name, min(os.fstat(file.fileno()).st_size, LARGEST))


def read_all(file: BinaryIO, name: str, expected: int = 0) -> bytes:
    """What is left of a file or a pipe, of which so many bytes are known to be there.

    Raises:
        InputError: More than `LARGEST` bytes.
    """
    # Asked for `LARGEST` at once, `read` would take as much memory.
    parts = [file.read(expected)] if expected else []
    size = sum(map(len, parts))
    while part := file.read(CHUNK):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise InputError(f"{name}: more than {LARGEST:,} bytes", "write it to a file, and make that smaller")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def is_device(file: BinaryIO) -> bool:
    """Whether an open file is a disk, or what gives bytes without end; terminals and `/dev/null` do not."""
    mode = os.fstat(file.fileno()).st_mode
    return stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not file.isatty() and not _is_null(file))


def _is_null(file: BinaryIO) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), Path(os.devnull).stat())


def input_error(name: str, error: OSError | ValueError) -> InputError:
    """The one-line error for a failure of the operating system to read."""
    number = getattr(error, "errno", None) or errno.ENOENT
    folder = os.path.dirname(name)  # noqa: PTH120 - it may be no path at all
    if number == errno.EACCES and not os.access(folder or ".", os.X_OK):
        return InputError(f"{name}: not permitted to look into its folder", f"mend it with `chmod +x {folder or '.'}`")
    wrong, hint = _UNREADABLE.get(number, (f"cannot be read: {getattr(error, 'strerror', None) or error}".lower(), ""))
    return InputError(f"{name}: {wrong}", hint)


@contextmanager
def atomic_write(destination: str | Path, *, follow: bool = True) -> Iterator[BinaryIO]:
    """A binary file that appears under its name only when the block ends well, whole and on the disk.

    It is written as `.{name}.{random}.part` in the same folder; when anything goes wrong, Ctrl-C included, that file is
    removed and what was there before is untouched. A process that is killed leaves it to `remove_stale`. Permissions
    are those of any new file; links are followed, or with `follow=False` replaced. Behind a URL it is put at once when
    the block ends.

    Raises:
        OutputError: No such folder, not permitted, disk full, name too long, or a folder of that name.
    """
    destination = place(destination)
    if isinstance(destination, Remote):
        buffer = BytesIO()
        yield buffer
        destination.write_bytes(buffer.getvalue())
        return
    try:
        if destination.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder")
        if is_stream(destination):  # never to be replaced by a file
            with destination.open("wb") as file:
                yield file
            return
        target = destination.resolve() if follow and destination.is_symlink() else destination
        # Cut, for the random part must not push a permitted name over the limit of 255 bytes.
        part = target.with_name(f".{cut(target.name, 200)}.{secrets.token_hex(4)}.part")
        file = part.open("xb")
        try:
            with file:
                _locked(file)
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise output_error(destination, error) from error


def cut(name: str, most: int) -> str:
    """The characters of a file's name that fit into so many bytes."""
    room = most
    for kept, each in enumerate(name):
        room -= len(each.encode("utf-8", "surrogateescape"))
        if room < 0:
            return name[:kept]
    return name


def binary_stdin() -> BinaryIO:
    """stdin, for bytes that are read one after the other.

    Raises:
        InputError: It is closed, or a terminal.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("stdin: nothing is piped in", "such as ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | ...")
    return sys.stdin.buffer


def binary_stdout() -> BinaryIO:
    """stdout, for the bytes of a result.

    Raises:
        OutputError: It is closed.
    """
    if sys.stdout is None or getattr(sys.stdout, "name", "") == os.devnull:
        raise OutputError("-: stdout is closed", "name a file with -o")
    return sys.stdout.buffer


def is_stream(path: Path) -> bool:
    """Whether what is there is a pipe, a terminal or another device: it holds nothing that writing would destroy."""
    if isinstance(path, Remote):
        return False
    # What `>(...)` and `/dev/stdout` name is written to as it is open, whatever it is.
    return str(path).startswith(("/dev/fd/", "/proc/self/fd/")) or (
        path.exists() and not path.is_file() and not path.is_dir()
    )


def remove_stale(folder: Path) -> None:
    """Removes what processes that were killed left of `atomic_write`; files that are still being written stay."""
    for part in [each for each in _listed(folder) if _PART.fullmatch(each.name)]:
        # Windows does not let go of open files, elsewhere their lock ends with their process.
        with suppress(OSError), open(part, "r+b", opener=own) as file:
            if _locked(file):
                part.unlink()


def present(paths: Sequence[str | Path]) -> list[str]:
    """Those names that anything has, also a link to nothing; several in a folder elsewhere cost one listing."""
    places = [place(path) for path in paths]
    folders = Counter(path.parent for path in places if isinstance(path, Remote))
    several = {folder for folder, count in folders.items() if count > 1}
    listed = {str(path) for folder in several for path in cast(Remote, folder).below(recursive=False)}
    known = lambda path: str(path) in listed if path.parent in several else path.exists()
    return [str(path) for path in places if (known if isinstance(path, Remote) else os.path.lexists)(path)]


def version(path: Path) -> int | str:
    """What changes whenever the file does."""
    return path.version() if isinstance(path, Remote) else path.stat().st_mtime_ns


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _locked(file: BinaryIO) -> bool:
    """Locks an open file for this process; False where another has it, or where there are no such locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return os.name == "nt"
    return True


def output_error(destination: object, error: OSError) -> OutputError:
    """The one-line error for a failure of the operating system to write."""
    if error.errno == errno.ENOENT and isinstance(destination, Path):
        if destination.parent.is_dir():  # /proc, say: no new files there
            return OutputError(f"{destination}: not permitted to write here", _ELSEWHERE)
        return OutputError(f"{destination}: no such folder", f"make it with `mkdir -p {destination.parent}`")
    wrong, hint = _WRONG.get(error.errno or 0, (f"cannot be written: {error.strerror or error}".lower(), ""))
    return OutputError(f"{destination}: {wrong}", hint)
