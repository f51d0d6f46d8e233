"""Paths of object stores and other file systems behind a URL: `s3://`, `gs://`, `memory://`, whatever fsspec knows."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import TYPE_CHECKING, cast

from stylecli.errors import InputError, OutputError, StyleCliError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

STORES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Stores of buckets, whose objects appear whole or not at all, and the extra that each one needs."""

NO_HOST = "\0"
"""Stands where a URL names no host, as in `hdfs:///data`."""

LOGIN = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
}


def place(word: str | Path) -> Path:
    """The path that a word means: one of this machine, also for `file://`, or a `Remote`."""
    text = str(word)
    if not (url := re.match(r"([a-z][a-z0-9+.-]*)://", text)):
        return Path(word)
    if url[1] in ("file", "local"):
        return Path(text.partition("://")[2])
    return cast(Path, Remote(text.replace(":///", f"://{NO_HOST}/", 1)))


class Remote(PurePosixPath):
    """What we use of `Path`, on any file system of fsspec; every failure is one line that names the URL.

    Raises:
        InputError: It cannot be read or listed.
        OutputError: It cannot be written.
        UsageError: An unknown protocol, or one whose package is not installed.
    """

    def __str__(self) -> str:
        return super().__str__().replace(":/", "://", 1).replace(NO_HOST, "")

    def exists(self) -> bool:
        """Whether anything is there."""
        return self._kind() is not None

    def is_file(self) -> bool:
        """Whether it is an object or a file."""
        return self._kind() == "file"

    def is_dir(self) -> bool:
        """Whether anything is below it."""
        return self._kind() == "directory"

    def resolve(self) -> "Remote":
        """Itself: stores have no links."""
        return self

    def iterdir(self) -> Iterator["Remote"]:
        """What is right below it."""
        return iter(self._found(lambda system, key: system.ls(key, detail=False)))

    def below(self, *, recursive: bool) -> list["Remote"]:
        """The files below it, from one listing."""
        return self._found(lambda system, key: system.find(key, maxdepth=None if recursive else 1))

    def matching(self, pattern: str) -> list["Remote"]:
        """The files below it whose names match a pattern."""
        return self._found(
            lambda system, key: [
                name for name, about in system.glob(f"{key}/{pattern}", detail=True).items() if about["type"] == "file"
            ]
        )

    def version(self) -> str:
        """What changes whenever the file does."""
        with self._told("read") as (system, key):
            return str(system.ukey(key))

    def read_bytes(self) -> bytes:
        """All of it."""
        with self._told("read") as (system, key):
            return bytes(system.cat_file(key))

    def read_text(self, encoding: str = "utf-8") -> str:
        """All of it, as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes) -> None:
        """Puts it there, whole or not at all."""
        with self._told("write") as (system, key):
            if self._whole:
                system.pipe_file(key, data)
                return
            part = f"{system._parent(key)}/.{self.name[:50]}.{token_hex(4)}.part"
            try:
                system.pipe_file(part, data)
                system.mv(part, key)
            except BaseException:
                with suppress(Exception):
                    system.rm_file(part)
                raise

    def mkdir(self, *, parents: bool = True, exist_ok: bool = True) -> None:
        """Makes a folder; a store has none, there the bucket must exist."""
        with self._told("write") as (system, key):
            if self.protocol in STORES:
                _probe(self.protocol, self.parts[1])
            elif not self._whole:
                system.makedirs(key, exist_ok=exist_ok)

    @property
    def protocol(self) -> str:
        """What stands before `://`."""
        return self.parts[0].rstrip(":")

    @property
    def _whole(self) -> bool:
        return self.protocol in {*STORES, "memory"}

    def _kind(self) -> str | None:
        with self._told("read") as (system, key):
            try:
                return str(system.info(key)["type"])
            except FileNotFoundError:
                return None

    def _found(self, listed: "Callable[[AbstractFileSystem, str], Iterable[str]]") -> list["Remote"]:
        with self._told("read") as (system, key):
            return [self / PurePosixPath(name).relative_to(key) for name in listed(system, key)]

    @contextmanager
    def _told(self, deed: str) -> Iterator[tuple["AbstractFileSystem", str]]:
        """The file system and what it calls this file."""
        try:
            yield _system(self.protocol, str(self))
        except StyleCliError:
            raise
        except Exception as error:
            raise self._explained(error, deed) from error

    def _explained(self, error: Exception, deed: str) -> StyleCliError:
        kind = InputError if deed == "read" else OutputError
        extra = STORES.get(self.protocol, "")
        text = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, ImportError):
            needs = f"pip install 'stylecli[{extra}]'" if extra else text
            return UsageError(f"{self}: the package for {self.protocol}:// is not installed", needs)
        if isinstance(error, ValueError) and text.startswith("Protocol not known"):
            return UsageError(f"{self}: {self.protocol}:// is not known", "such as s3://, gs:// or file://")
        if "Credentials" in type(error).__name__:
            return kind(f"{self}: no credentials for {self.protocol}://", LOGIN.get(extra, text))
        if isinstance(error, PermissionError):
            return kind(f"{self}: not permitted to {deed} it", LOGIN.get(extra, ""))
        if isinstance(error, FileNotFoundError):
            return kind(*self.missing())
        return kind(f"{self}: cannot be {'read' if deed == 'read' else 'written'}: {text}")

    def missing(self) -> tuple[str, str]:
        """Why there is nothing: a line and a hint."""
        with suppress(Exception):
            if self.protocol in STORES:
                try:
                    _probe(self.protocol, self.parts[1])
                except FileNotFoundError:
                    return f"{self}: no bucket {self.parts[1]}", "check its name, or make it first"
        return f"{self}: no such file", ""


def _system(protocol: str, url: str) -> tuple["AbstractFileSystem", str]:
    from fsspec.core import url_to_fs

    # Others write there too: what was listed a while ago says little.
    system, key = url_to_fs(url, **({"use_listings_cache": False} if protocol in STORES else {}))
    return system, key


@cache
def _probe(protocol: str, bucket: str) -> None:
    system, key = _system(protocol, f"{protocol}://{bucket}")
    # Who may write into a bucket need not be allowed to look at it.
    with suppress(PermissionError):
        system.info(key)
