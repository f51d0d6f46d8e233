"""PNG and TIFF written some rows at a time, so that a picture need not be in memory."""

import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import ExifTags

from stylecli.media.metadata import Carried, exif_for
from stylecli.media.png_chunks import MAGIC, chunk, chunks
from stylecli.media.stored_settings import KEYWORD
from stylecli.media.xmp import xmp_with_settings

AT_ONCE = 2**26
"""Bytes of rows of a PNG that are compressed at once."""

STRIP = 2**20
"""Bytes of rows in a strip of a TIFF, about."""

LEVEL = 4
"""Of compression; libdeflate's, of what is in memory as a whole, is as small as zlib's in a third of the time."""


@dataclass(frozen=True)
class About:
    """What is known of a picture before its rows.

    Attributes:
        shape: Height, width and channels, 3 or with alpha 4.
        dtype: uint8 or uint16.
        carried: EXIF, XMP, ICC and DPI to embed.
        settings: JSON to embed, None for none.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    carried: Carried
    settings: str | None

    @property
    def line(self) -> int:
        """Bytes of a row."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize


class Png:
    """A PNG, the settings in an iTXt chunk before its pixels."""

    def __init__(self, file: BinaryIO, about: About) -> None:
        self.file, self.about, self.packer = file, about, zlib.compressobj(LEVEL)
        self.whole = False
        self.before = np.empty((0, *about.shape[1:]), about.dtype)
        (height, width, channels), carried = about.shape, about.carried
        head = struct.pack(">II5B", width, height, 8 * about.dtype.itemsize, 2 if channels == 3 else 6, 0, 0, 0)
        parts = [chunk(b"IHDR", head)]
        if carried.icc:
            parts.append(chunk(b"iCCP", b"icc\0\0" + zlib.compress(carried.icc)))
        if carried.dpi:
            x, y = (round(value / 0.0254) for value in carried.dpi)
            parts.append(chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
        if len(exif := exif_for(carried, width, height)):
            parts.append(chunk(b"eXIf", exif.tobytes()[6:]))
        texts = {"XML:com.adobe.xmp": carried.xmp, KEYWORD: about.settings and about.settings.encode()}
        parts += [chunk(b"iTXt", key.encode() + b"\0\0\0\0\0" + text) for key, text in texts.items() if text]
        file.write(MAGIC + b"".join(parts))

    def add(self, rows: np.ndarray) -> None:
        """The next rows [h, W, C]."""
        for some in _split(rows, AT_ONCE // self.about.line):
            filtered = self._filtered(some)
            # libdeflate makes no stream of several parts.
            self.whole = len(some) == self.about.shape[0]
            self._pixels(_deflated(filtered) if self.whole else self.packer.compress(filtered))
            self.before = some[-1:].copy()

    def close(self) -> None:
        """All rows are there."""
        if not self.whole:
            self._pixels(self.packer.flush())
        self.file.write(chunk(b"IEND", b""))

    def _pixels(self, packed: bytes) -> None:
        if packed:
            self.file.write(chunk(b"IDAT", packed))

    def _filtered(self, rows: np.ndarray) -> bytes:
        """The rows as PNG has them, each with a filter by libpng's choice, which takes the row above into account."""
        with_above = np.concatenate([self.before, rows]) if len(self.before) else rows
        plain = imagecodecs.png_encode(with_above, level=0)
        stored = zlib.decompress(b"".join(body for kind, body in chunks(bytes(plain)) if kind == b"IDAT"))
        return stored[len(self.before) * (self.about.line + 1) :]


class Tiff:
    """A TIFF, deflated with differences along the rows; what it says of itself comes behind its pixels."""

    def __init__(self, file: BinaryIO, about: About) -> None:
        self.file, self.about, self.added = file, about, 0
        # What is carried says which byte comes first.
        self.exif = exif_for(about.carried, about.shape[1], about.shape[0])
        self.exif.endian = self.endian = self.exif.endian or "<"
        self.begin, self.rows = file.tell() if file.seekable() else 0, max(1, STRIP // about.line)
        self.sizes: list[int] = []
        self.left = np.empty((0, *about.shape[1:]), about.dtype)
        file.write(self._head(0))

    def add(self, rows: np.ndarray) -> None:
        """The next rows [h, W, C]."""
        rows, self.added = np.concatenate([self.left, rows]) if len(self.left) else rows, self.added + len(rows)
        ready = len(rows) if self.added == self.about.shape[0] else len(rows) // self.rows * self.rows
        for strip in _split(rows[:ready], self.rows):
            self._strip(strip)
        self.left = rows[ready:].copy()

    def close(self) -> None:
        """All rows are there."""
        at = 8 + sum(self.sizes)
        self.file.write(self._tags(at)[8:])
        self.file.seek(self.begin)
        self.file.write(self._head(at))
        self.file.seek(0, 2)

    def _head(self, at: int) -> bytes:
        return struct.pack(f"{self.endian}2sHI", b"II" if self.endian == "<" else b"MM", 42, at)

    def _strip(self, rows: np.ndarray) -> None:
        differences = rows.copy()
        differences[:, 1:] -= rows[:, :-1]
        packed = _deflated(differences.astype(f"{self.endian}u{rows.itemsize}").tobytes())
        # Parts begin at even places.
        self.sizes.append(self.file.write(packed + b"\0" * (len(packed) % 2)))

    def _tags(self, at: int) -> bytes:
        (height, width, channels), carried, exif, tag = self.about.shape, self.about.carried, self.exif, ExifTags.Base
        exif[tag.ImageWidth], exif[tag.ImageLength], exif[tag.SamplesPerPixel] = width, height, channels
        exif[tag.BitsPerSample] = (self.about.dtype.itemsize * 8,) * channels
        exif[tag.Compression], exif[tag.PhotometricInterpretation], exif[tag.Predictor] = 8, 2, 2
        exif[tag.RowsPerStrip], exif[tag.StripByteCounts] = self.rows, tuple(self.sizes)
        if channels == 4:
            exif[tag.ExtraSamples] = 2
        if carried.dpi:
            exif[tag.XResolution], exif[tag.YResolution] = carried.dpi
            exif[tag.ResolutionUnit] = 2
        if carried.icc:
            exif[tag.InterColorProfile] = carried.icc
        if xmp := carried.xmp if self.about.settings is None else xmp_with_settings(carried.xmp, self.about.settings):
            exif[tag.XMLPacket] = xmp
        # Pillow adds to them where what it writes ends, for it has pixels come behind.
        begins = [8, *itertools.accumulate(self.sizes[:-1], initial=8)][1:]
        exif[tag.StripOffsets] = (0,) * len(begins)
        made = exif.tobytes(at)[6:]
        return _with_offsets(made, at, begins, self.endian)


def _with_offsets(tags: bytes, at: int, begins: list[int], endian: str) -> bytes:
    """Tags that begin 8 bytes behind the head, to lie at `at` in their file, with the places of its strips."""
    (count,) = struct.unpack_from(f"{endian}H", tags, 8)
    entry = next(e for e in range(10, 10 + 12 * count, 12) if struct.unpack_from(f"{endian}H", tags, e) == (273,))
    _, number, place = struct.unpack_from(f"{endian}HII", tags, entry + 2)
    there = bytearray(tags)
    where = entry + 8 if number == 1 else place - at + 8
    struct.pack_into(f"{endian}{number}I", there, where, *begins)
    return bytes(there)


def _deflated(data: bytes) -> bytes:
    """A stream of zlib."""
    there = imagecodecs.DEFLATE.available
    return bytes(imagecodecs.deflate_encode(data, level=LEVEL) if there else zlib.compress(data, LEVEL))


def _split(rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """`count` rows a time."""
    count = max(1, count)
    return (rows[top : top + count] for top in range(0, len(rows), count))
