"""Pulling public weights: resumed, hashed, and under their name only when they are whole."""

import errno
import shutil
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from stylecli.budget import Budget, OverBudgetError, zip_opened
from stylecli.checkpoints.registry import Entry
from stylecli.checkpoints.store import Known, by_hand, check_digest, offline, recorded
from stylecli.errors import WeightsError, printable
from stylecli.files import atomic_write, own

if TYPE_CHECKING:
    import requests

CHUNK = 2**18
LARGEST = 2**32
"""Bytes of a file whose size is not published."""

WHOLE = 64
"""Digits of a SHA-256."""

BUSY = (429, 500, 502, 503, 504)
TIMEOUT = 30.0
PAUSES = (2.0, 8.0)
LONGEST_PAUSE = 60
"""Seconds between attempts, where the server does not say how many."""

_WRONG = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "not permitted to write here",
    errno.EPERM: "not permitted to write here",
    errno.ENOTDIR: "part of the path is a file",
    errno.EEXIST: "part of the path is a file",
}


def pull(wanted: Known, bar: "Bar | None" = None) -> Path:
    """The file of a public name, fetched if it is not here yet.

    Args:
        wanted: What to fetch.
        bar: Shows progress; None for none.

    Raises:
        WeightsError: No network, a dead link, a wrong digest, or nowhere to write; says how to do it by hand.
    """
    entry = wanted.entry
    if entry is None:
        return wanted.path
    if wanted.path.is_file():
        check_known(wanted)
        return wanted.path
    if offline():
        raise WeightsError(f"{wanted.name}: not here, and STYLECLI_OFFLINE is set", by_hand(wanted))
    part = wanted.path.with_name(f".{entry.file}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        digest = _fetch(wanted, entry, part, bar)
        part.replace(wanted.path)
        if not entry.sha256:
            with atomic_write(recorded(wanted.path), follow=False) as file:
                file.write(f"{digest}\n".encode())
    except OSError as error:
        wrong = _WRONG.get(error.errno or 0, f"cannot be written: {error.strerror or error}".lower())
        raise WeightsError(f"{part.parent}: {wrong}", "set STYLECLI_WEIGHTS to another folder") from error
    return wanted.path


def check_known(wanted: Known) -> str:
    """The digest of the file that is there under a name.

    Raises:
        WeightsError: It is not the published one; another network of the user's is not called damaged.
    """
    try:
        return check_digest(wanted.path, wanted.sha256)
    except WeightsError as error:
        if (there := _other(wanted)) is None:
            hint = f"`stylecli weights remove {wanted.name}`, then pull it again"
            raise WeightsError(error.message, hint) from error
        told = f"{wanted.path}: whole, but not the published {wanted.name}: {there}, with another sha256"
        hint = "it is used as it is; to have both, move it, give its new path as --weights, and pull"
        raise WeightsError(told, hint) from error


def _other(wanted: Known) -> str | None:
    """The format of a whole network that is not the published file; that one with wrong bits has its size."""
    from stylecli.checkpoints.load import check_whole, describe

    if wanted.entry and wanted.path.stat().st_size == wanted.entry.size:
        return None
    try:
        check_whole(wanted.path)
        return describe(wanted.path).format
    except WeightsError:
        return None


class Bar(Protocol):
    """What shows progress, in the shape that pooch wants."""

    total: int

    def update(self, count: int) -> None:
        """So many bytes more."""

    def reset(self) -> None:
        """Back to nothing."""

    def close(self) -> None:
        """The bar is gone."""


class _UnfitError(Exception):
    """What came is not what was wanted; says why."""


def _fetch(wanted: Known, entry: Entry, part: Path, bar: Bar | None) -> str:
    """Fills `part` from the first address that gives the right file; its digest."""
    import requests

    reasons: list[str] = []
    missed = ""
    for url in entry.urls:
        try:
            _patiently(url, entry, part, bar)
            if entry.member:
                _unpack(part, entry)
            return _proven(part, wanted, entry)
        except requests.RequestException as error:  # noqa: PERF203 - two addresses at most
            missed = "cannot be fetched: "
            reasons.append(_reason(error))
            if part.is_file() and not part.stat().st_size:
                part.unlink()
        except _UnfitError as error:
            reasons.append(str(error))
            part.unlink(missing_ok=True)
    why = "; ".join(dict.fromkeys(reasons))
    raise WeightsError(f"{wanted.name}: {missed}{why}", by_hand(wanted))


def _proven(part: Path, wanted: Known, entry: Entry) -> str:
    """The digest of what came. Where no whole one is published, it must be a network that we know."""
    try:
        digest = check_digest(part, wanted.sha256)
        if len(entry.sha256) < WHOLE:
            from stylecli.checkpoints.load import check_whole, network_of

            check_whole(part)
            if (network := network_of(part)) != entry.network:
                raise WeightsError(f"another network came: {network}, not {entry.network}")
    except WeightsError as error:
        # The file has no name of its own yet.
        raise _UnfitError(error.message.removeprefix(f"{part}: ")) from error
    return digest


def _unpack(part: Path, entry: Entry) -> None:
    """Puts the file that the entry names in place of the archive that holds it."""
    archive = part.with_suffix(".zip")
    part.replace(archive)
    try:
        with zip_opened(archive, Budget.of(archive.stat().st_size)) as packed:
            if packed.getinfo(entry.member).file_size > LARGEST:
                raise _UnfitError(f"{entry.member} in the archive has more than {LARGEST:,} bytes")
            with packed.open(entry.member) as found, open(part, "xb", opener=own) as file:
                shutil.copyfileobj(found, file)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error, OverBudgetError) as error:
        raise _UnfitError(f"no archive with {entry.member} came") from error
    finally:
        archive.unlink()


