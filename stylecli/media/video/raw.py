"""Frames as bytes, one after the other: what FFmpeg writes into a pipe as rawvideo, and reads from one."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from stylecli.media.video.clip import Clip, Frame


def of_stream(file: BinaryIO, size: tuple[int, int], fps: Fraction, name: str) -> Clip:
    """What comes through a pipe, as a clip of frames of height and width `size`; it can be read once."""
    height, width = size
    # Without a buffer, whose lock a thread would hold for as long as the pipe gives nothing.
    source: Any = getattr(file, "raw", file)
    notes: list[str] = []

    def frames() -> Iterator[Frame]:
        count = 0
        while data := _read(source, height * width * 3):
            if len(data) < height * width * 3:
                notes.append(f"ends inside of frame {count + 1:,}, after {len(data):,} of its bytes: it is left out")
                return
            yield Frame(np.frombuffer(data, np.uint8).reshape(height, width, 3), None, count / fps, 1 / fps)
            count += 1

    return Clip(name, size, 1 / fps, fps, frames, notes=notes)


def _read(file: BinaryIO, count: int) -> bytearray:
    """So many bytes, less at the end: a pipe may give them in pieces."""
    data = bytearray()
    while len(data) < count and (part := file.read(count - len(data))):
        data += part
    return data
