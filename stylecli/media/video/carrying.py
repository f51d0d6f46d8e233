"""The result of the frame before, moved along with the scene and carried on.

Light and color are averaged, strokes are not: the mean of two brushes is blurred. They are kept as they are, moved, and
painted anew in turns: at every frame another part of the picture, its spots scattered, takes the strokes of this frame.

    low_t  = low + m (low moved - low),     m = trust (s + s (1 - s) exp(-|w|^2 / 2))
    band_t = g (band + k (band moved - band)),     k = DUE m where it is a pixel's turn, else 1 where it is trusted

s is the strength, w the flow, `low` and `band` those of a Laplacian pyramid; g gives each band the energy that it
has around a pixel of this frame, for what is moved between pixels, and mixed, has less. A turn comes every
1 + `FRAMES` s frames. What hardly moves is not drawn anew between pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stylecli.media.video.motion import Motion, opencv, placed, square

STILL = 0.12
"""Pixels of flow that are none: what stands still is not drawn anew."""

FRAMES = 16
"""From one turn of a pixel to the next, at full strength."""

SPOT = 6.0
"""Deviation in pixels of the spots that have their turn together."""

BANDS = 3
"""Octaves that are strokes; what is coarser is light and color."""

AROUND = 5
"""Side in pixels of a band of the mean that is taken twice: what is around a pixel."""

DUE = 0.85
"""Share of m that is kept where it is a pixel's turn: turns come softly."""

SURE, UNSURE = 0.5, 0.1
"""Trust from which on strokes are kept, and below which they are not."""

GAIN = 2.0
"""What energy is restored by at most."""

DARKEST, BRIGHTEST = 16, 235
"""Codes of light in limited range."""

AT_ONCE, REACH = 2**20, 64
"""Pixels that are carried on at once, and how far filters see: memory is that of levels, not of floats."""


