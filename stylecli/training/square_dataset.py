"""Whole pictures as squares: their short side at the training size, a window along the long one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor

from stylecli.errors import InputError
from stylecli.media.resize import resize, short_side
from stylecli.training.data import broken, find_pictures, readable


@dataclass(frozen=True)
class Squares:
    """All pictures below some folders, in memory at their training size.

    Attributes:
        pictures: uint8 [3, h, w] each, the shorter side `size`.
        classes: The class of each; 0 without classes.
        names: Of the classes; empty without.
        size: Of the squares.
        mirror: Half of the squares are mirrored.
    """

    pictures: tuple[Tensor, ...]
    classes: tuple[int, ...]
    names: tuple[str, ...]
    size: int
    mirror: bool

    def draw(self, count: int, random: Generator) -> tuple[Tensor, Tensor]:
        """(squares [count, 3, size, size] in [-1, 1], classes [count])."""
        chosen = torch.randint(len(self.pictures), (count,), generator=random).tolist()
        return torch.stack([self._square(index, random) for index in chosen]), self._labels(chosen)

    def middles(self, count: int) -> Tensor:
        """The middle squares of `count` pictures, spread evenly over all, [N, 3, size, size] in [0, 1]."""
        step = max(1, len(self.pictures) // count)
        return torch.stack([self._window(index, 0.5) for index in range(0, len(self.pictures), step)][:count]) / 255

    def _labels(self, chosen: Sequence[int]) -> Tensor:
        return torch.tensor([self.classes[index] for index in chosen])

    def _square(self, index: int, random: Generator) -> Tensor:
        place, turn = torch.rand(2, generator=random).tolist()
        square = self._window(index, place).float().div(127.5).sub(1)
        return square.flip(2) if self.mirror and turn < 0.5 else square

    def _window(self, index: int, place: float) -> Tensor:
        return window(self.pictures[index], self.size, place, place)


def window(picture: Tensor, side: int, down: float, across: float) -> Tensor:
    """The square of that side in `picture` [C, H, W], as far down and across as it can be times a share in [0, 1]."""
    top, left = (
        round(place * (extent - side)) for place, extent in zip((down, across), picture.shape[1:], strict=True)
    )
    return picture[:, top : top + side, left : left + side]


def squares(folders: Sequence[Path], size: int, *, by_folder: bool, mirror: bool) -> Squares:
    """Reads every picture below `folders`.

    Raises:
        InputError: There is none that can be read; others are left out.
    """
    folders = [folder.absolute() for folder in folders]
    paths = find_pictures(folders)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda path: _shrunk(path, size), paths))
    paths = [path for path, picture in zip(paths, found, strict=True) if picture is not None]
    if not paths:
        raise InputError(next(iter(broken.values())), "give a folder of photographs or paintings")
    homes = [_home(path, folders) if by_folder else "" for path in paths]
    names = tuple(sorted(set(homes)))
    pictures = tuple(picture for picture in found if picture is not None)
    known = names if by_folder else ()
    return Squares(pictures, tuple(map(names.index, homes)), known, size, mirror)


def _home(path: Path, folders: Sequence[Path]) -> str:
    """The folder right below the one that was given."""
    below = next(path.relative_to(folder) for folder in folders if path.is_relative_to(folder))
    return below.parts[0] if len(below.parts) > 1 else path.parent.name


def _shrunk(path: Path, size: int) -> Tensor | None:
    if (pixels := readable(path)) is None:
        return None
    height, width = pixels.shape[1:]
    return resize(pixels, short_side(height, width, size)).mul(255).round().byte()
