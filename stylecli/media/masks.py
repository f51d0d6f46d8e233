"""Masks: where a style applies."""

from pathlib import Path

from torch import Tensor

from stylecli.errors import InputError
from stylecli.files import read_bytes
from stylecli.media.decode import decode
from stylecli.media.images import picture_of
from stylecli.media.resize import resize

_ASPECT_TOLERANCE = 0.02


def read_mask(source: str | Path | bytes, size: tuple[int, int], *, name: str | None = None) -> Tensor:
    """Reads a mask: white is 1, black and transparent are 0.

    A picture of one color with an alpha channel is a mask drawn in that channel.

    Args:
        source: A path, or the bytes of a picture file.
        size: Height and width of the content; the mask is scaled to it, antialiased.
        name: What errors call it; by default its path.

    Returns:
        [1, H, W] float32 in [0, 1].

    Raises:
        InputError: As `read_picture`, or the aspects differ by more than 2 %.
    """
    name = name or ("<bytes>" if isinstance(source, bytes) else str(source))
    decoded = decode(read_bytes(source, name), name)
    (height, width), (mask_height, mask_width) = size, decoded.color.shape[:2]
    # Before its levels become floats, which take a multiple of them.
    if abs(mask_width * height / (mask_height * width) - 1) > _ASPECT_TOLERANCE:
        raise InputError(
            f"{name}: a mask of {mask_width}x{mask_height} does not fit a picture of {width}x{height}",
            "draw it in the content's own proportions",
        )
    picture = picture_of(decoded)
    mask = picture.pixels.mean(dim=0, keepdim=True)
    if picture.alpha is not None:
        constant = bool(picture.pixels.amax(dim=(1, 2)).eq(picture.pixels.amin(dim=(1, 2))).all())
        mask = picture.alpha if constant else mask * picture.alpha
    return resize(mask, size, filter="box" if mask_height >= height else "bilinear").clamp(0, 1)
