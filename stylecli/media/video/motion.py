"""What moved from one frame to the next, and where the frame before shows what is seen now.

Optical flow, DIS (Kroeger et al. 2016, arXiv 1603.03590) where nothing else is given, is found in both directions. The
frame before is trusted where

    |w + v(x + w)|^2 < 0.01 (|w|^2 + |v|^2) + 0.5       w: from this frame to the one before, v: back; Sundaram 2010

and where, moved by w, it looks as this one does, to within half a pixel: what is uncovered, what changes its light,
and what is new shows no trail. Pixels are those of the flow, of half the frame's size and less. A cut is where hardly
anything of a frame is found in the one before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from stylecli.errors import UsageError

SIDE, LEAST = 224, 144
"""Short side in pixels of flow: finer motions come from no camera; and below which it is half that of a frame."""

SHARE = 0.4
"""Of a frame's sides, for flow between these two: half takes 1.6 times as long, and errors are the same."""

CUT = 0.3
"""Share of trusted pixels below which there is a cut."""

LOOKS = 12.0
"""Levels of difference at which a pixel is trusted a third."""

MENDED = 0.3
"""Share of pixels up to which other flows are tried for them."""

CORNERS = ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""What is looked at of what is around a pixel: rows, columns."""

KEPT = 2**20
"""Pixels up to which their places are kept for the next frame."""

STRIP = 256
"""Pixels that are looked up in a row."""

AROUND, COARSE = 0.04, 4
"""Deviation of what counts as around a pixel, in parts of the short side; it is looked at so many times smaller."""

Cv = Any
Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Two frames [h, w, 3] uint8 to where each pixel of the first one is in the second, [h, w, 2] float32 in pixels."""


@cache
def opencv() -> Cv:
    """OpenCV, which computes flow.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        hint = "pip install 'stylecli[video]', or --steady 0 for each frame by itself"
        raise UsageError("--steady: needs OpenCV, which is not installed", hint) from error
    cv2.setNumThreads(1)
    return cv2


@dataclass(frozen=True)
class Motion:
    """From a frame to the one before.

    Attributes:
        flow: [h, w, 2] in pixels of its own size.
        trust: [h, w] float32 in [0, 1].
        cut: The frame before shows another scene.
    """

    flow: np.ndarray
    trust: np.ndarray
    cut: bool


class Seen(NamedTuple):
    """A frame as flow sees it: at the size of the flow, in gray, and at twice that size [h, w, 3], uint8 each."""

    small: np.ndarray
    gray: np.ndarray
    twice: np.ndarray

    @classmethod
    def of(cls, frame: np.ndarray) -> "Seen":
        """A frame [H, W, 3] uint8."""
        cv2 = opencv()
        height, width = frame.shape[:2]
        short = min(height, width)
        scale = min(0.5, max(SHARE, LEAST / short), SIDE / short)
        size = max(round(width * scale), 16), max(round(height * scale), 16)
        twice = _twice(frame, size)
        small = cv2.resize(twice, size, interpolation=cv2.INTER_AREA)
        return cls(small, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), twice)


def between(before: np.ndarray, now: np.ndarray, find: Flow | None = None) -> Motion:
    """What moved between two frames [H, W, 3] uint8 of one size, as `find` sees it, or DIS."""
    return followed(Seen.of(before), Seen.of(now), find)


def followed(before: Seen, now: Seen, find: Flow | None = None) -> Motion:
    """As `between`."""
    cv2 = opencv()
    small, size = (before.small, now.small), now.small.shape[1::-1]
    if find:
        ways = find(now.twice, before.twice), find(before.twice, now.twice)
        flow, back = (cv2.resize(each * np.float32(0.5), size, interpolation=cv2.INTER_AREA) for each in ways)
    else:
        flow, back = _flow(now.gray, before.gray), _flow(before.gray, now.gray, finest=1)
    back = cv2.remap(back, placed(flow), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    consistent = square(cv2.add(flow, back)) < 0.01 * (square(flow) + square(back)) + 0.5
    _mend(flow, consistent, *small)
    there = placed(flow)
    across, down = cv2.split(there)
    inside = (across >= -0.5) & (across <= size[0] - 0.5) & (down >= -0.5) & (down <= size[1] - 0.5)
    seen = cv2.remap(small[0], there, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    most = np.maximum.reduce(cv2.split(cv2.max(_apart(seen, small[1]), _apart(small[1], seen))))
    apart = cv2.GaussianBlur(most.astype(np.float32), (0, 0), 0.6)
    alike = np.exp(-np.square(apart / np.float32(LOOKS)))
    trust = (consistent & inside).astype(np.float32)
    # What is next to an occlusion belongs to it: flow is smooth there, motion is not.
    trust = cv2.GaussianBlur(cv2.erode(trust, np.ones((3, 3), np.uint8)), (0, 0), 0.5) * alike
    return Motion(flow, trust, bool(trust.mean() < CUT))


def _twice(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame at twice the width and height of its flow."""
    cv2 = opencv()
    twice = 2 * size[0], 2 * size[1]
    if frame.shape[1::-1] == twice:
        return frame
    # Means over areas take five times as long, and from half the size on show nothing more.
    way = cv2.INTER_AREA if frame.shape[0] > 2 * twice[1] else cv2.INTER_LINEAR
    made: np.ndarray = cv2.resize(frame, twice, interpolation=way)
    return made


