"""`stylecli weights` and the store: names, pulls from a local server, checks, conversion."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from stylecli.checkpoints import registry, store
from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.registry import Entry
from stylecli.errors import UsageError, WeightsError

Cli = Callable[..., Any]


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path, with ranges; counts requests, and may break off."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.ends_after: int | None = None
        self.knows_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        said = self.headers["Range"]
        self.server.ranges.append(said)
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = int(said.removeprefix("bytes=").rstrip("-")) if said and self.server.knows_ranges else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : None if self.server.ends_after is None else start + self.server.ends_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLECLI_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.delenv("STYLECLI_OFFLINE", raising=False)
    monkeypatch.setattr(store, "embedded", lambda: tmp_path / "embedded")
    return tmp_path / "cache"


@pytest.fixture
def entry(server: Server, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Puts one public entry, `net`, in place of the real ones."""

    def make(**fields: Any) -> bytes:
        data = server.files["/net.bin"] = tiny_encoder.read_bytes()
        said = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "licence": "MIT", "paper": "a paper"}
        made = Entry("a net", (f"{server.url}/net.bin",), "net.bin", **{**said, **fields})
        monkeypatch.setattr(store, "ENTRIES", {"net": made})
        return data

    return make


def test_the_registry():
    for name, entry in registry.ENTRIES.items():
        assert all(url.startswith("https://") for url in entry.urls), name
        assert all(entry.file.endswith(Path(entry.member or url.partition("?")[0]).name) for url in entry.urls), name
        assert len(entry.sha256) in (0, 8, 64)
        assert entry.title
        assert entry.licence
        assert entry.paper
        assert entry.commands
    files = [entry.file for entry in registry.ENTRIES.values()]
    assert len(set(files)) == len(files)
    for name in ("vgg19", "vgg16", "vgg19-caffe", "vgg16-caffe"):
        entry = registry.ENTRIES[name]
        assert f"-{entry.sha256[:8]}." in entry.file


def test_list_without_torch(tmp_path: Path, tiny_encoder: Path):
    code = "import sys; from stylecli.cli import run; run(['weights', 'list']); "
    code += "assert not {'torch', 'numpy', 'pooch'} & {*sys.modules}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "vgg19-normalized" in done.stdout


def test_list(cli: Cli, entry: Callable[..., bytes], folder: Path, tmp_path: Path, tiny_encoder: Path):
    data = entry()
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "ours.safetensors").write_bytes(tiny_encoder.read_bytes())
    (tmp_path / "embedded" / "bad.safetensors").write_bytes(b"bad")

    def states() -> dict[str, tuple[str, int]]:
        rows = [json.loads(line) for line in cli("weights", "list", "--json").stdout.splitlines()]
        return {row["name"]: (row["state"], row["bytes"]) for row in rows}

    here = {"ours": ("embedded", len(data)), "bad": ("embedded", 3)}
    assert states() == here | {"net": ("available", len(data))}
    cli("weights", "pull", "net")
    assert states() == here | {"net": ("pulled", len(data))}
    assert any(line.split()[:2] == ["net", "pulled"] for line in cli("weights", "list").stdout.splitlines())
    assert cli("weights").stdout == cli("weights", "--help").stdout
    assert store.complete("o") == ["ours"]


