"""Paints `brushwork.jpg`: thousands of brush strokes along a swirling flow, lit as a relief."""

import sys

import numpy as np
from PIL import Image

WIDTH, HEIGHT, FINE = 640, 512, 2
"""Pixels of the picture, and how many times finer it is painted."""

VORTICES = (
    # x, y in heights, radius, spin
    (0.30, 0.33, 0.27, 1.0),
    (0.93, 0.25, 0.20, -1.0),
    (0.74, 0.66, 0.22, 1.0),
    (0.14, 0.83, 0.17, -1.0),
    (1.14, 0.80, 0.19, -0.9),
    (0.44, 0.92, 0.11, 0.8),
    (0.62, 0.10, 0.10, 0.7),
)

PALETTE = np.array(
    [
        (14, 22, 58),  # night blue
        (24, 49, 112),  # ultramarine
        (38, 84, 158),  # cobalt
        (74, 138, 178),  # cerulean
        (134, 176, 172),  # pale green blue
        (226, 210, 158),  # cream
        (222, 168, 58),  # ochre
        (176, 104, 32),  # burnt ochre
        (28, 44, 84),  # back into the blues
        (44, 100, 128),  # petrol
    ],
    float,
)
VERMILION = np.array((205, 62, 28), float)
CREAM = np.array((240, 226, 178), float)

LAYERS = (
    # strokes, half width, length in pixels of the picture, how much paint
    (900, 13.0, 110, 0.7),
    (2600, 7.0, 80, 0.9),
    (5200, 4.2, 52, 1.0),
    (5200, 2.6, 36, 1.15),
)