@dataclass(frozen=True)
class _Way:
    """Where rows of a result come from in the one before, and what is told of its flow.

    Attributes:
        motion: Of the content.
        content: Height and width of the content.
        window: The part of the content that results show: top, left, height, width; None for all of it.
        size: Height and width of results, which may be others.
    """

    motion: Motion
    content: tuple[int, int]
    window: tuple[int, int, int, int] | None
    size: tuple[int, int]

    @property
    def step(self) -> tuple[float, float]:
        """Pixels of the flow by those of a result, across and down."""
        (height, width), (high, wide) = self.size, self.window[2:] if self.window else self.content
        flow = self.motion.flow.shape
        return wide / width * (flow[1] / self.content[1]), high / height * (flow[0] / self.content[0])

    def there(self, each: np.ndarray, rows: slice) -> np.ndarray:
        """What is known of each place of the flow, for those rows of a result."""
        cv2, (height, width), (step_x, step_y) = opencv(), self.size, self.step
        first, last, _ = rows.indices(height)
        if self.window is None and (first, last) == (0, height):  # the same in a fifth of the time
            return np.asarray(cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR))
        top, left = self.window[:2] if self.window else (0, 0)
        flow = self.motion.flow.shape
        across = step_x / 2 + left * (flow[1] / self.content[1]) - 0.5
        down = (first + 0.5) * step_y + top * (flow[0] / self.content[0]) - 0.5
        seen_from = np.array([[step_x, 0, across], [0, step_y, down]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = width, last - first
        return np.asarray(cv2.warpAffine(each, seen_from, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))

    def flow(self, rows: slice) -> np.ndarray:
        """How far those rows have come, in pixels of a result [h, W, 2]."""
        cv2, (step_x, step_y), flow = opencv(), self.step, self.motion.flow
        moves = (square(flow) >= (STILL * step_x) ** 2).astype(np.float32)
        scaled = cv2.multiply(flow, cv2.merge([moves * np.float32(1 / step_x), moves * np.float32(1 / step_y)]))
        return self.there(scaled, rows)


def moved(
    before: np.ndarray,
    motion: Motion,
    content: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
    told: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The result before where the scene is now [H, W, 3] uint8, and what is `told` of the flow, there [H, W] each.

    Args:
        before: It, uint8.
        motion: Of the content.
        content: Height and width of the content.
        window: The part of the content that results show: top, left, height, width; None for all of it.
        told: Of each place of the flow, [h, w] float32.
    """
    way = _Way(motion, content, window, (before.shape[0], before.shape[1]))
    drawn = _drawn(before, way.flow(slice(None)))
    return drawn, [way.there(each, slice(None)) for each in told]


def _drawn(before: np.ndarray, flow: np.ndarray, first: int = 0) -> np.ndarray:
    """A picture where the scene is now, from its `first` row on."""
    cv2 = opencv()
    places = placed(flow, first)
    return np.asarray(cv2.remap(before, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def carried(
    made: np.ndarray,
    before: np.ndarray,
    motion: Motion,
    content: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
    *,
    strength: float,
    turn: int,
) -> np.ndarray:
    """A result with what is kept of the one `before`: both [H, W, 3] uint8, or planes of 4:2:0, [H + H / 2, W].

    Args:
        made: It.
        before: The one before.
        motion: Of the content.
        content: Its height and width.
        window: What results show of it.
        strength: 0 to 1.
        turn: Frames since the scene began.
    """
    cv2 = opencv()
    done, halved = np.empty_like(made), made.ndim == 2
    size = height, width = (made.shape[0] * 2 // 3 if halved else made.shape[0]), made.shape[1]
    way = _Way(motion, content, window, size)
    every = 1 + FRAMES * strength
    due = cv2.LUT(_spots(*size), _due(turn / every % 1, 1 / every).view(np.uint8))
    wide = window[3] if window else content[1]
    pixel = content[1] / motion.flow.shape[1] * width / wide
    slow = np.exp(square(motion.flow) * np.float32(-0.5 * pixel * pixel))
    share = motion.trust * (slow * np.float32(strength * (1 - strength)) + np.float32(strength))
    sure = (motion.trust - np.float32(UNSURE)) * np.float32(1 / (SURE - UNSURE))
    told = share, np.maximum(share, sure.clip(0, 1))
    # Parts begin at the same places of the small pictures.
    at_once = max(AT_ONCE // width, 2 * REACH) // 2**BANDS * 2**BANDS
    for first in range(0, height, at_once):
        top, last = max(first - REACH, 0), min(first + at_once + REACH, height)
        rows, wanted = slice(top, last), slice(first - top, first - top + at_once)
        flow, (shared, kept) = way.flow(rows), (way.there(each, rows) for each in told)
        cv2.copyTo(cv2.multiply(shared, DUE), due[rows], kept)
        if not halved:
            done[first : first + at_once] = _mixed(made[rows], _drawn(before, flow, top), shared, kept)[0][wanted]
            continue
        # Colors move by half as many of their pixels.
        slower = cv2.resize(flow, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST) * np.float32(0.5)
        (light, colors), (now, shades), (to, tints) = (planes(each) for each in (before, made, done))
        moves = [each[top // 2 : last // 2] for each in shades], [_drawn(each, slower, top // 2) for each in colors]
        mixed, tinted = _mixed(now[rows], _drawn(light, flow, top), shared, kept, moves)
        cv2.min(cv2.max(mixed[wanted], DARKEST), BRIGHTEST, to[first : first + at_once])
        for tint, shade in zip(tints, tinted, strict=True):
            tint[first // 2 : (first + at_once) // 2] = shade[wanted.start // 2 : wanted.stop // 2]
    return done


def planes(levels: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Light [H, W] and both colors [H / 2, W / 2] of planes of 4:2:0."""
    height, width = levels.shape[0] * 2 // 3, levels.shape[1]
    colors = levels.reshape(-1)[height * width :].reshape(2, height // 2, width // 2)
    return levels[:height], [*colors]


def _due(now: float, length: float) -> np.ndarray:
    """Which levels of `_spots` have their turn `now`, in parts of all turns, each of which has this `length`."""
    made: np.ndarray = (now - np.arange(256) / 256) % 1 < length
    return made


def _mixed(
    made: np.ndarray,
    drawn: np.ndarray,
    share: np.ndarray,
    kept: np.ndarray,
    colors: tuple[Sequence[np.ndarray], Sequence[np.ndarray]] | None = None,
) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """`made` with what is kept of what is `drawn`; and of its `colors`, where these are apart at half the size."""
    # OpenCV's arithmetic: NumPy takes several times as long for what has three channels and for sums over them.
    cv2 = opencv()
    here = made.astype(np.float32), cv2.subtract(drawn, made, dtype=cv2.CV_32F)
    fine, (ours, apart) = _band(*here, kept)
    if colors:
        now, then = colors
        ours = cv2.merge([ours, *(each.astype(np.float32) for each in now)])
        apart = cv2.merge([apart, *(cv2.subtract(*each, dtype=cv2.CV_32F) for each in zip(then, now, strict=True))])
    bands = []
    for _ in range(BANDS - 1):
        kept = cv2.pyrDown(kept)
        band, (ours, apart) = _band(ours, apart, kept)
        bands.append(band)
    for band in reversed(bands):
        ours, apart = (cv2.pyrUp(each, dstsize=band.shape[1::-1]) for each in (ours, apart))
        cv2.add(band, ours, ours)
    # Light and color need no more than half the size.
    share = cv2.resize(share, ours.shape[1::-1], interpolation=cv2.INTER_AREA)
    cv2.add(ours, cv2.multiply(_wide(share, ours), apart, apart), ours)
    tinted: Sequence[np.ndarray] = ()
    if colors:
        ours, *tinted = cv2.split(ours)
        tinted = [cv2.add(each, 0.0, dtype=cv2.CV_8U) for each in tinted]
    return cv2.add(fine, cv2.pyrUp(ours, dstsize=made.shape[1::-1]), dtype=cv2.CV_8U), tinted


def _band(ours: np.ndarray, apart: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The finest band of `ours` with what is `kept` of what lies `apart`, and what is coarser of both; in place."""
    cv2 = opencv()
    # In place: getting fresh memory from the system takes longer than the arithmetic.
    lows, room = [cv2.pyrDown(each) for each in (ours, apart)], np.empty_like(ours)
    for each, low in zip((ours, apart), lows, strict=True):
        cv2.subtract(each, cv2.pyrUp(low, room, dstsize=each.shape[1::-1]), each)
    wanted = _energy(ours, room)
    cv2.add(ours, cv2.multiply(_wide(kept, ours, room), apart, apart), ours)
    gain = cv2.sqrt(cv2.divide(wanted, _energy(ours, room))).clip(1 / GAIN, GAIN)
    return cv2.multiply(ours, _wide(gain, ours, room), ours), lows


def _wide(mask: np.ndarray, like: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
    """A mask [H, W] with as many channels as another picture; may need `room` of its size."""
    cv2 = opencv()
    return mask if like.ndim == 2 else np.asarray(cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB, room))


def _energy(band: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Of a band around each pixel [H, W]; needs `room` of its size."""
    cv2 = opencv()
    made = cv2.multiply(band, band, room)
    if band.ndim > 2:
        made = cv2.transform(made, np.full((1, 3), 1 / 3, np.float32))
    # Twice: a mean that is negative at a frequency makes what is gained there grow from frame to frame.
    for _ in range(2):
        made = cv2.blur(made, (AROUND, AROUND))
    return np.asarray(cv2.add(made, 0.1, made))


@lru_cache(2)
def _spots(height: int, width: int) -> np.ndarray:
    """When each pixel has its turn [H, W] uint8: smooth noise, as much of it at every level."""
    cv2 = opencv()
    noise = np.random.default_rng(0).standard_normal((height, width), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), SPOT, borderType=cv2.BORDER_REFLECT)
    levels = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
    made: np.ndarray = cv2.equalizeHist(levels)
    return made
