"""Pulling public weights: resumed, hashed, and under their name only when they are whole."""

import errno
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from stylecli.checkpoints.registry import Entry
from stylecli.checkpoints.store import Known, by_hand, check_digest, offline, recorded
from stylecli.errors import WeightsError

CHUNK = 2**18
_WRONG = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "not permitted to write here",
    errno.EPERM: "not permitted to write here",
    errno.ENOTDIR: "part of the path is a file",
    errno.EEXIST: "part of the path is a file",
}


def pull(wanted: Known, bar: Any = None) -> Path:
    """The file of a public name, fetched if it is not here yet.

    Args:
        wanted: What to fetch.
        bar: Shows progress: an object with `total`, `update(bytes)`, `reset()` and `close()`; None for none.

    Raises:
        WeightsError: No network, a dead link, a wrong digest, or nowhere to write; says how to do it by hand.
    """
    entry = wanted.entry
    if entry is None:
        return wanted.path
    if wanted.path.is_file():
        try:
            check_digest(wanted.path, wanted.sha256)
        except WeightsError as error:
            raise WeightsError(error.message, f"`stylecli weights remove {wanted.name}`, then pull it again") from error
        return wanted.path
    if offline():
        raise WeightsError(f"{wanted.name}: not here, and STYLECLI_OFFLINE is set", by_hand(wanted))
    part = wanted.path.with_name(f".{entry.file}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            _fetch(wanted, entry, file, bar)
        if entry.member:
            _unpack(wanted, part, entry.member)
        try:
            digest = check_digest(part, wanted.sha256)
        except WeightsError as error:
            part.unlink()
            raise WeightsError(f"{wanted.name}: {error.message.partition(': ')[2]}", by_hand(wanted)) from error
        part.replace(wanted.path)
        if not entry.sha256:
            recorded(wanted.path).write_text(f"{digest}\n")
    except OSError as error:
        wrong = _WRONG.get(error.errno or 0, f"cannot be written: {error.strerror or error}".lower())
        raise WeightsError(f"{part.parent}: {wrong}", "set STYLECLI_WEIGHTS to another folder") from error
    return wanted.path


def _unpack(wanted: Known, part: Path, member: str) -> None:
    """Puts the file `member` in place of the archive that holds it."""
    archive = part.with_suffix(".zip")
    part.replace(archive)
    try:
        with zipfile.ZipFile(archive) as packed, packed.open(member) as found, part.open("wb") as file:
            shutil.copyfileobj(found, file)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error) as error:
        raise WeightsError(f"{wanted.name}: no archive with {member} came", by_hand(wanted)) from error
    finally:
        archive.unlink()


def _fetch(wanted: Known, entry: Entry, file: BinaryIO, bar: Any) -> None:
    import requests

    reasons = []
    for url in entry.urls:
        try:
            return _resume(url, entry, file, bar)
        except requests.RequestException as error:  # noqa: PERF203 - two urls at most
            reasons.append(_reason(error))
    raise WeightsError(f"{wanted.name}: cannot be fetched: {'; '.join(dict.fromkeys(reasons))}", by_hand(wanted))


def _resume(url: str, entry: Entry, file: BinaryIO, bar: Any) -> None:
    """Appends what is missing; begins anew where that is not possible, or could not be noticed to be wrong."""
    import requests
    from pooch import HTTPDownloader

    have = file.seek(0, 2)
    if have and (not entry.sha256 or (entry.size and have > entry.size)):
        have = file.truncate(0)
    if have and have == entry.size:
        return

    def begin(response: Any, **_: Any) -> None:
        if have and response.status_code != 206:
            file.truncate(0)

    # Weights do not shrink, and what a server packs would arrive as other bytes than it counts.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    fetch = HTTPDownloader(progressbar=bar or False, chunk_size=CHUNK, headers=headers, hooks={"response": begin})
    try:
        fetch(url, file, None)
    except requests.HTTPError as error:
        if not have or error.response is None or error.response.status_code != 416:
            raise
        file.truncate(0)  # there is nothing behind what we have, so that is no part of this file
        _resume(url, entry, file, bar)


def _reason(error: Any) -> str:
    """One short phrase for what `requests` raised."""
    if error.response is not None:
        return f"the server says {error.response.status_code} {error.response.reason}".rstrip().lower()
    if "Timeout" in type(error).__name__:
        return "the server does not answer"
    if "SSL" in type(error).__name__:
        return "the server's certificate is not trusted"
    return "the connection broke off" if "Chunked" in type(error).__name__ else "no connection"