def smooth_noise(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> np.ndarray:
    """Noise in [-1, 1] with features of `cell` pixels."""
    rows, columns = (int(extent / cell) + 3 for extent in shape)
    coarse = Image.fromarray(rng.uniform(-1, 1, (rows, columns)).astype(np.float32))
    wide = coarse.resize((int(columns * cell), int(rows * cell)), Image.Resampling.BICUBIC)
    return np.asarray(wide)[: shape[0], : shape[1]]


def stream(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The stream function, whose level lines the brush follows, and where vortices have their hearts."""
    y, x = np.mgrid[: shape[0], : shape[1]] / shape[0]
    psi = 0.09 * smooth_noise(shape, shape[0] / 3, rng) + 0.10 * np.sin(2.1 * x + 3.2 * y)
    heart = np.zeros(shape)
    for cx, cy, radius, spin in VORTICES:
        far = np.hypot(x - cx, y - cy) / radius
        psi += spin * radius * np.exp(-(far**2) / 1.2)
        heart = np.maximum(heart, np.exp(-((far / 0.3) ** 4)))
    return psi, heart


def main(path: str) -> None:
    """Paints the picture into `path`."""
    rng = np.random.default_rng(7)
    shape = (HEIGHT * FINE, WIDTH * FINE)
    psi, heart = stream(shape, rng)
    down, right = np.gradient(psi)
    speed = np.hypot(down, right) + 1e-9
    flow = np.stack([right / speed, -down / speed])  # along the level lines: (dy, dx)
    bands = psi * 19 + 1.1 * smooth_noise(shape, shape[0] / 5, rng)

    canvas = np.empty((*shape, 3))
    canvas[:] = (58, 52, 66)
    height = np.zeros(shape)
    for count, half, length, paint in LAYERS:
        for _ in range(count):
            stroke(canvas, height, flow, bands, heart, half * FINE, length * FINE, paint, rng)

    picture = lit(canvas, height, rng)
    small = Image.fromarray(picture).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    small.save(path, quality=88, optimize=True)


def stroke(
    canvas: np.ndarray,
    height: np.ndarray,
    flow: np.ndarray,
    bands: np.ndarray,
    heart: np.ndarray,
    half: float,
    length: float,
    paint: float,
    rng: np.random.Generator,
) -> None:
    """Lays one stroke: a strip along the flow, of bristles that run dry towards its end."""
    rows, columns = height.shape
    at = rng.uniform((-half, -length / 2), (rows + half, columns + half))
    color = mixed(bands, heart, at, half, rng)
    half *= rng.uniform(0.7, 1.25)
    steps = int(length * rng.uniform(0.6, 1.3))
    path, heading, turn = np.empty((steps, 2)), np.empty((steps, 2)), rng.normal(0, 0.12)
    for i in range(steps):
        row, column = inside(at, height.shape)
        dy, dx = flow[:, row, column]
        ahead = np.array((dy + turn * dx, dx - turn * dy))
        if i and ahead @ heading[i - 1] < 0:
            ahead = heading[i - 1]
        ahead = ahead if i == 0 else 0.25 * ahead + 0.75 * heading[i - 1]
        ahead /= np.hypot(*ahead) + 1e-9
        path[i], heading[i] = at, ahead
        at = at + ahead

    across = np.linspace(-1, 1, max(int(half * 4), 5))
    along = np.linspace(0, 1, steps)[:, None]
    # Bristles: each has its own load of paint and its own shade, drifting a little along the way.
    load = np.convolve(rng.normal(0, 1, len(across) + 4), np.ones(3) / 3, "same")[2:-2]
    grain = np.convolve(rng.normal(0, 1, len(across) + 2), np.ones(2) / 2, "same")[1:-1]
    wander = np.sin(along * rng.uniform(2, 7) + rng.uniform(0, 6))
    round_end = np.sqrt(np.clip(1 - np.abs(along - 0.5) ** 6 * 64, 0, 1))
    brush = np.abs(across) <= round_end * (0.94 + 0.06 * wander)
    dry = along + 0.16 * load + 0.05 * wander < rng.uniform(0.86, 1.15)
    keep = brush & dry

    normal = np.stack([heading[:, 1], -heading[:, 0]], 1)
    spots = path[:, None] + normal[:, None] * (across * half)[None, :, None]
    y, x = np.rint(spots[..., 0]).astype(int), np.rint(spots[..., 1]).astype(int)
    keep &= (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    y, x = y[keep], x[keep]

    # Paint is pushed to the sides and to where the brush is lifted.
    ridge = 0.55 + 0.45 * np.abs(across) ** 3 + 0.35 * grain + 0.4 * along**4
    thick = (paint * half * 0.22 * ridge * (1 - 0.25 * along))[keep]
    shade = (1 + 0.07 * grain + 0.05 * load * along)[keep][:, None]
    canvas[y, x] = 0.06 * canvas[y, x] + 0.94 * np.clip(color * shade, 0, 255)
    height[y, x] = 0.35 * height[y, x] + thick


def inside(at: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int]:
    """The pixel at a point, or the one nearest to it."""
    return int(min(max(at[0], 0), shape[0] - 1)), int(min(max(at[1], 0), shape[1] - 1))


def mixed(bands: np.ndarray, heart: np.ndarray, at: np.ndarray, half: float, rng: np.random.Generator) -> np.ndarray:
    """The color on the brush: that of the band here, not stirred to the end, now and then an accent."""
    y, x = inside(at, bands.shape)
    place = (bands[y, x] + rng.normal(0, 0.33)) % len(PALETTE)
    low = int(place)
    # Bands are of one color each, with short passages between.
    share = np.clip((place - low - 0.35) / 0.3, 0, 1)
    color = PALETTE[low] * (1 - share) + PALETTE[(low + 1) % len(PALETTE)] * share
    chance = rng.uniform()
    if heart[y, x] > 0.5:
        color = (VERMILION, CREAM, PALETTE[6])[int(chance * 3)] if chance < 0.9 else color
    elif chance < 0.035:
        color = VERMILION
    elif chance < 0.06 and half < 9 * FINE:
        color = CREAM
    made: np.ndarray = np.clip(color * rng.normal(1, 0.09) + rng.normal(0, 7, 3), 0, 255)
    return made


def lit(canvas: np.ndarray, height: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The painting under a lamp at the upper left: slopes of the paint are lighter or darker, ridges shine."""
    y, x = np.mgrid[: height.shape[0], : height.shape[1]]
    weave = np.sin(y * np.pi / 3) * np.sin(x * np.pi / 3) + 0.4 * rng.normal(0, 1, height.shape)
    relief = blurred(height, 1) + 0.10 * weave
    down, right = np.gradient(relief)
    slope = -(down + right) / np.sqrt(2)
    light = -slope
    bright = np.clip(1 + 0.26 * light, 0.45, 1.5)
    shine = np.clip(light - 0.9, 0, 2.0)[..., None] * 30
    made: np.ndarray = np.clip(canvas * bright[..., None] + shine, 0, 255).astype(np.uint8)
    return made


def blurred(field: np.ndarray, times: int) -> np.ndarray:
    """A 3x3 binomial blur, so many times."""
    for _ in range(times):
        for axis in (0, 1):
            field = (np.roll(field, 1, axis) + 2 * field + np.roll(field, -1, axis)) / 4
    return field


if __name__ == "__main__":
    main(sys.argv[1])
