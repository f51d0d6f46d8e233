"""A decoder that mirrors a VGG: nearest x2 upsampling where the encoder pools, no pooling indices.

As in AdaIN (Huang, Belongie 2017, arXiv 1703.06868, section 6) and Collaborative Distillation (Wang et al. 2020), which
asks of a small encoder that a picture can be rebuilt from its features.
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn


class VGGDecoder(nn.Module):
    """Features of the last of `widths` back to RGB.

    Args:
        widths: Channels of each block, shallow to deep; one 3x3 convolution a block, then the upsampling.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        channels = (*reversed(widths), 3)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(channels))

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """`x` [N, C, H', W'] to RGB [N, 3, *size], not clamped."""
        for conv in list(self.convs)[:-1]:
            x = F.interpolate(F.relu(conv(x)), scale_factor=2.0, mode="nearest")
        made: Tensor = self.convs[-1](F.interpolate(x, size=size, mode="nearest"))
        return made
