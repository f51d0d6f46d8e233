"""StyleGAN 2's discriminator with residual blocks (Karras et al. 2020, arXiv 1912.04958, section 4.1 and appendix B).

    block  x = (down(lrelu(conv(lrelu(conv x)))) + down(1x1 conv x)) / sqrt(2)
    end    a channel of the deviation within groups of 4 (Karras et al. 2017, arXiv 1710.10196, section 3), 3x3 conv,
           two linear layers; a conditional network has a logit for each class, of which the picture's own counts

A layer that halves the size filters with 1 3 3 1 first. Activations are lrelu_0.2 times sqrt(2); weights are effective.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.style_mapping import SLOPE
from stylecli.nets.upfirdn import SMOOTH, smooth

GROUP = 4


def _active(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


class Block(nn.Module):
    """[N, inputs, H, W] to [N, outputs, H / 2, W / 2]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(inputs, outputs, 3, stride=2)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Both ways, joined."""
        y = _active(self.second(smooth(_active(self.first(x)), SMOOTH, 2)))
        made: Tensor = (y + self.skip(smooth(x, SMOOTH, 1))) / math.sqrt(2)
        return made


class StyleGANDiscriminator(nn.Module):
    """Pictures [N, 3, size, size] in [-1, 1] to logits [N].

    Args:
        widths: Channels at 4, 8, 16, ... px.
        classes: How many; 0 for an unconditional network.
    """

    def __init__(self, widths: Sequence[int], classes: int = 0) -> None:
        super().__init__()
        self.rgb = nn.Conv2d(3, widths[-1], 1)
        down = list(widths)[::-1]
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in pairwise(down)))
        self.conv = nn.Conv2d(widths[0] + 1, widths[0], 3, padding=1)
        self.hidden = nn.Linear(widths[0] * 16, widths[0])
        self.out = nn.Linear(widths[0], max(classes, 1))

    def forward(self, pictures: Tensor, label: Tensor) -> Tensor:
        """`label` [N]: the class of each picture, 0 without classes."""
        x = self.blocks(_active(self.rgb(pictures.contiguous(memory_format=torch.channels_last))))
        x = _active(self.conv(torch.cat([x, _deviation(x)], 1)))
        logits: Tensor = self.out(_active(self.hidden(x.flatten(1))))
        return logits.gather(1, label[:, None])[:, 0]


def _deviation(x: Tensor) -> Tensor:
    """The mean deviation within the group of each picture, [N, 1, H, W]."""
    n, group = len(x), next(g for g in range(min(GROUP, len(x)), 0, -1) if len(x) % g == 0)
    spread = x.float().reshape(group, n // group, -1).var(0, correction=0)
    mean = (spread + 1e-8).sqrt().mean(1).repeat(group)
    return mean[:, None, None, None].expand(-1, 1, *x.shape[2:]).to(x)