def _mend(flow: np.ndarray, consistent: np.ndarray, before: np.ndarray, now: np.ndarray) -> None:
    """Gives what is not `consistent` a flow that explains what it looks like, and calls it so, where there is one.

    Around what moves, flow is smooth and true motion is not: there the motion is that of what is consistent to the
    left, right, above or below, or none at all.
    """
    ys, xs = np.nonzero(~consistent)
    if not 0 < ys.size < MENDED * consistent.size:
        return
    choices = np.zeros((1 + 4, ys.size, 2), np.float32)
    for turned, known, line, place in ((0, consistent, ys, xs), (1, consistent.T, xs, ys)):
        for back, nearest in enumerate(_nearest(known, line, place)):
            choices[1 + 2 * turned + back] = flow[nearest, xs] if turned else flow[ys, nearest]
    costs = _unlike(choices, ys, xs, before, now)
    fits = costs.min(0) < LOOKS
    flow[ys[fits], xs[fits]] = choices[costs.argmin(0), np.arange(ys.size)][fits]
    consistent[ys[fits], xs[fits]] = True


def _nearest(known: np.ndarray, line: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest places that are `known` before and behind each place of a line; its ends where there is none."""
    length, found = known.shape[1], np.flatnonzero(known)
    begin = line * length
    after = np.searchsorted(found, begin + place)
    before = np.maximum(found[after - 1], begin) - begin
    behind = np.minimum(found[after.clip(None, found.size - 1)], begin + length - 1) - begin
    return np.where(after > 0, before, 0), np.where(after < found.size, behind, length - 1)


def _unlike(flows: np.ndarray, ys: np.ndarray, xs: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """How little pixels of `now` and those around them look like where `flows` [K, N, 2] say that they were [K, N]."""
    cv2 = opencv()
    count, some = flows.shape[:2]
    total = np.zeros((count, some), np.float32)
    # OpenCV's maps have less than 32768 rows and columns.
    places = np.zeros((-(-count * some // STRIP) * STRIP, 2), np.float32)
    here = np.empty((count, some, 3), np.uint8)
    for down, across in CORNERS:
        y, x = (ys + down).clip(0, now.shape[0] - 1), (xs + across).clip(0, now.shape[1] - 1)
        np.add(flows, np.stack([x, y], -1), out=places[: count * some].reshape(flows.shape))
        seen = cv2.remap(before, places.reshape(-1, STRIP, 2), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        here[:] = now[y, x]
        apart = cv2.absdiff(seen.reshape(-1, 1, 3)[: count * some], here.reshape(-1, 1, 3))
        total += np.maximum.reduce(cv2.split(apart)).reshape(count, some)
    return total / len(CORNERS)


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How far `first` is from all that lies within half a pixel of the same place in `second`, uint8 each."""
    cv2 = opencv()
    near = np.ones((3, 3), np.uint8)
    most, least = (cv2.addWeighted(second, 0.5, each(second, near), 0.5, 0) for each in (cv2.dilate, cv2.erode))
    made: np.ndarray = cv2.max(cv2.subtract(first, most), cv2.subtract(least, first))
    return made


def _flow(first: np.ndarray, second: np.ndarray, *, finest: int = 0) -> np.ndarray:
    cv2 = opencv()
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    found.setFinestScale(finest)
    found.setPatchStride(5)
    found.setGradientDescentIterations(10)
    found.setVariationalRefinementIterations(3)
    made: np.ndarray = found.calc(first, second, None)
    return made


def square(flow: np.ndarray) -> np.ndarray:
    """How far it goes, squared [h, w]."""
    across, down = opencv().split(flow)
    made: np.ndarray = across * across + down * down
    return made


def placed(flow: np.ndarray, first: int = 0) -> np.ndarray:
    """Where each pixel comes from by `flow` [H, W, 2], whose rows begin at the `first` one."""
    height, width = flow.shape[:2]
    make = _grid if height * width <= KEPT else _grid.__wrapped__
    made: np.ndarray = opencv().add(flow, make(first, first + height, width))
    return made


@lru_cache(4)
def _grid(first: int, last: int, width: int) -> np.ndarray:
    """Places of pixels, [last - first, width, 2]: a clip asks for the same again and again."""
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(first, last, dtype=np.float32))
    return np.stack([across, down], -1)


def shifted(before: np.ndarray | None, motion: Motion) -> np.ndarray:
    """How far what is seen has come since it was first seen [h, w, 2], in parts of the frame's width and height.

    What is seen for the first time goes with what is around it.

    Args:
        before: The same of the frame before, None where that was the first.
        motion: From this frame to the one before.
    """
    cv2 = opencv()
    height, width = motion.trust.shape
    step = cv2.multiply(motion.flow, (1 / width, 1 / height, 0, 0))
    if before is not None:
        step = cv2.add(
            step, cv2.remap(before, placed(motion.flow), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
    trust = cv2.merge([motion.trust] * 2)
    known = cv2.multiply(step, trust)
    # What is so smooth needs few places.
    small = max(width // COARSE, 1), max(height // COARSE, 1)
    around = cv2.resize(cv2.merge([*cv2.split(known), motion.trust]), small, interpolation=cv2.INTER_AREA)
    around = cv2.GaussianBlur(around, (0, 0), AROUND * min(small))
    around = around[..., :2] / (around[..., 2:] + np.float32(1e-4))
    around = cv2.resize(around, (width, height), interpolation=cv2.INTER_LINEAR)
    made: np.ndarray = cv2.add(known, cv2.subtract(around, cv2.multiply(trust, around)))
    return made
