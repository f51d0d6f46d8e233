"""Pictures of any size through networks in tiles, with the very result of the whole picture.

Each segment of a network (`nets.segments`) goes over the tiles in passes: one for each set of statistics that it asks
for, which only measures, then one that computes. A tile carries `reach` pixels of its neighbors with it and is cut back
afterwards, so there is no seam to hide. At the picture's own borders a tile ends where the picture ends, and the
network pads there as it would have.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from stylecli.device import wide
from stylecli.media.spool import Spool, Store, Whole
from stylecli.method import Rows, Span
from stylecli.nets.segments import Moments, Segment, moments, second
from stylecli.past import Recall

BAND = 2**17
"""Pixels that are summed at once in double precision, which takes several times the memory of what is summed."""

IN_MEMORY = 2**28
"""Bytes for what is between two parts of a network; more goes through a temporary file."""


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

    def spans(extent: int) -> list[tuple[Span, Span]]:
        count = max(1, round(extent / step))
        even = -(-extent // count // segment.stride) * segment.stride
        cores = [(first, min(first + even, extent)) for first in range(0, extent, even)]
        return [(core, (max(core[0] - segment.around, 0), min(core[1] + segment.around, extent))) for core in cores]

    for rows, rows_outer in spans(height):
        for columns, columns_outer in spans(width):
            yield Tile((rows, columns), (rows_outer, columns_outer))


def stream(
    segments: Sequence[Segment],
    x: Tensor | Rows,
    side: int,
    *,
    load: Callable[[Tensor], Tensor] = lambda part: part,
    store: Callable[[Tensor], Tensor] = lambda part: part,
    keep: Callable[[Tensor], Tensor] = lambda part: part,
    again: Callable[[Tensor], Tensor] = Tensor.float,
    memory: dict[int, dict[str, Moments]] | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
    recall: Recall | None = None,
) -> Iterator[Tensor]:
    """`x` through `segments` in tiles.

    Args:
        segments: One after the other.
        x: [N, C, H, W] of any type, whole or read some rows at a time.
        side: About how long a tile is, in pixels of `x`; deeper ones cover the same of the picture.
        load: Makes of a part of `x` what the first segment takes.
        store: Makes of a part of the last segment's output what is given.
        keep: The same for what is between segments, which lies in a temporary file where it is large.
        again: Makes of a part of that what the next segment takes: float32, on the device that computes.
        memory: Statistics of each segment from an earlier run on the same `x`; those of this run are put into it.
        tell: Hears how many tiles are done, and of how many; measuring passes count too.
        recall: Statistics of the frame before, where `x` is one of a clip.

    Yields:
        What the last segment gives for the whole of `x`, some rows after the others, in the type that `store` gives.

    Raises:
        OutputError: There is no room for temporary files.
    """
    memory = {} if memory is None else memory
    source: Rows = Whole(x) if isinstance(x, Tensor) else x
    with ExitStack() as closing:
        for index, segment in enumerate(segments):
            size = output_size([segment], source.shape)
            known, first, last = memory.setdefault(index, {}), index == 0, index == len(segments) - 1
            take, give = load if first else again, store if last else keep
            made = _through(segment, source, size, side, known, take, give, tell, recall, f"{index} ")
            if last:
                yield from made
                return
            kept: Store | None = None
            for band in made:
                if kept is None:
                    kept = _room(source, band, size)
                    closing.callback(kept.close)
                kept.add(band, segment.around if kept is source else 0)
            assert kept is not None
            if isinstance(source, Spool) and kept is not source:
                source.close()
            source = kept.done()
            side = max(side * segment.scale[0] // segment.scale[1], 1)


def output_size(segments: Sequence[Segment], shape: Sequence[int]) -> tuple[int, int]:
    """Height and width of what `segments` make of [N, C, H, W]."""
    height, width = shape[2:]
    for segment in segments:
        height, width = segment.size or (segment.extent(height), segment.extent(width))
    return height, width


def whole(bands: Iterable[Tensor], size: tuple[int, int]) -> Tensor:
    """All rows of what has this height and width in one tensor, pixel after pixel, as encoders and nets take it."""
    kept: Whole | None = None
    for band in bands:
        kept = kept or Whole.empty((*band.shape[:2], *size), band)
        kept.add(band)
    assert kept is not None
    return kept.x


def _room(source: Rows, band: Tensor, size: tuple[int, int]) -> Store:
    """Where a segment's output goes, of which this is the first band: in place of its input where that fits."""
    shape = (*band.shape[:2], *size)
    if math.prod(shape) * band.element_size() <= IN_MEMORY or not band.is_cpu:
        return Whole.empty(shape, band)
    if isinstance(source, Spool) and source.fits(shape, band.dtype):
        return source
    return Spool(shape, band.dtype)


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
    x: Rows,
    size: tuple[int, int],
    side: int,
    known: dict[str, Moments],
    load: Callable[[Tensor], Tensor],
    store: Callable[[Tensor], Tensor],
    tell: Callable[[int, int], None],
    recall: Recall | None,
    prefix: str,
) -> Iterator[Tensor]:
    """The segment's output of height and width `size`, a row of tiles after the other."""
    gatherer = _Gatherer(known, segment.tells, recall, prefix)
    plan, (p, q) = [*tiles(x.shape[2], x.shape[3], side, segment)], segment.scale
    computed = False
    while not computed:
        like, band = torch.empty(0), None
        for done, tile in enumerate(plan):
            tell(done, len(plan))
            part = load(x.part(*tile.outer))
            like, gatherer.tile = part.new_empty(0), tile
            try:
                y = store(tile.inner(segment.run(part, gatherer.ask)))
            except _UnknownError:
                continue
            row, column = tile.core[0][0] * p // q, tile.core[1][0] * p // q
            if band is None:
                # Encoders take pixel after pixel, and so do convolutions.
                rows, computed = min(y.shape[2], max(size[0] - row, 0)), True
                shape, kept = (len(y), y.shape[1], rows, size[1]), torch.channels_last
                band = torch.empty(shape, dtype=y.dtype, device=y.device, memory_format=kept)
            there = band[:, :, :, column : column + y.shape[3]]
            there.copy_(y[:, :, : there.shape[2], : there.shape[3]])
            if tile.core[1][1] == x.shape[3]:
                if band.shape[2]:
                    yield band
                band = None
        gatherer.settle(like)
