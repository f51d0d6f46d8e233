"""Opening pictures with Pillow such that whatever is wrong with them ends as one `InputError`."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from stylecli.errors import InputError, StyleCliError

MAX_PIXELS = 1_000_000_000
"""Pictures above one gigapixel are refused: they are bombs, or need 12 GB for their pixels alone."""

MOST_BYTES = 2**33
"""Of the levels of a picture as its file stores them: a gigapixel of four channels in 16 bits."""

EXPANSION = 5000
"""Times its own size that a picture may be as levels; GIF and PNG reach half of it with a single color."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "AVIF")
_READABLE = "JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF and, with an extra, HEIC and JPEG XL can be read"
_EXTRAS = {"HEIC": ("pillow_heif", "HEIF"), "JPEG XL": ("pillow_jxl", "JXL")}
"""Formats that take a plug-in of Pillow: its module, and what it calls the format."""

_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n": "PNG", b"GIF8": "GIF", b"BM": "BMP"}

# Pillow's size limit and Python's warning filters are process-wide, so one picture is opened at a time.
_one_at_a_time = threading.RLock()


@contextmanager
def decoding(data: bytes, name: str, size: int | None = None) -> Iterator[None]:
    """A block in which no decoder's warning leaks and whatever a decoder raises becomes one line.

    Of a file that is read bit by bit, `data` are empty and `size` tells how many bytes it has.

    Raises:
        InputError: Not a picture, truncated, damaged, or too large.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
        try:
            yield
        except StyleCliError:
            raise
        except Exception as error:
            raise told(error, data, name, size) from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def opened(data: bytes) -> Image.Image:
    """Pillow's image of these bytes, its pixels not decoded yet; for use inside `decoding`.

    Raises:
        InputError: It takes a plug-in that is not installed.
    """
    formats: tuple[str, ...] = _FORMATS
    if extra := _EXTRAS.get(_format(data) or ""):
        formats = (_plugged(*extra, _format(data) or ""),)
    with mute():
        return Image.open(BytesIO(data), formats=formats)


def _plugged(module: str, format: str, name: str) -> str:
    try:
        plugin = import_module(module)
    except ImportError as error:
        kind = name.replace(" XL", "-xl").lower()
        raise NotImplementedError(f"{name}: pip install 'stylecli[{kind}]'") from error
    if hasattr(plugin, "register_heif_opener"):
        plugin.register_heif_opener()
    return format


@contextmanager
def mute() -> Iterator[None]:
    """A block in which libraries in C cannot write to the terminal: libtiff and libmpg123 say there what files lack.

    Our own words pass: `__main__` has them go through a duplicate of the descriptor.
    """
    with _one_at_a_time:
        try:
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        except OSError:
            yield
            return
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def is_tiff(data: bytes) -> bool:
    """Whether these bytes begin a TIFF or BigTIFF."""
    return data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def told(error: Exception, data: bytes, name: str, size: int | None = None) -> InputError:
    """What a decoder raised, in one line; see `decoding`."""
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return InputError(f"{name}: too large: more than {MAX_PIXELS:,} pixels", "scale it down or cut it first")
    if isinstance(error, MemoryError):
        return InputError(f"{name}: too large for this machine's memory", "scale it down or cut it first")
    if _cut_short(data) or "truncated" in str(error).lower():
        size = size or len(data)
        return InputError(f"{name}: not an image: truncated after {size:,} bytes", "download or copy it again")
    format = _format(data)
    if format is None and isinstance(error, UnidentifiedImageError):
        return InputError(f"{name}: not an image", _READABLE)
    first_line = (str(error).splitlines() or [""])[0].lower()
    if format in _EXTRAS and isinstance(error, NotImplementedError):
        return InputError(f"{name}: {format} takes a package more", str(error).partition(": ")[2])
    if isinstance(error, NotImplementedError):
        return InputError(f"{name}: {first_line} cannot be read", "save it as PNG")
    # What decoders say are names of their functions and tables.
    return InputError(f"{name}: not an image: damaged {format or 'data'}", "export it again, as PNG if you can")


def _format(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if is_tiff(data):
        return "TIFF"
    if data[4:8] == b"ftyp":
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4], "big"), 128), 4))}
        return "AVIF" if brands & {b"avif", b"avis"} else "HEIC" if brands & _HEIC else None
    if data[:2] == b"\xff\x0a" or data[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        return "JPEG XL"
    return next((format for magic, format in _MAGIC.items() if data.startswith(magic)), None)


def _cut_short(data: bytes) -> bool:
    match _format(data):
        case "JPEG":
            return b"\xff\xd9" not in data[-4096:]
        case "PNG":
            return b"IEND" not in data[-4096:]
        case "WebP":
            return len(data) < 8 + int.from_bytes(data[4:8], "little")
        case "BMP":
            return len(data) < int.from_bytes(data[2:6], "little")
        case "GIF":
            return b";" not in data[-4096:]
    return len(data) < 16 and _format(data) is not None
