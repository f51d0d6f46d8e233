"""Checkpoints of TensorFlow, versions 1 and 2, as lengstrom/fast-style-transfer saves its nets."""

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Result
from filling import Shapes, filled, read
from safetensors.torch import load_file, save_file
from torch import Tensor

from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.checkpoints.load import build
from stylecli.errors import WeightsError


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def message(*pairs: tuple[int, int | bytes]) -> bytes:
    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in pairs
    )


def table(rows: list[tuple[bytes, bytes]], size: int = 3) -> bytes:
    """A table of LevelDB with some rows a block; keys share what they begin with."""

    def block(some: list[tuple[bytes, bytes]]) -> bytes:
        made, last = b"", b""
        for key, value in some:
            shared = next((i for i in range(len(key)) if key[i : i + 1] != last[i : i + 1]), len(key))
            made += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
            last = key
        return made + struct.pack("<II", 0, 1)

    data, handles = b"", []
    for first in range(0, len(rows), size):
        made = block(rows[first : first + size])
        handles.append((rows[min(first + size, len(rows)) - 1][0], varint(len(data)) + varint(len(made))))
        data += made + b"\0" + bytes(4)
    places = []
    for made in (block([]), block(handles)):
        places += [len(data), len(made)]
        data += made + b"\0" + bytes(4)
    footer = b"".join(map(varint, places))
    return data + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def shaped(x: Tensor) -> bytes:
    return message(*((2, message((1, extent))) for extent in x.shape))


def first_version(state: dict[str, Tensor]) -> bytes:
    metas = [(1, message((1, name.encode()), (2, shaped(x)), (3, 1), (4, b""))) for name, x in state.items()]
    rows = [(b"", message((1, message(*metas))))]
    for name, x in sorted(state.items()):
        numbers = message((1, 1), (5, x.contiguous().numpy().tobytes()))
        rows.append((b"\0" + name.encode(), message((2, message((1, name.encode()), (2, b""), (3, numbers))))))
    return table(rows)


def second_version(state: dict[str, Tensor], path: Path) -> None:
    rows, data = [(b"", message((1, 1), (3, message((1, 1)))))], b""
    for name, x in sorted(state.items()):
        raw = x.contiguous().numpy().tobytes()
        rows.append((name.encode(), message((1, 1), (2, shaped(x)), (4, len(data)), (5, len(raw)))))
        data += raw
    path.write_bytes(table(rows))
    path.with_name(f"{path.stem}.data-00000-of-00001").write_bytes(data)


def readable() -> Shapes:
    """A small net under the names of the published safetensors."""
    sizes = {"conv1": (4, 3, 9), "conv2": (6, 4, 3), "conv3": (8, 6, 3)}
    sizes |= {f"res{block}.conv{part}": (8, 8, 3) for block in range(1, 6) for part in (1, 2)}
    made: dict[str, tuple[int, ...]] = {f"{name}.conv.weight": (a, b, k, k) for name, (a, b, k) in sizes.items()}
    made |= {"up1.conv.weight": (8, 6, 3, 3), "up2.conv.weight": (6, 4, 3, 3), "conv4.conv.weight": (3, 4, 9, 9)}
    widths = {name: shape[1 if name.startswith("up") else 0] for name, shape in made.items()}
    return made | {
        f"{name.removesuffix('conv.weight')}norm.{kind}": (width,)
        for name, width in widths.items()
        for kind in ("weight", "bias")
    }


def variables(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same as TensorFlow numbers and lays them out, with what a training leaves."""
    names = [
        "conv1",
        "conv2",
        "conv3",
        *(f"res{b}.conv{p}" for b in range(1, 6) for p in (1, 2)),
        "up1",
        "up2",
        "conv4",
    ]
    order = [
        x
        for name in names
        for x in (
            state[f"{name}.conv.weight"].float().permute(2, 3, 1, 0),
            state[f"{name}.norm.bias"].float(),
            state[f"{name}.norm.weight"].float(),
        )
    ]
    made = {f"Variable_{index}" if index else "Variable": x.contiguous() for index, x in enumerate(order)}
    return made | {"Variable_1/Adam": torch.zeros(4), "beta1_power": torch.ones(())}


@pytest.mark.parametrize("version", [1, 2])
def test_its_picture_is_that_of_the_readable_file(
    version: int, tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]
):
    state = filled(readable())
    save_file(state, tmp_path / "plain.safetensors")
    path = tmp_path / ("wave.ckpt" if version == 1 else "wave.ckpt.index")
    if version == 1:
        path.write_bytes(first_version(variables(state)))
    else:
        second_version(variables(state), path)
    picture("a.png", size=(37, 30))
    for name in (path.name, "plain.safetensors"):
        done = cli("fast", "a.png", "--weights", name, "-o", f"{name}.png", "--device", "cpu")
        assert done.exit_code == 0, done.stderr
    assert (read(tmp_path / f"{path.name}.png") == read(tmp_path / "plain.safetensors.png")).all()
    if version == 2:
        (tmp_path / "wave.ckpt.data-00000-of-00001").unlink()
        assert "its numbers are missing: wave.ckpt.data-00000-of-00001" in cli("weights", "check", path.name).stderr


PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "peers" / "lengstrom" / "wave.safetensors"


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published models lie in ../shared")
def test_a_published_model(tmp_path: Path):
    state = load_file(PUBLISHED)
    (tmp_path / "wave.ckpt").write_bytes(first_version(variables(state)))
    ours, theirs = (build(path)[2].state_dict() for path in (tmp_path / "wave.ckpt", PUBLISHED))
    assert all(torch.equal(x, theirs[key]) for key, x in ours.items())
    assert ours.keys() == theirs.keys()


def test_damaged_ones_are_told(tmp_path: Path):
    data, random = first_version(variables(filled(readable()))), torch.Generator().manual_seed(0)
    path = tmp_path / "bad.ckpt"
    for end in torch.randint(9, len(data), (40,), generator=random).tolist():
        path.write_bytes(data[:end])
        with pytest.raises(WeightsError):
            read_tensors(path)
    for _ in range(150):
        changed = bytearray(data)
        for place in torch.randint(0, 4000, (2,), generator=random).tolist():
            changed[-1 - place if place % 2 else place] = int(torch.randint(0, 256, (), generator=random))
        path.write_bytes(changed)
        with contextlib.suppress(WeightsError):
            read_tensors(path)
