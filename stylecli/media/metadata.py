"""What a picture carries besides its pixels: EXIF, XMP, profile, resolution."""

from dataclasses import dataclass, replace
from html import escape

from PIL import ExifTags, Image

from stylecli.media.xmp import FRESH, xmp_with_settings

# Tags that say how a TIFF stores its pixels, or repeat what is carried on its own (XMP, ICC, Photoshop's copy of both).
_STRUCTURE = {
    *range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, *range(317, 326), 330, *range(332, 348),
    *range(512, 522), *range(529, 533), 700, 34377, 34675, 37724,
}  # fmt: skip


@dataclass(frozen=True)
class Carried:
    """What goes from an input picture to the pictures made from it.

    Attributes:
        format: Pillow's name of the input's format: `JPEG`, `PNG`, ...
        bits: 8 or 16, the depth of the input.
        exif: EXIF block without orientation, thumbnail and layout tags.
        xmp: XMP packet, its orientation reset.
        icc: Profile of an RGB input, where the picture can be converted back to it.
        dpi: Horizontal and vertical dots per inch.
    """

    format: str
    bits: int = 8
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None


def clean_exif(exif: Image.Exif) -> tuple[bytes | None, str]:
    """The EXIF block to carry: upright, without thumbnail and TIFF layout; and the names of tags that it has no more.

    Cameras and editors write odd tags, on which Pillow's writer fails in many ways: each costs only itself.
    """
    dropped: list[str] = []
    for tag in _STRUCTURE & set(exif):
        del exif[tag]
    if ExifTags.Base.Orientation in exif:
        exif[ExifTags.Base.Orientation] = 1
    if not len(exif):
        return None, ""
    if _writable(exif):
        return exif.tobytes(), ""
    whole, kept = dict(exif), Image.Exif()
    inner = {}
    for block in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        try:
            inner[block] = dict(exif.get_ifd(block))
        except Exception:  # noqa: PERF203 - any, of two: a damaged block
            dropped.append(block.name)
    for tag, value in whole.items():
        if tag in {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}:
            continue
        kept[tag] = value
        if not _writable(kept):
            del kept[tag]
            dropped.append(ExifTags.TAGS.get(tag, f"{tag:#06x}"))
    for block, tags in inner.items():
        there = kept.get_ifd(block)
        for tag, value in tags.items():
            there[tag] = value
            if not _writable(kept):
                del there[tag]
                names = ExifTags.TAGS if block == ExifTags.IFD.Exif else ExifTags.GPSTAGS
                dropped.append(names.get(tag, f"{tag:#06x}"))
    return kept.tobytes() if len(kept) or any(map(kept.get_ifd, inner)) else None, ", ".join(dropped[:5])


def _writable(exif: Image.Exif) -> bool:
    try:
        Image.Exif().load(exif.tobytes())
    except Exception:  # any: see above
        return False
    return True


def exif_for(carried: Carried, width: int, height: int, *, with_dpi: bool = False) -> Image.Exif:
    """The carried EXIF for an output of this size; `with_dpi` for formats that have no other place for it."""
    exif = Image.Exif()
    if carried.exif:
        exif.load(carried.exif)
    details = exif.get_ifd(ExifTags.IFD.Exif) if ExifTags.IFD.Exif in exif else {}
    for tag, length in ((ExifTags.Base.ExifImageWidth, width), (ExifTags.Base.ExifImageHeight, height)):
        if tag in details:
            details[tag] = length
    if carried.dpi and with_dpi:
        exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = carried.dpi
        exif[ExifTags.Base.ResolutionUnit] = 2
    return exif


def fitted(carried: Carried, settings: str | None, room: int) -> tuple[Carried, str | None, list[str]]:
    """What of the metadata fits where a piece takes at most `room` bytes, and a note on each piece that does not."""
    notes = []
    if len(carried.exif or b"") > room:
        carried = replace(carried, exif=None)
        notes.append("EXIF left out: too long for this format")
    if len(carried.xmp or b"") + len(escape(settings or "", quote=False).encode()) + len(FRESH) > room and carried.xmp:
        carried = replace(carried, xmp=None)
        notes.append("XMP left out: too long for this format")
    if settings and len(xmp_with_settings(None, settings)) > room:
        settings = None
        notes.append("settings left out: too long for this format")
    return carried, settings, notes
