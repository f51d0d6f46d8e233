"""Torch 7 files: what they hold, and that nothing in a bad one gets further than one clear line."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Result
from torch import Tensor

from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.errors import WeightsError

FUNCTION, NIL = struct.pack("<i", 6), struct.pack("<i", 0)


def text(word: str) -> bytes:
    return struct.pack("<i", len(word)) + word.encode()


def number(value: float) -> bytes:
    return struct.pack("<id", 1, value)


def table(index: int, *pairs: tuple[bytes, bytes], count: int | None = None) -> bytes:
    return struct.pack("<iii", 3, index, len(pairs) if count is None else count) + b"".join(map(b"".join, pairs))


def thing(index: int, name: str, contents: bytes) -> bytes:
    return struct.pack("<ii", 4, index) + text("V 1") + text(name) + contents


def word(value: str) -> bytes:
    return struct.pack("<i", 2) + text(value)


def storage(index: int, values: Tensor, count: int | None = None) -> bytes:
    size = len(values) if count is None else count
    return thing(index, "torch.FloatStorage", struct.pack("<q", size) + values.float().numpy().tobytes())


def tensor(index: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, inner: bytes) -> bytes:
    axes = len(shape)
    geometry = struct.pack(f"<i{axes}q{axes}qq", axes, *shape, *strides, offset)
    return thing(index, "torch.FloatTensor", geometry + inner)


NUMBERS = torch.arange(6.0)
GOOD = thing(
    1,
    "nn.Sequential",
    table(
        2,
        (word("weight"), tensor(3, (2, 2), (2, 1), 1, storage(4, NUMBERS))),
        (word("bias"), tensor(5, (2,), (1,), 5, struct.pack("<ii", 4, 4))),
        (number(1), table(6, (word("again"), struct.pack("<ii", 4, 3)))),
        (word("train"), struct.pack("<ii", 5, 1)),
        (word("none"), NIL),
    ),
)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], dict[str, Tensor]]:
    def reader(data: bytes) -> dict[str, Tensor]:
        (tmp_path / "a.t7").write_bytes(data)
        return read_tensors(tmp_path / "a.t7").tensors

    return reader


def test_tensors_share_their_storage(read: Callable[[bytes], dict[str, Tensor]]):
    found = read(GOOD)
    assert list(found) == ["weight", "bias", "1.again"]
    assert torch.equal(found["weight"], NUMBERS[:4].view(2, 2))
    assert torch.equal(found["bias"], NUMBERS[4:])
    assert found["weight"].untyped_storage().data_ptr() == found["bias"].untyped_storage().data_ptr()


def nested(depth: int) -> bytes:
    inner = NIL
    for index in range(depth):
        inner = table(index + 10, (word("a"), inner))
    return table(1, (word("a"), inner))


HOSTILE = {
    "a Lua function": (table(1, (word("f"), FUNCTION)), "refused: a Lua function"),
    "a table within itself": (table(1, (word("a"), struct.pack("<iii", 3, 1, 0)[:8])), "nested too deeply"),
    "a deep one": (nested(2000), "nested too deeply"),
    "a table of no size": (table(1, count=-5), "a table of no size"),
    "pairs that are not there": (table(1, count=2**31 - 1), "truncated"),
    "a huge storage": (table(1, (word("a"), tensor(2, (2,), (1,), 1, storage(3, NUMBERS, 2**60)))), "truncated"),
    "a negative storage": (table(1, (word("a"), tensor(2, (2,), (1,), 1, storage(3, NUMBERS, -1)))), "truncated"),
    "beyond its storage": (table(1, (word("a"), tensor(2, (9,), (1,), 1, storage(3, NUMBERS)))), "reaches beyond"),
    "blown up": (table(1, (word("a"), tensor(2, (2**40,), (0,), 1, storage(3, NUMBERS)))), "reaches beyond"),
    "before its storage": (table(1, (word("a"), tensor(2, (2,), (1,), 0, storage(3, NUMBERS)))), "impossible shape"),
    "many axes": (table(1, (word("a"), thing(2, "torch.FloatTensor", struct.pack("<i", 2**30)))), "axes"),
    "no object": (table(1, (word("a"), struct.pack("<i", 99))), "no object at byte"),
    "a long text": (table(1, (struct.pack("<ii", 2, 2**30), NIL)), "a text of"),
    "more behind its end": (GOOD + b"more", "behind its end"),
    "a table for a key": (table(1, (table(2), NIL)), "neither text nor number"),
    "not a number for a size": (table(1, (number(float("nan")), NIL)), "no tensors"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str, tmp_path: Path, cli: Callable[..., Result]):
    data, said = HOSTILE[name]
    (tmp_path / "evil.t7").write_bytes(data)
    done = cli("texture", "--method", "net", "--weights", "evil.t7", "--device", "cpu")
    assert done.exit_code == 3, done.stderr
    assert said in done.stderr.splitlines()[1]
    assert "Traceback" not in done.stderr


def test_every_truncation_is_told(read: Callable[[bytes], dict[str, Tensor]]):
    for end in range(8, len(GOOD)):
        with pytest.raises(WeightsError, match="truncated"):
            read(GOOD[:end])


def test_changed_bytes_do_no_harm(read: Callable[[bytes], dict[str, Tensor]]):
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        data = bytearray(GOOD)
        for place in torch.randint(8, len(GOOD), (3,), generator=generator).tolist():
            data[place] = int(torch.randint(0, 256, (), generator=generator))
        try:
            assert all(value.numel() <= 6 for value in read(bytes(data)).values())
        except WeightsError as error:
            assert "\n" not in error.message  # noqa: PT017 - some of them are fine files
