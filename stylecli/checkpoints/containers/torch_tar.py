"""PyTorch's container of 2016 and early 2017: a tar archive of `pickle`, `storages`, `tensors` and `sys_info`."""

import io
import mmap
import struct
import tarfile
from collections.abc import Sequence
from functools import partial

import torch

from stylecli.budget import Budget
from stylecli.checkpoints.containers.pickle_globals import Constructor
from stylecli.checkpoints.containers.pickle_tensors import MOST_AXES, Storage, View, checked, is_count, rebuild
from stylecli.checkpoints.containers.pickles import unpickle
from stylecli.errors import WeightsError

MEMBERS = ("pickle", "storages", "tensors")
TYPES: dict[str, Constructor] = {
    f"torch.{place}{kind}Tensor": lambda *_: None
    for place in ("", "cuda.")
    for kind in ("Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte")
}
"""Classes of tensors, which say what their storages say already."""

MOST = 100
"""Members; there are four."""


def read_tar(data: mmap.mmap, budget: Budget) -> object:
    """The object in a tar archive of PyTorch's.

    Raises:
        WeightsError: Another archive, truncated, or numbers that do not fit.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for _ in range(MOST):
                if (member := archive.next()) is None:
                    break
                budget.step()
                if member.isfile() and member.name.removeprefix("./") in MEMBERS:
                    if member.offset_data + member.size > len(data):
                        raise WeightsError(f"truncated: {member.name} reaches beyond the end of the file")
                    budget.take(2 * member.size, "its tar archive")
                    start = member.offset_data
                    found[member.name.removeprefix("./")] = data[start : start + member.size]
    except tarfile.TarError as error:
        raise WeightsError("damaged: a tar archive that ends too soon", "fetch it again") from error
    if len(found) < len(MEMBERS):
        raise WeightsError("a tar archive, not weights that can be read", "unpack it first")
    objects = _tensors(found["tensors"], _storages(found["storages"], budget), budget)

    def persistent(said: object) -> object:
        if isinstance(said, tuple) and said:
            return said[0]  # a class with its source, of which the name is enough
        key = str(said)
        if key not in objects:
            raise WeightsError(f"damaged: nothing for {ascii(key)[:40]}")
        return objects[key]

    return unpickle(found["pickle"], persistent, budget=budget)


def _storages(data: bytes, budget: Budget) -> dict[str, Storage | View]:
    stream = io.BytesIO(data)
    next_pickle = partial(unpickle, stream, budget=budget)  # type: ignore[arg-type]
    found: dict[str, Storage | View] = {}
    for _ in range(_count(next_pickle())):
        budget.step()
        key, _, kind = _parts(next_pickle(), 3)
        dtype, count = checked(kind, *_unpacked(stream, "q"))
        start, length = stream.tell(), count * dtype.itemsize
        if length > len(data) - start:
            raise WeightsError(f"truncated: storage {ascii(key)[:40]} ends after {len(data):,} bytes")
        found[str(key)] = Storage(dtype, count, partial(_numbers, data, dtype, start, length))
        stream.seek(start + length)
    windows = next_pickle()
    if not isinstance(windows, list | tuple):
        raise WeightsError("damaged: no list of its windows")
    for window in windows:
        key, root, first, size = _parts(window, 4)
        whole = found.get(str(root))
        if not (isinstance(whole, Storage) and is_count(first) and is_count(size) and first + size <= whole.count):
            raise WeightsError("damaged: a window beyond its storage")
        found[str(key)] = Storage(whole.dtype, size, partial(_window, whole, first, size))
    return found


def _tensors(data: bytes, objects: dict[str, Storage | View], budget: Budget) -> dict[str, Storage | View]:
    """All objects: the storages too."""
    stream = io.BytesIO(data)
    next_pickle = partial(unpickle, stream, known=TYPES, budget=budget)  # type: ignore[arg-type]
    for _ in range(_count(next_pickle())):
        budget.step()
        key, storage, _ = _parts(next_pickle(), 3)
        axes, _ = _unpacked(stream, "ii")
        if not 0 <= axes <= MOST_AXES:
            raise WeightsError(f"damaged: a tensor of {axes} axes")
        shape, strides = _unpacked(stream, f"{axes}q"), _unpacked(stream, f"{axes}q")
        (offset,) = _unpacked(stream, "q")
        objects[str(key)] = rebuild(objects.get(str(storage)), offset, shape, strides)
    return objects


def _parts(value: object, count: int) -> Sequence[object]:
    if not isinstance(value, tuple | list) or len(value) != count:
        raise WeightsError("damaged: a description that is no list")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**32:
        raise WeightsError("damaged: a list of no length")
    return value


def _unpacked(stream: io.BytesIO, form: str) -> tuple[int, ...]:
    size = struct.calcsize(f"<{form}")
    if len(data := stream.read(size)) < size:
        raise WeightsError("truncated: a tensor without its numbers")
    return struct.unpack(f"<{form}", data)


def _numbers(data: bytes, dtype: torch.dtype, start: int, size: int) -> torch.Tensor:
    return torch.frombuffer(bytearray(data[start : start + size]), dtype=dtype) if size else torch.empty(0, dtype=dtype)


def _window(whole: Storage, offset: int, size: int) -> torch.Tensor:
    return whole.numbers()[offset : offset + size]
