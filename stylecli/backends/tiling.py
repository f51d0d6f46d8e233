"""Whether a picture goes through a network whole or in tiles, and how it does."""

import math
import sys
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from stylecli.device import Device, give_back, put
from stylecli.errors import MemoryLimitError
from stylecli.media.tiles import stream
from stylecli.method import Rows
from stylecli.nets.segments import Moments, Segment
from stylecli.past import Recall
from stylecli.progress import Listener, Step

WHOLE = 2**30
"""Bytes for the features of a picture that goes through whole on a CPU, where no limit is set."""

WORKING, AREA = 640 * 2**20, 2**20
"""Bytes for those of a tile, and pixels: larger ones are not faster."""

ROOM = 1340 * 2**20
"""Bytes that the process may hold between tiles where no limit is set: fresh memory takes longer than arithmetic."""

SMALLEST = 64

LARGEST = 2**25
"""Pixels that go through a GPU at once: 64 channels of them have 2^31 values, and cuDNN counts no further."""


def tile_side(
    device: Device,
    pixels: int,
    bytes_per_pixel: float,
    reach: int,
    *,
    whole: int = WHOLE,
    most: int = WORKING,
    held: float = 0,
) -> int | None:
    """How long a tile may be, in pixels; None when all `pixels` fit at once.

    Args:
        device: Its limit counts what the process holds already.
        pixels: Of the whole picture.
        bytes_per_pixel: Peak memory of the network.
        reach: Pixels that a tile carries along on each side.
        whole: Bytes that a whole picture may take on a CPU where no limit is set.
        most: Bytes that a tile may take on a CPU.
        held: Bytes that are kept besides, between the parts of the network, for each pixel.

    Raises:
        MemoryLimitError: Not even a small tile fits.
    """
    on_gpu, free = device.torch.type == "cuda", device.free_memory() // 2 // device.jobs
    if on_gpu:
        allowed = min(free, (device.max_memory or sys.maxsize) // device.jobs, int(LARGEST * bytes_per_pixel))
    elif device.max_memory is not None:
        allowed = int(0.8 * (device.max_memory - device.held_memory())) // device.jobs
    else:
        allowed = min(whole, free)
    if device.tight:
        allowed = min(allowed, int(pixels * bytes_per_pixel)) // 2
    if pixels * bytes_per_pixel <= allowed:
        return None
    # What is between the parts of a network waits in the memory of the CPU.
    held = 0 if on_gpu else held
    if device.max_memory is not None:
        allowed -= int(pixels * held)
    if device.torch.type == "cpu":
        allowed = min(allowed, most, int(AREA * bytes_per_pixel))
    side = int(math.sqrt(max(allowed, 0) / bytes_per_pixel)) - 2 * reach
    if device.tight:
        side = max(side, SMALLEST)
    if side < SMALLEST:
        tile = (SMALLEST + 2 * reach) ** 2 * bytes_per_pixel
        least = device.held_memory() + (tile + pixels * held) / 0.8
        large = f"{pixels / 1e6:.1f} megapixels" if pixels >= 10**6 else f"{pixels:,} pixels"
        raise MemoryLimitError(
            f"{large}: {least / 2**20:.0f} MiB are needed even in the smallest tiles",
            "raise --max-memory, or use a smaller --size",
        )
    return side


def in_tiles(
    segments: Sequence[Segment],
    x: Tensor | Rows,
    side: int,
    device: Device,
    listener: Listener,
    memory: dict[int, dict[str, Moments]] | None = None,
    *,
    like: Tensor,
    kept: torch.dtype | None = None,
    recall: Recall | None = None,
) -> Iterator[Tensor]:
    """`x` [1, C, H, W] through `segments` in tiles, some rows of the result after the others.

    Yields:
        uint8 where `like` is, else clamped to [0, 1]; or as it comes, in the type `kept`.
    """
    start, done = time.monotonic(), 0
    room = ROOM if device.max_memory is None else 0

    def tell(tile: int, total: int) -> None:
        nonlocal done
        done += 1
        # Pieces of tiles before lie between what is kept, and are never quite the right ones for the next.
        give_back(room)
        # How many passes there are is not known before; the bar shows each by itself.
        listener(Step(tile + 1, total, time.monotonic() - start, None, "tiles"))

    def store(part: Tensor) -> Tensor:
        return (as_stored(part, like=like) if kept is None else part.to(kept)).cpu()

    def keep(part: Tensor) -> Tensor:
        # What is between segments has the size of the picture; a level needs no more than half precision.
        return (part.half() if like.dtype == torch.uint8 else part).cpu()

    # Features in half precision become floats where they are taken apart.
    load = lambda part: put(part, device.torch) if part.dtype == torch.float16 else as_floats(part, device)
    again = lambda part: part.to(device.torch).float()
    yield from stream(
        segments, x, side, load=load, store=store, keep=keep, again=again, memory=memory, tell=tell, recall=recall
    )
    give_back(room)


def as_floats(x: Tensor, device: Device) -> Tensor:
    """Levels or values as the network takes them, on the device."""
    moved = put(x, device.torch)
    if x.dtype == torch.uint8:
        return moved.to(torch.float32, memory_format=torch.channels_last).div_(255)
    pixels = moved.float().permute(0, 2, 3, 1)
    # One picture of several has a stride by which PyTorch takes it for another format.
    return pixels.flatten().view(pixels.shape).permute(0, 3, 1, 2)


def as_stored(y: Tensor, like: Tensor) -> Tensor:
    """A result in the type of its content: rounded to levels, or clamped values.

    Floats may go as far beyond [0, 1] as the content does, whose colors need not lie inside of sRGB.
    """
    if like.dtype == torch.uint8:
        return y.clamp(0, 1).mul_(255).add_(0.5).floor_().byte()
    return y.clamp(min(0.0, float(like.min())), max(1.0, float(like.max())))
