"""From the bytes of a picture file to upright sRGB pixels, and what is carried along."""

from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np
from PIL import ExifTags, Image

from stylecli.budget import ALLOWANCE, PIXELS, Budget, OverBudgetError
from stylecli.errors import InputError, MemoryLimitError
from stylecli.media import png
from stylecli.media.coded import ADOBE_RGB, in_bmp, in_boxes
from stylecli.media.metadata import Carried, clean_exif
from stylecli.media.png_chunks import MAGIC
from stylecli.media.profiles import to_srgb
from stylecli.media.safe_open import EXPANSION, MOST_BYTES, decoding, is_tiff, mute, opened
from stylecli.media.stored import Stored
from stylecli.media.xmp import clean_xmp

_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}
MOST_DPI = 65535
"""The largest number that a JPEG holds."""

_INCH_PER = {2: 1.0, 3: 2.54}  # EXIF ResolutionUnit: inch, centimeter


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Attributes:
        color: [H, W, 3] sRGB, upright: uint8 or uint16, or float32, beyond [0, 1] where `carried.icc` leads back.
        alpha: [H, W] uint8 or uint16, None for opaque pictures.
        carried: What goes along to the output.
        notes: What the user should know, a line each.
    """

    color: np.ndarray
    alpha: np.ndarray | None
    carried: Carried
    notes: tuple[str, ...]


def decode(data: bytes, name: str, most: int | None = None) -> Decoded:
    """Decodes the first frame of a JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC, or the largest page of a TIFF.

    `most` are the bytes that its levels may take, as the file stores them; they are asked for before it is decoded.

    Raises:
        InputError: Not a picture, truncated, damaged, or too large.
        MemoryLimitError: More than `most`.
    """
    with decoding(data, name):
        worth = min(MOST_BYTES, ALLOWANCE + EXPANSION * len(data))
        try:
            stored = _stored(data, Budget(min(most or worth, worth)))
        except OverBudgetError as error:
            if most and most < worth:
                hint = "scale it down or cut it first, or allow more with --max-memory"
                raise MemoryLimitError(f"{name}: {error}", hint) from error
            raise InputError(f"{name}: not an image: {len(data):,} bytes cannot hold so many pixels") from error
        levels = stored.color.dtype.kind == "u"
        bits = stored.color.dtype.itemsize * 8 if levels else 16
        color, icc, note = to_srgb(stored.color, stored.space, stored.profile)
        # What is carried is upright.
        orientation = 1 if stored.upright else stored.exif.get(ExifTags.Base.Orientation, 1)
        carried, notes = carried_of(stored, icc, bits)
        turn: Callable[[np.ndarray], np.ndarray] = _UPRIGHT.get(orientation, lambda a: a)
        alpha = None if stored.alpha is None else turn(stored.alpha)
        return Decoded(turn(color), alpha, carried, tuple(filter(None, (*stored.notes, note, *notes))))


def carried_of(stored: Stored, icc: bytes | None, bits: int = 8) -> tuple[Carried, list[str]]:
    """What goes along of what a file holds, with the profile that leads back to its colors; notes on what does not."""
    exif, unwritable = clean_exif(stored.exif)
    xmp = clean_xmp(stored.xmp) if stored.xmp else None
    notes = [f"unreadable EXIF dropped: {unwritable}"] * bool(unwritable)
    notes += ["malformed XMP dropped"] * bool(stored.xmp and not xmp)
    return Carried(stored.format, bits, exif, xmp, icc, _dpi(stored.dpi, stored.exif)), notes


def _stored(data: bytes, budget: Budget) -> Stored:
    if data.startswith(MAGIC):
        return png.read(data, budget)
    if not is_tiff(data):
        return _by_pillow(data, budget)
    from stylecli.media import tiff

    try:
        return tiff.read(data, budget)
    except Exception as error:
        if isinstance(error, Image.DecompressionBombError | MemoryError | EOFError | OverBudgetError):
            raise
        # Pillow has libtiff, which knows a few old compressions more.
        try:
            return _by_pillow(data, budget)
        except Exception:  # any: what the reader for all kinds says is nearer to the matter
            raise error from None


def _by_pillow(data: bytes, budget: Budget) -> Stored:
    with opened(data) as image:
        # Pillow keeps RGB in four bytes.
        budget.take(4 * image.width * image.height, PIXELS)
        frames = _frames(image)
        used = "first of {} pages used" if image.format == "TIFF" else "animated: first of {} frames used"
        notes = [used.format(frames)] if frames > 1 else []
        planes = _plain_jpeg(data, image)
        if planes is None:
            with mute():
                image.load()
            planes = _deep_avif(data, image) or _planes(image)
        color, alpha, space = planes
        try:
            exif = image.getexif()
        except Exception:  # any: a damaged block must not cost the picture
            exif = Image.Exif()
            notes.append("unreadable EXIF dropped")
        profile, note = _profile(image, exif, data)
        packet = image.info.get("xmp")
        return Stored(
            "JPEG" if image.format == "MPO" else image.format or "",
            color,
            alpha,
            space,
            exif,
            profile if space != "lab" else None,
            packet if isinstance(packet, bytes) else None,
            image.info.get("dpi"),
            tuple(filter(None, [*notes, note])),
            # Readers of these turn pictures themselves.
            upright=image.format in {"TIFF", "HEIF"},
        )


def _plain_jpeg(data: bytes, image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, str] | None:
    """Color, alpha and space of a whole JPEG, of the same library as Pillow's in a third of its time."""
    if image.format != "JPEG" or image.mode not in {"L", "RGB"} or not data.endswith(b"\xff\xd9"):
        return None
    try:
        with mute():
            pixels = imagecodecs.jpeg8_decode(data)
    except Exception:  # any: Pillow's words are known
        return None
    if pixels.dtype != np.uint8 or pixels.shape != (image.height, image.width, 3)[: 2 + (image.mode == "RGB")]:
        return None
    return pixels, None, "gray" if image.mode == "L" else "rgb"


