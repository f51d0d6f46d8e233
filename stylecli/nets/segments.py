"""How a network is cut so that a picture of any size can go through it in tiles, with the very result of the whole.

A segment is local but for the statistics that it asks for: each output pixel depends on the input within `reach`, and
on moments over the whole picture (instance norm, AdaIN). Given the whole picture, `measured` answers at once; given
tiles, `media.tiles` answers from a pass before.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from stylecli.device import Context
from stylecli.nets import onednn
from stylecli.past import Recall

LANES = 192
"""Values that a processor sums side by side: of few channels, those of several pixels."""

SQUARE = 48
"""Values of which it multiplies each with each at once."""

NEAR = 64.0
"""How often a squared mean may hold the variance around it for both to be told from the sums of squares."""

FEW = 16
"""Channels from which statistics are fast without it."""


class Moments(NamedTuple):
    """Moments over space, biased.

    Attributes:
        mean: [N, C, 1, 1].
        covariance: [N, C, C] where it was asked for, else the variance of each channel [N, C, 1, 1].
        positions: How many there were, [N, 1, 1, 1].
    """

    mean: Tensor
    covariance: Tensor
    positions: Tensor


class Ask(Protocol):
    """Answers with moments over the whole picture; what is asked together is measured in one pass."""

    def __call__(
        self, features: Mapping[str, Tensor], shares: Mapping[str, Tensor] | None = None, full: bool = False, /
    ) -> Mapping[str, Moments]:
        """Moments of each of `features` [N, C, H, W].

        Args:
            features: The same name is always the same features; a segment asks in the same order every time.
            shares: By the same names, how much each position counts, [N, 1, H, W]; left out, all count 1.
            full: Whole covariances are needed.
        """


def moments(x: Tensor, share: Tensor | None = None, full: bool = False) -> Moments:
    """Moments of `x` [N, C, H, W], each position counted by `share` [N, 1, H, W]; with `full` covariance or without."""
    if share is None:
        # float16 does not count to 2^16.
        exact = torch.promote_types(x.dtype, torch.float32)
        count = x.new_full((len(x), 1, 1, 1), x.shape[2] * x.shape[3], dtype=exact)
        if full and len(x) == 1 and onednn.usable(x, dense=False):
            return Moments(*_products(x), count)
        if x.is_cpu and not torch.compiler.is_compiling():
            mean, variance = _Measured.apply(x)
        else:
            variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
        return Moments(mean, second(x - mean, None, full) / count[:, 0] if full else variance, count)
    count = share.sum((2, 3), keepdim=True)
    # Nowhere is a region too: its moments do not matter, but must be numbers.
    mean = (x * share).sum((2, 3), keepdim=True) / count.clamp_min(1e-12)
    return Moments(mean, second(x - mean, share, full) / (count[:, 0] if full else count).clamp_min(1e-12), count)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance [C] of channels_last [1, C, H, W]."""
    wide = _side_by_side(x, LANES)
    means, variances = (each.view(-1, x.shape[1]) for each in _updated(wide))
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)


