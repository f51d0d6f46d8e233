"""From the bytes of a picture file to upright sRGB pixels, and what is carried along."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageCms

from stylecli.media.deep import Planes, is_deep_png, png_planes, tiff_planes
from stylecli.media.metadata import Carried, clean_exif, clean_xmp
from stylecli.media.opening import decoding, is_tiff, opened
from stylecli.media.profiles import to_srgb

_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}
_INCH_PER = {2: 1.0, 3: 2.54}  # EXIF ResolutionUnit: inch, centimeter


@dataclass(frozen=True)
class Decoded:
    """A decoded picture.

    Attributes:
        color: [H, W, 3] uint8 or uint16, sRGB, upright.
        alpha: [H, W] uint8 or uint16, None for opaque pictures.
        carried: What goes along to the output.
        notes: What the user should know, a line each.
    """

    color: np.ndarray
    alpha: np.ndarray | None
    carried: Carried
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    format: str
    planes: Planes
    orientation: int
    exif: Image.Exif
    info: dict
    notes: list[str]


def decode(data: bytes, name: str) -> Decoded:
    """Decodes the first frame of a JPEG, PNG, WebP, TIFF, GIF, BMP or AVIF.

    Raises:
        InputError: Not a picture, truncated, damaged, or too large.
    """
    with decoding(data, name):
        found = (_deep_tiff(data) if is_tiff(data) else None) or _by_pillow(data)
        color, alpha, space = found.planes
        bits = color.dtype.itemsize * 8
        profile = found.info.get("icc_profile")
        color, icc, note = to_srgb(color, space, profile if isinstance(profile, bytes) and profile else None)
        upright = _UPRIGHT.get(found.orientation, lambda a: a)
        notes = [*found.notes, note]
        exif = xmp = None
        try:
            exif = clean_exif(found.exif)
        except Exception:  # any: Pillow's writer fails in many ways on the odd tags that cameras write
            notes.append("unreadable EXIF dropped")
        packet = found.info.get("xmp")
        if isinstance(packet, bytes) and packet:
            xmp = clean_xmp(packet)
            notes.append("" if xmp else "malformed XMP dropped")
        carried = Carried(found.format, bits, exif, xmp, icc, _dpi(found.info.get("dpi"), found.exif))
        upright_alpha = None if alpha is None else upright(alpha)
        return Decoded(upright(color), upright_alpha, carried, tuple(filter(None, notes)))


def _by_pillow(data: bytes) -> _Found:
    with opened(data) as image:
        frames = _frames(image)
        used = "first of {} pages used" if image.format == "TIFF" else "animated: first of {} frames used"
        notes = [used.format(frames)] if frames > 1 else []
        if is_deep_png(data):
            planes = png_planes(data)
        else:
            image.load()
            planes = _planes(image)
        try:
            exif = image.getexif()
        except Exception:  # any: a damaged block must not cost the picture
            exif = Image.Exif()
            notes.append("unreadable EXIF dropped")
        # Pillow turns 8-bit TIFFs upright itself, and drops their tag.
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        return _Found(
            "JPEG" if image.format == "MPO" else image.format or "", planes, orientation, exif, image.info, notes
        )


def _deep_tiff(data: bytes) -> _Found | None:
    deep = tiff_planes(data)
    if deep is None:
        return None
    planes, notes = deep
    # Pillow does not open float color, so the tags are read without it opening the picture.
    tags = Image.Exif()
    try:
        tags.load(data)
    except Exception:  # any: a BigTIFF, or damaged tags
        notes.append("unreadable EXIF and color profile dropped")
    info = {"icc_profile": tags.get(ExifTags.Base.InterColorProfile), "xmp": tags.get(ExifTags.Base.XMLPacket)}
    return _Found("TIFF", planes, tags.get(ExifTags.Base.Orientation, 1), tags, info, notes)


def _frames(image: Image.Image) -> int:
    # The further pictures of an MPO are previews and gain maps.
    try:
        return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    except Exception:  # any: damage beyond the first frame does not matter
        return 1


def _planes(image: Image.Image) -> Planes:
    if image.mode == "CMYK":
        return np.asarray(image), None, "cmyk"
    if image.mode == "LAB":
        image.info.pop("icc_profile", None)  # it only says that this is Lab
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
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
    return (x, y) if 1 < x < math.inf and 1 < y < math.inf else None
