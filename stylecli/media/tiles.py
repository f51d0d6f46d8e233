"""Pictures of any size through networks in tiles, with the very result of the whole picture.

Each segment of a network (`nets.segments`) goes over the tiles in passes: one for each set of statistics that it asks
for, which only measures, then one that computes. A tile carries `reach` pixels of its neighbors with it and is cut back
afterwards, so there is no seam to hide. At the picture's own borders a tile ends where the picture ends, and the
network pads there as it would have.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylecli.device import wide
from stylecli.method import Recall
from stylecli.nets.segments import Moments, Segment, moments, second

BAND = 2**17
"""Pixels that are summed at once in double precision, which takes several times the memory of what is summed."""

Span = tuple[int, int]
"""First and last (exclusive) of a tile along one axis."""


@dataclass(frozen=True)
class Tile:
    """Where a tile lies: the part it answers for, and with what it needs around it, as (rows, columns)."""

    core: tuple[Span, Span]
    outer: tuple[Span, Span]

    def inner(self, x: Tensor) -> Tensor:
        """The core of `x` [N, C, h, w], which a network made of the outer part at any subsampling."""
        for axis, (core, outer) in enumerate(zip(self.core, self.outer, strict=True), 2):
            extent = x.shape[axis]
            scale = 2.0 ** round(math.log2(extent / (outer[1] - outer[0]))) if core != outer else 1.0
            first = round((core[0] - outer[0]) * scale)
            # At the picture's far border all that is left belongs to the tile, whatever odd sizes were rounded to.
            last = extent if core[1] == outer[1] else round((core[1] - outer[0]) * scale)
            x = x.narrow(axis, first, last - first)
        return x


def tiles(height: int, width: int, side: int, segment: Segment) -> Iterator[Tile]:
    """Tiles of about `side` pixels that cover the picture, row by row."""
    step = max(side // segment.stride, 1) * segment.stride
    reach = -(-segment.reach // segment.stride) * segment.stride

    def spans(extent: int) -> list[tuple[Span, Span]]:
        count = max(1, round(extent / step))
        even = -(-extent // count // segment.stride) * segment.stride
        cores = [(first, min(first + even, extent)) for first in range(0, extent, even)]
        return [(core, (max(core[0] - reach, 0), min(core[1] + reach, extent))) for core in cores]

    for rows, rows_outer in spans(height):
        for columns, columns_outer in spans(width):
            yield Tile((rows, columns), (rows_outer, columns_outer))


def stream(
    segments: Sequence[Segment],
    x: Tensor,
    side: int,
    *,
    load: Callable[[Tensor], Tensor] = lambda part: part,
    store: Callable[[Tensor], Tensor] = lambda part: part,
    keep: Callable[[Tensor], Tensor] = lambda part: part,
    again: Callable[[Tensor], Tensor] = Tensor.float,
    memory: dict[int, dict[str, Moments]] | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
    recall: Recall | None = None,
) -> Tensor:
    """`x` through `segments` in tiles.

    Args:
        segments: One after the other.
        x: [N, C, H, W] of any type.
        side: About how long a tile is, in pixels of `x`; deeper ones cover the same of the picture.
        load: Makes of a part of `x` what the first segment takes.
        store: Makes of a part of the last segment's output what is kept.
        keep: The same for what is between segments.
        again: Makes of a part of that what the next segment takes: float32, on the device that computes.
        memory: Statistics of each segment from an earlier run on the same `x`; those of this run are put into it.
        tell: Hears how many tiles are done, and of how many; measuring passes count too.
        recall: Statistics of the frame before, where `x` is one of a clip.

    Returns:
        What the last segment gives for the whole of `x`, in the type that `store` gives.
    """
    memory = {} if memory is None else memory
    for index, segment in enumerate(segments):
        first, last = index == 0, index == len(segments) - 1
        known = memory.setdefault(index, {})
        x = _through(
            segment, x, side, known, load if first else again, store if last else keep, tell, recall, f"{index} "
        )
        side = max(side * segment.scale[0] // segment.scale[1], 1)
    return x


class _UnknownError(Exception):
    """A tile got as far as it can without statistics that are still being gathered."""


class _Gatherer:
    """Answers a segment's questions: from the passes before, or not yet."""

    def __init__(self, known: dict[str, Moments], tells: bool, recall: Recall | None, prefix: str) -> None:
        self.known, self.recall, self.prefix = known, recall, prefix
        self.sums: dict[str, list[Tensor]] = {}
        self.tile: Tile | None = None
        self.tells = tells

    def ask(
        self, features: Mapping[str, Tensor], shares: Mapping[str, Tensor] | None = None, full: bool = False, /
    ) -> Mapping[str, Moments]:
        """Moments that are known; otherwise they are added to, and unless it only tells, the tile ends here."""
        if features.keys() <= self.known.keys():
            return {name: self.known[name] for name in features}
        assert self.tile is not None
        for name, x in features.items():
            inner = self.tile.inner(x)
            share = self.tile.inner(shares[name]) if shares else None
            for sums in _sums(inner, share, full):
                before = self.sums.get(name, [torch.zeros_like(part) for part in sums])
                self.sums[name] = [a + b for a, b in zip(before, sums, strict=True)]
        if self.tells:
            return {}
        raise _UnknownError

    def settle(self, like: Tensor) -> None:
        """Ends a measuring pass; moments become what `like` is, on its device."""
        for name, (total, products, count) in self.sums.items():
            some = count.clamp_min(1e-12)
            mean = total / some
            if products.ndim == 3:
                column = mean[:, :, :, 0]
                covariance = products / some[:, 0] - column @ column.mT
            else:
                covariance = (products / some - mean.square()).clamp_min(0)
            found = Moments(mean.to(like), covariance.to(like), count.to(like))
            self.known[name] = Moments(*self.recall.smoothed(self.prefix + name, found)) if self.recall else found
        self.sums = {}


