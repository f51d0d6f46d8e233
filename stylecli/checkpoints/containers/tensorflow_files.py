"""TensorFlow's checkpoints read as data: one file of version 1, `model.ckpt`, or an index and its numbers of version 2.

Both are tables of LevelDB: blocks of sorted keys, which share their beginnings, and values, which are protocol buffers.
Version 1 keeps descriptions of all tensors under the key "", and the numbers of each under one more. Version 2 keeps
where each lies in `model.ckpt.data-00000-of-00001` beside it.
"""

import math
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from stylecli.budget import TENSOR, Budget
from stylecli.checkpoints.containers.pickle_tensors import MOST_AXES
from stylecli.checkpoints.containers.protobuf import Message, fields, packed, varint
from stylecli.errors import WeightsError
from stylecli.files import regular

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
"""Ends a table."""

FOOTER = 48
NUMBERS = {
    1: torch.float32, 2: torch.float64, 3: torch.int32, 4: torch.uint8, 5: torch.int16, 6: torch.int8, 9: torch.int64,
    10: torch.bool, 14: torch.bfloat16, 19: torch.float16,
}  # fmt: skip
PACKED = {5: torch.float32, 6: torch.float64}
"""Fields of a tensor that hold numbers as they are."""


def read_checkpoint(path: Path, data: memoryview, budget: Budget) -> dict[str, Tensor]:
    """Every tensor of a checkpoint, by its variable's name.

    Raises:
        WeightsError: Damaged, compressed, or its numbers are missing.
    """
    entries = list(_entries(data, budget))
    if not entries or entries[0][0]:
        raise WeightsError("damaged: a TensorFlow checkpoint without a description", "fetch it again")
    description = next((number for number, value in fields(entries[0][1], budget) if isinstance(value, Message)), 0)
    # Of version 2 it is a header of numbers and a version; of version 1 a list of tensors.
    if description == 1:
        return _first(entries, budget)
    return _second(path, entries, budget)


def _first(entries: list[tuple[bytes, Message]], budget: Budget) -> dict[str, Tensor]:
    shapes: dict[str, list[int]] = {}
    for number, meta in fields(entries[0][1], budget):
        for key, value in fields(meta, budget) if number == 1 and isinstance(meta, Message) else ():
            if key == 1 and isinstance(value, Message):
                about = dict(fields(value, budget))
                shapes[_text(about.get(1))] = _shape(about.get(2), budget)
    found: dict[str, Tensor] = {}
    for _, message in entries[1:]:
        for number, saved in fields(message, budget):
            if number != 2 or not isinstance(saved, Message):
                continue
            about = dict(fields(saved, budget))
            name, numbers = _text(about.get(1)), about.get(3)
            if name in found or name not in shapes or not isinstance(numbers, Message):
                raise WeightsError(f"{ascii(name)[:60]} lies in several parts", "save it again in one")
            budget.step(TENSOR)
            found[name] = _saved(name, numbers, shapes[name], budget)
    return found


def _saved(name: str, message: Message, shape: list[int], budget: Budget) -> Tensor:
    kind, raw = torch.float32, memoryview(b"")
    for number, value in fields(message, budget):
        if number == 1 and isinstance(value, int):
            kind = NUMBERS.get(value, torch.float32)
        elif number in PACKED and isinstance(value, Message):
            kind, raw = PACKED[number], value.bytes()
        elif number == 4 and isinstance(value, Message):
            raw = value.bytes()
        elif number in (7, 10):
            several = packed(value, budget)
            kind, raw = torch.int64, memoryview(struct.pack(f"<{len(several)}Q", *(n % 2**64 for n in several)))
    return _made(name, raw, kind, shape, budget)


