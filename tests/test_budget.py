"""Small checkpoints that ask for much: each is refused before its memory is taken or its steps are gone."""

import io
import json
import math
import pickle
import pickletools
import random
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from test_hostile_checkpoints import T2, H, refused, storage, text

from stylecli.checkpoints.load import build, check_whole, prove
from stylecli.errors import WeightsError
from stylecli.nets.stylegan2 import StyleGAN2, StyleGAN2Config

PUT, TAKE = (lambda n: b"r" + struct.pack("<I", n)), (lambda n: b"h" + bytes([n]))
NETWORK = b"cdnnlib.tflib.network\nNetwork\n)\x81"
MILLION = b"(" + b"N" * 1_000_000 + b"l"


def zipped(payload: bytes, numbers: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/data/0", numbers)
    return file.getvalue()


def copies(argument: bytes, function: bytes) -> bytes:
    """A call of `function`, 5,000 times, with one argument from the memo."""
    calls = (TAKE(1) + TAKE(0) + b"\x85R") * 5000
    return H + argument + PUT(0) + b"0" + function + PUT(1) + b"0](" + calls + b"e."


def long_names() -> bytes:
    data = H + text(b"a" * 1_000_000) + PUT(5) + b"0" + storage("Float", 4) + PUT(0) + b"0" + T2 + b"(" + TAKE(0)
    data += b"K\0K\1\x85K\1\x85\x89NtR" + PUT(1) + b"0}" + TAKE(5) + b"}("
    return zipped(data + b"".join(b"J" + struct.pack("<i", i) + TAKE(1) for i in range(2000)) + b"us.", bytes(16))


def components() -> bytes:
    """Each of 60 holds the one before it twice: 2^60 steps."""
    data = H
    for index in range(60):
        data += NETWORK + b"}(" + text(b"version") + b"K\4" + text(b"variables") + b"]" + text(b"components") + b"}"
        data += b"(" + text(b"a") + TAKE(index - 1) + text(b"b") + TAKE(index - 1) + b"u" if index else b""
        data += b"ub" + PUT(index) + (b"0" if index < 59 else b"")
    return data + b"\x85."


def nested_array() -> bytes:
    data = H + b"(" + b"G\x3f\xf0\0\0\0\0\0\0" * 1000 + b"l" + PUT(1) + b"0"
    data += b"(" + TAKE(1) * 1000 + b"l" + PUT(2) + b"0(" + TAKE(2) * 2000 + b"l" + PUT(3) + b"0"
    data += NETWORK + b"}(" + text(b"version") + b"K\4" + text(b"variables") + b"]" + text(b"a") + TAKE(3)
    return data + b"\x86a" + text(b"components") + b"}ub\x85."


def torch7_within_itself() -> bytes:
    pack = lambda *values: struct.pack(f"<{len(values)}i", *values)
    nothing = b"".join(pack(1) + struct.pack("<d", key) + pack(0) for key in range(50_000))
    return pack(3, 1, 50_001) + pack(2, 1) + b"a" + pack(3, 1) + nothing


def safetensors_of(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


BUFFER = b"cnumpy.core.numeric\n_frombuffer\n"
NUMPY = (
    H + b"B" + struct.pack("<I", 1_000_000) + bytes(1_000_000) + PUT(0) + b"0cnumpy\ndtype\n" + text(b"f4") + b"\x85R"
    + PUT(2) + b"0" + BUFFER + PUT(1) + b"0]("
    + (TAKE(1) + b"(" + TAKE(0) + TAKE(2) + b"J\x90\xd0\3\0\x85tR") * 5000 + b"e."
)  # fmt: skip
PAIRS = b"(" + b"".join(b"J" + struct.pack("<i", i) + b"N\x86" for i in range(100_000)) + b"l"
FILES = {
    "lists": copies(MILLION, b"cbuiltins\nlist\n"),
    "sizes": copies(MILLION, b"ctorch\nSize\n"),
    "dictionaries": copies(PAIRS, b"ccollections\nOrderedDict\n"),
    "encodings": copies(text(b"a" * 2_000_000), b"c_codecs\nencode\n"),
    "bytes": copies(text(b"a" * 2_000_000), b"c__builtin__\nbytearray\n"),
    "arrays": NUMPY,
    "names of globals": H + text(b"a" * 1_000_000) + PUT(0) + b"0](" + (TAKE(0) + TAKE(0) + b"\x93") * 50_000 + b"e.",
    "a list within itself": H + b"]" + PUT(0) + b"(" + TAKE(0) + b"N" * 1_000_000 + b"e.",
    "long names": long_names(),
    "components": components(),
    "a nested array": nested_array(),
    "a Torch 7 table within itself": torch7_within_itself(),
    "lists in a header": safetensors_of(b'{"a":[' + b"[]," * 5_000_000 + b"[]]}"),
    "a header of 20 MB": safetensors_of(b"{" + b" " * 20_000_000 + b"}"),
    "a name twice": safetensors_of(b"{" + b",".join(b'"%d":0' % i for i in range(200_000)) + b',"z":0,"z":0}'),
    "a long extent": zipped(
        H + b"}" + text(b"a") + T2 + b"(" + storage("Float", 4) + b"K\0\x8b" + struct.pack("<I", 4_000_000)
        + b"\x7f" * 4_000_000 + b"\x85K\1\x85\x89NtRs.",
        bytes(16),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_small_files_that_ask_for_much(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    message = refused(FILES[name])
    assert len(message) < 300
    assert "memory" not in message


def test_views_of_one_storage_share_it(tmp_path: Path):
    from stylecli.checkpoints.containers.detect import read_tensors

    data = H + storage("Byte", 200_000) + PUT(0) + b"0" + T2 + PUT(1) + b"0}("
    for index in range(200):
        data += text(b"w%d" % index) + TAKE(1) + b"(" + TAKE(0) + b"K\0K\1\x85K\1\x85\x89NtR"
    (path := tmp_path / "a").write_bytes(
        zipped(data + b"u.", random.Random(0).randbytes(200_000), zipfile.ZIP_DEFLATED)
    )
    tensors = read_tensors(path).tensors
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors.values()}) == 1


def test_layers_that_are_not_there_are_not_built(tmp_path: Path):
    ours = lambda network, config: {"stylecli": json.dumps({"network": network, "config": config})}
    vgg = {"widths": [[1] * 100_000], "maps": [], "padding": "zeros", "ceil_mode": False}
    given = {
        "convs.conv1_1.weight": torch.zeros(1, 3, 3, 3),
        "preprocess": torch.zeros(3, 3),
        "preprocess_bias": torch.zeros(3),
    }
    (path := tmp_path / "a").write_bytes(save(given, ours("vgg", vgg)))
    with pytest.raises(WeightsError, match="a config of more layers than its 3 tensors"):
        build(path)


def test_one_storage_for_many_layers(tmp_path: Path):
    """16 MB of bytes, and 500 names for all of them: as numbers they would be 25 GB."""
    first = {0: (64, 3, 3, 3), 2: (64, 64, 3, 3), 5: (128, 64, 3, 3)}
    data = H + storage("Byte", 2**24) + PUT(0) + b"0}("
    for index in (*first, *range(7, 1000, 2)):
        shape = first.get(index, (458_752, 3, 3, 3))
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(4))
        geometry = b"".join(pickletools.optimize(pickle.dumps(each, 2))[2:-1] for each in (0, shape, strides))
        data += text(b"features.%d.weight" % index) + T2 + b"(" + TAKE(0) + geometry + b"\x89NtR"
    (path := tmp_path / "a").write_bytes(zipped(data + b"u.", bytes(2**24)))
    with pytest.raises(WeightsError, match="single precision"):
        build(path)


def test_a_sample_is_no_larger_than_ours(tmp_path: Path):
    net = StyleGAN2(config := StyleGAN2Config((4,) * 2, (4,), 1))
    tensors = {name: value.clone() for name, value in net.state_dict().items()}
    tensors |= {"sample.z": torch.zeros(1000, 1), "sample.w": torch.zeros(1), "sample.picture": torch.zeros(1)}
    about = {"stylecli": json.dumps({"network": "stylegan2", "config": vars(config)})}
    (path := tmp_path / "a").write_bytes(save(tensors, about))
    with pytest.raises(WeightsError, match="too large to be run"):
        prove(path)


def test_numbers_that_are_none(tmp_path: Path):
    tensors = {"convs.conv1_1.weight": torch.zeros(1, 3, 3, 3), "convs.conv1_1.bias": torch.zeros(1)}
    tensors |= {"preprocess": torch.zeros(3, 3), "preprocess_bias": torch.zeros(3)}
    config = {"widths": [[1]], "maps": [], "padding": "zeros", "ceil_mode": False}
    about = {"stylecli": json.dumps({"network": "vgg", "config": config})}
    path = tmp_path / "a"
    path.write_bytes(save(tensors | {"convs.conv1_1.bias": torch.zeros(1).to(torch.float8_e4m3fn)}, about))
    build(path), check_whole(path)
    for bad, said in (
        (torch.full((1,), float("nan")), "not finite"),
        (torch.full((1,), float("nan")).to(torch.float8_e5m2), "not finite"),
        (torch.zeros(1, dtype=torch.complex64), "complex numbers"),
    ):
        path.write_bytes(save(tensors | {"convs.conv1_1.bias": bad}, about))
        with pytest.raises(WeightsError, match=said):
            check_whole(path)
