"""A picture as its file stores it: before its profile, its orientation, or what lies under its transparent pixels."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Stored:
    """A picture as its file stores it.

    Attributes:
        format: Pillow's name of the file's format: `JPEG`, `PNG`, ...
        color: [H, W] or [H, W, C] uint8 or uint16; for Lab float32.
        alpha: [H, W], as `color`; None for opaque pictures.
        space: `gray`, `rgb`, `cmyk` (0 = no ink) or `lab`.
        exif: Its EXIF, with the orientation.
        profile: Its ICC profile, or one that says what the file says in numbers.
        xmp: Its XMP packet.
        dpi: Horizontal and vertical dots per inch.
        notes: What the user should know, a line each.
        upright: The orientation was applied already.
    """

    format: str
    color: np.ndarray
    alpha: np.ndarray | None
    space: str
    exif: Image.Exif = field(default_factory=Image.Exif)
    profile: bytes | None = None
    xmp: bytes | None = None
    dpi: object = None
    notes: tuple[str, ...] = ()
    upright: bool = False
