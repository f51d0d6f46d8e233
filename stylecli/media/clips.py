"""Short clips: GIF, WebP and MP4."""

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from stylecli.errors import UsageError
from stylecli.files import atomic_write
from stylecli.media.images import quantize

CLIPS = (".gif", ".webp", ".mp4")


def check_clip(path: str | Path) -> None:
    """Refuses what cannot be written.

    Raises:
        UsageError: Not one of `CLIPS`.
    """
    if Path(path).suffix.lower() not in CLIPS:
        raise UsageError(f"{path}: not a clip", f"one of {', '.join(CLIPS)}")


def write_clip(frames: Sequence[Tensor], path: str | Path, *, seconds: float = 0.2, loop: bool = True) -> None:
    """Writes frames as a clip, whole or not at all.

    Args:
        frames: At least one, [3, H, W] in [0, 1] or uint8; all get the size of the first.
        path: Its suffix says which kind.
        seconds: How long each frame is shown.
        loop: Begin again at the end (GIF and WebP).

    Raises:
        UsageError: Another suffix.
        OutputError: It cannot be written.
    """
    check_clip(path)
    images = [Image.fromarray(quantize(frame, 8)) for frame in frames]
    images = [
        image if image.size == images[0].size else image.resize(images[0].size, Image.Resampling.LANCZOS)
        for image in images
    ]
    with atomic_write(Path(path)) as file:
        suffix = Path(path).suffix.lower()
        file.write(_mp4(images, seconds) if suffix == ".mp4" else _pillow(images, suffix, seconds, loop))


def _pillow(images: list[Image.Image], suffix: str, seconds: float, loop: bool) -> bytes:
    file = BytesIO()
    repeat = {"loop": 0} if loop else {}
    images[0].save(
        file,
        suffix[1:].upper(),
        save_all=True,
        append_images=images[1:],
        duration=round(1000 * seconds),
        quality=90,
        **repeat,
    )
    return file.getvalue()


def _mp4(images: list[Image.Image], seconds: float) -> bytes:
    import av

    file = BytesIO()
    # Players know H.264 in 4:2:0, which has even sides, and not all of them know odd frame rates.
    width, height = (max(2, side // 2 * 2) for side in images[0].size)
    rate = 30
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"crf": "18", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.asarray(image.crop((0, 0, width, height))), format="rgb24")
            for _ in range(max(1, round(rate * seconds))):
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()
