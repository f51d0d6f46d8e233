"""What the server holds, all of it in memory and within limits: pictures that came in, open sessions, results.

A request can name nothing but what lies here: no path of the disk is ever looked up for one.
"""

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stylecli import methods
from stylecli.batch.picture_cache import PictureCache
from stylecli.batch.plan import Inputs
from stylecli.batch.sources import Source
from stylecli.errors import InputError, MemoryLimitError
from stylecli.files import cut
from stylecli.method import Method
from stylecli.progress import Listener
from stylecli.serving.asked import Asked
from stylecli.sessions import Session, command, of_files, weighted
from stylecli.settings.fields import Settings
from stylecli.settings.serving import Serving
from stylecli.settings.shared import Files, Machine

if TYPE_CHECKING:
    from PIL.Image import Image

    from stylecli.device import Device
    from stylecli.media.images import Picture

T = TypeVar("T")
READ = 2**29
"""Bytes of pictures that stay decoded."""

MOST_BYTES = 2**29
"""Of what came in, of the pictures of sessions, and of results."""

SESSIONS, RESULTS = 12, 64
LONGEST_NAME = 120
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff", "AVIF": "image/avif"}


class MissingError(InputError):
    """A picture that is not there, or not any more."""


class Kept(Generic[T]):
    """The things that were used last, within a count and a number of bytes."""

    def __init__(self, most: int, most_bytes: int, size: Callable[[T], int]) -> None:
        self.most, self.most_bytes, self.size = most, most_bytes, size
        self._all: OrderedDict[object, T] = OrderedDict()
        self._lock = Lock()

    def put(self, key: object, thing: T) -> None:
        """Keeps it; those not used for longest go where there is no room."""
        with self._lock:
            self._all[key] = thing
            self._all.move_to_end(key)
            while len(self._all) > 1 and (
                len(self._all) > self.most or sum(map(self.size, self._all.values())) > self.most_bytes
            ):
                self._all.popitem(last=False)

    def get(self, key: object) -> T | None:
        """It, if it is still there."""
        with self._lock:
            if key in self._all:
                self._all.move_to_end(key)
            return self._all.get(key)

    def drop(self, key: object) -> bool:
        """Lets it go; whether it was there."""
        with self._lock:
            return self._all.pop(key, None) is not None

    def all(self) -> list[T]:
        """All of them, those used last at the end."""
        with self._lock:
            return list(self._all.values())


@dataclass(frozen=True)
class Upload:
    """A picture that came in.

    Attributes:
        number: What requests call it.
        name: What it was called, without folders; no two are called the same.
        data: The file.
        width: Pixels, as it is seen.
        height: Likewise.
        notes: What its user should know of it.
    """

    number: str
    name: str
    data: bytes
    width: int
    height: int
    notes: tuple[str, ...]

    def told(self) -> dict[str, object]:
        """What answers say of it."""
        told = {key: value for key, value in vars(self).items() if key not in ("number", "data")}
        return {"id": self.number, **told}


@dataclass(frozen=True)
class Made:
    """A result: the file, its name, its type, its size in pixels."""

    data: bytes
    name: str
    type: str
    width: int
    height: int


