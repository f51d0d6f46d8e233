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

AT_ONCE, REACH = 2**20, 64
"""Pixels that are carried on at once, and how far filters see: memory is that of levels, not of floats."""


def moved(
    before: np.ndarray,
    motion: Motion,
    content: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
    told: Sequence[np.ndarray] = (),
    rows: slice = slice(None),
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The result before where the scene is now [H, W, 3] uint8, and what is `told` of the flow, there [H, W] each.

    Args:
        before: It, uint8.
        motion: Of the content.
        content: Height and width of the content.
        window: The part of the content that results show: top, left, height, width; None for all of it.
        told: Of each place of the flow, [h, w] float32.
        rows: Those that are wanted.
    """
    cv2 = opencv()
    height, width = before.shape[:2]
    top, left, high, wide = window or (0, 0, *content)
    down, across = motion.flow.shape[0] / content[0], motion.flow.shape[1] / content[1]
    # Results have another size than the flow, and may show a part of it.
    first, last, _ = rows.indices(height)
    step_x, step_y = wide / width * across, high / height * down
    begin = step_x / 2 + left * across - 0.5, (first + 0.5) * step_y + top * down - 0.5
    seen_from = np.array([[step_x, 0, begin[0]], [0, step_y, begin[1]]])
    whole = window is None and (first, last) == (0, height)

    def there(each: np.ndarray) -> np.ndarray:
        if whole:  # the same in a fifth of the time
            made = cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR)
        else:
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            size = width, last - first
            made = cv2.warpAffine(each, seen_from, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(made)

    moves = (square(motion.flow) >= (STILL * step_x) ** 2).astype(np.float32)
    flow = cv2.multiply(motion.flow, cv2.merge([moves * np.float32(1 / step_x), moves * np.float32(1 / step_y)]))
    drawn = cv2.remap(before, placed(there(flow), first), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return drawn, [there(each) for each in told]


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
    """A result [H, W, 3] uint8 with what is kept of the one `before`; see `moved`.

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
    done = np.empty_like(made)
    height = len(made)
    every = 1 + FRAMES * strength
    due = cv2.LUT(_spots(*made.shape[:2]), _due(turn / every % 1, 1 / every).view(np.uint8))
    wide = window[3] if window else content[1]
    pixel = content[1] / motion.flow.shape[1] * made.shape[1] / wide
    slow = np.exp(square(motion.flow) * np.float32(-0.5 * pixel * pixel))
    share = motion.trust * (slow * np.float32(strength * (1 - strength)) + np.float32(strength))
    sure = (motion.trust - np.float32(UNSURE)) * np.float32(1 / (SURE - UNSURE))
    told = share, np.maximum(share, sure.clip(0, 1))
    # Parts begin at the same places of the small pictures.
    at_once = max(AT_ONCE // made.shape[1], 2 * REACH) // 2**BANDS * 2**BANDS
    for first in range(0, height, at_once):
        top, last = max(first - REACH, 0), min(first + at_once + REACH, height)
        rows = slice(top, last)
        drawn, (shared, kept) = moved(before, motion, content, window, told, rows)
        cv2.copyTo(cv2.multiply(shared, DUE), due[rows], kept)
        mixed = _mixed(made[rows], drawn, shared, kept)
        done[first : first + at_once] = mixed[first - top : first - top + at_once]
    return done


def _due(now: float, length: float) -> np.ndarray:
    """Which levels of `_spots` have their turn `now`, in parts of all turns, each of which has this `length`."""
    made: np.ndarray = (now - np.arange(256) / 256) % 1 < length
    return made


def _mixed(made: np.ndarray, drawn: np.ndarray, share: np.ndarray, kept: np.ndarray) -> np.ndarray:
    # OpenCV's arithmetic: NumPy takes several times as long for what has three channels and for sums over them.
    cv2 = opencv()
    ours, apart, bands = made.astype(np.float32), cv2.subtract(drawn, made, dtype=cv2.CV_32F), list[np.ndarray]()
    # In place: getting fresh memory from the system takes longer than the arithmetic.
    for _ in range(BANDS):
        room = np.empty_like(ours)
        lows = [cv2.pyrDown(each) for each in (ours, apart)]
        for each, low in zip((ours, apart), lows, strict=True):
            cv2.subtract(each, cv2.pyrUp(low, room, dstsize=each.shape[1::-1]), each)
        wanted = _energy(ours, room)
        cv2.add(ours, cv2.multiply(cv2.cvtColor(kept, cv2.COLOR_GRAY2RGB, room), apart, apart), ours)
        gain = cv2.sqrt(cv2.divide(wanted, _energy(ours, room))).clip(1 / GAIN, GAIN)
        bands.append(cv2.multiply(ours, cv2.cvtColor(gain, cv2.COLOR_GRAY2RGB, room), ours))
        (ours, apart), kept = lows, cv2.pyrDown(kept)
    for band in reversed(bands[1:]):
        ours, apart = (cv2.pyrUp(each, dstsize=band.shape[1::-1]) for each in (ours, apart))
        cv2.add(band, ours, ours)
    # Light and color need no more than half the size.
    share = cv2.resize(share, ours.shape[1::-1], interpolation=cv2.INTER_AREA)
    cv2.add(ours, cv2.multiply(cv2.cvtColor(share, cv2.COLOR_GRAY2RGB), apart, apart), ours)
    return np.asarray(cv2.add(bands[0], cv2.pyrUp(ours, dstsize=made.shape[1::-1]), dtype=cv2.CV_8U))


def _energy(band: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Of a band around each pixel [H, W]; needs `room` of its size."""
    cv2 = opencv()
    made = cv2.transform(cv2.multiply(band, band, room), np.full((1, 3), 1 / 3, np.float32))
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
