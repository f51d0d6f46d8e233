"""Tensors and arrays inside pickles: checked against their storage before anything is allocated."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from stylecli.errors import WeightsError

MOST_AXES = 16
_STORAGES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}
_CONSTANTS: dict[str, torch.dtype] = {
    **{
        f"torch{where}.{name}Storage": dtype for name, dtype in _STORAGES.items() for where in ("", ".cuda", ".storage")
    },
    **{f"torch.{name}": value for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
    # A storage of bytes: its tensors say their number type themselves.
    "torch.storage.UntypedStorage": torch.uint8,
    "torch.UntypedStorage": torch.uint8,
}


@dataclass(eq=False)
class Storage:
    """Numbers in the file.

    Attributes:
        dtype: Their type.
        count: How many.
        fetch: Gives them, [count]; it is called once.
        made: What it gave: all tensors in a storage share its memory.
    """

    dtype: torch.dtype
    count: int
    fetch: Callable[[], Tensor]
    made: Tensor | None = None

    def numbers(self) -> Tensor:
        """All of them, [count]."""
        if self.made is None:
            self.made = self.fetch()
        return self.made


@dataclass(frozen=True, eq=False)
class View:
    """A tensor in a storage; its geometry is known to fit.

    Attributes:
        storage: Where the numbers are.
        dtype: Their type, that of the storage but for a storage of bytes.
        offset: Of the first element, in elements.
        shape: Extents.
        strides: Steps between neighbors, in elements.
    """

    storage: Storage
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def tensor(self) -> Tensor:
        """The tensor itself; it shares memory with its storage."""
        numbers = self.storage.numbers()
        if self.dtype is not self.storage.dtype:
            numbers = numbers.view(self.dtype)
        # Counted from where a window begins, not from the beginning of the memory that it lies in.
        return torch.as_strided(numbers, self.shape, self.strides, numbers.storage_offset() + self.offset)


def constant(name: str) -> torch.dtype | None:
    """The number type that a global such as `torch.FloatStorage` or `torch.float32` stands for."""
    return _CONSTANTS.get(name)


def checked(dtype: object, count: object) -> tuple[torch.dtype, int]:
    """The description of a storage, held to sense.

    Raises:
        WeightsError: Not a number type, or not a count.
    """
    if not isinstance(dtype, torch.dtype) or not is_count(count):
        raise WeightsError("damaged: a storage of no type or size")
    return dtype, count


def is_count(value: object) -> TypeGuard[int]:
    """Whether it can be an extent; arithmetic with numbers of millions of digits takes minutes."""
    return type(value) is int and 0 <= value < 2**63


def rebuild(storage: object, offset: object, shape: object, strides: object, dtype: torch.dtype | None = None) -> View:
    """A tensor in a storage.

    Raises:
        WeightsError: It does not fit into its storage.
    """
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise WeightsError("damaged: a tensor without a storage")
    fits = len(shape) == len(strides) and len(shape) <= MOST_AXES and all(map(is_count, (*shape, *strides)))
    if not fits or not is_count(offset):
        raise WeightsError(f"damaged: a tensor of impossible shape {_short(shape)}")
    kept = dtype or storage.dtype
    count = storage.count * storage.dtype.itemsize // kept.itemsize
    last = offset + sum((extent - 1) * stride for extent, stride in zip(shape, strides, strict=True))
    if 0 in shape:
        return View(storage, kept, 0, shape, strides)
    # More elements than the storage has are a few numbers blown up by strides of 0.
    if last >= count or math.prod(shape) > count:
        raise WeightsError(f"damaged: a tensor {_short(shape)} reaches beyond its storage of {count:,} values")
    return View(storage, kept, offset, shape, strides)


def _rebuild_v3(storage: object, offset: object, shape: object, strides: object, *rest: object) -> View:
    dtype, _ = checked(rest[2], 0)  # behind requires_grad and the hooks
    return rebuild(storage, offset, shape, strides, dtype)


def _rebuild(storage: object, offset: object, shape: object, strides: object, *_: object) -> View:
    return rebuild(storage, offset, shape, strides)


REBUILD: dict[str, Callable[..., object]] = {
    "_rebuild_tensor": _rebuild,
    "_rebuild_tensor_v2": _rebuild,
    "_rebuild_tensor_v3": _rebuild_v3,
    "_rebuild_parameter": lambda tensor, *_: tensor,
    "_rebuild_parameter_with_state": lambda tensor, *_: tensor,
}
"""PyTorch's constructors of tensors; hooks and attributes are left out."""


def array(state: object, _: object = ()) -> np.ndarray:
    """A NumPy array from its pickled state (version, shape, dtype, Fortran order, bytes).

    Raises:
        WeightsError: Not numbers, or not as many bytes as the shape needs.
    """
    if not isinstance(state, tuple):
        raise WeightsError("damaged: an array without its numbers")
    _, shape, kind, fortran, data = state if len(state) == 5 else (1, *state)
    code = kind.arguments[0]
    swapped = isinstance(kind.state, tuple) and len(kind.state) > 1 and kind.state[1] == ">"
    if not isinstance(code, str) or code.lstrip("<>|=")[:1] not in tuple("biufc"):
        raise WeightsError(f"refused: a NumPy array of {_short(code)}, not of numbers")
    dtype = np.dtype(code).newbyteorder(">") if swapped else np.dtype(code)
    data = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(shape, tuple) or len(shape) > MOST_AXES or not all(map(is_count, shape)):
        raise WeightsError(f"damaged: an array of impossible shape {_short(shape)}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise WeightsError(f"damaged: an array {_short(shape)} with {len(data):,} bytes")
    numbers = np.frombuffer(bytearray(data), dtype).reshape(shape, order="F" if fortran else "C")
    return numbers.astype(dtype.newbyteorder("="))


def _short(value: object) -> str:
    """Not all of a value that may be huge: writing its digits alone can take minutes."""
    if not isinstance(value, tuple):
        return ascii(value)[:40] if isinstance(value, str | int) else type(value).__name__
    shown = [str(n) if type(n) is int and abs(n) < 2**64 else "?" for n in value[:6]]
    return "[" + ", ".join([*shown, "..."][: 7 if len(value) > 6 else len(shown)]) + "]"
