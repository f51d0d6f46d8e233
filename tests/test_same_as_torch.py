"""What is read is what PyTorch reads, bit for bit: views, strides, offsets, shared storages, windows, every type."""

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.checkpoints.containers.torch_files import LEGACY_MAGIC

TYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16,
    torch.uint32, torch.uint64,
]  # fmt: skip
OF_LEGACY = TYPES[:12]
OF_SAFETENSORS = [dtype for dtype in TYPES if dtype is not torch.complex128]
FILES = 1000


def bits(tensor: Tensor) -> tuple[Any, ...]:
    """All of a tensor, such that equal means equal bit for bit."""
    whole = tensor.clone(memory_format=torch.contiguous_format).reshape(-1)
    return tensor.dtype, tuple(tensor.shape), whole.view(torch.uint8).numpy().tobytes()


def some(random: np.random.Generator, types: list[torch.dtype]) -> Tensor:
    """A tensor of any bits, as any view of its storage."""
    dtype = types[random.integers(len(types))]
    count = int(random.integers(1, 200))
    raw = random.bytes(count * dtype.itemsize)
    numbers = torch.frombuffer(bytearray(raw if dtype != torch.bool else bytes(b & 1 for b in raw)), dtype=dtype)
    match random.integers(6):
        case 0:
            return numbers
        case 1:
            return numbers[int(random.integers(count)) :: int(random.integers(1, 5))]
        case 2:
            rows = int(random.integers(1, 8))
            return numbers[: count // rows * rows].view(rows, -1).T
        case 3:
            start = int(random.integers(count))
            return numbers[start : start + int(random.integers(count + 1))]
        case 4:
            shape = tuple(int(n) for n in random.integers(1, 4, random.integers(5)))
            strides = tuple(int(n) for n in random.integers(0, 4, len(shape)))
            reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
            held = int(np.prod(shape)) <= count and reach < count
            return torch.as_strided(numbers, shape, strides, int(random.integers(count - reach))) if held else numbers
    return numbers[0]


def state(random: np.random.Generator, types: list[torch.dtype]) -> dict[str, Any]:
    """A state dict whose tensors share storages, and what else is in training files."""
    found: dict[str, Any] = {f"layer{index}.weight": some(random, types) for index in range(random.integers(1, 6))}
    whole = some(random, types)
    found |= {
        "shared": whole,
        "part": whole[:1] if whole.ndim else whole,
        "same": whole,
        "again": next(iter(found.values())),
    }
    found["parameter"] = torch.nn.Parameter(torch.rand(3))
    return {"state_dict": found, "step": 3, "options": [1.5, None, "x"]} if random.integers(2) else found


def named(tree: Any, name: str = "") -> dict[str, Tensor]:
    """Every tensor by its dotted name."""
    if isinstance(tree, Tensor):
        return {name: tree.detach()}
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {key: value for at, each in inside for key, value in named(each, f"{name}.{at}".lstrip(".")).items()}


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_a_thousand_files_are_read_as_pytorch_reads_them(container: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    for seed in range(FILES // 2 if container == "safetensors" else FILES):
        random = np.random.default_rng(seed)
        if container == "safetensors":
            given = {key: value.contiguous().clone() for key, value in named(state(random, OF_SAFETENSORS)).items()}
            path.write_bytes(save_safetensors(given))
            wanted = load_safetensors(path.read_bytes())
        else:
            zipped = container == "zip"
            protocol = int(random.integers(2, 6))
            torch.save(
                state(random, TYPES if zipped else OF_LEGACY),
                path,
                _use_new_zipfile_serialization=zipped,
                pickle_protocol=protocol,
            )
            # PyTorch's own safe reader knows protocol 2 alone; the file is ours.
            wanted = named(torch.load(path, weights_only=protocol == 2))
        found = read_tensors(path).tensors
        assert {key: bits(value) for key, value in found.items()} == {k: bits(v) for k, v in wanted.items()}, seed


def test_windows_of_legacy_storages(tmp_path: Path) -> None:
    """PyTorch before 0.4 wrote views of a storage as windows of it."""
    path, text = tmp_path / "a", lambda word: b"X" + struct.pack("<I", len(word)) + word
    for seed in range(100):
        random = np.random.default_rng(seed)
        count = int(random.integers(1, 30))
        data = b"".join(pickle.dumps(each, 2) for each in (LEGACY_MAGIC, 1001, {"little_endian": True})) + b"\x80\x02}"
        for index in range(4):
            start = int(random.integers(count))
            size = int(random.integers(1, count - start + 1))
            offset = int(random.integers(size))
            view = b"(" + text(b"v%d" % index) + struct.pack("<cBcB", b"K", start, b"K", size) + b"t"
            said = (
                b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K" + bytes([count])
            )
            shape = struct.pack("<cBcB", b"K", offset, b"K", size - offset) + b"\x85K\x01\x85\x89N"
            data += (
                text(b"t%d" % index) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + said + view + b"tQ" + shape + b"tRs"
            )
        data += b"." + pickle.dumps(["0"], 2) + struct.pack("<Q", count) + random.bytes(4 * count)
        path.write_bytes(data)
        wanted = torch.load(io.BytesIO(data), weights_only=True)
        found = read_tensors(path).tensors
        assert {key: bits(value) for key, value in found.items()} == {k: bits(v) for k, v in wanted.items()}, seed
