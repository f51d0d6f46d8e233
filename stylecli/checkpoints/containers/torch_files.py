"""PyTorch's two containers: zip archives (since 1.6) and the pickles with appended numbers before that."""

import io
import mmap
import struct
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from stylecli.budget import Budget, zip_opened
from stylecli.checkpoints.containers.nvidia import KNOWN
from stylecli.checkpoints.containers.pickle_globals import Constructor
from stylecli.checkpoints.containers.pickle_tensors import Storage, checked, is_count
from stylecli.checkpoints.containers.pickles import unpickle
from stylecli.errors import WeightsError
from stylecli.files import regular

MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LARGEST_PICKLE = 2**28
EXPANSION = 20
"""A compressed member may be so many times as large as its bytes; real weights shrink by a tenth."""

PACKED = (
    ".pth",
    ".pt",
    ".ckpt",
    ".pkl",
    ".safetensors",
    ".t7",
    ".model",
    ".bin",
    ".onnx",
    ".h5",
    ".pb",
    ".npy",
    ".tar",
)
"""Ends of names of weights that people put into one archive."""

_LOCAL_HEADER = 30


def read_zip(path: Path, mapping: mmap.mmap, budget: Budget) -> object:
    """The object in a zip archive; its tensors are views of the mapped file, read when they are touched.

    Raises:
        WeightsError: Truncated, a bomb, names that are paths, or numbers that do not fit.
    """
    with ExitStack() as opened:
        try:
            archive = opened.enter_context(zip_opened(path, budget))
        except zipfile.BadZipFile as error:
            raise WeightsError(f"truncated: a zip archive without its end ({len(mapping):,} bytes)") from error
        members = archive.infolist()
        names = {member.filename: member for member in members}
        if len(names) < len(members):
            raise WeightsError("damaged: a zip archive with two members of one name")
        for member in members:
            _check(member, len(mapping))
        heads = [name for name in names if name.count("/") < 2 and name.rpartition("/")[2] == "data.pkl"]
        if len(heads) != 1:
            several = [ascii(name)[1:-1][:40] for name in names if PurePosixPath(name).suffix.lower() in PACKED]
            if several:
                raise WeightsError(
                    f"a zip archive of {len(several)} files ({', '.join(several[:3])})", "unpack it first"
                )
            raise WeightsError("a zip archive that PyTorch did not write (no data.pkl in it)")
        root = heads[0].removesuffix("data.pkl")
        if f"{root}constants/0" in names and not any(name.startswith(f"{root}data/") for name in names):
            raise WeightsError("a frozen TorchScript, whose tensors have lost their names", "save the module unfrozen")
        order = names.get(f"{root}byteorder")
        if order and order.file_size < 16 and archive.read(order).strip() == b"big":
            raise WeightsError("written on a big-endian machine", "save it again as safetensors there")
        if names[heads[0]].file_size > LARGEST_PICKLE:
            raise WeightsError(f"damaged: a data.pkl of {names[heads[0]].file_size:,} bytes")

        def storage(dtype: torch.dtype, key: str, count: int) -> Storage:
            member = names.get(f"{root}data/{key}")
            if member is None:
                raise WeightsError(f"damaged: no numbers for storage {ascii(key)[:40]}")
            if member.file_size != count * dtype.itemsize:
                raise WeightsError(f"damaged: storage {key} has {member.file_size:,} bytes, not {count:,} values")
            if member.compress_type == zipfile.ZIP_STORED:
                return Storage(dtype, count, _stored(mapping, dtype, count, _start(member, mapping)))
            budget.take(2 * member.file_size, f"storage {ascii(key)[:40]}")
            data = archive.read(member)
            return Storage(dtype, count, lambda: _numbers(data, dtype))

        budget.take(names[heads[0]].file_size)
        return unpickle(archive.read(heads[0]), _Persistent(storage), KNOWN, budget)


def check_sums(path: Path, budget: Budget) -> None:
    """Compares every member of a zip archive with its CRC-32, which loading does not: it would take a third longer.

    Other files have none.

    Raises:
        WeightsError: One differs.
    """
    with open(path, "rb", opener=regular) as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
    with zip_opened(path, budget) as archive:
        if wrong := archive.testzip():
            raise WeightsError(f"damaged: {ascii(wrong)[1:-1][:60]} is not what its checksum says", "fetch it again")