def _patiently(url: str, entry: Entry, part: Path, bar: Bar | None) -> None:
    """Fetches; where the server is busy, or broke off after it gave something, after a while again."""
    import requests

    for pause in (*PAUSES, None):
        before = part.stat().st_size if part.is_file() else 0
        try:
            with open(part, "ab", opener=own) as file:
                _resume(url, entry, file, bar)
                break
        except requests.RequestException as error:
            came = part.is_file() and part.stat().st_size > before
            if pause is None or not (came if error.response is None else error.response.status_code in BUSY):
                raise
            asked = "" if error.response is None else error.response.headers.get("Retry-After", "")
            time.sleep(min(int(asked), LONGEST_PAUSE) if asked.isdecimal() else pause)


class _Limited:
    """A file that takes no more bytes than there can be."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file, self.most = file, most

    def write(self, data: bytes) -> int:
        if self.file.seek(0, 2) + len(data) > self.most:
            raise _UnfitError(f"more than {self.most:,} bytes came")
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def _resume(url: str, entry: Entry, file: BinaryIO, bar: Bar | None) -> None:
    """Appends what is missing; begins anew where that is not possible, or could not be noticed to be wrong."""
    import requests
    from pooch import HTTPDownloader

    have = file.seek(0, 2)
    if have and (not entry.sha256 or (entry.size and have > entry.size)):
        have = file.truncate(0)
    if have and have == entry.size:
        return

    def begin(response: "requests.Response", **_: object) -> None:
        # Asked on the way too: a redirection says nothing of what we have.
        if have and response.status_code == 200:
            file.truncate(0)

    # Weights do not shrink, and what a server packs would arrive as other bytes than it counts.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    fetch = HTTPDownloader(
        progressbar=bar or False, chunk_size=CHUNK, timeout=TIMEOUT, headers=headers, hooks={"response": begin}
    )
    try:
        fetch(url, _Limited(file, entry.size or LARGEST), None)
    except requests.HTTPError as error:
        if not have or error.response is None or error.response.status_code != 416:
            raise
        file.truncate(0)  # there is nothing behind what we have, so that is no part of this file
        _resume(url, entry, file, bar)


def _reason(error: "requests.RequestException") -> str:
    """One short phrase for what `requests` raised."""
    if error.response is not None:
        return printable(f"the server says {error.response.status_code} {error.response.reason}"[:80]).rstrip().lower()
    if "Timeout" in type(error).__name__ or "timed out" in str(error):
        return "the server does not answer"
    if "SSL" in type(error).__name__:
        return "the server's certificate is not trusted"
    return "the connection broke off" if "Chunked" in type(error).__name__ else "no connection"
