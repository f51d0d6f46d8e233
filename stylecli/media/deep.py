"""Pixels of pictures with more than 8 bits a channel, which Pillow would cut down to 8."""

import logging
from io import BytesIO

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from stylecli.media import opening

# tifffile logs what is odd in a file; without a handler Python would print that.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_SPACES = {"MINISBLACK": ("gray", 1), "MINISWHITE": ("gray", 1), "RGB": ("rgb", 3), "SEPARATED": ("cmyk", 4)}

Planes = tuple[np.ndarray, np.ndarray | None, str]
"""Color [H, W] or [H, W, C] uint16, alpha [H, W] uint16 or None, and the space: gray, rgb or cmyk."""


def is_deep_png(data: bytes) -> bool:
    """Whether these are the bytes of a 16-bit PNG."""
    return data.startswith(b"\x89PNG\r\n") and data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def png_planes(data: bytes) -> Planes:
    """The pixels of a 16-bit PNG.

    Raises:
        RuntimeError, ValueError: Damaged.
    """
    pixels = imagecodecs.png_decode(data)
    if pixels.ndim == 2:
        return pixels, None, "gray"
    channels = pixels.shape[2]
    color = pixels[..., 0] if channels < 3 else pixels[..., :3]
    return color, pixels[..., -1] if channels in {2, 4} else None, "gray" if channels < 3 else "rgb"


def tiff_planes(data: bytes) -> tuple[Planes, list[str]] | None:
    """The first page of a TIFF of more than 8 bits, and notes; None for what Pillow reads as well.

    Integers are scaled to their full range; floats are taken as [0, 1], or scaled down if they go beyond 1.

    Raises:
        Exception: Of any kind, for damaged files.
    """
    with tifffile.TiffFile(BytesIO(data)) as file:
        page, pages = file.pages.first, len(file.pages)
        bits = page.bitspersample
        if bits <= 8:
            return None
        photometric = getattr(page.photometric, "name", "")
        if photometric not in _SPACES:
            raise NotImplementedError(f"{bits}-bit {photometric.lower()} color")
        if page.imagewidth * page.imagelength > opening.MAX_PIXELS or page.size > 8 * opening.MAX_PIXELS:
            raise Image.DecompressionBombError
        if any(at + length > len(data) for at, length in zip(page.dataoffsets, page.databytecounts, strict=True)):
            raise EOFError("truncated")
        pixels = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
            pixels = np.moveaxis(pixels, 0, -1)
    pixels, note = _to_16_bits(pixels.reshape(page.imagelength, page.imagewidth, -1), bits)
    notes = [f"first of {pages} pages used"] * (pages > 1) + [note] * bool(note)
    space, channels = _SPACES[photometric]
    if pixels.shape[2] < channels:
        raise ValueError(f"{pixels.shape[2]} channels, {space} needs {channels}")
    color = pixels[..., 0] if channels == 1 else pixels[..., :channels]
    if photometric == "MINISWHITE":
        color = 65535 - color
    extra = (*page.extrasamples, 0)[0]
    if extra not in {tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA}:
        return (color, None, space), notes
    alpha = pixels[..., channels]
    if extra == tifffile.EXTRASAMPLE.ASSOCALPHA:
        share = alpha if color.ndim == 2 else alpha[..., None]
        color = np.minimum(color.astype(np.float32) / np.maximum(share, 1) * 65535, 65535).astype(np.uint16)
    return (color, alpha, space), notes


def _to_16_bits(pixels: np.ndarray, bits: int) -> tuple[np.ndarray, str]:
    if pixels.dtype == np.uint16 and bits == 16:
        return pixels, ""
    if pixels.dtype.kind == "f":
        values = np.nan_to_num(pixels.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        top = float(values.max(initial=1.0))
        note = f"float values up to {top:g} scaled to [0, 1]" if top > 1 else ""
    elif pixels.dtype.kind in "iu":
        values, note = pixels, ""
        top = float(2 ** (bits - (pixels.dtype.kind == "i")) - 1)
    else:
        raise NotImplementedError(f"{pixels.dtype} pixels")
    return np.rint(values.clip(0, None) * (65535.0 / top)).clip(0, 65535).astype(np.uint16), note
