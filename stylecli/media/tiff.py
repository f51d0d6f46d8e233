"""TIFF and BigTIFF in any layout, depth and compression, by tifffile and imagecodecs."""

import itertools
import logging
import math
import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image

from stylecli.budget import PIXELS, Budget
from stylecli.media import safe_open
from stylecli.media.coded import by_gamma
from stylecli.media.icc import SRGB_PRIMARIES, written
from stylecli.media.stored import Stored

# tifffile logs what is odd in a file; without a handler Python would print that.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_SPACES = {
    "MINISBLACK": ("gray", 1),
    "MINISWHITE": ("gray", 1),
    "PALETTE": ("gray", 1),
    "RGB": ("rgb", 3),
    "YCBCR": ("rgb", 3),
    "SEPARATED": ("cmyk", 4),
    "CIELAB": ("lab", 3),
    "ICCLAB": ("lab", 3),
}
MOST_PAGES = 1000
_HOT = 4.0
"""Where the brightest value is so many times the 99th percentile, it is a highlight and no measure of white."""


def read(data: bytes, budget: Budget) -> Stored:
    """The largest page of a TIFF; of several such, the first.

    Raises:
        Exception: Of any kind, for damaged files and those of a kind that tifffile does not know.
    """
    with tifffile.TiffFile(BytesIO(data)) as file:
        page, notes = largest(file)
        exif = tags(BytesIO(data), page, first=page.index == 0)
        color, alpha, space, note = _pixels(page, data, budget)
        profile = profile_of(page, exif, space)
    packet = exif.get(ExifTags.Base.XMLPacket)
    return Stored(
        "TIFF",
        color,
        alpha,
        space,
        exif,
        profile,
        packet if isinstance(packet, bytes) else None,
        notes=(*notes, *filter(None, [note])),
    )


def profile_of(page: tifffile.TiffPage, exif: Image.Exif, space: str) -> bytes | None:
    """The embedded profile, or one that says what other tags do."""
    profile = exif.get(ExifTags.Base.InterColorProfile) or (_colorimetry(page) if space == "rgb" else None)
    return bytes(profile) if isinstance(profile, bytes) and space != "lab" else None


def _colorimetry(page: tifffile.TiffPage) -> bytes | None:
    """The profile that says what the tags PrimaryChromaticities, WhitePoint and TransferFunction do; None for sRGB."""
    said = {code: page.tags[code].value for code in (301, 318, 319) if code in page.tags}
    try:
        points = None
        if 319 in said:
            numbers = [*said[319], *said.get(318, (3127, 10000, 329, 1000))]
            points = tuple(top / bottom for top, bottom in zip(numbers[::2], numbers[1::2], strict=True))
        if 301 in said:
            # One curve, or one a channel, which are the same in all that was ever seen.
            table = np.asarray(said[301], dtype=np.float64).ravel()[: 2 ** min(page.bitspersample, 16)] / 65535
            steps = np.linspace(0, 1, min(len(table), 4096))
            return written("TIFF", points or SRGB_PRIMARIES, np.interp(steps, np.linspace(0, 1, len(table)), table))
        return by_gamma(None, points) if points and len(points) == len(SRGB_PRIMARIES) else None
    except (ValueError, TypeError, ZeroDivisionError, OverflowError, struct.error):
        return None


def largest(file: tifffile.TiffFile) -> tuple[tifffile.TiffPage, list[str]]:
    """The largest page, of several such the first, and a note where there are more."""
    first = file.pages.first
    # A page is a few bytes: a small file may have a hundred thousand.
    pages: list[Any] = [*itertools.islice(file.pages, MOST_PAGES), *itertools.islice(first.pages or (), MOST_PAGES)]
    fitting = [
        page
        for page in (each.aspage() if hasattr(each, "aspage") else each for each in pages)
        if getattr(page.photometric, "name", "") in _SPACES
    ]
    if not fitting:
        return first, []
    page = max(fitting, key=lambda each: each.imagewidth * each.imagelength)
    number = next(i for i, each in enumerate(pages, 1) if each.offset == page.offset)
    if len(pages) == 1:
        return page, []
    which = "first" if number == 1 else f"largest, page {number},"
    return page, [f"{which} of {len(pages)} pages used"]


