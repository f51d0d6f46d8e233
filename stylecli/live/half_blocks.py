"""A picture of half blocks, two pixels a character, for terminals without graphics.

The same as `textual_image` shows, in a fraction of its time: lines are made of the pixels themselves, without Rich's
layout of text, which takes longer for a picture than a network does to paint it.
"""

from functools import lru_cache

from PIL.Image import Image, Resampling
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual_image.renderable import HalfcellImage as Renderable
from textual_image.widget import HalfcellImage

UPPER = "▀"
"""The color of the character is that of its upper half."""

ROUNDED = bytes(min(level + 2 & ~3, 255) for level in range(256))
"""Colors to six bits: the same ones come again, and are made once."""

Pixel = tuple[int, int, int]


class HalfBlocks(HalfcellImage, Renderable=Renderable):
    """Shows `image`, at the size that its place has."""

    _made: tuple[object, int, int] = (None, 0, 0)
    _lines: tuple[Strip, ...] = ()

    def render_line(self, y: int) -> Strip:
        """A line of characters."""
        image, width, height = self.image, *self.content_size
        if isinstance(image, Image) and (made := (image, width, height)) != self._made:
            self._made, self._lines = made, tuple(_lines(image, width, height))
        return self._lines[y] if y < len(self._lines) else Strip.blank(width)


def _lines(image: Image, width: int, height: int) -> list[Strip]:
    if not width or not height:
        return []
    levels = image.convert("RGB").resize((width, 2 * height), Resampling.BOX).tobytes().translate(ROUNDED)
    pixels = list(zip(levels[::3], levels[1::3], levels[2::3], strict=True))
    rows = [pixels[start : start + width] for start in range(0, len(pixels), width)]
    return [
        Strip([Segment(UPPER, _style(*both)) for both in zip(above, below, strict=True)], width)
        for above, below in zip(rows[::2], rows[1::2], strict=True)
    ]


@lru_cache(2**14)
def _style(above: Pixel, below: Pixel) -> Style:
    return Style.from_color(_color(above), _color(below))


@lru_cache(2**14)
def _color(pixel: Pixel) -> Color:
    return Color("", ColorType.TRUECOLOR, triplet=ColorTriplet(*pixel))