def _sums(x: Tensor, share: Tensor | None, full: bool) -> Iterator[list[Tensor]]:
    """Sums of `x` [N, C, H, W], of its squares or products, and of `share` or ones, of some rows at a time.

    Sums of a picture's millions of squares cancel in single precision: moments around the mean of some rows do not.
    """
    if share is None:
        for some in x.split(max(1, BAND // x.shape[3]), 2) if full else (x,):
            mean, spread, count = map(wide, moments(some, None, full))
            square = mean[:, :, :, 0] @ mean[:, :, :, 0].mT if full else mean.square()
            yield [mean * count, (spread + square) * count.reshape(-1, *[1] * (square.ndim - 1)), count]
        return
    rows = max(1, BAND // x.shape[3])
    for some, weights in zip(x.split(rows, 2), share.split(rows, 2), strict=True):
        some, weights = wide(some), wide(weights)
        total = (some * weights).sum((2, 3), keepdim=True)
        yield [total, second(some, weights, full), weights.sum((2, 3), keepdim=True)]


def _through(
    segment: Segment,
    x: Tensor,
    side: int,
    known: dict[str, Moments],
    load: Callable[[Tensor], Tensor],
    store: Callable[[Tensor], Tensor],
    tell: Callable[[int, int], None],
    recall: Recall | None,
    prefix: str,
) -> Tensor:
    height, width = x.shape[2:]
    size = segment.size or (segment.extent(height), segment.extent(width))
    gatherer = _Gatherer(known, segment.tells, recall, prefix)
    made: Tensor | None = None
    while made is None:
        like = torch.empty(0)
        plan = [*tiles(height, width, side, segment)]
        for done, tile in enumerate(plan):
            tell(done, len(plan))
            (top, bottom), (left, right) = tile.outer
            part = load(x[:, :, top:bottom, left:right])
            like, gatherer.tile = part.new_empty(0), tile
            try:
                y = store(tile.inner(segment.run(part, gatherer.ask)))
            except _UnknownError:
                continue
            if made is None:
                # Encoders take pixel after pixel, and so do convolutions.
                kept = torch.channels_last
                made = torch.empty((len(y), y.shape[1], *size), dtype=y.dtype, device=y.device, memory_format=kept)
            p, q = segment.scale
            row, column = tile.core[0][0] * p // q, tile.core[1][0] * p // q
            there = made[:, :, row : row + y.shape[2], column : column + y.shape[3]]
            there.copy_(y[:, :, : there.shape[2], : there.shape[3]])
        gatherer.settle(like)
    return made