def _deep_avif(data: bytes, image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, str] | None:
    """Color, alpha and space of an AVIF of 10 or 12 bits, which Pillow cuts down to 8."""
    at = data.find(b"pixi", 0, 2**16) if image.format == "AVIF" else -1
    if at < 0 or data[at + 9 : at + 10] not in {b"\x0a", b"\x0c"}:
        return None
    pixels = imagecodecs.avif_decode(data, index=0)
    if pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[:2] != (image.height, image.width):
        return None
    pixels = np.rint(pixels * (65535 / (2 ** data[at + 9] - 1))).astype(np.uint16)
    return pixels[..., :3], pixels[..., 3] if pixels.shape[2] == 4 else None, "rgb"


def _profile(image: Image.Image, exif: Image.Exif, data: bytes) -> tuple[bytes | None, str]:
    """The embedded profile, or that of colors which the file tells in other ways; and a note."""
    embedded = image.info.get("icc_profile")
    if isinstance(embedded, bytes) and embedded:
        return embedded, ""
    if image.format in {"AVIF", "HEIF"}:
        return in_boxes(data)
    if image.format == "BMP":
        return in_bmp(data), ""
    try:
        inner = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
        index = exif.get_ifd(ExifTags.IFD.Interop).get(1) if inner else None
        space = inner.get(ExifTags.Base.ColorSpace)
    except Exception:  # any: damaged tags
        return None, ""
    # So say cameras that are set to Adobe RGB (DCF 2.0, option file), and some by a number that no standard has.
    return (ADOBE_RGB if index == "R03" or space == 2 else None), ""


def _frames(image: Image.Image) -> int:
    # The further pictures of an MPO are previews and gain maps.
    try:
        return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Exception:  # any: damage beyond the first frame does not matter
        return 1


def _planes(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Color, alpha and space."""
    if image.mode == "CMYK":
        return np.asarray(image), None, "cmyk"
    if image.mode == "LAB":
        levels = np.asarray(image).astype(np.float32)
        ab = np.where(levels[..., 1:] >= 128, levels[..., 1:] - 256, levels[..., 1:])
        return np.concatenate([levels[..., :1] / 2.55, ab], axis=-1), None, "lab"
    base = "L" if image.mode in {"1", "L", "LA", "La"} else "RGB"
    mode = base + "A" if image.has_transparency_data else base
    # Converting to the mode that it has would copy it.
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    space = "gray" if base == "L" else "rgb"
    if not image.has_transparency_data:
        return pixels, None, space
    return pixels[..., 0] if base == "L" else pixels[..., :3], pixels[..., -1], space


def _dpi(dpi: object, exif: Image.Exif) -> tuple[float, float] | None:
    try:
        if dpi is None:
            unit = _INCH_PER.get(exif.get(ExifTags.Base.ResolutionUnit, 2), 0)
            dpi = tuple(unit * float(exif[tag]) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution))
        x, y = (float(value) for value in dpi)  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    # Files without a resolution give their aspect as 1 x 1.
    return (x, y) if 1 < x <= MOST_DPI and 1 < y <= MOST_DPI else None
