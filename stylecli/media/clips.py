"""Clips: animated GIF and WebP by Pillow, MP4 (H.264) by PyAV; each carries the settings that made it."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from stylecli.errors import UsageError
from stylecli.files import atomic_write
from stylecli.media.images import quantize
from stylecli.media.metadata import KEYWORD, mp4_box, xmp_with_settings


def write_clip(
    frames: Iterable[Tensor],
    path: str | Path,
    seconds_per_frame: float,
    loop: bool = True,
    settings: str | None = None,
    quality: int = 92,
) -> None:
    """Writes frames [3, H, W] in [0, 1], of one size, as the suffix of `path` says; whole or not at all.

    Args:
        frames: At least one; taken one after the other.
        path: `.gif`, `.webp` or `.mp4`.
        seconds_per_frame: Time that each frame is shown; GIF and WebP round it to 10 and 1 ms.
        loop: Play for ever, where the format can say so.
        settings: JSON that `read_settings` gives back.
        quality: 1 to 100, for WebP and MP4.

    Raises:
        UsageError: Another suffix, or MP4 without PyAV.
        OutputError: It cannot be written.
    """
    kind = Path(path).suffix.lower()
    if kind not in WRITERS:
        raise UsageError(f"{path}: cannot write {kind or 'a clip without suffix'}", f"one of {', '.join(WRITERS)}")
    if kind == ".mp4":
        _av()
    images = (np.ascontiguousarray(quantize(frame, 8)) for frame in frames)
    data = WRITERS[kind](images, seconds_per_frame, loop, settings, quality)
    with atomic_write(path) as file:
        file.write(data)


def _gif(images: Iterator[np.ndarray], seconds: float, loop: bool, settings: str | None, _: int) -> bytes:
    options: dict[str, Any] = {"comment": f"{KEYWORD}:{settings}".encode()} if settings else {}
    return _by_pillow("GIF", images, seconds, loop, **options)


def _webp(images: Iterator[np.ndarray], seconds: float, loop: bool, settings: str | None, quality: int) -> bytes:
    options: dict[str, Any] = {"xmp": xmp_with_settings(None, settings)} if settings else {}
    return _by_pillow("WEBP", images, seconds, loop, quality=quality, lossless=quality >= 100, **options)


def _by_pillow(kind: str, images: Iterator[np.ndarray], seconds: float, loop: bool, **options: Any) -> bytes:
    file = BytesIO()
    first = Image.fromarray(next(images))
    if loop:
        options["loop"] = 0
    rest = (Image.fromarray(image) for image in images)
    first.save(file, kind, save_all=True, append_images=rest, duration=max(round(seconds * 1000), 1), **options)
    return file.getvalue()


def _mp4(images: Iterator[np.ndarray], seconds: float, _: bool, settings: str | None, quality: int) -> bytes:
    av = _av()
    file = BytesIO()
    rate = Fraction(1 / seconds).limit_denominator(1000)
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(round(40 - 0.28 * quality))})
        for image in images:
            # H.264 halves the chroma, so both sides are even.
            height, width = (side - side % 2 for side in image.shape[:2])
            if not stream.codec_context.is_open:
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue() + (mp4_box(settings) if settings else b"")


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise UsageError(".mp4: needs PyAV", "`pip install av`, or write .webp or .gif") from error
    return av


Writer = Callable[[Iterator[np.ndarray], float, bool, str | None, int], bytes]
WRITERS: dict[str, Writer] = {".gif": _gif, ".webp": _webp, ".mp4": _mp4}