def _pixels(page: tifffile.TiffPage, data: bytes, budget: Budget) -> tuple[np.ndarray, np.ndarray | None, str, str]:
    """Color, alpha, space and a note."""
    (space, channels), bits = space_of(page), page.bitspersample
    photometric = getattr(page.photometric, "name", "")
    if page.imagewidth * page.imagelength > safe_open.MAX_PIXELS or page.nbytes > safe_open.MOST_BYTES:
        raise Image.DecompressionBombError
    check_parts(page, len(data))
    budget.take(page.nbytes, PIXELS)
    pixels = page.asarray()
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.reshape(page.imagelength, page.imagewidth, -1)
    if pixels.shape[2] < channels:
        raise ValueError(f"{pixels.shape[2]} channels, {space} needs {channels}")
    if space == "lab":
        return _lab(pixels[..., :3], bits, signed=photometric == "CIELAB"), None, space, ""
    if photometric == "PALETTE":
        return _looked_up(pixels[..., 0], page.colormap), None, "rgb", ""
    kind = (*page.extrasamples, 0)[0] if pixels.shape[2] > channels else 0
    levels, note = _levels(pixels[..., : channels + 1 if kind else channels], bits)
    color, top = levels[..., 0] if channels == 1 else levels[..., :channels], np.iinfo(levels.dtype).max
    if kind not in {tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA}:
        return top - color if photometric == "MINISWHITE" else color, None, space, note
    alpha = levels[..., channels]
    if kind == tifffile.EXTRASAMPLE.ASSOCALPHA:
        share = alpha if color.ndim == 2 else alpha[..., None]
        straight = color.astype(np.float32) / np.maximum(share, 1) * top
        color = np.rint(np.minimum(straight, top)).astype(levels.dtype)
    return top - color if photometric == "MINISWHITE" else color, alpha, space, note


def space_of(page: tifffile.TiffPage) -> tuple[str, int]:
    """The color space of a page, and its channels.

    Raises:
        NotImplementedError: None that is known.
    """
    bits, photometric = page.bitspersample, getattr(page.photometric, "name", str(page.photometric))
    if not isinstance(bits, int):
        raise NotImplementedError("channels of different depths")
    if photometric not in _SPACES:
        raise NotImplementedError(f"{bits}-bit {photometric.lower()} color")
    if photometric == "YCBCR" and page.compression not in {6, 7, 33003, 33005, 33007, 34892}:
        # Of these kinds of JPEG tifffile makes RGB; the rest is libtiff's.
        raise NotImplementedError(f"{bits}-bit ycbcr color")
    return _SPACES[photometric]


def check_parts(page: tifffile.TiffPage, size: int) -> None:
    """Refuses a page whose parts are not all in its file of so many bytes.

    Parts that are not there would be filled with zeros: a picture of 188 bytes would be as large as it likes.

    Raises:
        EOFError: Some are not.
    """
    if any(at + length > size for at, length in zip(page.dataoffsets, page.databytecounts, strict=True)):
        raise EOFError("truncated")
    stored = sum(page.databytecounts)
    plain = page.imagewidth * page.imagelength * page.samplesperpixel * page.bitspersample // 8
    missing = len(page.databytecounts) < math.prod(page.chunked) or not all(page.databytecounts)
    if missing or (page.compression == 1 and stored < plain):
        raise EOFError("no pixels in it" if not stored else "truncated")