def _second(path: Path, entries: list[tuple[bytes, Message]], budget: Budget) -> dict[str, Tensor]:
    shards = dict(fields(entries[0][1], budget)).get(1, 1)
    beside = path.with_name(f"{path.name.removesuffix('.index')}.data-00000-of-00001")
    if shards != 1:
        raise WeightsError(f"a TensorFlow checkpoint in {shards} parts", "save it in one")
    if not beside.exists():
        raise WeightsError(f"its numbers are missing: {beside.name}", "put that file beside it")
    with open(beside, "rb", opener=regular) as file:
        numbers = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    budget.bytes += Budget.of(len(numbers)).bytes
    found: dict[str, Tensor] = {}
    for key, message in entries[1:]:
        about = dict(fields(message, budget))
        kind, start, size = (about.get(number, 0) for number in (1, 4, 5))
        if kind not in NUMBERS or not isinstance(start, int) or not isinstance(size, int) or about.get(3, 0) != 0:
            # Text, such as the graph of objects of TensorFlow 2.
            continue
        if start + size > len(numbers):
            raise WeightsError(f"truncated: {beside.name} has {len(numbers):,} bytes, {start + size:,} are wanted")
        name, part = key.decode("utf-8", "replace")[:1000], numbers[start : start + size]
        budget.step(TENSOR)
        found[name] = _made(name, part, NUMBERS[kind], _shape(about.get(2), budget), budget)
    return found


def _made(name: str, raw: memoryview, kind: torch.dtype, shape: list[int], budget: Budget) -> Tensor:
    if len(shape) > MOST_AXES or math.prod(shape) * kind.itemsize != len(raw):
        raise WeightsError(f"damaged: {ascii(name)[:60]} {shape[:8]} with {len(raw):,} bytes", "fetch it again")
    budget.take(len(raw), "its tensors")
    return torch.frombuffer(bytearray(raw), dtype=kind).reshape(shape) if len(raw) else torch.empty(shape, dtype=kind)


def _shape(value: "int | Message | None", budget: Budget) -> list[int]:
    found = []
    for number, axis in fields(value, budget) if isinstance(value, Message) else ():
        if number == 2 and isinstance(axis, Message):
            size = dict(fields(axis, budget)).get(1, 0)
            found.append(size if isinstance(size, int) and size < 2**40 else 2**40)
    return found


def _text(value: "int | Message | None") -> str:
    return value.text() if isinstance(value, Message) else ""


def _entries(data: memoryview, budget: Budget) -> Iterator[tuple[bytes, Message]]:
    """(key, value) of a table, in order."""
    if bytes(data[-8:]) != MAGIC:
        raise WeightsError("truncated: a TensorFlow checkpoint without its end", "fetch it again")
    footer = Message(data, len(data) - FOOTER, len(data) - 8)
    at = footer.start
    numbers = []
    for _ in range(4):
        number, at = varint(footer, at)
        numbers.append(number)
    for _, handle in _block(data, numbers[2], numbers[3], budget):
        start, behind = varint(handle, handle.start)
        size, _ = varint(handle, behind)
        yield from _block(data, start, size, budget)


def _block(data: memoryview, start: int, size: int, budget: Budget) -> Iterator[tuple[bytes, Message]]:
    if start + size + 5 > len(data) or size < 4:
        raise WeightsError(f"truncated: a block at {start:,} of {len(data):,} bytes", "fetch it again")
    if data[start + size] != 0:
        raise WeightsError("a TensorFlow checkpoint that is compressed", "save it again with `tf.train.Saver`")
    (restarts,) = struct.unpack("<I", data[start + size - 4 : start + size])
    block = Message(data, start, start + size - 4 - 4 * restarts)
    at, key = block.start, b""
    while at < block.end:
        budget.step()
        shared, at = varint(block, at)
        own, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(key) or own + length > block.end - at:
            raise WeightsError(f"damaged: a block at {start:,}", "fetch it again")
        key = key[:shared] + bytes(data[at : at + own])
        budget.take(len(key), "its keys")
        yield key, Message(data, at + own, at + own + length)
        at += own + length