def _products(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [1, C, 1, 1] and biased covariance [1, C, C] of [1, C, H, W], on x86."""
    if onednn.usable(x):
        mean, covariance = _around(x)
        # Of large numbers nothing would be left but their rounding errors.
        if bool((mean.square() <= NEAR * covariance.diagonal()).all()):
            return mean[None, :, None, None], covariance[None]
    about = x[:, :, :: 1 + x.shape[2] // 32, :: 1 + x.shape[3] // 32].mean((2, 3), keepdim=True)
    mean, covariance = _around((x - about).contiguous(memory_format=torch.channels_last))
    return about + mean[None, :, None, None], covariance[None]


def _around(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [C] and biased covariance [C, C] of channels_last [1, C, H, W] whose mean is not far from 0."""
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    wide = _side_by_side(x, SQUARE)
    some = wide.shape[1] // channels
    mean = wide.mean((2, 3)).view(some, channels).mean(0)
    within = onednn.products(wide).view(some, channels, some, channels).diagonal(dim1=0, dim2=2).sum(-1)
    return mean, within / pixels - mean.outer(mean)


def _side_by_side(x: Tensor, values: int) -> Tensor:
    """`x` [1, C, H, W] with some pixels in a row as channels of one, about so many `values`."""
    channels, pixels = x.shape[1], x.shape[2] * x.shape[3]
    some = math.gcd(1 << max(values // channels, 1).bit_length() - 1, pixels)
    # Others would have to be copied, which costs more where they are many.
    if some == 1 or (channels >= FEW and not x.is_contiguous(memory_format=torch.channels_last)):
        return x
    return x.permute(0, 2, 3, 1).reshape(1, pixels // some, 1, -1).permute(0, 3, 1, 2)


def _updated(x: Tensor) -> tuple[Tensor, Tensor]:
    # Statistics get the type of the running ones, which momentum 0 leaves alone; without any, that of the features.
    half = x.dtype.itemsize < 4
    running = x.new_zeros(x.shape[1], dtype=torch.float32) if half else None
    mean, variance = torch.batch_norm_update_stats(x, running, running, 0.0)
    return mean, variance


class _Measured(torch.autograd.Function):
    """Mean and biased variance of [N, C, H, W], twenty times as fast as `var_mean` on channels_last."""

    @staticmethod
    def forward(ctx: Context, x: Tensor) -> tuple[Tensor, Tensor]:
        pairs = [_statistics(one) for one in x.split(1)]
        mean, variance = (torch.stack(part)[:, :, None, None] for part in zip(*pairs, strict=True))
        ctx.save_for_backward(x, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Context, *gradients: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        to_mean, to_variance = (gradient / (x.shape[2] * x.shape[3]) for gradient in gradients)
        return torch.addcmul(to_mean - 2 * to_variance * mean, x, 2 * to_variance)


def second(x: Tensor, share: Tensor | None, full: bool) -> Tensor:
    """Sum of products over positions: [N, C, C], or without `full` of squares: [N, C, 1, 1]."""
    if not full:
        return (x.square() if share is None else x.square() * share).sum((2, 3), keepdim=True)
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)
    # Half precision would round what is summed.
    with torch.autocast(x.device.type, enabled=False):
        return rows.mT @ (rows if share is None else rows * share.flatten(1)[:, :, None])


def measured(
    features: Mapping[str, Tensor], shares: Mapping[str, Tensor] | None = None, full: bool = False, /
) -> dict[str, Moments]:
    """The `Ask` of a whole picture."""
    return {name: moments(x, shares[name] if shares else None, full) for name, x in features.items()}


def recalled(recall: Recall | None, prefix: str = "") -> Ask:
    """The `Ask` of a whole frame of a clip, whose moments go on from those of the frame before."""
    if recall is None:
        return measured

    def ask(
        features: Mapping[str, Tensor], shares: Mapping[str, Tensor] | None = None, full: bool = False, /
    ) -> dict[str, Moments]:
        found = measured(features, shares, full)
        return {name: Moments(*recall.smoothed(prefix + name, each)) for name, each in found.items()}

    return ask


@dataclass(frozen=True)
class Segment:
    """A part of a network, from one tensor to one tensor; the parts of a network follow on one another.

    Attributes:
        run: `run(x, ask)`, [N, C, H, W] to [N, D, H', W'].
        reach: Input pixels that an output pixel sees on each side beyond those below it (an upper bound will do).
        stride: Tiles begin at multiples of it; the deepest subsampling inside, or a multiple.
        scale: (p, q): output extent is p / q of the input's, up to what `extent` adds at the far border.
        extent: Input extent to output extent; exact for odd sizes too.
        size: Height and width that the output is cut to; None for what `extent` gives.
        tells: It computes nothing with the moments that it asks for, but the segments behind it do: one pass is enough.
    """

    run: Callable[[Tensor, Ask], Tensor]
    reach: int
    stride: int = 1
    scale: tuple[int, int] = (1, 1)
    extent: Callable[[int], int] = lambda extent: extent
    size: tuple[int, int] | None = None
    tells: bool = False

    @property
    def around(self) -> int:
        """How far a tile reaches beyond its core: what it needs, and to where subsampling begins."""
        return -(-self.reach // self.stride) * self.stride
