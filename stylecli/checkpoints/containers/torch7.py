"""Torch 7 files (`.t7`, binary, little-endian, 64-bit longs) read as data: nothing in them is executed.

An object is an int32 tag and what follows it: 0 nil; 1 a double; 2 text; 3 a table: memo index, count, pairs; 4 a Torch
object: memo index, version, class, contents; 5 a boolean. Tags 6 to 8 are Lua functions, which are refused. Tensors are
rank, sizes, strides, offset (from 1) and a storage; storages are a count and numbers; other classes are one object.
"""

import mmap
import re
import struct
from typing import TypedDict

import torch

from stylecli.budget import Budget
from stylecli.checkpoints.containers.pickle_globals import Record
from stylecli.checkpoints.containers.pickle_tensors import MOST_AXES, Storage, View, rebuild
from stylecli.errors import WeightsError

DEEPEST = 150
MOST_TABLES = 3
"""Around a network."""

LONGEST = 2**16
"""Bytes of a text; names of classes and fields are all there is."""

NUMBERS = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
}
_NUMERIC = re.compile(r"torch\.(?:Cuda)?(Double|Float|Half|Long|Int|Short|Char|Byte|)(Tensor|Storage)")


def read_torch7(data: mmap.mmap, budget: Budget) -> object:
    """The object in a Torch 7 file: numbers, text, dicts of tables, `Record`s of objects, and `View`s.

    Raises:
        WeightsError: Truncated, damaged, nested too deeply, or with code in it.
    """
    reader = _Reader(data, budget)
    tree = reader.read(0)
    if reader.at != len(data):
        raise WeightsError(f"damaged: {len(data) - reader.at:,} bytes behind its end")
    return tree


class Module(TypedDict):
    """A module of a network: its class, its name below the Sequential, numbers that it keeps, the modules in it."""

    kind: str
    name: str
    numbers: dict[str, float]
    inside: "list[Module]"


def modules_of(tree: object, budget: Budget, depth: int = 0) -> list[Module]:
    """The modules of the first `nn.Sequential` in `tree`, in order, for `Format.convert`; none where there is none."""
    if isinstance(tree, Record):
        return _modules(tree, "", budget, 0) if tree.name == "nn.Sequential" else []
    if not isinstance(tree, dict) or depth == MOST_TABLES:
        return []
    budget.step(len(tree))
    return next((found for value in tree.values() if (found := modules_of(value, budget, depth + 1))), [])


def _modules(record: Record, start: str, budget: Budget, depth: int) -> list[Module]:
    listed = _fields(record).get("modules")
    if not isinstance(listed, dict) or depth > DEEPEST:
        return []
    made: list[Module] = []
    for index, module in listed.items():
        budget.step()
        if isinstance(module, Record):
            name = f"{start}modules.{index}"
            fields = _fields(module).items()
            numbers = {
                key: value
                for key, value in fields
                if isinstance(value, int | float) and type(value) is not bool and isinstance(key, str)
            }
            inside = _modules(module, f"{name}.", budget, depth + 1)
            made.append({"kind": module.name, "name": name, "numbers": numbers, "inside": inside})
    return made


def _fields(record: Record) -> dict[object, object]:
    return record.state if isinstance(record.state, dict) else {}


class _Reader:
    def __init__(self, data: mmap.mmap, budget: Budget) -> None:
        self.data, self.at, self.budget = data, 0, budget
        self.memo: dict[int, object] = {}

    def read(self, depth: int) -> object:
        """The next object."""
        self.budget.step()
        if depth > DEEPEST:
            raise WeightsError("damaged: nested too deeply, or without end")
        (tag,) = self.numbers("i")
        if tag == 0:
            return None
        if tag == 1:
            (number,) = struct.unpack("<d", self.taken(8))
            return int(number) if number.is_integer() else number
        if tag == 2:
            return self.text()
        if tag == 5:
            return bool(self.numbers("i")[0])
        if tag in (6, 7, 8):
            raise WeightsError("refused: a Lua function", "only tables, numbers and tensors are read")
        if tag not in (3, 4):
            raise WeightsError(f"damaged: no object at byte {self.at - 4:,}")
        (index,) = self.numbers("i")
        if index not in self.memo:
            (self.table if tag == 3 else self.object)(index, depth)
        return self.memo[index]

    def table(self, index: int, depth: int) -> None:
        """Pairs, into the memo first: a table may hold itself."""
        (count,) = self.numbers("i")
        found: dict[object, object] = {}
        self.memo[index] = found
        if count < 0:
            raise WeightsError("damaged: a table of no size")
        for _ in range(count):
            key = self.read(depth + 1)
            if not isinstance(key, str | int | float):
                raise WeightsError("damaged: a table whose key is neither text nor number")
            found[key] = self.read(depth + 1)

    def object(self, index: int, depth: int) -> None:
        """A Torch object; of classes that are not numbers, the fields."""
        version = self.text()
        name = self.text() if re.fullmatch(r"V \d+", version) else version
        if kind := _NUMERIC.fullmatch(name):
            # `torch.CudaTensor` is of floats.
            dtype = NUMBERS[kind[1] or "Float"]
            self.memo[index] = self.tensor(dtype, depth) if kind[2] == "Tensor" else self.storage(dtype)
            return
        state: dict[object, object] = {}
        self.memo[index] = Record(name, state=state)
        if isinstance(fields := self.read(depth + 1), dict):
            state.update(fields)

    def tensor(self, dtype: torch.dtype, depth: int) -> View | None:
        """A tensor; None for an empty one without a storage."""
        (axes,) = self.numbers("i")
        if not 0 <= axes <= MOST_AXES:
            raise WeightsError(f"damaged: a tensor of {axes} axes")
        shape, strides = self.numbers(f"{axes}q"), self.numbers(f"{axes}q")
        (offset,) = self.numbers("q")
        storage = self.read(depth + 1)
        if storage is None or not axes:
            return None
        if not isinstance(storage, Storage) or storage.dtype is not dtype:
            raise WeightsError("damaged: a tensor without a storage of its type")
        return rebuild(storage, offset - 1, shape, strides)

    def storage(self, dtype: torch.dtype) -> Storage:
        """Numbers; they are looked at when a tensor asks for them."""
        (count,) = self.numbers("q")
        start, size = self.at, count * dtype.itemsize
        self.skip(size)
        # Copied: a file's numbers need not begin where a processor wants them.
        return Storage(dtype, count, lambda: torch.frombuffer(bytearray(self.data[start : start + size]), dtype=dtype))

    def text(self) -> str:
        """Length and bytes."""
        (length,) = self.numbers("i")
        if length > LONGEST:
            raise WeightsError(f"damaged: a text of {length:,} bytes")
        return self.taken(length).decode("latin-1")

    def numbers(self, form: str) -> tuple[int, ...]:
        """Whole numbers as `struct` describes them."""
        return struct.unpack(f"<{form}", self.taken(struct.calcsize(f"<{form}")))

    def taken(self, size: int) -> bytes:
        """The next ones."""
        start = self.at
        self.skip(size)
        return self.data[start : self.at]

    def skip(self, size: int) -> None:
        """Goes on by `size` bytes, which must be there."""
        if size < 0 or size > len(self.data) - self.at:
            raise WeightsError(
                f"truncated: {size:,} bytes wanted at {self.at:,} of {len(self.data):,}", "fetch it again"
            )
        self.at += size