class Shelf:
    """Pictures, methods, sessions and results.

    Args:
        serving: The limits.
        device: Where it computes.
        machine: What was asked for, for records.
    """

    def __init__(self, serving: Serving, device: "Device", machine: Machine) -> None:
        self.serving, self.device, self.machine = serving, device, machine
        self.uploads: Kept[Upload] = Kept(serving.max_pictures, MOST_BYTES, lambda one: len(one.data))
        self.results: Kept[Made] = Kept(RESULTS, MOST_BYTES, lambda one: len(one.data))
        self._sessions: Kept[Session] = Kept(SESSIONS, MOST_BYTES, lambda one: one.bytes)
        self._read = PictureCache(READ)
        self._methods: dict[str, Method[Settings, object]] = {}
        self._opening = RLock()

    def take(self, data: bytes, name: str) -> Upload:
        """Takes a picture in, if it is one; the same file under the same name is the same picture.

        Raises:
            InputError: It cannot be read.
            MemoryLimitError: It has more pixels than are allowed.
        """
        name = _plain(name)
        number = hashlib.sha256(name.encode() + b"\0" + data).hexdigest()[:32]
        if known := self.uploads.get(number):
            return known
        source = Source(name, data=data)
        pixels = self._decoded(source).pixels
        height, width = pixels.shape[1:]
        self._allowed(name, width * height)
        path, names = PurePosixPath(name), {one.name for one in self.uploads.all()}
        same = [name, *(f"{path.stem}_{index}{path.suffix}" for index in range(2, len(names) + 3))]
        free = next(each for each in same if each not in names)
        made = Upload(number, free, data, width, height, self._decoded(source).notes)
        self.uploads.put(number, made)
        return made

    def shown(self, number: str, side: int) -> bytes:
        """A picture that came in as a JPEG, whose long side is `side` pixels at most.

        Raises:
            InputError: There is none of that number.
        """
        from PIL.Image import fromarray

        from stylecli.media.images import quantize
        from stylecli.media.resize import long_side, resize

        pixels = self._decoded(self._source(number)).pixels
        height, width = pixels.shape[1:]
        if max(height, width) > side:
            pixels = resize(pixels, long_side(height, width, side))
        return _encoded(fromarray(quantize(pixels, 8)), "jpg", 88)

    def make(self, asked: Asked, listener: Listener) -> Made:
        """Does a job.

        Raises:
            StyleCliError: What the method, or whoever reads or writes, has to say.
        """
        from torch import Tensor

        from stylecli.media.images import picture_format

        session = self.session(asked)
        if asked.preview is None:
            return self._file(session, asked, listener)
        made = session.at(shares=asked.shares, listener=listener, **asked.changing)
        assert not isinstance(made, Tensor)
        name = f"preview.{asked.format or 'jpg'}"
        data = _encoded(made, asked.format or "jpg", asked.quality)
        return Made(data, name, TYPES[picture_format(name)], made.width, made.height)

    def command(self, asked: Asked) -> list[str]:
        """The words of the command that makes what a job asks for.

        Raises:
            InputError: A picture that is not there.
        """
        words = command(asked.method, asked.settings, weighted(self._files(asked), asked.shares))
        quality = ["--quality", str(asked.quality)] if asked.quality != Files().quality else []
        return [*words, *(["--format", asked.format] if asked.format else []), *quality]

    def session(self, asked: Asked) -> Session:
        """The open session for a job, with its preview where it asks for one."""
        key = (*asked.fixed, asked.preview)
        if known := self._sessions.get(key):
            return known
        opened = self.method(asked.method)
        made = of_files(asked.method, opened, asked.settings, self._files(asked), self._decoded)
        made.precision = self.machine.precision
        self._allowed("result", made.pixels)
        made = made.preview(asked.preview) if asked.preview else made
        self._sessions.put(key, made)
        return made

    def method(self, name: str) -> Method[Settings, object]:
        """A method, with the weights that come with the package."""
        with self._opening:
            if name not in self._methods:
                options = {"style": (self.styles()[0]["name"],)} if name == "fast" else {}
                self._methods[name] = methods.opened(name, methods.settings_of(name)(**options), self.device)
            return self._methods[name]

    def styles(self) -> list[dict[str, str]]:
        """The styles that `fast` knows by name."""
        from stylecli.checkpoints.header import styles_of
        from stylecli.checkpoints.store import resolve

        return styles_of(resolve("fast")) or []

    def _file(self, session: Session, asked: Asked, listener: Listener) -> Made:
        """The file that the command writes, with its record."""
        from PIL import Image

        from stylecli.media.images import picture_format

        how: dict[str, Any] = {"format": asked.format, "quality": asked.quality, "shares": asked.shares}
        how |= {"listener": listener, **asked.changing}
        with tempfile.TemporaryDirectory(prefix="stylecli-") as folder:
            path = Path(session.save(f"{folder}/", **how))
            data = path.read_bytes()
            with Image.open(path) as image:
                return Made(data, path.name, TYPES[picture_format(path.name)], image.width, image.height)

    def _files(self, asked: Asked) -> Inputs:
        named = {"content": [asked.content] if asked.content else [], "style": asked.styles}
        return {role: tuple(map(self._source, some)) for role, some in named.items() if some}

    def _source(self, number: str) -> Source:
        found = self.uploads.get(number)
        if found is None:
            raise MissingError(f"picture {number[:40]}: not here", "upload it, or once more if it was")
        return Source(found.name, data=found.data)

    def _decoded(self, source: Source) -> "Picture":
        from stylecli.media.images import read_picture

        assert source.data is not None
        # A pixel has eight bytes at most, as files store it.
        most = self.serving.max_pixels * 8
        try:
            read = partial(read_picture, source.data, name=source.name, compact=True, most=most)
            return self._read.take(source.sha256(), read)
        except MemoryLimitError as error:
            raise MemoryLimitError(error.message, "make it smaller, or start `serve` with --max-pixels") from error

    def _allowed(self, what: str, pixels: int) -> None:
        if pixels > self.serving.max_pixels:
            allowed = f"{self.serving.max_pixels:,} are allowed"
            raise MemoryLimitError(f"{what}: {pixels:,} pixels, {allowed}", "make it smaller, or see --max-pixels")


def _encoded(image: "Image", format: str, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG" if format == "jpg" else format.upper(), quality=quality)
    return file.getvalue()


def _plain(name: str) -> str:
    """A name of a file, without folders, that is safe to show and to write."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(each if each.isprintable() and each not in '<>:"|?*' else "_" for each in last).strip(". ")
    return cut(kept, LONGEST_NAME) or "picture"
