"""Endless seeded crops: the batch of a step depends on the seed and the step alone, so a resumed run sees the same."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from stylecli.device import loaders, pinned
from stylecli.errors import InputError, StyleCliError
from stylecli.media.images import read_picture

T = TypeVar("T")
MOST_IN_A_ROW = 100
"""Pictures that cannot be read, before a training gives up."""

broken: dict[Path, str] = {}
"""Pictures that could not be read in this process, and why; they are left out."""

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


def find_pictures(folders: Sequence[Path]) -> list[Path]:
    """Every picture below `folders`, sorted; absolute, for pixels are kept by path.

    Raises:
        InputError: There is none.
    """
    found = sorted(
        path.absolute()
        for folder in folders
        for path in folder.rglob("*")
        # A pipe of that name would be waited for without end.
        if path.suffix.lower() in PICTURES and path.is_file()
    )
    if not found:
        raise InputError(f"{folders[0]}: no pictures below it", "give a folder of photographs or paintings")
    return found


@dataclass(frozen=True)
class Crops:
    """Square crops of random pictures at random scales.

    Attributes:
        paths: Pictures to draw from, uniformly.
        size: Side of a crop in pixels.
        batch: Crops a step.
        seed: Of the whole sequence.
        zoom: How far a crop may be enlarged: the smallest has a side of `size / zoom`.
        augment: Applied to each crop `[3, size, size]` with a generator; identity by default.
    """

    paths: tuple[Path, ...]
    size: int
    batch: int
    seed: int
    zoom: float = 1.0
    augment: Callable[[Tensor, Generator], Tensor] = lambda crop, generator: crop

    def __call__(self, step: int) -> Tensor:
        """The batch of `step`, `[batch, 3, size, size]` in [0, 1]."""
        generator = Generator().manual_seed(self.seed * 1_000_003 + step)
        return torch.stack([self._crop(generator) for _ in range(self.batch)])

    def _crop(self, generator: Generator) -> Tensor:
        for _ in range(MOST_IN_A_ROW):
            path = self.paths[_integer(len(self.paths), generator)]
            if (pixels := _pixels(path)) is not None:
                break
        else:
            raise InputError(broken[path], f"nor can {len(broken) - 1} others be read")
        # A crop of up to twice its final side shrinks the picture: textures come at many scales.
        largest = min(2 * self.size, *pixels.shape[1:])
        smallest = min(round(self.size / self.zoom), largest)
        side = smallest + _integer(largest - smallest + 1, generator)
        top, left = (_integer(extent - side + 1, generator) for extent in pixels.shape[1:])
        crop = pixels[:, top : top + side, left : left + side].float().div(255)
        if torch.rand((), generator=generator) < 0.5:
            crop = crop.flip(2)
        if side != self.size:
            crop = F.interpolate(crop[None], (self.size, self.size), mode="bicubic", antialias=True)[0].clamp(0, 1)
        return self.augment(crop, generator)

    def ahead(self, first: int, last: int) -> Iterator[Tensor]:
        """Batches of steps `first` to `last`, see `ahead`."""
        return ahead(self, first, last)


def ahead(make: Callable[[int], T], first: int, last: int) -> Iterator[T]:
    """What `make` gives for steps `first` to `last`, prepared while those before are used: see `loaders`."""
    count, ready = loaders(), lambda step: pinned(make(step))
    with ThreadPoolExecutor(count) as pool:
        coming = deque(pool.submit(ready, step) for step in range(first, min(first + count, last + 1)))
        for step in range(first, last + 1):
            batch = coming.popleft().result()
            if step + count <= last:
                coming.append(pool.submit(ready, step + count))
            yield batch


def _integer(below: int, generator: Generator) -> int:
    return int(torch.randint(below, (), generator=generator))


@lru_cache(8192)
def _pixels(path: Path) -> Tensor | None:
    """uint8 [3, H, W], kept: decoding again each epoch costs more than the memory (200 kB a picture of 256 px)."""
    found = readable(path)
    return None if found is None else found.mul(255).round().byte()


def forget() -> None:
    """Frees what is kept of pictures, and of those that could not be read."""
    _pixels.cache_clear()
    broken.clear()


def readable(path: Path) -> Tensor | None:
    """A picture [3, H, W]; None for one that cannot be read, which is counted in `broken`."""
    try:
        return read_picture(path).pixels
    except StyleCliError as error:
        broken[path] = error.message
        return None
