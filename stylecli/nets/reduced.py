"""Reduced precision where nobody sees it: residual branches in bfloat16, on CPUs that multiply it twice as fast.

What a branch is added to stays float32, and so does all that norms measure and do. Of a picture in 8 bits, through the
embedded network of `fast`, 5 % of the values become one level more or less, and two levels one in ten million. What has
no levels, foreign networks, and other CPUs compute in float32 as ever, and so does all else with `--precision float32`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from stylecli.device import Device
from stylecli.nets.bands import BAND, framed
from stylecli.nets.winograd import conv2d

TYPE = torch.bfloat16

WIDE = 48
"""Channels from which it is faster, and rounding errors of many products cancel."""

Gain = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Of features, the scale and the shift [N, C, 1, 1] that they get, in float32."""

_here = threading.local()


@contextmanager
def reduced(device: Device, like: Tensor) -> Iterator[None]:
    """Within it, on this thread, branches are computed in bfloat16.

    That is, where the device may round, and results are levels, as `like` is.
    """
    before = is_reduced()
    _here.on = like.dtype == torch.uint8 and device.rounds
    try:
        yield
    finally:
        _here.on = before


def is_reduced() -> bool:
    """Whether this is within `reduced`."""
    return getattr(_here, "on", False)


def pays(x: Tensor) -> bool:
    """Whether it does for a branch of features `x` [N, C, H, W], here and now."""
    return is_reduced() and x.shape[1] >= WIDE and min(x.shape[2:]) > 1


def branch(x: Tensor, weights: Sequence[Tensor], gains: Sequence[Gain]) -> Tensor:
    """`x` with a branch of two 3x3 convolutions added to it, a ReLU between them; in place.

    Args:
        x: Features [N, C, H, W] in float32; borders are reflected.
        weights: [C, C, 3, 3] of each.
        gains: For what each gives, to which no bias was added.
    """
    y = conv2d(framed(x, 1, dtype=TYPE), weights[0].to(TYPE))
    y = conv2d(framed(y, 1, gains[0](y), dtype=TYPE), weights[1].to(TYPE))
    scale, shift = gains[1](y)
    for part, more in zip(x.split(BAND, 2), y.split(BAND, 2), strict=True):
        part.add_(torch.addcmul(shift, more.float(), scale))
    return x
