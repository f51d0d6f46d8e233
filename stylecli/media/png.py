"""PNG: its pixels by libpng, all else chunk by chunk, so that one that is damaged or huge costs only itself."""

import struct
from dataclasses import replace

import imagecodecs
import numpy as np
from PIL import Image

from stylecli.budget import PIXELS, Budget
from stylecli.media import safe_open
from stylecli.media.coded import by_gamma, coded
from stylecli.media.png_chunks import MAGIC, XMP, chunks, text, unpacked
from stylecli.media.stored import Stored

_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}


def read(data: bytes, budget: Budget) -> Stored:
    """A PNG of any depth.

    Raises:
        Exception: Of any kind, for damaged files.
    """
    width, height = struct.unpack(">II", data[16:24])
    if width * height > safe_open.MAX_PIXELS:
        raise Image.DecompressionBombError
    bits, kind = data[24:26]
    budget.take(width * height * {0: 1, 2: 3, 4: 2, 6: 4}.get(kind, 4) * (2 if bits == 16 else 1), PIXELS)
    pixels = imagecodecs.png_decode(_plain(data))
    gray = pixels.ndim == 2 or pixels.shape[2] < 3
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    opaque = pixels.shape[2] in {1, 3}
    found = about(data, "gray" if gray else "rgb")
    return replace(found, color=pixels[..., 0] if gray else pixels[..., :3], alpha=None if opaque else pixels[..., -1])


def about(data: bytes, space: str) -> Stored:
    """What a PNG holds beside its pixels."""
    own = {kind: body for kind, body in chunks(data) if kind in {b"eXIf", b"pHYs", b"acTL"}}
    frames = int.from_bytes(own.get(b"acTL", b"")[:4], "big")
    profile, note = _profile(data)
    notes = [f"animated: first of {frames} frames used"] * (frames > 1) + [note]
    exif = Image.Exif()
    try:
        exif.load(own.get(b"eXIf") or _unpacked_hex(data, "exif") or _unpacked_hex(data, "APP1") or b"")
    except Exception:  # any: a damaged block must not cost the picture
        notes.append("unreadable EXIF dropped")
    dpi = None
    if len(density := own.get(b"pHYs", b"")) == 9 and density[8] == 1:
        dpi = tuple(value * 0.0254 for value in struct.unpack(">II", density[:8]))
    return Stored(
        "PNG",
        np.empty(0),
        None,
        space,
        exif,
        profile,
        text(data, XMP) or _unpacked_hex(data, "xmp"),
        dpi,
        tuple(filter(None, notes)),
    )


def _plain(data: bytes) -> bytes:
    """The file with nothing but its pixels; where chunks are cut off or damaged, so is this."""
    kept, at = [MAGIC], len(MAGIC)
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind in _PIXELS or at + 12 + size > len(data):
            kept.append(data[at : at + 12 + size])
        if kind == b"IEND":
            break
        at += 12 + size
    return b"".join(kept)


def _profile(data: bytes) -> tuple[bytes | None, str]:
    """The profile by the first of cICP, iCCP, sRGB, gAMA with cHRM, as the standard ranks them; and a note."""
    said: dict[bytes, bytes] = {}
    for kind, body in chunks(data):
        if kind == b"IDAT":
            break
        if kind in {b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"}:
            said.setdefault(kind, body)
    if len(code := said.get(b"cICP", b"")) == 4:
        return coded(code[0], code[1])
    if packed := said.get(b"iCCP"):
        # What is no profile is told as a broken one.
        return unpacked(packed.partition(b"\0")[2][1:]) or b"broken", ""
    gamma = int.from_bytes(said.get(b"gAMA", b"")[:4], "big")
    if b"sRGB" in said or not (gamma or b"cHRM" in said):
        return None, ""
    points = None
    if len(where := said.get(b"cHRM", b"")) == 32:
        white, *rest = np.array(struct.unpack(">8I", where)).reshape(4, 2) / 100_000
        points = tuple(float(value) for pair in (*rest, white) for value in pair)
    try:
        return by_gamma(100_000 / gamma if gamma else None, points), ""
    except (ValueError, struct.error):
        return None, "impossible cHRM or gAMA ignored: colors read as sRGB"


def _unpacked_hex(data: bytes, kind: str) -> bytes | None:
    """A block that ImageMagick and older tools put into a text as hexadecimal digits."""
    words = (text(data, f"Raw profile type {kind}") or b"").split()
    try:
        block = bytes.fromhex(b"".join(words[2:]).decode("ascii"))
    except ValueError:
        return None
    # An APP1 segment of a JPEG may hold EXIF or XMP.
    return block if kind != "APP1" or block.startswith(b"Exif") else None
