"""How a network is cut so that a picture of any size can go through it in tiles, with the very result of the whole.

A segment is local but for the statistics that it asks for: each output pixel depends on the input within `reach`, and
on moments over the whole picture (instance norm, AdaIN). Given the whole picture, `measured` answers at once; given
tiles, `media.tiles` answers from a pass before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Per channel mean and biased variance over space, each [N, C, 1, 1]."""

    mean: Tensor
    variance: Tensor


Ask = Callable[[Mapping[str, Tensor]], Mapping[str, Moments]]
"""Named features [N, C, H, W] to their moments over the whole picture; what is asked together is measured in one pass.

The same name is always the same features; a segment asks in the same order every time.
"""


def moments(x: Tensor) -> Moments:
    """Moments of `x` [N, C, H, W]."""
    if x.is_cpu and not torch.is_grad_enabled():
        # Twenty times as fast as `var_mean` on channels_last, but without a gradient.
        pairs = [torch.batch_norm_update_stats(one, None, None, 0.0) for one in x.split(1)]
        mean, variance = (torch.stack(part)[:, :, None, None] for part in zip(*pairs, strict=True))
        return Moments(mean, variance)
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    return Moments(mean, variance)


def measured(features: Mapping[str, Tensor]) -> dict[str, Moments]:
    """The `Ask` of a whole picture."""
    return {name: moments(x) for name, x in features.items()}


@dataclass(frozen=True)
class Segment:
    """A part of a network, from one tensor to one tensor; the parts of a network follow on one another.

    Attributes:
        run: `run(x, ask)`, [N, C, H, W] to [N, D, H', W'].
        reach: Input pixels that an output pixel sees on each side beyond those below it (an upper bound will do).
        stride: Tiles begin at multiples of it; the deepest subsampling inside, or a multiple.
        scale: (p, q): output extent is p / q of the input's, up to what `extent` adds at the far border.
        extent: Input extent to output extent; exact for odd sizes too.
    """

    run: Callable[[Tensor, Ask], Tensor]
    reach: int
    stride: int = 1
    scale: tuple[int, int] = (1, 1)
    extent: Callable[[int], int] = lambda extent: extent