def read_legacy(data: "bytes | mmap.mmap", budget: Budget, nested: bool = False) -> object:
    """The object in a file from before PyTorch 1.6, or in a plain pickle, whose storages are such files in turn.

    Raises:
        WeightsError: Truncated, or numbers that do not fit.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    known: dict[str, Constructor] = (
        {} if nested else {"torch.storage._load_from_bytes": partial(_nested, budget), **KNOWN}
    )
    next_pickle = partial(unpickle, stream, budget=budget)  # type: ignore[arg-type]
    first = next_pickle(known=known)
    if first != LEGACY_MAGIC:
        return first
    next_pickle()
    system = next_pickle()
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise WeightsError("written on a big-endian machine", "save it again as safetensors there")
    waiting: dict[str, Storage] = {}

    def storage(dtype: torch.dtype, key: str, count: int) -> Storage:
        found = waiting.setdefault(key, Storage(dtype, count, lambda: torch.empty(0)))
        if (found.dtype, found.count) != (dtype, count):
            raise WeightsError(f"damaged: storage {ascii(key)[:40]} is said to be two things")
        return found

    tree = next_pickle(_Persistent(storage), KNOWN)
    keys = next_pickle()
    if not isinstance(keys, list):
        raise WeightsError("damaged: no list of its storages")
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        if key not in waiting or waiting[key].count != count:
            raise WeightsError(f"damaged: storage {ascii(key)[:40]} has {count:,} values, not what its tensors need")
        dtype, start = waiting[key].dtype, stream.tell()
        if start + count * dtype.itemsize > len(data):
            raise WeightsError(f"truncated: storage {ascii(key)[:40]} ends after {len(data):,} bytes")
        waiting[key].fetch = _stored(data, dtype, count, start)
        stream.seek(start + count * dtype.itemsize)
        waiting.pop(key)
    if waiting:
        raise WeightsError(f"damaged: no numbers for storage {ascii(next(iter(waiting)))[:40]}")
    return tree


class _Persistent:
    """Persistent ids `("storage", type, key, device, count)`; the legacy container adds a window in a larger one."""

    def __init__(self, storage: Callable[[torch.dtype, str, int], Storage]) -> None:
        self.storage = storage
        self.known: dict[tuple[str, torch.dtype, int], Storage] = {}

    def __call__(self, said: object) -> object:
        if isinstance(said, tuple) and len(said) == 4 and said[0] == "module":
            return said[1]  # a class with its source, of which the name is enough
        if not isinstance(said, tuple) or len(said) not in (5, 6) or said[0] != "storage" or type(said[2]) is not str:
            raise WeightsError("refused: a persistent id that is no storage")
        key, (dtype, count) = said[2], checked(said[1], said[4])
        if (key, dtype, count) not in self.known:
            self.known[key, dtype, count] = self.storage(dtype, key, count)
        whole = self.known[key, dtype, count]
        if len(said) == 5 or said[5] is None:
            return whole
        _, offset, size = said[5]
        if not is_count(offset) or not is_count(size) or offset + size > count:
            raise WeightsError(f"damaged: a window beyond storage {ascii(key)[:40]}")
        return Storage(dtype, size, lambda: whole.numbers()[offset : offset + size])


def _nested(budget: Budget, data: object) -> Storage:
    made = read_legacy(data, budget, nested=True) if isinstance(data, bytes) else None
    if not isinstance(made, Storage):
        raise WeightsError("refused: torch.storage._load_from_bytes of what is no storage")
    return made


def _check(member: zipfile.ZipInfo, size: int) -> None:
    name = ascii(member.filename)[:60]
    if member.filename.startswith(("/", "\\")) or ".." in member.filename.split("/") or ":" in member.filename:
        raise WeightsError(f"refused: a zip archive with the path {name}")
    if member.flag_bits & 1:
        raise WeightsError("a zip archive with a password")
    if member.header_offset < 0 or member.header_offset + _LOCAL_HEADER + member.compress_size > size:
        raise WeightsError(f"truncated: {name} reaches beyond the end of the file ({size:,} bytes)")
    stored = member.compress_type == zipfile.ZIP_STORED
    if member.file_size > member.compress_size * (1 if stored else EXPANSION) + (0 if stored else 1024):
        raise WeightsError(f"refused: a zip bomb: {name} would grow to {member.file_size:,} bytes")


def _start(member: zipfile.ZipInfo, mapping: mmap.mmap) -> int:
    at = member.header_offset
    if mapping[at : at + 4] != MAGIC:
        raise WeightsError(f"damaged: no member where {ascii(member.filename)[:60]} should be")
    name, extra = struct.unpack("<HH", mapping[at + 26 : at + _LOCAL_HEADER])
    start = at + _LOCAL_HEADER + name + extra
    if start + member.file_size > len(mapping):
        raise WeightsError(f"truncated: {ascii(member.filename)[:60]} reaches beyond the end of the file")
    made: int = start
    return made


def _stored(data: "bytes | mmap.mmap", dtype: torch.dtype, count: int, start: int) -> Callable[[], Tensor]:
    def fetch() -> Tensor:
        if isinstance(data, mmap.mmap) and count and start % dtype.itemsize == 0:
            return torch.frombuffer(data, dtype=dtype, count=count, offset=start)
        return _numbers(data[start : start + count * dtype.itemsize], dtype)

    return fetch


def _numbers(data: bytes, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
