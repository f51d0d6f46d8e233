"""Short clips: GIF, WebP and MP4; each can carry the settings that made it."""

import itertools
from collections.abc import Iterable, Iterator
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
from stylecli.media.stored_settings import KEYWORD, mp4_box
from stylecli.media.xmp import xmp_with_settings

CLIPS = (".gif", ".webp", ".mp4")


def check_clip(path: str | Path) -> None:
    """Refuses what cannot be written.

    Raises:
        UsageError: Not one of `CLIPS`.
    """
    if Path(path).suffix.lower() not in CLIPS:
        raise UsageError(f"{path}: not a clip", f"one of {', '.join(CLIPS)}")


def write_clip(
    frames: Iterable[Tensor],
    path: str | Path,
    *,
    seconds: float = 0.2,
    settings: str | None = None,
    quality: int = 90,
) -> None:
    """Writes frames as a clip, whole or not at all.

    Args:
        frames: At least one, [3, H, W] in [0, 1] or uint8, taken one after the other; all get the size of the first.
        path: Its suffix says which kind.
        seconds: How long each frame is shown.
        settings: JSON that `metadata.read_settings` gives back.
        quality: 1 to 100, for WebP and MP4.

    Raises:
        UsageError: Another suffix.
        OutputError: It cannot be written.
    """
    check_clip(path)
    images = _images(frames)
    suffix = Path(path).suffix.lower()
    if suffix == ".mp4":
        data = _mp4(images, seconds, quality) + (mp4_box(settings) if settings else b"")
    else:
        data = _pillow(images, suffix, seconds, settings, quality)
    with atomic_write(path) as file:
        file.write(data)


def _images(frames: Iterable[Tensor]) -> Iterator[Image.Image]:
    size = None
    for frame in frames:
        image = Image.fromarray(quantize(frame, 8))
        size = size or image.size
        yield image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _pillow(images: Iterator[Image.Image], suffix: str, seconds: float, settings: str | None, quality: int) -> bytes:
    file = BytesIO()
    options: dict[str, Any] = {"loop": 0}
    if settings:
        options |= (
            {"comment": f"{KEYWORD}:{settings}".encode()}
            if suffix == ".gif"
            else {"xmp": xmp_with_settings(None, settings)}
        )
    next(images).save(
        file,
        suffix[1:].upper(),
        save_all=True,
        append_images=images,
        duration=max(1, round(1000 * seconds)),
        quality=quality,
        **options,
    )
    return file.getvalue()


def _mp4(images: Iterator[Image.Image], seconds: float, quality: int) -> bytes:
    import av

    file = BytesIO()
    rate = 30
    first = next(images)
    # Players know H.264 in 4:2:0, which has even sides, and not all of them know odd frame rates.
    width, height = (max(2, side // 2 * 2) for side in first.size)
    with av.open(file, "w", format="mp4") as container:
        crf = str(round(18 + (90 - quality) * 0.25))
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"crf": crf, "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in itertools.chain([first], images):
            frame = av.VideoFrame.from_ndarray(np.asarray(image.crop((0, 0, width, height))), format="rgb24")
            for _ in range(max(1, round(rate * seconds))):
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()
