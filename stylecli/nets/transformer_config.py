"""The shape of an image transformation net, and its layers; what they compute is in `nets/transformer.py`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

IDENTITY = "identity"
"""The style that is the photo itself."""


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of the net.

    Attributes:
        styles: Their names; `identity`, if it is there, comes first.
        widths: Channels after each convolution on the way down.
        blocks: Residual blocks at the smallest size, then at each size on the way up.
        stem: Stride of the first convolution, 1 or 2; with 2, `out` enlarges once more.
        norm: `instance`, or `batch` with running statistics (the paper's).
        tensorflow: Borders, upsampling and output of lengstrom's models.
        pixels: What white is, at both ends.
        colors: Whether `out` is normed too, so that each color's mean and deviation are the style's in any picture.
        noise: Whether the net sees noise beside the photo.
        looks: Layers of an encoder, and their channels, whose moments of each style's picture lie beside the net.
    """

    styles: tuple[str, ...] = ("style",)
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: tuple[int, ...] = (5,)
    stem: int = 1
    norm: str = "instance"
    tensorflow: bool = False
    pixels: float = 255.0
    colors: bool = False
    noise: bool = False
    looks: tuple[tuple[str, int], ...] = ()

    @property
    def epsilon(self) -> float:
        """Added to variances."""
        return 1e-3 if self.tensorflow else 1e-5

    @property
    def identity(self) -> bool:
        """Whether style 0 is the photo."""
        return self.styles[0] == IDENTITY

    @property
    def shrink(self) -> int:
        """How many times smaller the smallest features are; results of foreign nets are multiples of it."""
        return int(self.stem * 2 ** (len(self.widths) - 1))

    @property
    def smallest(self) -> int:
        """The shortest side in pixels that reflection allows."""
        return 1 if self.tensorflow else max(5, self.shrink + 1)

    def layers(self) -> "Iterator[Layer]":
        """Every convolution, in order."""
        channels = 4 if self.noise else 3
        for index, width in enumerate(self.widths):
            yield Layer(f"down{index + 1}", channels, width, 9 if index == 0 else 3, 2 if index else self.stem)
            channels = width
        for index, width in enumerate(reversed(self.widths)):
            if index:
                yield Layer(f"up{index}", channels, width, 3, enlarge=True)
                channels = width
            for block in range(self.blocks[index] if index < len(self.blocks) else 0):
                for part in "ab":
                    yield Layer(f"block{index}_{block + 1}{part}", width, width, 3)
        yield Layer("out", channels, 3, 9, enlarge=self.stem == 2, normed=self.tensorflow or self.colors)


class Layer(NamedTuple):
    """A convolution, its norm behind it."""

    name: str
    channels: int
    out: int
    size: int
    stride: int = 1
    enlarge: bool = False
    normed: bool = True