def test_pull_show_check_and_remove(cli: Cli, entry: Callable[..., bytes], folder: Path, server: Server):
    data = entry()
    done = cli("weights", "pull", "net")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{folder}/net.bin\n", "")
    assert (folder / "net.bin").read_bytes() == data
    assert [path.name for path in folder.iterdir()] == ["net.bin"]
    assert cli("weights", "pull", "net").exit_code == 0
    assert len(server.ranges) == 1
    assert store.resolve("net") == folder / "net.bin"
    shown = json.loads(cli("weights", "show", "net", "--json").stdout)
    assert (shown["licence"], shown["sample"], shown["network"]) == ("MIT", True, "vgg")
    assert shown["sha256"] == hashlib.sha256(data).hexdigest()
    assert "licence      MIT" in cli("weights", "show", "net").stdout
    assert cli("weights", "check").stdout.startswith("net: ok, stylecli VGG, sample off by 0")
    assert cli("weights", "remove", "net").stdout == f"{folder}/net.bin\n"
    assert not [*folder.iterdir()]
    assert cli("weights", "remove", "net").exit_code == 2
    assert "nothing to check" in cli("weights", "check").stderr


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_broken_pull_goes_on(
    cli: Cli,
    entry: Callable[..., bytes],
    folder: Path,
    server: Server,
    knows_ranges: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("stylecli.checkpoints.pull.CHUNK", 500)
    monkeypatch.setattr("stylecli.checkpoints.pull.PAUSES", ())
    data = entry()
    server.ends_after, server.knows_ranges = 1000, knows_ranges
    done = cli("weights", "pull", "net")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("net: cannot be fetched: the connection broke off\nhint: get net.bin from http://127")
    assert [path.name for path in folder.iterdir()] == [".net.bin.part"]
    server.ends_after = None
    assert cli("weights", "pull", "net").exit_code == 0
    assert server.ranges == [None, "bytes=1000-"]
    assert (folder / "net.bin").read_bytes() == data


@pytest.mark.parametrize("size", [True, None])
def test_what_was_left_by_a_pull_of_something_else(
    cli: Cli, entry: Callable[..., bytes], folder: Path, size: int | None, server: Server
):
    data = entry(**({} if size else {"size": None}))
    folder.mkdir()
    (folder / ".net.bin.part").write_bytes(data + b"more")
    assert cli("weights", "pull", "net").exit_code == 0
    assert (folder / "net.bin").read_bytes() == data
    cli("weights", "remove", "net")
    (folder / ".net.bin.part").write_bytes(data)
    assert cli("weights", "pull", "net").exit_code == 0


def test_a_corrupted_download(cli: Cli, entry: Callable[..., bytes], folder: Path, server: Server):
    data = entry()
    server.files["/net.bin"] = data[:-1] + b"x"
    done = cli("weights", "pull", "net")
    assert done.exit_code == 3
    assert done.stderr.startswith("net: wrong sha256: ")
    assert not [*folder.iterdir()]
    server.files["/net.bin"] = data
    cli("weights", "pull", "net")
    (folder / "net.bin").write_bytes(data[:-1] + b"x")
    done = cli("weights", "check")
    assert (done.exit_code, "wrong sha256" in done.stderr) == (3, True)
    assert json.loads(cli("weights", "check", "--json").stdout)["error"].startswith(f"{folder}/net.bin: wrong sha256")
    assert "weights remove net" in cli("weights", "pull", "net").stderr


def test_digests_that_are_short_or_unknown(cli: Cli, entry: Callable[..., bytes], folder: Path, server: Server):
    data = entry(sha256=hashlib.sha256(tiny := entry()).hexdigest()[:8])
    assert data == tiny
    assert cli("weights", "pull", "net").exit_code == 0
    cli("weights", "remove", "net")
    entry(sha256="00000000")
    assert cli("weights", "pull", "net").exit_code == 3

    entry(sha256="", size=None)
    assert "no sha256 is published" in store.by_hand(store.known()["net"])
    assert cli("weights", "pull", "net").exit_code == 0
    assert store.known()["net"].sha256 == hashlib.sha256(data).hexdigest()
    assert cli("weights", "check").exit_code == 0
    (folder / "net.bin").write_bytes(data + b"x")
    assert cli("weights", "check").exit_code == 3
    cli("weights", "remove", "net")
    assert not [*folder.iterdir()]


@pytest.mark.parametrize(
    ("url", "why"),
    [("/gone.bin", "the server says 404 not found"), ("http://127.0.0.1:9/net.bin", "no connection")],
)
def test_dead_links(
    cli: Cli, entry: Callable[..., bytes], server: Server, url: str, why: str, monkeypatch: pytest.MonkeyPatch
):
    entry()
    dead = url if url.startswith("http") else server.url + url
    made = store.ENTRIES["net"]
    monkeypatch.setitem(store.ENTRIES, "net", Entry(**{**vars(made), "urls": (dead,)}))
    done = cli("weights", "pull", "net")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[0] == f"net: cannot be fetched: {why}"
    assert len(done.stderr.splitlines()) == 2
    monkeypatch.setitem(store.ENTRIES, "net", Entry(**{**vars(made), "urls": (dead, *made.urls)}))
    assert cli("weights", "pull", "net").exit_code == 0


def test_offline(cli: Cli, entry: Callable[..., bytes], folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch):
    data = entry()
    with pytest.raises(WeightsError, match="net: not pulled yet") as caught:
        store.resolve("net")
    assert caught.value.hint.startswith("`stylecli weights pull net`, or get net.bin from http://127")
    monkeypatch.setenv("STYLECLI_OFFLINE", "1")
    with pytest.raises(WeightsError, match="net: not here, and STYLECLI_OFFLINE is set"):
        store.resolve("net")
    done = cli("weights", "pull", "net")
    digest = hashlib.sha256(data).hexdigest()
    assert done.stderr.splitlines() == [
        "net: not here, and STYLECLI_OFFLINE is set",
        f"hint: get net.bin from {server.url}/net.bin and put it at {folder}/net.bin (its sha256 is {digest})",
    ]
    assert (done.exit_code, server.ranges) == (3, [])
    folder.mkdir()
    (folder / "net.bin").write_bytes(data)
    assert cli("weights", "pull", "net").exit_code == 0
    assert store.resolve("net") == folder / "net.bin"


def test_a_folder_that_cannot_be_written(cli: Cli, entry: Callable[..., bytes], folder: Path, server: Server):
    entry()
    folder.write_bytes(b"a file")
    done = cli("weights", "pull", "net")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[1] == "hint: set STYLECLI_WEIGHTS to another folder"
    folder.unlink()
    folder.mkdir(mode=0o500)
    done = cli("weights", "pull", "net")
    assert done.exit_code == (0 if os.geteuid() == 0 else 3)
    folder.chmod(0o700)


def test_names_and_paths(cli: Cli, tmp_path: Path, tiny_encoder: Path, entry: Callable[..., bytes]):
    entry()
    assert store.resolve(str(tiny_encoder)) == tiny_encoder
    for name, message in (("nt", "nt: no such weights"), (str(tmp_path), "a folder"), ("a\0b", "no such weights")):
        with pytest.raises(WeightsError, match=message):
            store.resolve(name)
    assert "did you mean net?" in cli("weights", "show", "nt").stderr
    assert cli("weights", "pull", str(tiny_encoder)).exit_code == 2
    with pytest.raises(UsageError, match="no such name"):
        store.remove(str(tiny_encoder))
    assert cli("weights", "check", str(tiny_encoder), "nope").exit_code == 3


def test_convert(cli: Cli, tmp_path: Path, tiny_encoder: Path):
    torch.manual_seed(0)
    channels, state = 3, {}
    for number, width in ((0, 64), (2, 64), (5, 128), (7, 128)):
        state |= {
            f"features.{number}.weight": torch.randn(width, channels, 3, 3) / 20,
            f"features.{number}.bias": torch.zeros(width),
        }
        channels = width
    torch.save({"state_dict": state}, "a.pth")
    for words in ([], ["--half", "--overwrite"]):
        done = cli("weights", "convert", "a.pth", "b.safetensors", *words)
        assert (done.exit_code, done.stdout) == (0, "b.safetensors\n")
        assert "stylecli VGG, sample off by 0" in cli("weights", "check", "b.safetensors").stdout
    old, new = load_vgg(Path("a.pth")), load_vgg(Path("b.safetensors"))
    assert torch.equal(old.preprocess_bias, new.preprocess_bias)
    assert torch.equal(old.convs["conv2_2"].weight.half(), new.convs["conv2_2"].weight.half())
    shown = json.loads(cli("weights", "show", "b.safetensors", "--json").stdout)
    assert shown["source"] == {
        "file": "a.pth",
        "sha256": store.sha256(Path("a.pth")),
        "format": "VGG, torchvision or Caffe-style",
    }
    assert cli("weights", "convert", "a.pth", "b.safetensors").stderr.startswith("b.safetensors: exists")
    assert cli("weights", "convert", "b.safetensors", "b.safetensors", "--overwrite").exit_code == 2
    assert cli("weights", "convert", "a.pth", "b.pth").exit_code == 2
    assert cli("weights", "convert", "a.pth", "no/b.safetensors").exit_code == 1
    state["features.0.bias"][0] = float("inf")
    torch.save(state, "c.pth")
    assert "not finite" in cli("weights", "convert", "c.pth", "c.safetensors").stderr
    assert not Path("c.safetensors").exists()


def test_a_bar_on_a_terminal(cli: Cli, entry: Callable[..., bytes], server: Server, monkeypatch: pytest.MonkeyPatch):
    entry()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    done = cli("weights", "pull", "net")
    assert (done.exit_code, "net" in done.stderr) == (0, True)
    assert done.stdout.endswith("net.bin\n")


def test_a_file_out_of_an_archive(cli: Cli, entry: Callable[..., bytes], folder: Path, server: Server):
    data = entry(sha256="", size=None, member="saved/net.bin")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("saved/net.bin", data)
    server.files["/net.bin"] = packed.getvalue()
    done = cli("weights", "pull", "net", "-q")
    assert done.exit_code == 0, done.stderr
    assert [path.name for path in folder.glob("*") if path.suffix != ".sha256"] == ["net.bin"]
    assert (folder / "net.bin").read_bytes() == data
    (folder / "net.bin").unlink()
    for wrong in (data, packed.getvalue()[:-30]):
        server.files["/net.bin"] = wrong
        failed = cli("weights", "pull", "net", "-q")
        assert (failed.exit_code, "no archive with saved/net.bin came" in failed.stderr) == (3, True)
        assert not (folder / "net.bin").exists()
