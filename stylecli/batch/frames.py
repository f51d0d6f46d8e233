"""Frames as methods take pictures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stylecli.media.video.clip import Frame


def pixels_of(frame: "Frame", levels: bool, size: int | None) -> "tuple[Tensor, Tensor | None]":
    """A frame as `codecs.read_picture` gives a picture: [3, H, W] uint8 or floats, and alpha [1, H, W] in [0, 1]."""
    import numpy as np
    from torch import from_numpy

    from stylecli.media.resize import short_side
    from stylecli.media.transparency import filled, resize_seen

    pixels = from_numpy(np.array(frame.color.transpose(2, 0, 1), order="C"))
    pixels = pixels if levels else pixels.float().div_(255)
    if frame.alpha is None:
        return pixels, None
    alpha = from_numpy(frame.alpha).float().div_(255)[None]
    pixels = filled(pixels, alpha)
    if not size:
        return pixels, alpha
    height, width = pixels.shape[1:]
    return resize_seen(pixels, alpha, short_side(height, width, size))


def planes(values: "np.ndarray") -> "Tensor":
    """[H, W, C] as [C, H, W], cut to [0, 1]."""
    import numpy as np
    from torch import from_numpy

    return from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)).clamp_(0, 1)
