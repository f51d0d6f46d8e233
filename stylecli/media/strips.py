"""Pictures of hundreds of megapixels, read some rows at a time: TIFF in strips or tiles, and PNG.

Those of 8 bits in the colors of sRGB, opaque and upright; what else a file may hold takes the picture as a whole.
"""

import math
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import imagecodecs
import numpy as np
import torch
from PIL import ExifTags
from torch import Tensor

from stylecli.budget import ALLOWANCE
from stylecli.files import regular
from stylecli.media import png
from stylecli.media.decode import carried_of
from stylecli.media.metadata import Carried
from stylecli.media.png_chunks import MAGIC, MOST, chunk
from stylecli.media.profiles import to_srgb
from stylecli.media.safe_open import EXPANSION, decoding, is_tiff, told
from stylecli.media.stored import Stored
from stylecli.method import Span

if TYPE_CHECKING:
    import tifffile

LARGE = 2**26
"""Pixels from which on a picture is read in strips."""

MOST_PIXELS = 1_400_000_000
"""As levels, what a TIFF without 64-bit offsets holds."""

PIECE = 2**23
"""Bytes that are decoded at once, about; or a strip of the file, up to sixteen times as many."""

Lines = Callable[[BinaryIO], Iterator[np.ndarray]]
"""All rows of an open file from the top on, [h, W] or [h, W, 3] uint8 a time."""


