"""What is known of a clip, whatever file it comes from: a stream of frames, each with its time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

import numpy as np

UNKNOWN = 2
"""In H.273: nothing is said."""

LARGE = 2**22
"""Pixels of a frame beyond which memory counts more than time, and more than some bits."""

ON_THE_WAY = 60
"""Bytes of a pixel of all frames that a decoder keeps, that wait between stages, or that others go on from."""


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Attributes:
        color: [H, W, 3] uint8, upright.
        alpha: [H, W] uint8, None for opaque frames.
        time: Seconds from the beginning of the clip.
        duration: Seconds, 0 where nobody knows.
    """

    color: np.ndarray
    alpha: np.ndarray | None
    time: Fraction
    duration: Fraction = Fraction(0)


@dataclass(frozen=True)
class Colors:
    """What codes of colors stand for, as numbers of ITU-T H.273: they go from a clip to its result."""

    primaries: int = UNKNOWN
    transfer: int = UNKNOWN


NOTHING_SAID = Colors()


@dataclass(frozen=True)
class Clip:
    """What a clip's file says of it.

    Attributes:
        name: What messages call it.
        size: Height and width of its frames, upright.
        step: All times are multiples of it, in seconds.
        rate: Frames a second, on the mean.
        frames: Opens it and reads it from the beginning; may add to `notes`.
        seconds: How long it is, None where nobody knows.
        alpha: Whether frames may be transparent.
        sounds: Streams of sound.
        colors: Of its codes.
        aspect: Width of a pixel by its height.
        tags: Title and so on.
        notes: What the user should know; grows while frames are read.
    """

    name: str
    size: tuple[int, int]
    step: Fraction
    rate: Fraction
    frames: Callable[[], Iterator[Frame]]
    seconds: Fraction | None = None
    alpha: bool = False
    sounds: int = 0
    colors: Colors = NOTHING_SAID
    aspect: Fraction = Fraction(1)
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def large(self) -> bool:
        """Whether stages take turns, and all threads paint one frame: memory stays near that of a picture."""
        return self.size[0] * self.size[1] > LARGE


@dataclass(frozen=True)
class Part:
    """Which frames of a clip are wanted.

    Attributes:
        first: Seconds where to begin.
        last: Seconds where to end, None for the clip's own end.
        fps: Frames a second, each the nearest of the clip's; None for its own.
        every: Only every so many.
    """

    first: Fraction = Fraction(0)
    last: Fraction | None = None
    fps: Fraction | None = None
    every: int = 1

    def of(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Those of `frames` that are wanted, with their times in the part."""
        found = self._at_rate(self._between(frames))
        return (frame for place, frame in enumerate(found) if place % self.every == 0)

    def expected(self, clip: Clip) -> int:
        """About how many there will be; 0 where nobody knows."""
        if clip.seconds is None:
            return 0
        last = clip.seconds if self.last is None else min(self.last, clip.seconds)
        return max(round(max(last - self.first, Fraction(0)) * (self.fps or clip.rate) / self.every), 1)

    def step(self, clip: Clip) -> Fraction:
        """What all times are multiples of."""
        return 1 / self.fps if self.fps else clip.step

    def _between(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self.last is not None and frame.time >= self.last:
                return
            if frame.time >= self.first:
                yield Frame(frame.color, frame.alpha, frame.time - self.first, frame.duration)

    def _at_rate(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        if not self.fps:
            yield from frames
            return
        fps, before = self.fps, None
        for frame in frames:
            if before is not None:
                yield from _shown(before, fps, before.time, frame.time)
            before = frame
        if before is not None:
            yield from _shown(before, fps, before.time, before.time + max(before.duration, 1 / fps))


def _shown(frame: Frame, fps: Fraction, begin: Fraction, end: Fraction) -> Iterator[Frame]:
    """`frame` at each tick that is nearest to it."""
    for tick in range(_nearest(begin * fps), _nearest(end * fps)):
        yield Frame(frame.color, frame.alpha, tick / fps, 1 / fps)


def _nearest(number: Fraction) -> int:
    return floor(number + Fraction(1, 2))


def mean_rate(times: Sequence[Fraction]) -> Fraction:
    """Frames a second of frames at these times."""
    span = times[-1] - times[0] if times else Fraction(0)
    return Fraction(len(times) - 1) / span if span else Fraction(25)
