"""Clips that tests make: of known colors, known motion, with a sound."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}
NUMBERS = {"bt709": 1, "smpte170m": 6, "bt2020nc": 9}


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth shapes [H, W, 3] in [0, 1], over a little texture."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    layers = [gaussian_filter(rng.standard_normal((height, width, 3)), (s, s, 0)) * s for s in (5, 14)]
    made = sum(layers) / 2 + gaussian_filter(rng.standard_normal((height, width)), 1.2)[..., None] / 2
    return np.asarray((made / (4 * made.std()) + 0.5).clip(0, 1))


def pan(frames: int, size: tuple[int, int], step: tuple[int, int] = (1, 2), seed: int = 0) -> list[np.ndarray]:
    """A camera that moves over a scene by whole pixels, [H, W, 3] uint8 each."""
    (height, width), (down, across) = size, step
    big = (scene(height + down * frames, width + across * frames, seed) * 255).round().astype(np.uint8)
    return [big[down * t : down * t + height, across * t : across * t + width] for t in range(frames)]


def write(
    path: str | Path,
    frames: Sequence[np.ndarray],
    *,
    fps: int = 25,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound: bool = False,
    times: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """A clip of frames [H, W, 3] uint8, whose `times` are milliseconds; BT.709 in limited range."""
    import av

    with av.open(str(path), "w") as out:
        out.metadata.update(tags or {})
        stream: Any = out.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = pixels, options or {}
        step = Fraction(1, 1000) if times else Fraction(1, fps)
        stream.codec_context.time_base = step
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        heard: Any = out.add_stream("aac", rate=44100, layout="mono") if sound else None
        for place, levels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="rgb24")
            if pixels.startswith("yuv"):
                frame = frame.reformat(format=pixels, dst_colorspace=1, dst_color_range=1)
            frame.pts, frame.time_base = times[place] if times else place, step
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        for start in range(0, len(frames) * 44100 // fps, 1024) if heard else ():
            wave = np.sin(np.arange(start, start + 1024) / 20, dtype=np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
            out.mux(heard.encode(frame))
        if heard:
            out.mux(heard.encode())
    return Path(path)


def yuv_codes(rgb: np.ndarray, matrix: str, full: bool, *, half: bool) -> list[np.ndarray]:
    """Luma and chroma of `rgb` [H, W, 3] in [0, 1], uint8 by the formulas of H.273; `half`: 4:2:0."""
    red, blue = WEIGHTS[matrix]
    luma = rgb @ np.array([red, 1 - red - blue, blue])
    chroma = [(rgb[..., 2] - luma) / (2 * (1 - blue)), (rgb[..., 0] - luma) / (2 * (1 - red))]
    if half:
        chroma = [each.reshape(each.shape[0] // 2, 2, -1, 2).mean((1, 3)) for each in chroma]
    planes = [luma * 255 if full else 16 + luma * 219, *(128 + each * (255 if full else 224) for each in chroma)]
    return [np.rint(each).clip(0, 255).astype(np.uint8) for each in planes]


def of_yuv(codes: Sequence[np.ndarray], matrix: str, full: bool) -> np.ndarray:
    """What such codes stand for [H, W, 3], by the same formulas in float: levels in [0, 255], not rounded."""
    red, blue = WEIGHTS[matrix]
    luma, *chroma = (each.astype(float) for each in codes)
    chroma = [each if each.shape == luma.shape else each.repeat(2, 0).repeat(2, 1) for each in chroma]
    luma = luma / 255 if full else (luma - 16) / 219
    by, ry = ((each - 128) / (255 if full else 224) for each in chroma)
    b, r = luma + 2 * (1 - blue) * by, luma + 2 * (1 - red) * ry
    return np.stack([r, (luma - red * r - blue * b) / (1 - red - blue), b], -1).clip(0, 1) * 255


def write_yuv(path: str | Path, codes: Sequence[np.ndarray], matrix: str, full: bool) -> Path:
    """One lossless frame of these codes."""
    import av

    (height, width), half = codes[0].shape, codes[0].shape != codes[1].shape
    levels = np.concatenate([each.ravel() for each in codes])
    shape = (height * 3 // 2, width) if half else (3, height, width)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p" if half else "yuv444p"
        context = stream.codec_context
        context.colorspace, context.color_range = NUMBERS[matrix], 2 if full else 1
        frame = av.VideoFrame.from_ndarray(levels.reshape(shape), format=stream.pix_fmt)
        frame.colorspace, frame.color_range = NUMBERS[matrix], 2 if full else 1
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return Path(path)


def read(path: str | Path) -> list[np.ndarray]:
    """The frames of a clip [H, W, 3] uint8."""
    from stylecli.media.video.reader import open_clip

    return [frame.color for frame in open_clip(str(path), name=str(path)).frames()]


def packets(path: str | Path, kind: str) -> list[tuple[bytes, Fraction]]:
    """Data and time of the packets of the first stream of a kind."""
    import av

    with av.open(str(path)) as file:
        stream: Any = getattr(file.streams, kind)[0]
        return [(bytes(p), p.pts * p.time_base) for p in file.demux(stream) if p.pts is not None and p.size]


def turned(data: bytes) -> bytes:
    """An MP4 whose pictures are to be turned by 90 degrees, as telephones write them."""
    one, minus, nought, last = b"\0\1\0\0", b"\xff\xff\0\0", bytes(4), b"\x40\0\0\0"
    upright = one + 3 * nought + one + 3 * nought + last
    quarter = nought + one + nought + minus + 4 * nought + last
    at = data.index(b"tkhd") + 4 + 40
    assert data[at : at + 36] == upright
    return data[:at] + quarter + data[at + 36 :]


def warping_error(frames: Sequence[np.ndarray], step: tuple[int, int]) -> float:
    """Mean square of what differs from the frame before, moved by whole pixels (Lai et al. 2018, equation 3)."""
    down, across = step
    apart: Callable[[np.ndarray, np.ndarray], float] = lambda a, b: float(
        np.square(a[down:, across:] / 255.0 - b[: b.shape[0] - down, : b.shape[1] - across] / 255.0).mean()
    )
    return float(np.mean([apart(before, now) for before, now in pairwise(frames)]))
