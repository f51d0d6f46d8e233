"""What a picture carries besides its pixels, and the settings that made it.

PNG keeps the settings in an iTXt chunk with the keyword `stylecli`, GIF in its comment, MP4 in a box of our own; every
other format keeps them in XMP as `stylecli:settings`, added to whatever XMP the input had.
"""

import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import ExifTags, Image

from stylecli.media import png
from stylecli.media.audio import is_sound, stored_settings
from stylecli.media.opening import decoding, opened, read_bytes

NAMESPACE = "https://stylecli.org/ns/1.0/"
KEYWORD = "stylecli"
MP4_TYPE = b"stylecli:setting"
"""Of the MP4 box that holds the settings: players skip boxes of types they do not know."""

# Tags that say how a TIFF stores its pixels, or repeat what is carried on its own (XMP, ICC, Photoshop's copy of both).
_STRUCTURE = {
    *range(254, 267), 273, *range(277, 282), 284, *range(288, 294), 297, 301, *range(317, 326), 330, *range(332, 348),
    *range(512, 522), *range(529, 533), 700, 34377, 34675, 37724,
}  # fmt: skip
_OURS = re.compile(
    rb'<rdf:Description rdf:about="" xmlns:stylecli="[^"]*"><stylecli:settings>.*?</rdf:Description>'
    rb'|<stylecli:settings>.*?</stylecli:settings>|\sstylecli:settings="[^"]*"',
    re.DOTALL,
)
_FRESH = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


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


def clean_xmp(xmp: bytes) -> bytes | None:
    """The XMP packet to carry: upright, without older settings of ours; None when it is not well formed."""
    if _parsed(xmp) is None:
        return None
    return re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", _OURS.sub(b"", xmp))


def xmp_with_settings(xmp: bytes | None, settings: str) -> bytes:
    """An XMP packet that holds the settings; a packet that cannot take them in is replaced by a fresh one."""
    block = (
        f'<rdf:Description rdf:about="" xmlns:stylecli="{NAMESPACE}"><stylecli:settings>{escape(settings)}'
        "</stylecli:settings></rdf:Description>"
    ).encode()
    for packet in (xmp, _FRESH):
        head, end, tail = (packet or b"").rpartition(b"</rdf:RDF>")
        merged = head + block + end + tail
        if end and _parsed(merged) is not None:
            return merged
    raise AssertionError("a fresh packet takes any settings")


def fitted(carried: Carried, settings: str | None, room: int) -> tuple[Carried, str | None, list[str]]:
    """What of the metadata fits where a piece takes at most `room` bytes, and a note on each piece that does not."""
    notes = []
    if len(carried.exif or b"") > room:
        carried = replace(carried, exif=None)
        notes.append("EXIF left out: too long for this format")
    if len(carried.xmp or b"") + len(escape(settings or "").encode()) + len(_FRESH) > room and carried.xmp:
        carried = replace(carried, xmp=None)
        notes.append("XMP left out: too long for this format")
    if settings and len(xmp_with_settings(None, settings)) > room:
        settings = None
        notes.append("settings left out: too long for this format")
    return carried, settings, notes


def _parsed(xmp: bytes | None) -> Element | None:
    try:
        return fromstring(xmp.rstrip(b"\0")) if xmp else None
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None


def read_settings(source: str | Path | bytes) -> str | None:
    """The settings stored in a picture or a sound, as JSON; None when it holds none. Pixels are not decoded.

    Raises:
        InputError: The file is missing or neither.
    """
    name = "<bytes>" if isinstance(source, bytes) else str(source)
    data = read_bytes(source, name)
    if is_sound(data):
        return stored_settings(data)
    if (stored := _in_mp4(data)) is not None:
        return stored
    xmp = comment = None
    if data.startswith(png.MAGIC):
        if text := png.text(data, KEYWORD):
            return text.decode(errors="replace")
        xmp = png.text(data, png.XMP)
    else:
        with decoding(data, name), opened(data) as image:
            xmp, comment = image.info.get("xmp"), image.info.get("comment")
    if isinstance(comment, bytes) and comment.startswith(f"{KEYWORD}:".encode()):
        return comment.partition(b":")[2].decode(errors="replace")
    root = _parsed(xmp) if isinstance(xmp, bytes) else None
    if root is None:
        return None
    for element in root.iter():
        if element.tag == f"{{{NAMESPACE}}}settings":
            return element.text
        if f"{{{NAMESPACE}}}settings" in element.attrib:
            return element.attrib[f"{{{NAMESPACE}}}settings"]
    return None


def mp4_box(settings: str) -> bytes:
    """What is put behind an MP4 file to hold the settings."""
    data = settings.encode()
    return struct.pack(">I", 24 + len(data)) + b"uuid" + MP4_TYPE + data


def _in_mp4(data: bytes) -> str | None:
    at = 0 if data[4:8] == b"ftyp" else len(data)
    while at + 24 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"uuid" and data[at + 8 : at + 24] == MP4_TYPE:
            return data[at + 24 : at + size].decode(errors="replace")
        if size == 1:
            (size,) = struct.unpack(">Q", data[at + 8 : at + 16])
        at += size or len(data)
    return None
