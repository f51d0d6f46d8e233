"""What oneDNN computes in one pass, and PyTorch's own functions in several: on x86 processors, without gradients.

The operations are those that PyTorch's compiler calls, and the gradient of a convolution. `usable` is asked before.
"""

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


@cache
def there() -> bool:
    """Whether this PyTorch has the operations, and the processor the instructions that they are written for."""
    names = ("_convolution_pointwise", "_convolution_pointwise_", "_linear_pointwise")
    known = all(hasattr(torch.ops.mkldnn, name) for name in names)
    return known and torch.backends.cpu.get_cpu_capability().startswith("AVX")


def usable(x: Tensor, *others: Tensor, dense: bool = True) -> bool:
    """Whether it takes features `x` [N, C, H, W], or would were they `dense`, and `others` of any shape with them."""
    return (
        all(each.is_cpu and each.dtype == torch.float32 for each in (x, *others))
        and x.numel() > 0
        and (not dense or x.is_contiguous(memory_format=torch.channels_last))
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and there()
    )


def active(x: Tensor, weight: Tensor, bias: Tensor | None, border: int, stride: int) -> Tensor:
    """ReLU of `F.conv2d(x, weight, bias, stride, border)`."""
    borders, strides = [border, border], [stride, stride]
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, borders, strides, [1, 1], 1, "relu", [], "")
    return y


def added(onto: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, *, relu: bool) -> Tensor:
    """`onto` plus `F.conv2d(x, weight, bias)`, with a ReLU behind it or none, in place."""
    activity, ones = "relu" if relu else None, [1, 1]
    torch.ops.mkldnn._convolution_pointwise_.binary(
        onto, x, weight, bias, [0, 0], ones, ones, 1, "add", 1.0, activity, [], None
    )
    return onto


def mapped(x: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """M x + b of every pixel of `x` [1, C, H, W]; `matrix` [D, C], `offset` [D]."""
    return F.conv2d(x, matrix[:, :, None, None], offset)


def products(x: Tensor) -> Tensor:
    """Sums over all pixels of `x` [1, C, H, W], of the products of two channels [C, C].

    They are the gradient of the weight of a 1x1 convolution of `x` whose result is `x` too.
    """
    channels, ones, nil = x.shape[1], [1, 1], [0, 0]
    weight = x.new_empty(channels, channels, 1, 1)
    made: Tensor = torch.ops.aten.convolution_backward(
        x, x, weight, None, ones, nil, ones, False, nil, 1, [False, True, False]
    )[1]
    return made[:, :, 0, 0]
