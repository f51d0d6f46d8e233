"""Layers on the features of large pictures, some rows after the others: only what goes in and comes out is held.

Without gradients in place: getting fresh memory from the system takes longer than the arithmetic.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.nets.subpixel import interleaved
from stylecli.nets.winograd import conv2d

BAND = 16
"""Rows that stay in a processor's cache between the norm and the ReLU."""

LARGE = 2**22
"""Values beyond which features are never there twice."""

AT_ONCE = 2**22
"""Values of these that a convolution takes or gives at once."""


def large(x: Tensor, values: int = 0) -> bool:
    """Whether features [N, C, H, W], or so many `values` made of them, are taken some rows after the others."""
    return x.is_cpu and not torch.is_grad_enabled() and max(x.numel(), values) > LARGE


def convolved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int = 1,
    *,
    border: int = 0,
    mode: str = "reflect",
    phased: int | None = None,
    pixels: int = 1,
) -> Tensor:
    """A convolution of `x` [N, C, H, W] with a `border` around it, which `mode` fills as `F.pad` does.

    `phased`: its four phases are interleaved, and so many lines cut off on each side; `pixels`: of so many pixels in a
    row at once, see `nets.subpixel`.
    """

    def made(part: Tensor, above: int = border, below: int = border) -> Tensor:
        part = F.pad(part, (border, border + -width % pixels, above, below), mode) if border else part
        part = conv2d(part, weight, bias, stride=stride) if pixels == 1 else F.conv2d(part, weight, bias, (1, pixels))
        return part if phased is None else interleaved(part, phased, pixels)[..., : 2 * width]

    (height, width), size, cut = x.shape[2:], weight.shape[2], phased or 0
    rows, columns = ((side + 2 * border - size) // stride + 1 for side in (height, width))
    values = len(x) * max(x.shape[1] * stride * width, weight.shape[0] * columns)
    if not large(x, values * rows):
        return made(x)
    step = max(AT_ONCE // values, 2 * border + 2)
    y: Tensor | None = None
    for first in range(0, rows - cut, step):
        last = min(first + step, rows - cut)
        top, bottom = first * stride - border, (last + cut - 1) * stride + size - border
        part = made(x[:, :, max(top, 0) : bottom], max(-top, 0), max(bottom - height, 0))
        scale = part.shape[2] // (last - first)
        if y is None:
            shape = (len(x), part.shape[1], scale * (rows - cut), part.shape[3])
            y = torch.empty(shape, dtype=part.dtype, memory_format=torch.channels_last)
        y[:, :, scale * first : scale * last] = part
    assert y is not None
    return y


def relu(x: Tensor) -> Tensor:
    """ReLU, in place."""
    return F.relu(x, inplace=not torch.is_grad_enabled())


def scaled(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """x scale + shift, in place."""
    scale, shift = scale.to(x), shift.to(x)
    return torch.addcmul(shift, x, scale) if torch.is_grad_enabled() else torch.addcmul(shift, x, scale, out=x)


def active(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """ReLU of x scale + shift, in place."""
    scale, shift = scale.to(x), shift.to(x)
    for part in x.split(BAND, 2):
        torch.addcmul(shift, part, scale, out=part).relu_()
    return x


def framed(
    x: Tensor, border: int, gain: tuple[Tensor, Tensor] | None = None, *, dtype: torch.dtype | None = None
) -> Tensor:
    """ReLU of x scale + shift with `border` pixels reflected around it.

    What costs is not the arithmetic but the way to memory, which features go once here in place of three times.

    Args:
        x: Features [N, C, H, W].
        border: Fewer than the shorter side has.
        gain: Scale and shift; None leaves `x` as it is, with no ReLU either.
        dtype: Of the result, that of `x` when left out; half precision is computed in float32 before.
    """
    count, channels, height, width = x.shape
    size = (count, channels, height + 2 * border, width + 2 * border)
    y = torch.empty(size, dtype=dtype or x.dtype, memory_format=torch.channels_last)
    inside = slice(border, -border)
    for from_, to in zip(x.split(BAND, 2), y[:, :, inside, inside].split(BAND, 2), strict=True):
        if gain is None:
            to.copy_(from_)
        elif y.dtype.itemsize > 2:
            torch.addcmul(gain[1], from_, gain[0], out=to).relu_()
        else:
            to.copy_(torch.addcmul(gain[1], from_.float(), gain[0]).relu_())
    below, right = height + border - 1, width + border - 1
    for away in range(1, border + 1):
        y[:, :, border - away, inside] = y[:, :, border + away, inside]
        y[:, :, below + away, inside] = y[:, :, below - away, inside]
    for away in range(1, border + 1):
        y[:, :, :, border - away] = y[:, :, :, border + away]
        y[:, :, :, right + away] = y[:, :, :, right - away]
    return y


def bordered(parts: Sequence[Tensor]) -> Tensor:
    """The channels of all `parts` [N, C, H, W], with one pixel around them that repeats the outermost."""
    if torch.is_grad_enabled() or not parts[0].is_cpu or len(parts) == 1:
        return F.pad(torch.cat([*parts], 1) if len(parts) > 1 else parts[0], (1, 1, 1, 1), mode="replicate")
    (count, _, height, width), widths = parts[0].shape, [part.shape[1] for part in parts]
    size = (count, sum(widths), height + 2, width + 2)
    y = torch.empty(size, dtype=parts[0].dtype, memory_format=torch.channels_last)
    for part, room in zip(parts, y[:, :, 1:-1, 1:-1].split(widths, 1), strict=True):
        room.copy_(part)
    for edge, beside in ((0, 1), (-1, -2)):
        y[:, :, edge, 1:-1] = y[:, :, beside, 1:-1]
    for edge, beside in ((0, 1), (-1, -2)):
        y[:, :, :, edge] = y[:, :, :, beside]
    return y