def _levels(pixels: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    """Whole levels over all of uint8 or uint16, and a note on how they were brought there."""
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255), ""
    if pixels.dtype in (np.uint8, np.uint16) and bits == pixels.dtype.itemsize * 8:
        return pixels, ""
    if pixels.dtype.kind == "f":
        return _toned(pixels)
    if pixels.dtype.kind not in "iu":
        raise NotImplementedError(f"{pixels.dtype} pixels")
    kind, note = (np.uint8 if bits <= 8 else np.uint16), ""
    full = float(2 ** (bits - (pixels.dtype.kind == "i")) - 1)
    largest = float(pixels.max(initial=0))
    # Counts of photons and the like: their container is no measure of white.
    if bits > 16 and 0 < largest < full / 256:
        full, note = largest, f"{bits}-bit values up to {largest:.0f}: the largest is taken as white"
    if pixels.dtype.kind == "i" and pixels.min(initial=0) < 0:
        note = "; ".join(filter(None, [note, "negative values taken as black"]))
    top = float(np.iinfo(kind).max)
    return np.rint(pixels.clip(0, None) * (top / full)).clip(0, top).astype(kind), note


def _toned(pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """Floats as uint16: [0, 1] as they are; beyond it scaled down, or where only highlights are, rolled off."""
    notes = []
    values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        notes.append(f"{int((~finite).sum()):,} values are no numbers: taken as black")
        values = np.where(finite, values, np.float32(0))
    if (low := float(values.min(initial=0))) < -1e-3:
        notes.append(f"values down to {low:g} taken as black")
    top = float(values.max(initial=1.0))
    if top > 1:
        white = max(1.0, float(np.percentile(values, 99)))
        if top > _HOT * white:
            notes.append(f"float values up to {top:g}: {white:g} taken as white, highlights beyond rolled off")
            values = values / white
            knee = 0.8
            beyond = np.maximum(values - knee, 0) / (1 - knee)
            values = np.where(values > knee, knee + (1 - knee) * beyond / (1 + beyond), values)
        else:
            notes.append(f"float values up to {top:g} scaled to [0, 1]")
            values = values / top
    return np.rint(values.clip(0, 1) * 65535).astype(np.uint16), "; ".join(notes)


def _lab(pixels: np.ndarray, bits: int, *, signed: bool) -> np.ndarray:
    """CIELAB float32 of stored levels; a and b are signed, or around the middle (ICCLAB)."""
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32)
    unit = 2.0 ** (bits - 8)
    levels: np.ndarray = pixels.astype(np.float32)
    if signed:
        ab: np.ndarray = np.where(levels[..., 1:] >= 128 * unit, levels[..., 1:] - 256 * unit, levels[..., 1:]) / unit
    else:
        ab = levels[..., 1:] / unit - 128
    return np.concatenate([levels[..., :1] * (100 / (2.0**bits - 1)), ab], axis=-1).astype(np.float32)


def _looked_up(indices: np.ndarray, colors: np.ndarray | None) -> np.ndarray:
    if colors is None:
        raise ValueError("no colors in it")
    # Some writers put levels of 8 bits where the standard has 16.
    shift = 8 if colors.max(initial=0) > 255 else 0
    found: np.ndarray = (colors >> shift).astype(np.uint8)[:, indices.astype(np.intp)]
    return np.moveaxis(found, 0, -1)


def tags(file: BinaryIO, page: tifffile.TiffPage, *, first: bool) -> Image.Exif:
    """The tags of a page; those that Pillow cannot load are taken one by one."""
    exif = Image.Exif()
    file.seek(0)
    if first and file.read(4)[2:] in {b"*\0", b"\0*"}:
        try:
            file.seek(0)
            exif.load_from_fp(file)
        except Exception:  # any: damaged tags
            exif = Image.Exif()
        else:
            return exif
    for tag in page.tags:
        value = tag.value
        if tag.code == ExifTags.Base.Orientation:
            value = int(value)
        if isinstance(value, int | str | bytes) or _rational(value):
            exif[tag.code] = (
                tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value
            )
    for code in (ExifTags.Base.XResolution, ExifTags.Base.YResolution):
        value = exif.get(code)
        if isinstance(value, tuple) and value[1]:
            exif[code] = value[0] / value[1]
    return exif


def _rational(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, int) for each in value)
