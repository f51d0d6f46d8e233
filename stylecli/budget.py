"""What a file from a stranger may cost: bytes that it makes us allocate, and steps that it makes us take."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stylecli.files import regular

ALLOWANCE = 2**28
"""Bytes that any file may ask for, however small it is."""

FACTOR = 8
"""Times its own size that a file may ask for: half precision becomes single, text becomes numbers, parts are copied."""

STEPS = 1_000_000
"""Ten times what the largest published checkpoint takes."""

BYTES_A_STEP = 500
"""For each of which there is a step more: training files hold long histories."""

TENSOR = 20
"""Steps of a tensor: its name is looked at by every layout."""

PIXELS = "its decoded pixels"


class OverBudgetError(Exception):
    """A file asks for more than its size justifies; readers turn it into their own error, which names the file."""


@dataclass
class Budget:
    """What is left for one file; everything that reads a part of it draws from the same.

    Attributes:
        bytes: To be allocated.
        steps: Opcodes, values, names, layers.
    """

    bytes: int
    steps: int = STEPS

    @classmethod
    def of(cls, size: int) -> "Budget":
        """For a file of `size` bytes."""
        return cls(ALLOWANCE + FACTOR * size, STEPS + size // BYTES_A_STEP)

    def take(self, count: int, what: str = "it") -> None:
        """Pays for `count` bytes, before they are allocated.

        Raises:
            OverBudgetError: There are not so many left.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise OverBudgetError(f"{what} would take more room than it may have")

    def step(self, count: int = 1) -> None:
        """Pays for `count` steps, before they are taken.

        Raises:
            OverBudgetError: There are not so many left.
        """
        self.steps -= count
        if self.steps < 0:
            raise OverBudgetError("more parts than a file of its size can be worth")


LARGEST_DIRECTORY = 2**23
"""Bytes of a zip archive's list of members; that of the largest published checkpoint has a tenth."""


class _Archive(io.FileIO):
    """A file that gives no list of members that is too long, before objects are made of it."""

    listing = True

    def read(self, size: int | None = -1) -> bytes:
        if self.listing and size and size > LARGEST_DIRECTORY:
            raise OverBudgetError(f"a zip archive whose list of members has {size:,} bytes")
        return super().read(size) or b""


@contextmanager
def zip_opened(path: str | Path, budget: Budget) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose members are paid for with a step each.

    Raises:
        OverBudgetError: Too many of them.
        BadZipFile: It is none.
        OSError: It cannot be read, or is no regular file.
    """
    with _Archive(path, opener=regular) as file, zipfile.ZipFile(file) as archive:
        file.listing = False
        budget.step(len(archive.infolist()))
        yield archive