@dataclass
class Strips:
    """A picture [1, 3, H, W] uint8 that stays in its file; see `method.Rows`.

    Attributes:
        path: The file.
        shape: [1, 3, H, W].
        carried: Metadata, as `media.images.Picture` has them.
        notes: What the user should know, a line each.
        lines: Its rows.
    """

    path: Path
    shape: tuple[int, int, int, int]
    carried: Carried
    notes: tuple[str, ...]
    lines: Lines = field(repr=False)
    top: int = field(default=0, init=False)
    known: np.ndarray = field(init=False, repr=False)
    coming: Iterator[np.ndarray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._restart()

    def part(self, rows: Span, columns: Span) -> Tensor:
        """See `method.Rows`.

        Raises:
            InputError: It is damaged, or ends before its last row.
        """
        if rows[0] < self.top:
            self._restart()
        # What lies above is not asked for again in this pass.
        kept, there = self.known[max(rows[0] - self.top, 0) :], self.top + len(self.known)
        parts = [kept]
        while there < rows[1]:
            with decoding(b"", str(self.path), self.path.stat().st_size):
                more = next(self.coming, None)
                if more is None:
                    raise EOFError("truncated")
            there += len(more)
            parts.append(more.reshape(len(more), self.shape[3], -1)[max(rows[0] - there + len(more), 0) :])
        self.known = np.concatenate([each for each in parts if len(each)]) if len(parts) > 1 else kept
        self.top = there - len(self.known)
        block = self.known[rows[0] - self.top : rows[1] - self.top, slice(*columns)]
        return torch.from_numpy(block).permute(2, 0, 1)[None].expand(1, 3, -1, -1)

    def _restart(self) -> None:
        self.top, self.known = 0, np.empty((0, self.shape[3], 1), np.uint8)
        self.coming = self._all()

    def _all(self) -> Iterator[np.ndarray]:
        with open(self.path, "rb", opener=regular) as file:
            yield from self.lines(file)


def open_strips(path: str | Path, name: str) -> Strips | None:
    """A picture in strips; None where it is small, or of a kind that is taken whole.

    Raises:
        InputError: It is cut off.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with open(path, "rb", opener=regular) as file:
            head = file.read(8)
            found = _of_png(file, size) if head == MAGIC else _of_tiff(file, size) if is_tiff(head) else None
    except EOFError as error:
        raise told(error, b"", name, size) from error
    except Exception:  # any: the reader of whole pictures says it better
        return None
    return found and Strips(path, *found)


Found = tuple[tuple[int, int, int, int], Carried, tuple[str, ...], Lines]
"""Shape, what goes along, notes and rows."""


def _found(stored: Stored, height: int, width: int, lines: Lines) -> Found | None:
    """The picture, where its levels are those of sRGB, upright."""
    sample = np.zeros((1, 1, 3) if stored.space == "rgb" else (1, 1), np.uint8)
    color, icc, note = to_srgb(sample, stored.space, stored.profile)
    if color.dtype != np.uint8 or stored.exif.get(ExifTags.Base.Orientation, 1) != 1:
        return None
    carried, notes = carried_of(stored, icc)
    return (1, 3, height, width), carried, tuple(filter(None, (*stored.notes, note, *notes))), lines


def _fits(height: int, width: int, channels: int, size: int) -> bool:
    """Whether a file of `size` bytes may hold so many levels, and enough of them to be read in strips."""
    worth = height * width * channels <= ALLOWANCE + EXPANSION * size
    return LARGE <= height * width <= MOST_PIXELS and channels * width <= 4 * PIECE and worth


def _of_png(file: BinaryIO, size: int) -> Found | None:
    width, height, bits, kind, _, _, interlaced = struct.unpack(">II5B", file.read(25)[8:21])
    channels = {0: 1, 2: 3}.get(kind, 0)
    if bits != 8 or not channels or interlaced or not _fits(height, width, channels, size):
        return None
    about, begin = _bare(file, size)
    if b"tRNS" in about:
        return None
    stored = png.about(about, "rgb" if channels == 3 else "gray")
    lines: Lines = lambda opened: _png_lines(opened, begin, height, width * channels, about[:33])
    return _found(stored, height, width, lines)


def _bare(file: BinaryIO, size: int) -> tuple[bytes, int]:
    """A PNG with an empty chunk in place of its pixels, and where these begin."""
    kept, begin, at, held = [MAGIC], 0, len(MAGIC), 0
    while at + 12 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IDAT":
            kept, begin = (kept, begin) if begin else ([*kept, chunk(b"IDAT", b"")], at)
        else:
            held += length
            if held > MOST:
                raise ValueError("too much beside the pixels")
            kept.append(struct.pack(">I4s", length, kind) + file.read(length + 4))
        if kind == b"IEND":
            return b"".join(kept), begin
        at += 12 + length
    raise EOFError("truncated")


def _png_lines(file: BinaryIO, begin: int, height: int, line: int, head: bytes) -> Iterator[np.ndarray]:
    """Some rows at a time: each few are a PNG of their own, with the row above them as their first."""
    unpacker, left, ahead = zlib.decompressobj(), height, b""
    before, at = bytes(line), begin
    rows = max(1, PIECE // line)
    while left:
        wanted = min(rows, left) * (line + 1)
        while len(ahead) < wanted:
            packed, kind = unpacker.unconsumed_tail, b""
            if not packed:
                file.seek(at)
                length, kind = struct.unpack(">I4s", file.read(8))
                packed, at = (file.read(length), at + 12 + length) if kind == b"IDAT" else (b"", at)
            more = unpacker.decompress(packed, wanted - len(ahead))
            if not more and kind not in {b"", b"IDAT"}:
                raise EOFError("truncated")
            ahead += more
        count = wanted // (line + 1)
        size = struct.pack(">I", count + 1)
        header = chunk(b"IHDR", head[16:20] + size + head[24:29])
        body = chunk(b"IDAT", zlib.compress(b"\0" + before + ahead, 0))
        made = imagecodecs.png_decode(MAGIC + header + body + chunk(b"IEND", b""))[1:]
        before, ahead, left = made[-1].tobytes(), b"", left - count
        yield made


def _of_tiff(file: BinaryIO, size: int) -> Found | None:
    # Other pictures ask here too whether they are large: they do not wait for its import.
    import tifffile

    from stylecli.media import tiff

    file.seek(0)
    with tifffile.TiffFile(file) as opened:
        page, notes = tiff.largest(opened)
        height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
        kind = tiff.space_of(page)
        plain = page.bitspersample == 8 and page.sampleformat == 1 and page.photometric != 0
        if not plain or kind not in {("rgb", 3), ("gray", 1)} or channels != kind[1] or page.colormap is not None:
            return None
        if not _fits(height, width, channels, size) or (channels > 1 and page.planarconfig != 1):
            return None
        tiff.check_parts(page, size)
        exif = tiff.tags(file, page, first=page.index == 0)
        lines = _tiff_lines if math.prod(page.chunks) <= 16 * PIECE else _long_strip(page)
        xmp = exif.get(ExifTags.Base.XMLPacket)
        xmp = xmp if isinstance(xmp, bytes) else None
        profile = tiff.profile_of(page, exif, kind[0])
        stored = Stored("TIFF", np.empty(0), None, kind[0], exif, profile, xmp, None, tuple(notes))
        return _found(stored, height, width, lines) if lines else None


def _tiff_lines(file: BinaryIO) -> Iterator[np.ndarray]:
    """A strip, or a row of tiles, a time."""
    import tifffile

    from stylecli.media import tiff

    with tifffile.TiffFile(file) as opened:
        page, _ = tiff.largest(opened)
        height, width = page.imagelength, page.imagewidth
        rows: np.ndarray | None = None
        for made, where, (_, deep, wide, _) in page.segments(maxworkers=1, buffersize=PIECE):
            if made is None:
                raise EOFError("truncated")
            top, left = where[2:4]
            if rows is None:
                rows = np.empty((min(deep, height - top), width, page.samplesperpixel), np.uint8)
            rows[:, left : left + wide] = made[0, : len(rows), : width - left]
            if left + wide >= width:
                yield rows
                rows = None


def _long_strip(page: "tifffile.TiffPage") -> Lines | None:
    """For all rows in one strip, plain or deflated."""
    if page.is_tiled or len(page.dataoffsets) != 1 or page.compression not in {1, 8, 32946} or page.predictor > 2:
        return None
    height, width, channels, begin = page.imagelength, page.imagewidth, page.samplesperpixel, page.dataoffsets[0]
    stored, deflated, differences = page.databytecounts[0], page.compression != 1, page.predictor == 2

    def lines(file: BinaryIO) -> Iterator[np.ndarray]:
        unpacker, line, left = zlib.decompressobj(), width * channels, height
        file.seek(begin)
        while left:
            wanted, ahead = min(max(1, PIECE // line), left) * line, b""
            while len(ahead) < wanted:
                room, packed = wanted - len(ahead), unpacker.unconsumed_tail
                read = packed or file.read(min(PIECE, begin + stored - file.tell(), sys.maxsize if deflated else room))
                more = unpacker.decompress(read, room) if deflated else read
                if not more and not read:
                    raise EOFError("truncated")
                ahead += more
            rows = np.frombuffer(ahead, np.uint8).reshape(-1, width, channels)
            left -= len(rows)
            yield np.add.accumulate(rows, axis=1, dtype=np.uint8) if differences else rows.copy()

    return lines
