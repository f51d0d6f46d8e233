"""NumPy's files of arrays, read within what a file of their size can be worth; nothing in them is ever run."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from stylecli.budget import Budget, OverBudgetError, zip_opened
from stylecli.errors import InputError
from stylecli.files import regular

if TYPE_CHECKING:
    import numpy as np

CHUNK = 2**20


def read_arrays(path: str | Path, hint: str) -> "dict[str, np.ndarray]":
    """The arrays of numbers in an .npy (as `array`) or .npz, by name.

    Raises:
        InputError: It cannot be read, is damaged, or larger than it can honestly be.
    """
    try:
        with open(path, "rb", opener=regular) as file:
            size = os.fstat(file.fileno()).st_size
            budget = Budget.of(size)
            if file.read(2) != b"PK":
                file.seek(0)
                return {"array": _array(file, size, budget)}
        with zip_opened(path, budget) as archive:
            return {
                member.filename.removesuffix(".npy"): _array(
                    cast(BinaryIO, archive.open(member)), member.file_size, budget
                )
                for member in archive.infolist()
            }
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}", hint) from error
    except OverBudgetError as error:
        raise InputError(f"{path}: refused: {error}", hint) from error
    except Exception as error:  # any: readers of archives and headers fail in many ways on what is none
        raise InputError(f"{path}: not a readable array", hint) from error


def _array(file: BinaryIO, size: int, budget: Budget) -> "np.ndarray":
    import numpy as np

    version = np.lib.format.read_magic(file)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = reader(file)
    # What a header says is no reason to allocate it.
    if dtype.kind not in "biufc" or math.prod(shape) * dtype.itemsize > size:
        raise ValueError("no numbers, or fewer than it says")
    budget.take(2 * math.prod(shape) * dtype.itemsize, "its array")
    data = b"".join(iter(lambda: file.read(CHUNK), b""))
    made = np.frombuffer(data, dtype, math.prod(shape)).reshape(shape, order="F" if fortran else "C")
    return made.astype(dtype.newbyteorder("="))
