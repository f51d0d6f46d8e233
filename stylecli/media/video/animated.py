"""Animated pictures (GIF, WebP, APNG), read by Pillow, and pictures of a folder, as clips."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from PIL import Image

from stylecli.errors import InputError
from stylecli.files import read_bytes
from stylecli.media.images import quantize, read_picture
from stylecli.media.safe_open import decoding, opened
from stylecli.media.video.clip import Clip, Frame, mean_rate

TICK = Fraction(1, 1000)
"""Times of animated pictures are milliseconds."""

UNSET = 100
"""Milliseconds of a frame that says nothing, or 10 and less: what browsers make of it."""


def is_animated(head: bytes) -> bool:
    """Whether a file begins as one of these pictures, animated or not."""
    return head[:4] == b"GIF8" or head[:8] == b"\x89PNG\r\n\x1a\n" or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def of_file(source: str | bytes, name: str) -> Clip:
    """An animated picture.

    Raises:
        InputError: It cannot be read.
    """
    data = read_bytes(source, name)
    with decoding(data, name), opened(data) as image:
        size, transparent = (image.height, image.width), "A" in image.getbands() or "transparency" in image.info
        count = getattr(image, "n_frames", 1)
        step = _milliseconds(image)
    notes: list[str] = []

    def frames() -> Iterator[Frame]:
        return _frames(data, name, notes)

    # The first frame stands for all: to ask each one is to decode it.
    length, rate = count * step * TICK, 1000 / Fraction(step)
    return Clip(name, size, TICK, rate, frames, length, transparent or data[:4] == b"GIF8", notes=notes)


def _milliseconds(image: Image.Image) -> int:
    told = round(float(image.info.get("duration") or 0))
    return told if told > 10 else UNSET


def _frames(data: bytes, name: str, notes: list[str]) -> Iterator[Frame]:
    place, time = 0, 0
    with decoding(data, name):
        image: Any = opened(data).__enter__()
    with image:
        while True:
            try:
                with decoding(data, name):
                    image.seek(place)
                    levels = np.asarray(image.convert("RGBA"))
                    # Pillow's reader of WebP tells a frame's duration when it is there.
                    lasts = _milliseconds(image)
            except InputError as error:
                if isinstance(error.__cause__, EOFError):
                    return
                if not place:
                    raise
                notes.append(f"damaged after {place:,} frames; what is before that is done")
                return
            alpha = levels[..., 3]
            opaque = bool((alpha == 255).all())
            yield Frame(levels[..., :3].copy(), None if opaque else alpha.copy(), time * TICK, lasts * TICK)
            place, time = place + 1, time + lasts


def of_pictures(paths: Sequence[str], fps: Fraction, name: str) -> Clip:
    """Pictures, each of the size of the first, `fps` a second.

    Raises:
        InputError: The first one cannot be read.
    """
    color, alpha = _levels(paths[0])
    size = color.shape[0], color.shape[1]

    def frames() -> Iterator[Frame]:
        for place, path in enumerate(paths):
            color, alpha = _levels(path)
            if color.shape[:2] != size:
                sides = "{1}x{0}".format(*color.shape), "{1}x{0}".format(*size)
                raise InputError(f"{path}: {sides[0]}, the pictures before it are {sides[1]}", "one clip has one size")
            yield Frame(color, alpha, place / fps, 1 / fps)

    return Clip(
        name, size, 1 / fps, mean_rate([place / fps for place in range(2)]), frames, len(paths) / fps, alpha is not None
    )


def _levels(path: str) -> tuple[np.ndarray, np.ndarray | None]:
    picture = read_picture(path, compact=True)
    alpha = None if picture.alpha is None else quantize(picture.alpha, 8)[..., 0]
    return quantize(picture.pixels, 8), alpha
