"""An any-style network for tiles in two parts, between which the features of the content are kept.

In one part (`AnyStyle.segments`) a tile is encoded twice, to measure and to paint, with all around it that the decoder
sees. In two it is encoded once with what the encoder sees, however often the content is painted; but all features of
the picture are kept meanwhile, side by side in one tensor at the deepest subsampling.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.nets.any_style import AnyStyle
from stylecli.nets.segments import Ask, Moments, Segment
from stylecli.nets.style_changes import Changes, Style, moments_name


def values_per_pixel(net: AnyStyle, channels: int) -> float:
    """How many values are kept for each pixel of a prepared content of so many `channels`."""
    probe = torch.zeros(1, 3, 64, 64, device=next(net.parameters()).device)
    return channels + sum(each[0].numel() for each in net.encode(probe)) / 64**2


def seeing(net: AnyStyle, kept: torch.dtype) -> Segment:
    """A prepared content [1, C, H, W] to features of type `kept`, at the deepest subsampling; tells their moments."""
    deepest = max(net.levels)

    def run(x: Tensor, tell: Ask) -> Tensor:
        seen = net.see(x)
        tell(seen.asked, seen.shares, net.full)
        fitted, (height, width) = net.fit(x), (deepest * extent for extent in seen.features[-1].shape[2:])
        # Beyond a picture that pooling rounds up is nothing: `drawing` cuts it off again.
        content = F.pad(fitted, (0, width - fitted.shape[3], 0, height - fitted.shape[2]), value=torch.nan)
        return _packed([content, *seen.features], deepest, kept)

    def extent(side: int) -> int:
        return -(-net.fit(torch.empty(1, 1, side, deepest)).shape[2] // deepest)

    return Segment(run, net.sight, deepest, (1, deepest), extent, tells=True)


def drawing(
    net: AnyStyle,
    own: Mapping[str, Moments],
    styles: Sequence[Style],
    alpha: float,
    channels: int,
    size: tuple[int, int],
) -> list[Segment]:
    """What `seeing` gave of a content of `channels` and `size`, and told as `own`, to the picture in `styles`."""
    deepest = max(net.levels)
    strides = [deepest // stride for stride in (1, *net.levels)]
    counts = [channels, *(own[moments_name(level, 0)].mean.shape[1] for level in range(len(net.levels)))]
    known: list[Changes] = []

    def run(x: Tensor, _: Ask) -> Tensor:
        parts = x.split([count * stride**2 for count, stride in zip(counts, strides, strict=True)], 1)
        content, *features = (_unpacked(part, stride) for part, stride in zip(parts, strides, strict=True))
        height, width = (int((~line.isnan()).sum()) for line in (content[0, 0, :, 0], content[0, 0, 0]))
        seen = net.seen(net.apart(content[:, :, :height, :width]), features, (height, width))
        if not known:
            known.append(net.changes(seen, own, styles, alpha))
        return net.drawn(seen, known[0], styles, alpha)

    reach = (net.reach - net.sight) // deepest
    whole = Segment(run, reach, 1, (deepest, 1), lambda extent: extent * deepest, size)
    return [whole, net.finishing(known)]


def _packed(parts: Sequence[Tensor], deepest: int, kept: torch.dtype) -> Tensor:
    """`parts` [1, C, s H, s W], the last at the deepest subsampling, as [1, sum s^2 C, H, W]: s^2 positions a place."""
    height, width = parts[-1].shape[2:]
    rooms = [part.shape[1] * (part.shape[2] // height) ** 2 for part in parts]
    made = torch.empty(height, width, sum(rooms), dtype=kept, device=parts[0].device)
    for part, room in zip(parts, made.split(rooms, 2), strict=True):
        stride = part.shape[2] // height
        # What lies together in memory stays so: [H, s, W, s C].
        lines = part.permute(0, 2, 3, 1).reshape(height, stride, width, -1)
        room.unflatten(2, (stride, -1)).copy_(lines.transpose(1, 2))
    return made.permute(2, 0, 1)[None]


def _unpacked(part: Tensor, stride: int) -> Tensor:
    """One of the parts of `_packed`, as floats."""
    lines = part[0].permute(1, 2, 0).unflatten(2, (stride, -1)).transpose(1, 2)
    height, _, width, _ = lines.shape
    floats = torch.empty(lines.shape, device=part.device).copy_(lines)
    return floats.reshape(1, height * stride, width * stride, -1).permute(0, 3, 1, 2)
