"""3x3 convolutions of wide layers with 4 times fewer multiplications, on a CPU.

Winograd 1980, "Arithmetic complexity of computations"; Lavin, Gray 2016, "Fast algorithms for convolutional neural
networks", arXiv 1509.09308: F(4x4, 3x3) with the points 0, 1, -1, 2, -2, infinity.

    Y = A' [ (G g G') . (B' d B) ] A       d 6x6 of the input, g 3x3 of the weights, Y 4x4 of the output

What stands in the brackets is, for each of its 36 places, a matrix product over the channels. The transforms B' and A'
are additions; they cost as much for 16 channels as for 512, so narrow layers are left to the direct convolution.
Values differ from the direct convolution by about 1e-5 of their size.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.utils.weak import WeakIdKeyDictionary

from stylecli.nets import onednn

WIDE = 128 * 128
"""Kernels (channels in times channels out) from which the transforms take less than the multiplications they save."""

WIDER = 256 * 256
"""The same where plain convolutions are faster than matrix products."""

SMALL = 32 * 32
"""Values of the output, of each channel, below which it takes longer to transform the weights once."""

AT_ONCE = 256
"""4x4 tiles that are multiplied at once: enough for a matrix product, and they stay near the processor."""

A = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))

G = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))
"""24 times the transform of the weights."""

_kept = WeakIdKeyDictionary()


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, the faster way where there is one."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._made(input, weight, bias)

    def active(self, x: Tensor) -> Tensor:
        """ReLU of what it makes of `x`."""
        return self._made(x, self.weight, self.bias, relu=True)

    def _made(self, x: Tensor, weight: Tensor, bias: Tensor | None, *, relu: bool = False) -> Tensor:
        border, dense = int(self.padding[0]), self.stride == self.dilation == (1, 1)
        if not dense or self.groups > 1 or self.padding[1] != border:
            y: Tensor = super()._conv_forward(x, weight, bias)
            return F.relu(y, inplace=True) if relu else y
        if self.padding_mode != "zeros":
            x, border = F.pad(x, (border,) * 4, self.padding_mode), 0
        return conv2d(x, weight, bias, border, relu=relu)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    border: int = 0,
    *,
    stride: int = 1,
    relu: bool = False,
    onto: Tensor | None = None,
) -> Tensor:
    """`F.conv2d(x, weight, bias, stride, border)`, the faster way where there is one: wide 3x3 layers on a CPU.

    Args:
        x: Features [N, C, H, W].
        weight: [D, C, K, K].
        bias: [D].
        border: Lines of zeros around them.
        stride: See `F.conv2d`.
        relu: Whether a ReLU follows.
        onto: What it is added to, which is written over.

    Returns:
        [N, D, H', W'].
    """
    if stride > 1 or border > 1 or not _pays(x, weight, border):
        if onednn.usable(x, weight):
            # Saves ways to memory and back.
            if onto is not None and onednn.usable(onto) and not border and stride == 1:
                return onednn.added(onto, x, weight, bias, relu=relu)
            if relu and onto is None:
                return onednn.active(x, weight, bias, border, stride)
        y = F.conv2d(x, weight, bias, stride, border)
    else:
        y = _Convolution.apply(x, weight, bias, border)
    y = y if onto is None else onto.add_(y)
    # A convolution's way back needs nothing of what it made.
    return F.relu(y, inplace=True) if relu else y


def kept_bytes(net: nn.Module) -> int:
    """Memory that the transformed weights of `net` take once it has run forward and backward; none on a GPU."""
    weights = [each.weight for each in net.modules() if isinstance(each, Conv2d)]
    return sum(2 * 4 * 4 * weight.numel() for weight in weights if weight.is_cpu and _wide(weight))


def _wide(weight: Tensor) -> bool:
    return weight.shape[2:] == (3, 3) and weight.shape[0] * weight.shape[1] >= (WIDER if _half_as_fast() else WIDE)


def _pays(x: Tensor, weight: Tensor, border: int) -> bool:
    return (
        x.is_cpu
        and x.dtype == weight.dtype == torch.float32
        and _wide(weight)
        and weight.shape[1] == x.shape[1]
        and not torch.compiler.is_compiling()
        and not (weight.requires_grad and torch.is_grad_enabled())
        and (x.shape[2] + 2 * border - 2) * (x.shape[3] + 2 * border - 2) >= SMALL
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None, border: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.border = border  # type: ignore[attr-defined]
        return _convolved(x, _transformed(weight, backward=False), bias, border)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors  # type: ignore[attr-defined]
        border = 2 - ctx.border  # type: ignore[attr-defined]
        return _convolved(gradient, _transformed(weight, backward=True), None, border), None, None, None


def _transformed(weight: Tensor, *, backward: bool) -> Tensor:
    """G g G' [36, C, D] of `weight` [D, C, 3, 3]; for a gradient that of its transpose. Kept as long as the weight."""
    # Weights made in inference mode, those of one style, have no version and go at once.
    version, kept = (None, {}) if weight.is_inference() else _kept.get(weight, (None, {}))
    if not weight.is_inference() and version != weight._version:
        kept = {}
        _kept[weight] = weight._version, kept
    if backward not in kept:
        g = weight.new_tensor(G) / 24
        taps = weight.detach().flip(2, 3).transpose(0, 1) if backward else weight.detach()
        places = torch.kron(g, g) @ taps.permute(2, 3, 1, 0).reshape(9, -1)
        kept[backward] = places.view(36, *taps.shape[1::-1])
    found: Tensor = kept[backward]
    return found


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None, border: int) -> Tensor:
    samples, channels, rows, columns = x.shape
    height, width, out = rows + 2 * border - 2, columns + 2 * border - 2, weight.shape[2]
    y = torch.empty((samples, out, height, width), memory_format=torch.channels_last)
    source, goal = x.permute(0, 2, 3, 1).contiguous(), y.permute(0, 2, 3, 1)
    across, back = -(-width // 4), x.new_tensor(A)
    step = min(max(AT_ONCE // across, 1), -(-height // 4))
    # What is beside the picture stays zero.
    lines = x.new_zeros(6, step, 4 * across + 2, channels)
    places, products = x.new_empty(36, step * across, channels), x.new_empty(36, step * across, out)
    halfway, tiles = x.new_empty(4, 6, step * across * out), x.new_empty(4, 4, step * across * out)
    for sample, first in product(range(samples), range(0, height, 4 * step)):
        top, bottom = first - border, first - border + 4 * step + 2
        band = source[sample, max(top, 0) : bottom]
        if len(band) < 4 * step + 2:
            above = max(-top, 0)
            band = F.pad(band, (0, 0, 0, 0, above, 4 * step + 2 - len(band) - above))
        _taken([band[i : i + 4 * step - 3 : 4] for i in range(6)], list(lines[:, :, border : border + columns]))
        beside = [lines[:, :, j : j + 4 * across - 3 : 4] for j in range(6)]
        _taken(beside, list(places.view(6, 6, step, across, channels).unbind(1)))
        _multiplied(places, weight, products)
        if bias is not None:
            # The place (1, 1) counts once in each of a tile's 16 values.
            products[7] += bias
        torch.mm(back, products.view(6, -1), out=halfway.view(4, -1))
        torch.bmm(back.expand(4, 4, 6), halfway, out=tiles)
        made = tiles.view(4, 4, step, across, out)
        for i, j in product(range(4), range(4)):
            into = goal[sample, first + i : first + 4 * step : 4, j::4]
            into.copy_(made[i, j, : into.shape[0], : into.shape[1]])
    return y


@cache
def _half_as_fast() -> bool:
    """Whether `torch.bmm`, by MKL, is slower than oneDNN's convolutions: half of AVX-512 lies idle on AMD's CPUs."""
    told: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return str(told.get("cpu_name", "")).startswith("AMD") and bool(told.get("avx512_f")) and onednn.there()


def _multiplied(places: Tensor, weight: Tensor, into: Tensor) -> None:
    """`torch.bmm`, by oneDNN where that is faster."""
    if not _half_as_fast():
        torch.bmm(places, weight, out=into)
        return
    for one, factors, made in zip(places, weight, into, strict=True):
        made.copy_(torch.ops.mkldnn._linear_pointwise(one, factors.T, None, "none", [], ""))


def _taken(d: Sequence[Tensor], into: Sequence[Tensor]) -> None:
    """B' of six lines."""
    torch.sub(d[4], d[2], alpha=4, out=into[2])
    other = torch.sub(d[3], d[1], alpha=4)
    torch.add(into[2], other, out=into[1])
    into[2].sub_(other)
    torch.sub(d[4], d[2], out=into[4])
    torch.sub(d[3], d[1], out=other)
    torch.add(into[4], other, alpha=2, out=into[3])
    into[4].sub_(other, alpha=2)
    torch.add(d[4], d[0], alpha=4, out=into[0]).sub_(d[2], alpha=5)
    torch.add(d[5], d[1], alpha=4, out=into[5]).sub_(d[3], alpha=5)
