"""Pictures of any shape as the squares that a network takes, and back."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stylecli.media.resize import long_side, resize, resize_8bit


@dataclass(frozen=True)
class Square:
    """A picture as a square.

    Attributes:
        pixels: [3, size, size] in [0, 1], at whole levels of 8 bits as torchvision's resizing leaves them.
        inside: Where in it the picture lies: top, left, height, width.
        frame: Height and width to which a result goes back.
        window: Which part of the picture is in it: top, left, height, width; None for all.
    """

    pixels: Tensor
    inside: tuple[int, int, int, int]
    frame: tuple[int, int]
    window: tuple[int, int, int, int] | None = None

    def cut(self, result: Tensor) -> Tensor:
        """The part of a result [3, size, size] where the picture was."""
        top, left, height, width = self.inside
        return result[:, top : top + height, left : left + width]

    def back(self, result: Tensor) -> Tensor:
        """A result [3, size, size] in [0, 1] in the frame of the picture."""
        return resize(self.cut(result), self.frame)


def square(pixels: Tensor, size: int, fit: str) -> Square:
    """`pixels` [3, H, W] in [0, 1] as a square.

    Args:
        pixels: The picture.
        size: Of the square.
        fit: `crop` to the middle square; `pad` with its mirror image, so that results go back to its frame; or
            `stretch`, as StarGAN v2 does.
    """
    height, width = pixels.shape[1:]
    if fit == "pad":
        tall, wide = long_side(height, width, size)
        top, left = (size - tall) // 2, (size - wide) // 2
        small = resize_8bit(pixels, (tall, wide), filter="bilinear")
        rows, columns = _mirrored(tall, top, size), _mirrored(wide, left, size)
        return Square(small[:, rows][:, :, columns], (top, left, tall, wide), (height, width))
    window = None
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        window = top, left, side, side
        pixels = pixels[:, top : top + side, left : left + side]
    return Square(resize_8bit(pixels, (size, size), filter="bilinear"), (0, 0, size, size), (size, size), window)


def _mirrored(extent: int, before: int, size: int) -> Tensor:
    """Indices of a row of `extent` pixels with its mirror images around it."""
    place = (torch.arange(size) - before) % (2 * extent)
    return torch.minimum(place, 2 * extent - 1 - place)
