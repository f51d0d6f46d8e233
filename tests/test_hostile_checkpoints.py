"""Checkpoints that attack: nothing runs, nothing is allocated, and the error says what was refused."""

import contextlib
import copyreg
import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.checkpoints.containers.torch_files import LEGACY_MAGIC
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.save import save_network
from stylecli.cli import run
from stylecli.errors import WeightsError
from stylecli.nets.vgg import VGG, VGGConfig

MARKER = "executed"
TOUCH = f"touch {MARKER}".encode()


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(MARKER).exists()


def refused(data: bytes, name: str = "evil.pth") -> str:
    """The message of the refusal, which is one line and begins with the path."""
    path = Path(name)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    assert caught.value.exit_code == 3
    assert caught.value.message.startswith(f"{name}: ")
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value.message


class Evil:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def text(value: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value


def called(name: str, argument: bytes = TOUCH) -> bytes:
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n".encode() + text(argument) + b"\x85R"


SYSTEM = called("os.system")
POPEN = text(b"subprocess") + text(b"Popen") + b"\x93"
H, T2 = b"\x80\x02", b"ctorch._utils\n_rebuild_tensor_v2\n"
TENSOR = T2


def storage(kind: str, count: int) -> bytes:
    """The persistent id of storage 0."""
    said = text(b"storage") + f"ctorch\n{kind}Storage\n".encode() + text(b"0") + text(b"cpu")
    return b"(" + said + b"J" + struct.pack("<i", count) + b"tQ"


TRICKS = {
    "global": (b"cos\nsystem\n(S'" + TOUCH + b"'\ntR.", "os.system"),
    "reduce": (b"\x80\x02" + SYSTEM + b".", "os.system"),
    "inst": (b"(S'" + TOUCH + b"'\nios\nsystem\n.", "os.system"),
    "obj": (b"(cos\nsystem\nS'" + TOUCH + b"'\no.", "os.system"),
    "newobj": (b"\x80\x02csubprocess\nPopen\n" + text(TOUCH) + b"\x85\x81.", "subprocess.Popen"),
    "newobj_ex": (b"\x80\x04" + POPEN + text(TOUCH) + b"\x85}" + text(b"shell") + b"\x88s\x92.", "subprocess.Popen"),
    "stack_global": (b"\x80\x04" + text(b"os") + text(b"system") + b"\x93" + text(TOUCH) + b"\x85R.", "os.system"),
    "stack_global from memo": (
        b"\x80\x04" + text(b"system") + b"\x940" + text(b"os") + b"h\x00\x93" + text(TOUCH) + b"\x85R.",
        "os.system",
    ),
    "build": (b"\x80\x02cfunctools\npartial\n(cos\nsystem\n)}Ntb.", "functools.partial"),
    "build on a function": (b"\x80\x02" + TENSOR + b"}" + text(b"__code__") + b"K\x01sb.", "_rebuild_tensor_v2"),
    "slots of a function": (b"\x80\x02" + TENSOR + b"N}" + text(b"a") + b"K\x01s\x86b.", "_rebuild_tensor_v2"),
    "call a string": (b"\x80\x02" + text(b"os.system") + text(TOUCH) + b"\x85R.", "calls a str"),
    "call a record": (b"\x80\x02cfoo\nBar\n)R" + text(TOUCH) + b"\x85R.", "foo.Bar"),
    "key": (b"\x80\x02}" + SYSTEM + b"K\x01s.", "os.system"),
    "value": (b"\x80\x02}" + text(b"state_dict") + SYSTEM + b"s.", "os.system"),
    "list": (b"\x80\x02](" + SYSTEM + b"e.", "os.system"),
    "popped": (b"\x80\x02" + SYSTEM + b"0}.", "os.system"),
    "state": (b"\x80\x02cargparse\nNamespace\n)\x81" + SYSTEM + b"b.", "os.system"),
    "hooks": (b"\x80\x02" + TENSOR + b"(NK\x00))\x89" + SYSTEM + b"tR.", "os.system"),
    "getattr": (b"\x80\x02cbuiltins\ngetattr\ncos\nsystem\n\x86R.", "builtins.getattr"),
    "dotted": (b"\x80\x04" + text(b"builtins") + text(b"object.__subclasses__") + b"\x93)R.", "object.__subclasses__"),
    "dotted in a record": (b"\x80\x04" + text(b"foo") + text(b"Bar.__init__.__globals__") + b"\x93.", "__globals__"),
    "type of a tensor": (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\neval\nN(" + text(b"1") + b"tNtR.",
        "builtins.eval",
    ),
    "persistent text": (b"\x80\x02P" + TOUCH + b"\n.", "persistent id"),
    "persistent object": (b"\x80\x02" + text(b"x") + b"Q.", "persistent id"),
    "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "python 2": (b"\x80\x02c__builtin__\neval\n" + text(b"1") + b"\x85R.", "__builtin__.eval"),
    "reconstructor": (
        b"\x80\x02ccopy_reg\n_reconstructor\n(csubprocess\nPopen\nc__builtin__\nobject\nNtR.",
        "subprocess.Popen",
    ),
    "object array": (
        b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n" + text(b"O8") + b"\x85R" + SYSTEM + b"\x86R.",
        "os.system",
    ),
    "control characters": (b"\x80\x04" + text(b"os\x1b[2J\n") + text(b"system") + b"\x93.", r"os\x1b[2J\n.system"),
}


def in_zip(payload: bytes, names: tuple[str, ...] = ("archive/data.pkl",), method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in names:
            archive.writestr(name, payload)
    return file.getvalue()


def in_legacy(payload: bytes, section: int = 3) -> bytes:
    sections = [pickle.dumps(LEGACY_MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps({"little_endian": True}, 2)]
    sections += [pickle.dumps({}, 2), pickle.dumps([], 2)]
    sections[section] = payload
    return b"".join(sections)


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_runs_anything(trick: str):
    payload, name = TRICKS[trick]
    for data in (payload, in_zip(payload), *(in_legacy(payload, section) for section in range(5))):
        assert name in refused(data)


@pytest.mark.parametrize("protocol", range(6))
def test_reduce_in_every_protocol(protocol: int):
    posix = f"{os.system.__module__}.system"
    for evil, name in ((Evil(os.system, TOUCH.decode()), posix), (Evil(eval, "1"), "eval"), (Evil(exec, "1"), "exec")):
        assert name in refused(pickle.dumps({"state_dict": [evil]}, protocol))
        if protocol >= 2:
            file = io.BytesIO()
            torch.save({"a": torch.zeros(2), "b": evil}, file, pickle_protocol=protocol)
            assert name in refused(file.getvalue())
            file = io.BytesIO()
            torch.save([evil], file, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
            assert name in refused(file.getvalue())


@pytest.mark.parametrize(
    ("code", "opcode"), [(200, b"\x82\xc8"), (3000, b"\x83\xb8\x0b"), (70000, b"\x84\x70\x11\x01\x00")]
)
def test_the_extension_registry(code: int, opcode: bytes):
    copyreg.add_extension("os", "system", code)
    try:
        assert "os.system" in refused(b"\x80\x02" + opcode + text(TOUCH) + b"\x85R.")
    finally:
        copyreg.remove_extension("os", "system", code)
    assert f"extension.{code}" in refused(b"\x80\x02" + opcode + text(TOUCH) + b"\x85R.")


GADGETS = """
posix.system nt.system os.popen os.execvp subprocess.check_output subprocess.run builtins.eval builtins.exec
builtins.open builtins.__import__ builtins.compile builtins.getattr builtins.map builtins.apply
operator.attrgetter operator.methodcaller functools.partial functools.reduce importlib.import_module
runpy._run_code pydoc.locate pydoc.pipepager webbrowser.open code.InteractiveInterpreter timeit.timeit
cProfile.run pdb.run bdb.Bdb socket.create_connection shutil.rmtree ctypes.CDLL types.FunctionType
types.CodeType pickle.loads marshal.loads zipimport.zipimporter asyncio.run commands.getoutput
pip._internal.main pip.main _pytest.pytester.Pytester numpy.testing._private.utils.runstring numpy.load
numpy.f2py.compile torch.load torch.serialization.load torch.hub.load torch.hub._import_module torch.jit.load
torch.compile torch.utils.cpp_extension.load torch.utils.collect_env.run
torch.utils.bottleneck.__main__.run_autograd_prof torch.utils._config_module.ConfigModule.load_config
torch.utils.data.datapipes.utils.decoder.basichandlers torch._dynamo.guards.GuardBuilder.get
torch.fx.graph_module.reduce_graph_module torch._inductor.codecache.compile_file
torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression torch.nn.modules.module._load
torch.storage._share_fd_cpu torch._utils._rebuild_wrapper_subclass
torch.multiprocessing.reductions.rebuild_tensor dill._dill._create_function
cloudpickle.cloudpickle._make_function joblib.numpy_pickle.load dnnlib.util.call_func_by_name
stylecli.checkpoints.store.remove
idlelib.pyshell.ModifiedInterpreter
"""


@pytest.mark.parametrize("gadget", GADGETS.split())
def test_gadgets_are_refused_by_name(gadget: str):
    payload = b"\x80\x02" + called(gadget) + b"."
    for data in (payload, in_zip(payload), in_legacy(payload)):
        assert f"refused: it would call {gadget}" in refused(data)


def test_storages_inside_pickles_are_read_by_us():
    inner = in_legacy(b"\x80\x02" + SYSTEM + b".")
    outer = b"\x80\x02ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner)) + inner + b"\x85R."
    assert "os.system" in refused(outer)
    twice = in_legacy(outer)
    again = b"\x80\x02ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(twice)) + twice + b"\x85R."
    assert "_load_from_bytes" in refused(again)


def test_names_do_not_reach_the_terminal_as_they_are(capfd: pytest.CaptureFixture[str]):
    """A tensor or a licence may be named with what clears the screen."""
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3), "\x1b[2J\n": torch.zeros(1)}, "evil.pth")
    assert run(["weights", "check", "evil.pth"]) == 3
    net = VGG(VGGConfig(((4,),)))
    about = {"licence": "\x1b[2J", "\x1b[2Jtitle": "a"}
    save_network(net, Path("a"), network="vgg", config=stored_config(net.config), about=about)
    assert run(["weights", "show", "a"]) == 0
    captured = capfd.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert len(captured.err.splitlines()) == 2


def test_the_command_line_gives_3_and_the_name(capsys: pytest.CaptureFixture[str]):
    Path("evil.pth").write_bytes(in_zip(b"\x80\x02" + SYSTEM + b"."))
    for words in (["weights", "check", "evil.pth"], ["weights", "show", "evil.pth"]):
        assert run(words) == 3
        lines = capsys.readouterr().err.splitlines()
        assert lines[0] == "evil.pth: refused: it would call os.system"
        assert len(lines) == 2


def test_classes_of_others_are_records():
    payload = b"\x80\x02}" + text(b"args") + b"cargparse\nNamespace\n)\x81}" + text(b"lr") + b"K\x01sbs"
    payload += text(b"net") + b"cmodels.networks\nGenerator\n)\x81}" + text(b"a") + b"K\x02sbs."
    Path("a.pth").write_bytes(payload)
    tree = read_tensors(Path("a.pth")).tree
    assert (tree["args"].name, tree["args"].state) == ("argparse.Namespace", {"lr": 1})
    assert (tree["net"].name, tree["net"].state) == ("models.networks.Generator", {"a": 2})


def rebuilt(*numbers: Any, kind: str = "FloatStorage", count: Any = 4) -> bytes:
    """A zip with one tensor of (offset, shape, strides) in a storage of 16 bytes."""
    offset, shape, strides = (pickle.dumps(number, 2)[2:-1] for number in numbers)
    said = text(b"storage") + f"ctorch\n{kind}\n".encode() + text(b"0") + text(b"cpu") + pickle.dumps(count, 2)[2:-1]
    data = b"\x80\x02}" + text(b"a") + TENSOR + b"((" + said + b"tQ" + offset + shape + strides + b"\x89NtRs."
    file = io.BytesIO(in_zip(data))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("archive/data/0", bytes(16))
    return file.getvalue()


def test_the_builder_of_bad_tensors_can_build_a_good_one():
    Path("good.pth").write_bytes(rebuilt(0, (2, 2), (2, 1)))
    assert read_tensors(Path("good.pth")).tensors["a"].shape == (2, 2)


@pytest.mark.parametrize(
    "data",
    [
        rebuilt(1, (2, 2), (2, 1)),
        rebuilt(0, (2, 2), (3, 1)),
        rebuilt(-1, (2,), (1,)),
        rebuilt(0, (-1,), (1,)),
        rebuilt(0, (2,), (-1,)),
        rebuilt(0, (2**62, 4), (0, 1)),
        rebuilt(0, (10**5000,), (1,)),
        rebuilt(0, (2**40,), (0,)),
        rebuilt(0, (2, 2), (1,)),
        rebuilt(0, (1,) * 100, (1,) * 100),
        rebuilt(0, (True, 2), (1, 1)),
        rebuilt(0, "ab", (1, 1)),
        rebuilt(0, (4,), (1,), count=2**60),
        rebuilt(0, (4,), (1,), count=-4),
        rebuilt(0, (4,), (1,), count=None),
        rebuilt(0, (4,), (1,), kind="DoubleStorage"),
        rebuilt(0, (4,), (1,), kind="BadStorage"),
    ],
)
def test_tensors_that_do_not_fit_their_storage(data: bytes):
    assert "refused" in (message := refused(data)) or "damaged" in message


def array(code: str, shape: Any, data: bytes) -> bytes:
    dtype = b"cnumpy\ndtype\n" + text(code.encode()) + b"\x89\x88\x87R"
    state = (
        b"(K\x01" + pickle.dumps(shape, 2)[2:-1] + dtype + b"\x89" + b"B" + struct.pack("<I", len(data)) + data + b"t"
    )
    return b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R" + state + b"b."


def test_numpy_arrays():
    Path("good.pkl").write_bytes(array("f4", (2, 1), bytes(8)))
    assert isinstance(read_tensors(Path("good.pkl")).tree.state, np.ndarray)
    assert "not of numbers" in refused(array("O8", (1,), bytes(8)))
    assert "not of numbers" in refused(array("V8", (1,), bytes(8)))
    assert "damaged" in refused(array("f4", (2**61, 2), bytes(8)))
    assert "damaged" in refused(array("f4", (-1, -2), bytes(8)))


STRUCTURES = {
    "within itself": b"\x80\x02]q\x00h\x00a.",
    "dict within itself": b"\x80\x02}q\x00" + text(b"a") + b"h\x00s.",
    "deep lists": b"\x80\x02" + b"](" * 100_000 + b"e" * 100_000 + b".",
    "deep tuples": b"\x80\x02)" + b"\x85" * 200_000 + b".",
    "doubling": b"\x80\x02)" + b"2\x86" * 60 + b".",
    "no mark": b"\x80\x02t.",
    "empty stack": b"\x80\x02.",
    "short tuple": b"\x80\x02K\x01\x87.",
    "no memo": b"\x80\x02h\x07.",
    "giant bytes": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.",
    "giant number": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
    "giant text": b"\x80\x02X\xff\xff\xff\xffabc.",
    "giant frame": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f]",
    "long decimal": b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
    "append to a number": b"\x80\x02K\x01K\x02a.",
    "item of a list": b"\x80\x02]K\x01K\x02s.",
    "unknown opcode": b"\x80\x02\xff.",
    "newer protocol": b"\x80\x09N.",
    "no end": b"\x80\x02}",
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_that_would_exhaust_us(structure: str):
    for data in (STRUCTURES[structure], in_zip(STRUCTURES[structure]), in_legacy(STRUCTURES[structure])):
        refused(data)


def test_structures_that_are_only_strange():
    """A far memo place, and a key whose hash would take for ever, cost nothing."""
    Path("a.pth").write_bytes(b"\x80\x02}r\xff\xff\xff\xff" + b")" + b"2\x86" * 60 + b"K\x01s.")
    assert not read_tensors(Path("a.pth")).tensors


@pytest.fixture(scope="module")
def valid() -> dict[str, bytes]:
    """A small valid file of each container."""
    state = {"features.0.weight": torch.ones(4, 3, 3, 3), "b": torch.arange(5), "c": torch.zeros(2).half()}
    made = {
        "safetensors": save(state, {"a": "b"}),
        "pickle": pickle.dumps(state),
        "protocol 0": pickle.dumps([1, "a"], 0),
    }
    for name, zipped in (("zip", True), ("legacy", False)):
        file = io.BytesIO()
        torch.save({"state_dict": state, "epoch": 3}, file, _use_new_zipfile_serialization=zipped)
        made[name] = file.getvalue()
    return made


@pytest.mark.parametrize("container", ["safetensors", "zip", "legacy", "pickle"])
def test_truncated_anywhere(valid: dict[str, bytes], container: str):
    data = valid[container]
    for end in [*range(64), *range(64, len(data), max(1, len(data) // 60)), len(data) - 1]:
        refused(data[:end])


def test_zip_bombs_and_paths():
    zeros = bytes(10_000_000)
    assert "a zip bomb" in refused(in_zip(zeros, method=zipfile.ZIP_DEFLATED))
    assert "a zip bomb" in refused(in_zip(zeros, method=zipfile.ZIP_BZIP2))
    for name in ("../data.pkl", "/data.pkl", "archive/../../data.pkl", "c:/data.pkl"):
        assert "path" in refused(in_zip(b"\x80\x02}.", (name,)))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = in_zip(b"\x80\x02}.", ("archive/data.pkl", "archive/data.pkl"))
    assert "two members" in refused(twice)
    assert "no data.pkl" in refused(in_zip(b"", ("word/document.xml",)))
    assert "a zip archive of 2 files" in refused(in_zip(b"", ("a/data.pkl", "b/data.pkl")))
    good = in_zip(b"\x80\x02}.")
    at = good.rindex(b"PK\x01\x02")
    for offset, value in (
        (20, b"\xf0\xff\xff\x7f"),
        (24, b"\xf0\xff\xff\x7f"),
        (42, b"\xf0\xff\xff\x7f"),
        (8, b"\x01"),
    ):
        refused(good[: at + offset] + value + good[at + offset + len(value) :])


def test_compressed_archives_of_honest_size_are_read():
    file = io.BytesIO()
    torch.save({"a": torch.arange(100.0)}, file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile("a.pth", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert torch.equal(read_tensors(Path("a.pth")).tensors["a"], torch.arange(100.0))


def lying(header: Any, data: bytes = bytes(16), length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def one(dtype: str = "F32", shape: Any = (4,), offsets: Any = (0, 16)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "data",
    [
        lying({"a": one()}, length=2**63),
        lying({"a": one()}, length=10**9),
        lying({"a": one()}, length=5),
        lying({"a": one()}, length=0),
        lying({"a": one(offsets=(0, 2**60), shape=(2**58,))}),
        lying({"a": one(offsets=(16, 0))}),
        lying({"a": one(offsets=(-16, 0))}),
        lying({"a": one(), "b": one()}),
        lying({"a": one(shape=(2,), offsets=(0, 8)), "b": one(shape=(2,), offsets=(4, 12))}),
        lying({"a": one(shape=(2,), offsets=(0, 8)), "b": one(shape=(1,), offsets=(12, 16))}),
        lying({"a": one(dtype="F64")}),
        lying({"a": one(dtype="F33")}),
        lying({"a": one(shape=(5,))}),
        lying({"a": one(shape=(-4,))}),
        lying({"a": one(shape=(2**40, 2**40))}),
        lying({"a": one(shape="x")}),
        lying({"a": one()}, data=bytes(20)),
        lying({"a": 1}),
        lying(b'{"a":' + json.dumps(one()).encode() + b',"a":' + json.dumps(one()).encode() + b"}"),
        lying(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        lying(b'{"a\xff": 1}'),
        lying({"__metadata__": {"stylecli": 1}, "a": one()}),
    ],
)
def test_safetensors_headers_that_lie(data: bytes):
    assert "damaged" in (message := refused(data, "evil.safetensors")) or "truncated" in message


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty file"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\n <html lang='en'>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a Git LFS pointer"),
        (b"4\n1\n3\nV 1\n13\nnn.Sequential\n", "a Torch 7 file in ASCII"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"GGUF\x03\0\0\0", "a GGUF file"),
        (b"\x08\x07\x12\x07pytorch", "an ONNX model"),
        (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
        (b"\x1f\x8b\x08", "a compressed file"),
        (b"\x89PNG\r\n", "a picture"),
        (bytes(257) + b"ustar" + bytes(10), "a tar archive"),
        (b"hello", "not a weights file"),
        (bytes(1000), "not a weights file"),
    ],
)
@pytest.mark.parametrize("name", ["evil.pth", "evil.safetensors", "evil"])
def test_other_files_are_named_by_their_bytes(data: bytes, what: str, name: str):
    assert what in refused(data, name)


def test_files_that_cannot_be_opened():
    for path, what in ((Path("nope.pth"), "no such file"), (Path(), "a folder without weights files")):
        with pytest.raises(WeightsError, match=what):
            read_tensors(path)


@pytest.mark.parametrize("container", ["safetensors", "zip", "legacy", "pickle", "protocol 0"])
@settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(draw=st.data())
def test_mutated_files_raise_nothing_else(valid: dict[str, bytes], container: str, draw: st.DataObject):
    data = bytearray(valid[container])
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data)))
        gone = draw.draw(st.sampled_from([0, 1, 1, 1, 4, 50]))
        data[at : at + gone] = draw.draw(st.binary(max_size=4))
    path = Path("fuzz")
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    for read in (read_tensors, load_vgg):
        with contextlib.suppress(WeightsError):
            read(path)
