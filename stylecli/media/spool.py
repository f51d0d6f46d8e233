"""Pictures and features that are read in parts and written from the top on: in memory, or in a temporary file."""

import tempfile
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from stylecli.errors import OutputError
from stylecli.method import Rows, Span


class Store(Rows, Protocol):
    """What is written from the top to the bottom, then read."""

    def add(self, band: Tensor, reach: int = 0) -> None:
        """The next rows [N, C, h, W]; of what these replace, `reach` are still read."""

    def done(self) -> "Store":
        """All rows are there."""

    def close(self) -> None:
        """Nobody reads it any more."""


class Whole:
    """A tensor [N, C, H, W] as `Store`."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.next = x, 0

    @classmethod
    def empty(cls, shape: Sequence[int], like: Tensor) -> "Whole":
        """Yet to be filled, pixel after pixel in memory, of the type and on the device of `like`."""
        return cls(torch.empty(tuple(shape), dtype=like.dtype, device=like.device, memory_format=torch.channels_last))

    @property
    def shape(self) -> Sequence[int]:
        """See `Rows`."""
        return self.x.shape

    def part(self, rows: Span, columns: Span) -> Tensor:
        """See `Rows`."""
        return self.x[:, :, slice(*rows), slice(*columns)]

    def add(self, band: Tensor, reach: int = 0) -> None:
        """See `Store`."""
        self.x[:, :, self.next : self.next + band.shape[2]] = band
        self.next += band.shape[2]

    def done(self) -> "Whole":
        """See `Store`."""
        return self

    def close(self) -> None:
        """See `Store`."""


class Spool:
    """[1, C, H, W] of any type in a temporary file of which nobody else knows, pixel after pixel.

    A part of a network may put its output in place of its input: rows that are still read after they were replaced are
    kept.
    """

    def __init__(self, shape: Sequence[int], dtype: torch.dtype) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self.next, self.replaced = 0, (0, 0)
        self.before = torch.empty(0)
        try:
            # Gone with the process, however that ends.
            self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - as long as this
        except OSError as error:
            raise _no_room(error) from error

    def fits(self, shape: Sequence[int], dtype: torch.dtype) -> bool:
        """Whether this is of that shape and type."""
        return (self.shape, self.dtype) == (tuple(shape), dtype)

    def part(self, rows: Span, columns: Span) -> Tensor:
        """See `Rows`."""
        (_, channels, _, width), (top, bottom), (left, right) = self.shape, rows, columns
        made = torch.empty((bottom - top, right - left, channels), dtype=self.dtype)
        pixel = channels * self.dtype.itemsize
        # Whole lines lie one behind the other.
        pieces = made.view(torch.uint8).flatten(1).numpy() if columns != (0, width) else [_bytes(made)]
        for line, piece in enumerate(pieces, top):
            self.file.seek((line * width + left) * pixel)
            room = piece.data
            while len(room):
                if not (read := self.file.readinto(room)):
                    raise EOFError("rows that were not written yet")
                room = room[read:]
        first, last = max(top, self.replaced[0]), min(bottom, self.replaced[1])
        if first < last:
            known = self.before[first - self.replaced[0] : last - self.replaced[0], left:right]
            made[first - top : last - top] = known
        return made.permute(2, 0, 1)[None]

    def add(self, band: Tensor, reach: int = 0) -> None:
        """See `Store`."""
        width, after = self.shape[3], self.next + band.shape[2]
        if reach:
            kept = max(after - reach, 0), after
            self.before, self.replaced = self.part(kept, (0, width))[0].permute(1, 2, 0), kept
        room = _bytes(band[0].permute(1, 2, 0).contiguous()).data
        try:
            self.file.seek(self.next * width * self.shape[1] * self.dtype.itemsize)
            while len(room):
                room = room[self.file.write(room) :]
        except OSError as error:
            raise _no_room(error) from error
        self.next = after

    def done(self) -> "Spool":
        """See `Store`."""
        self.next, self.replaced, self.before = 0, (0, 0), torch.empty(0)
        return self

    def close(self) -> None:
        """See `Store`."""
        self.file.close()


def _bytes(x: Tensor) -> np.ndarray:
    made: np.ndarray = x.reshape(-1).view(torch.uint8).numpy()
    return made


def _no_room(error: OSError) -> OutputError:
    folder = tempfile.gettempdir()
    return OutputError(
        f"{folder}: no temporary file can be written: {(error.strerror or str(error)).lower()}",
        "free some space there, or name another folder by TMPDIR",
    )
