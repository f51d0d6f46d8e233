"""What PyTorch writes beside its usual files: TorchScript, and the tar archives of its first year."""

import io
import pickle
import struct
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Result
from filling import filled, read
from test_feed_forward import RRMINA
from torch import Tensor, nn

from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.errors import WeightsError

STATE = filled(RRMINA)


class Net(nn.Module):
    """Parameters at the names of a state dict."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        inside: dict[str, dict[str, Tensor]] = {}
        self.names, self.slope = [1, 2], 0.2
        for key, value in state.items():
            first, _, rest = key.partition(".")
            inside.setdefault(first, {})[rest] = value
        for first, some in inside.items():
            if "" in some:
                self.register_parameter(first, nn.Parameter(some[""]))
            else:
                self.add_module(first, Net(some))

    def forward(self, x: Tensor) -> Tensor:
        return x * 2


def script(path: Path, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = Net(STATE).eval()
        made = torch.jit.trace(net, torch.rand(1)) if kind == "trace" else torch.jit.script(net)
        torch.jit.save(made, str(path))


def tar(path: Path, state: dict[str, Tensor], window: bool = False) -> None:
    """As torch 0.1 wrote it: objects by number, storages and tensors apart from the pickle."""
    numbered = {id(x): number * 10 for number, x in enumerate(state.values(), 1)}

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: object) -> str | None:
            return str(numbered[id(thing)]) if isinstance(thing, Tensor) else None

    tree, storages, tensors = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Pickler(tree, 2).dump({"state_dict": state, "epoch": 3})
    pickle.dump(len(state), storages, 2), pickle.dump(len(state), tensors, 2)
    for x in state.values():
        number, flat = numbered[id(x)], x.contiguous().flatten()
        pickle.dump((number + 1, "cpu", torch.FloatStorage), storages, 2)
        storages.write(struct.pack("<q", len(flat)) + flat.numpy().tobytes())
        pickle.dump((number, number + 1 + window, torch.FloatTensor), tensors, 2)
        axes, shape, strides = x.ndim, x.shape, x.contiguous().stride()
        tensors.write(struct.pack(f"<ii{axes}q{axes}qq", axes, 0, *shape, *strides, 0))
    views = [(number + 2, number + 1, 0, x.numel()) for x in state.values() if (number := numbered[id(x)])]
    pickle.dump(views if window else [], storages, 2)
    system = pickle.dumps({"protocol_version": 1000, "little_endian": True}, 2)
    members = {"sys_info": system, "pickle": tree.getvalue(), "tensors": tensors.getvalue()}
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, data in (members | {"storages": storages.getvalue()}).items():
            (about := tarfile.TarInfo(name)).size = len(data)
            archive.addfile(about, io.BytesIO(data))


@pytest.mark.parametrize("kind", ["trace", "script", "tar", "tar with windows"])
def test_they_run_as_the_state_dict_does(
    kind: str, tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]
):
    path, state = tmp_path / "net.pt", {key: x for key, x in STATE.items() if x.ndim}
    tar(path, state, "windows" in kind) if "tar" in kind else script(path, kind)
    found = read_tensors(path).tensors
    assert {key.removeprefix("state_dict."): x.tolist() for key, x in found.items()} == {
        key: x.tolist() for key, x in state.items()
    }
    torch.save(state, tmp_path / "plain.pth"), picture("a.png", size=(36, 34))
    for name in ("net.pt", "plain.pth"):
        done = cli("fast", "a.png", "--weights", name, "-o", f"{name}.png", "--device", "cpu")
        assert done.exit_code == 0, done.stderr
    assert (read(tmp_path / "net.pt.png") == read(tmp_path / "plain.pth.png")).all()


def test_what_pytorch_itself_reads_of_a_tar(tmp_path: Path):
    tar(tmp_path / "old.pth", STATE)
    theirs = torch.load(tmp_path / "old.pth", weights_only=False)["state_dict"]
    assert all(torch.equal(theirs[key], x) for key, x in STATE.items())


def test_a_frozen_script_has_no_names(tmp_path: Path):
    class Conv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x: Tensor) -> Tensor:
            made: Tensor = self.conv(x)
            return made

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.freeze(torch.jit.script(Conv().eval())), str(tmp_path / "frozen.pt"))
    with pytest.raises(WeightsError, match="a frozen TorchScript"):
        read_tensors(tmp_path / "frozen.pt")


def test_damaged_tars_are_told(tmp_path: Path):
    tar(tmp_path / "old.pth", {key: STATE[key] for key in list(STATE)[:4]}, window=True)
    data, random = (tmp_path / "old.pth").read_bytes(), torch.Generator().manual_seed(0)
    for _ in range(80):
        changed = bytearray(data)
        for place in torch.randint(0, len(data), (6,), generator=random).tolist():
            changed[place] = int(torch.randint(0, 256, (), generator=random))
        (tmp_path / "bad.pth").write_bytes(changed[: int(torch.randint(600, len(data), (), generator=random))])
        try:
            read_tensors(tmp_path / "bad.pth")
        except WeightsError as error:
            assert "\n" not in error.message  # noqa: PT017 - some of them are fine files
