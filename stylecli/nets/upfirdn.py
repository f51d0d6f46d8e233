"""FIR filters between resolutions, as StyleGAN (arXiv 1812.04948, 1912.04958) uses them, without inserted zeros.

Signals are zero beyond their border. A filter is the outer product of a few taps with themselves; it runs as a
depthwise convolution, which is an order of magnitude faster on a CPU than one channel at a time.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.device import constant

SMOOTH = (1.0, 3.0, 3.0, 1.0)
"""StyleGAN 2."""

BINOMIAL = (1.0, 2.0, 1.0)
"""StyleGAN 1."""


def smooth(x: Tensor, taps: tuple[float, ...], padding: int, gain: float = 1.0, bias: Tensor | None = None) -> Tensor:
    """`x` [N, C, H, W] under the filter, whose weights sum to `gain`; `padding` zeros on every side;
    `bias` [C] is added.

    Returns:
        [N, C, H + 2 padding - len(taps) + 1, likewise W].
    """
    one = constant(taps, x.dtype, x.device)
    kernel = torch.outer(one, one) * (gain / sum(taps) ** 2)
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, -1, -1).contiguous(), bias, padding=padding, groups=channels)


def double(x: Tensor) -> Tensor:
    """`x` [N, C, H, W] at twice the size: zeros in between, then `SMOOTH`, whose weights sum to 4.

    In phases: y[2i] = (x[i-1] + 3 x[i]) / 4 and y[2i+1] = (3 x[i] + x[i+1]) / 4 along each axis, which is what
    bilinear interpolation gives once the zeros beyond the border are written out.
    """
    padded = F.pad(x, (1, 1, 1, 1))
    return F.interpolate(padded, scale_factor=2, mode="bilinear")[:, :, 2:-2, 2:-2]
