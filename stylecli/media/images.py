"""Reading and writing pictures: what every command sees of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from stylecli.errors import OutputError, UsageError
from stylecli.files import atomic_write, output_error, read_bytes
from stylecli.media.decode import Decoded, decode
from stylecli.media.encode import EXTENSIONS, FORMATS, Job
from stylecli.media.metadata import Carried, fitted
from stylecli.media.profiles import from_srgb, is_srgb, outside
from stylecli.media.stored_settings import read_settings
from stylecli.media.strip_writers import About, Png, Tiff
from stylecli.media.transparency import filled, on_paper

ROW_WRITERS: dict[str, type[Png | Tiff]] = {"PNG": Png, "TIFF": Tiff}
"""Of formats that are written some rows at a time."""

HIDDEN = "EXIF and XMP of the content left out: they do not go together with the settings"
LARGE = 2**25
"""Pixels from which on levels are not copied into planes: they would be there twice."""


@dataclass(frozen=True)
class Picture:
    """A picture as networks take it.

    Attributes:
        pixels: [3, H, W] float32, sRGB in [0, 1]; where asked for, beyond it for colors outside of sRGB, or uint8
            levels, a quarter of the memory. Transparent pixels have the colors of what surrounds them.
        alpha: [1, H, W] float32 in [0, 1], None for opaque pictures.
        carried: What goes along to pictures made from this one.
        notes: What the user should know (`animated: first of 12 frames used`), a line each.
    """

    pixels: Tensor
    alpha: Tensor | None
    carried: Carried
    notes: tuple[str, ...] = ()


def read_picture(
    source: str | Path | bytes,
    *,
    name: str | None = None,
    compact: bool = False,
    wide: bool = False,
    most: int | None = None,
) -> Picture:
    """Reads a JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or, with its extra, HEIC, at its full depth.

    EXIF orientation is applied, colors are converted to sRGB by the embedded profile (gray, RGB, CMYK) or what else
    the file says of them, and the first frame of an animation or the largest page is taken.

    Args:
        source: A path, or the bytes of a file.
        name: What errors call it; by default its path.
        compact: Keep pictures of 8 bits as uint8.
        wide: Keep colors outside of sRGB, as values beyond [0, 1].
        most: Bytes that the picture may take, which are asked for before it is decoded.

    Raises:
        InputError: Missing, a folder, empty, not permitted, not a picture, truncated, damaged, or above one gigapixel.
        MemoryLimitError: More than `most`.
    """
    name = name or ("<bytes>" if isinstance(source, bytes) else str(source))
    return picture_of(decode(read_bytes(source, name), name, most), compact=compact, wide=wide)


def picture_of(decoded: Decoded, *, compact: bool = False, wide: bool = False) -> Picture:
    """What was decoded, as networks take it; see `read_picture`."""
    alpha = None if decoded.alpha is None else _unit(decoded.alpha[..., None])
    if compact and decoded.color.dtype == np.uint8:
        planes = decoded.color.transpose(2, 0, 1)
        own = decoded.color.size > 3 * LARGE and planes.flags.writeable and min(planes.strides) > 0
        pixels = torch.from_numpy(planes if own else np.array(planes, order="C"))
    else:
        pixels = _unit(decoded.color)
        if decoded.color.dtype.kind == "f" and not wide:
            pixels.clamp_(0, 1)
    return Picture(pixels if alpha is None else filled(pixels, alpha), alpha, decoded.carried, decoded.notes)


def read_on_paper(path: str) -> Tensor:
    """The picture [3, H, W] uint8 as it is seen on white."""
    picture = read_picture(path, compact=True)
    if picture.alpha is None:
        return picture.pixels if picture.pixels.dtype == torch.uint8 else _levels(picture.pixels)
    return _levels(on_paper(picture.pixels, picture.alpha))


def _levels(pixels: Tensor) -> Tensor:
    return pixels.clamp(0, 1).mul(255).round().byte()


def write_picture(
    pixels: Tensor,
    destination: str | Path | BinaryIO,
    *,
    format: str | None = None,
    alpha: Tensor | None = None,
    carried: Carried | None = None,
    settings: str | None = None,
    quality: int = 92,
    bits: int | None = None,
    strip: bool = False,
) -> tuple[str, ...]:
    """Writes a picture, whole or not at all.

    Args:
        pixels: [3, H, W] or [1, 3, H, W], sRGB; uint8 are levels. Values beyond [0, 1] are colors outside of sRGB: kept
            as far as the carried profile has them, clamped without one.
        destination: A path, or an open binary file.
        format: `jpeg`, `png`, `webp`, `tiff` or `avif`; by default what the path's extension says.
        alpha: [1, H, W] in [0, 1]; JPEG has none, so there the picture is laid on white.
        carried: Metadata of the content picture; its RGB profile is what the output is converted to and tagged with.
        settings: JSON that `read_settings` gives back.
        quality: 1 to 100 for JPEG, WebP (100 = lossless) and AVIF.
        bits: 8 or 16; by default 16 when the content had 16 and the format is PNG or TIFF.
        strip: Leave out all that is carried, keep the settings; colors are then plain sRGB.

    Returns:
        What the user should know, a line each.

    Raises:
        UsageError: Unknown format, or 16 bits in a format that has 8.
        OutputError: Not finite, too large for the format, or the file cannot be written.
    """
    name = str(destination) if isinstance(destination, (str, Path)) else "-"
    format = picture_format(format or name)
    target = FORMATS[format]
    deep = bits == 16 or (bits is None and carried is not None and carried.bits == 16 and target.deep)
    if deep and not target.deep:
        raise UsageError(f"{name}: {format} holds 8 bits a channel, not 16", "write PNG or TIFF")
    notes: list[str] = []
    pixels = pixels.detach().reshape(pixels.shape[-3:])
    if strip and carried and carried.icc and pixels.is_floating_point():
        notes += filter(None, [outside(pixels.permute(1, 2, 0).cpu().numpy())])
    if carried is None or strip:
        carried = Carried(format)
    if pixels.is_floating_point() and not bool(torch.isfinite(pixels).all()):
        raise OutputError(f"{name}: the picture has values that are not finite", "lower the weights or the step size")
    if max(pixels.shape[1:]) > target.longest:
        raise OutputError(
            f"{name}: {format} pictures have at most {target.longest:,} pixels a side", "write PNG or TIFF"
        )
    if alpha is not None and not target.alpha:
        pixels, alpha = on_paper(pixels, alpha), None
        notes.append(f"transparent parts drawn on white: {format} has no alpha")
    if carried.icc and not is_srgb(carried.icc):
        planes = (pixels.float().div(255) if pixels.dtype == torch.uint8 else pixels.float()).cpu()
        color = from_srgb(planes.permute(1, 2, 0).numpy(), carried.icc, np.uint16 if deep else np.uint8)
    else:
        color = quantize(pixels, 16 if deep else 8)
    if alpha is not None:
        color = np.concatenate([color, quantize(alpha.reshape(1, *pixels.shape[1:]), 16 if deep else 8)], axis=2)
    if target.room:
        carried, settings, left_out = fitted(carried, settings, target.room)
        notes += left_out
    data = target.encode(Job(color, carried, settings, quality))
    if settings and read_settings(data) != settings:
        # What else is carried may hide them, or pass for them.
        data = target.encode(Job(color, Carried(format, icc=carried.icc, dpi=carried.dpi), settings, quality))
        notes.append(HIDDEN)
    try:
        if isinstance(destination, (str, Path)):
            with atomic_write(destination) as file:
                file.write(data)
        else:
            destination.write(data)
    except OSError as error:
        raise output_error(name, error) from error
    return tuple(notes)


def write_rows(
    bands: Iterable[Tensor],
    size: tuple[int, int],
    destination: str | Path,
    *,
    format: str,
    carried: Carried,
    settings: str | None = None,
    strip: bool = False,
) -> tuple[str, ...]:
    """Writes a PNG or TIFF of 8 bits some rows at a time, whole or not at all.

    Args:
        bands: [1, 3, h, W] uint8 each, from the top on.
        size: Height and width of all.
        destination: A path.
        format: `png` or `tiff`.
        carried: As for `write_picture`; its profile is one of sRGB.
        settings: As for `write_picture`.
        strip: As for `write_picture`.

    Returns:
        What the user should know, a line each.

    Raises:
        OutputError: The file cannot be written.
    """
    kind, target = picture_format(format), FORMATS[picture_format(format)]
    carried = Carried(kind) if strip else carried
    notes: tuple[str, ...] = ()
    probe = Job(np.zeros((1, 1, 3), np.uint8), carried, settings, 100)
    if settings and read_settings(target.encode(probe)) != settings:
        carried, notes = Carried(kind, icc=carried.icc, dpi=carried.dpi), (HIDDEN,)
    with atomic_write(destination) as file:
        writer = ROW_WRITERS[kind](file, About((*size, 3), np.dtype(np.uint8), carried, settings))
        for band in bands:
            writer.add(quantize(band[0], 8))
        writer.close()
    return notes


def picture_format(name: str) -> str:
    """The output format that a path's extension, or a plain `png`, asks for: JPEG, PNG, WEBP, TIFF or AVIF.

    Raises:
        UsageError: None of these.
    """
    extension = Path(name).suffix.lower() or f".{name.lower()}"
    if extension not in EXTENSIONS:
        raise UsageError(f"{name}: unknown picture format", f"one of {', '.join(EXTENSIONS)}")
    return EXTENSIONS[extension]


def quantize(pixels: Tensor, bits: int) -> np.ndarray:
    """The whole levels of a picture [C, H, W] in [0, 1], or of uint8: [H, W, C] uint8 or uint16."""
    if pixels.dtype == torch.uint8:
        levels: np.ndarray = pixels.permute(1, 2, 0).cpu().numpy()
        # Encoders refuse the strides of axes that are one long; else a large picture is not copied without need, and
        # plane by plane, which is three times as fast as NumPy's own order.
        laid = levels.flags.c_contiguous and 1 not in levels.shape
        given = levels if laid else np.stack(list(levels.transpose(2, 0, 1)), axis=2)
        return given if bits == 8 else given.astype(np.uint16) * 257
    scaled = pixels.detach().float().clamp(0, 1).mul_(2**bits - 1).add_(0.5).floor_()
    array: np.ndarray = scaled.permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(array, np.uint8 if bits == 8 else np.uint16)


def _unit(levels: np.ndarray) -> Tensor:
    # Planes are laid out before the division so that networks get contiguous memory.
    planes = torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1), dtype=np.float32))
    return planes if levels.dtype.kind == "f" else planes.div_(float(np.iinfo(levels.dtype).max))
