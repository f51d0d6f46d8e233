"""`weights pull` from servers that break off, lie, stall, lead elsewhere, or answer with something else."""

import hashlib
import http.server
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Result
from safetensors.torch import save_file
from torch import zeros

from stylecli.checkpoints import store
from stylecli.checkpoints.registry import Entry

DECODER = {
    f"{n}.{kind}": zeros(3, 3, 3, 3) if kind == "weight" else zeros(3)
    for n in (1, 5, 28)
    for kind in ("weight", "bias")
}


class Server(http.server.ThreadingHTTPServer):
    """Answers by path with status, headers and bytes; fewer of them than it says, where a path begins with `/cut`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.stalled = threading.Event()
        self.asked: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, headers, data = self.server.answers[self.path]
        start = int((self.headers["Range"] or "bytes=0-")[6:-1]) if status == 200 else 0
        self.send_response(206 if start else status)
        for name, value in {"Content-Length": str(len(data) - start), "Retry-After": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        short = self.path.startswith(("/cut", "/stall"))
        self.wfile.write(data[start : start + 600 if short else None])
        if self.path == "/stall":
            self.wfile.flush()
            self.server.stalled.wait(10)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path) -> Iterator[Server]:
    monkeypatch.setenv("STYLECLI_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.delenv("STYLECLI_OFFLINE", raising=False)
    for name, value in {"PAUSES": (0.0, 0.0), "CHUNK": 100, "TIMEOUT": 0.3}.items():
        monkeypatch.setattr(f"stylecli.checkpoints.pull.{name}", value)
    data = tiny_encoder.read_bytes()
    save_file(DECODER, tmp_path / "decoder")
    with Server() as made:
        page = b"<!doctype html><title>gone</title>"
        made.answers = {
            "/net": (200, {}, data),
            "/cut": (200, {}, data),
            "/cut-short": (200, {}, data[:1000]),
            "/stall": (200, {}, data),
            "/short": (200, {}, data[:-7]),
            "/long": (200, {}, data + b"more"),
            "/empty": (200, {}, b""),
            "/other-bytes": (200, {}, json.dumps({"error": "no"}).encode()),
            "/other-network": (200, {}, (tmp_path / "decoder").read_bytes()),
            "/page": (200, {}, page),
            "/page-utf16": (200, {}, page.decode().encode("utf-16")),
            "/gone": (404, {}, page),
            "/forbidden": (403, {}, page),
            "/429": (429, {}, b""),
            "/503": (503, {}, page),
            "/to-a-page": (302, {"Location": "/page"}, b""),
            "/in-circles": (302, {"Location": "/in-circles"}, b""),
            "/moved": (302, {"Location": "/net"}, b""),
        }
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.stalled.set()
        made.shutdown()
        thread.join()


WRONG = [
    "/cut-short",
    "/stall",
    "/short",
    "/long",
    "/empty",
    "/other-bytes",
    "/other-network",
    "/page",
    "/page-utf16",
    "/gone",
    "/forbidden",
    "/429",
    "/503",
    "/to-a-page",
    "/in-circles",
]


@pytest.mark.parametrize("known", [True, False], ids=["hash known", "no hash known"])
def test_no_wrong_file_is_kept(
    cli: Callable[..., Result], server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: bool
):
    data, cache = server.answers["/net"][2], tmp_path / "cache"
    said = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} if known else {}

    def pull(*paths: str) -> Result:
        urls = tuple(f"http://127.0.0.1:{server.server_port}{path}" for path in paths)
        monkeypatch.setattr(store, "ENTRIES", {"net": Entry("a net", urls, "net.bin", **said)})
        return cli("weights", "pull", "net")

    for path in WRONG:
        done = pull(path)
        assert (done.exit_code, len(done.stderr.splitlines())) == (3, 2), (path, done.stderr)
        assert done.stderr.startswith("net: "), path
        assert not [each.name for each in cache.iterdir() if not each.name.endswith(".part")], path
        for part in cache.iterdir():
            assert data.startswith(part.read_bytes()), path
            part.unlink()
    for first, good in itertools.product(WRONG, ("/net", "/moved")):
        done = pull(first, good)
        assert (done.exit_code, (cache / "net.bin").read_bytes() == data) == (0, True), (first, done.stderr)
        cli("weights", "remove", "net")
        assert not [*cache.iterdir()], first


def test_a_server_that_breaks_off_again_and_again(
    cli: Callable[..., Result], server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    data = server.answers["/net"][2]
    monkeypatch.setattr("stylecli.checkpoints.pull.PAUSES", (0.0,) * (len(data) // 500 + 1))
    entry = Entry("a net", (f"http://127.0.0.1:{server.server_port}/cut",), "net.bin", hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(store, "ENTRIES", {"net": entry})
    assert cli("weights", "pull", "net").exit_code == 0
    assert (tmp_path / "cache" / "net.bin").read_bytes() == data
    assert len(server.asked) > 1
