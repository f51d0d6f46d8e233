"""AdaIN as published: a VGG up to relu4_1, AdaIN there, and a decoder that mirrors it.

Huang, Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance normalization", arXiv 1703.06868.

    t   = alpha AdaIN(f(c), f(s)) + (1 - alpha) f(c)         f: the VGG up to relu4_1
    out = decoder(t)

Follows naoto0804/pytorch-AdaIN@47950d0, `test.py`: variances are unbiased; the decoder pads by reflection, upsamples by
nearest neighbors, and is not clamped. Differs: its result is cut to the size of the content, where the reference gives
the next multiple of 8.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.any_style import AnyStyle
from stylecli.nets.style_changes import Decoding
from stylecli.nets.vgg import VGG
from stylecli.nets.winograd import Conv2d

DEEPEST = "relu4_1"


class MirrorDecoder(nn.Module):
    """Features of `DEEPEST` back to RGB: each convolution undoes the one of the encoder that it is named after.

    Args:
        widths: Output channels of the encoder's convolutions, block by block, the last block with one.
    """

    def __init__(self, widths: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.widths = widths
        names = [f"conv{block}_{index}" for block, some in enumerate(widths, 1) for index in range(1, len(some) + 1)]
        channels = [3, *(width for block in widths for width in block)]
        self.convs = nn.ModuleDict(
            {
                name: Conv2d(wide, narrow, 3, padding=1, padding_mode="reflect")
                for name, (narrow, wide) in reversed([*zip(names, pairwise(channels), strict=True)])
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """`x` [N, C, H, W] to RGB [N, 3, 8 H, 8 W], not clamped."""
        for name, conv in self.convs.items():
            x = conv(x)
            if name == "conv1_1":
                return x
            x = F.relu(x)
            if name.endswith("_1"):
                x = F.interpolate(x, scale_factor=2.0)
        return x


class AdaIN(AnyStyle):
    """See the module.

    Args:
        vgg: At least up to `DEEPEST`.
        decoder: Of the same widths.
    """

    levels = (8,)
    correction = 1
    bytes_per_pixel = 1000.0
    reach = 96
    sight = 48
    """37 pixels on the way down, 30 on the way up, and what pooling and upsampling round away."""

    def __init__(self, vgg: VGG, decoder: MirrorDecoder) -> None:
        super().__init__()
        self.vgg, self.decoder = vgg, decoder

    def fit(self, x: Tensor) -> Tensor:
        """Continued by its border to 16 pixels a side, for nothing can be reflected in a single feature.

        Where pooling rounds down, also to sides divisible by 8, for nothing may be lost.
        """
        whole = 1 if self.vgg.config.ceil_mode else 8
        below, right = (max(-extent % whole, 16 - extent) for extent in x.shape[2:])
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def encode(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """relu4_1."""
        return (self.vgg(rgb, [DEEPEST])[DEEPEST],)

    def decode(self, features: Sequence[Tensor], decoding: Decoding, noise: Tensor | None = None) -> Tensor:
        """RGB of the encoded size, or what makes it a multiple of 8."""
        decoded: Tensor = self.decoder(features[0])
        return decoded
