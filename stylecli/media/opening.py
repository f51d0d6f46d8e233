"""Opening pictures with Pillow such that whatever is wrong with them ends as one `InputError`."""

import errno
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from stylecli.errors import InputError, StyleCliError
from stylecli.remote import place

MAX_PIXELS = 1_000_000_000
"""Pictures above one gigapixel are refused: they are bombs, or need 12 GB for their pixels alone."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "AVIF")
_READABLE = "JPEG, PNG, WebP, TIFF, GIF, BMP and AVIF can be read"
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n": "PNG", b"GIF8": "GIF", b"BM": "BMP"}
_WRONG = {
    errno.ENOENT: ("no such file", "check the path"),
    errno.ENOTDIR: ("no such file", "check the path"),
    errno.EISDIR: ("a folder, not a picture", "name the pictures in it"),
    errno.EACCES: ("not permitted to read it", "mend it with `chmod +r`"),
    errno.ENAMETOOLONG: ("the name is too long", "check the path"),
}

# Pillow's size limit and Python's warning filters are process-wide, so one picture is opened at a time.
_one_at_a_time = threading.RLock()


def read_bytes(source: str | Path | bytes, name: str) -> bytes:
    """The bytes of a file, or the bytes themselves.

    Raises:
        InputError: Missing, a folder, empty, or not readable.
    """
    try:
        data = source if isinstance(source, bytes) else place(source).read_bytes()
    except (OSError, ValueError) as error:
        wrong, hint = _WRONG.get(
            getattr(error, "errno", None) or errno.ENOENT, (f"cannot be read: {error}".lower(), "")
        )
        raise InputError(f"{name}: {wrong}", hint) from error
    if not data:
        raise InputError(f"{name}: empty file (0 bytes)", "write or copy it again")
    return data


@contextmanager
def decoding(data: bytes, name: str) -> Iterator[None]:
    """A block in which no decoder's warning leaks and whatever a decoder raises becomes one line.

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
            raise _told(error, data, name) from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def opened(data: bytes) -> Image.Image:
    """Pillow's image of these bytes, its pixels not decoded yet; for use inside `decoding`."""
    return Image.open(BytesIO(data), formats=_FORMATS)


def is_tiff(data: bytes) -> bool:
    """Whether these bytes begin a TIFF or BigTIFF."""
    return data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def _told(error: Exception, data: bytes, name: str) -> InputError:
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return InputError(f"{name}: too large: more than {MAX_PIXELS:,} pixels", "scale it down or cut it first")
    if isinstance(error, MemoryError):
        return InputError(f"{name}: too large for this machine's memory", "scale it down or cut it first")
    if _cut_short(data) or "truncated" in str(error).lower():
        return InputError(f"{name}: not an image: truncated after {len(data):,} bytes", "download or copy it again")
    format = _format(data)
    if format is None and isinstance(error, UnidentifiedImageError):
        return InputError(f"{name}: not an image", _READABLE)
    first_line = (str(error).splitlines() or [""])[0].lower()
    if isinstance(error, NotImplementedError):
        return InputError(f"{name}: {first_line} cannot be read", "save it as PNG")
    # What decoders say of files helps; what Python says of decoders that tripped over a file does not.
    says = isinstance(error, (OSError, RuntimeError, SyntaxError)) and not isinstance(error, UnidentifiedImageError)
    reason = f": {first_line}" if says and first_line else ""
    return InputError(f"{name}: not an image: damaged {format or 'data'}{reason}", "export it again, as PNG if you can")


def _format(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if is_tiff(data):
        return "TIFF"
    if data[4:12] in {b"ftypavif", b"ftypavis"}:
        return "AVIF"
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
