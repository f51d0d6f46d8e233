"""Files and folders from strangers: nothing written outside, nothing followed, nothing exhausted."""

import hashlib
import http.server
import io
import json
import os
import socket
import struct
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import FakeGatys, Result, complaint
from PIL import Image, PngImagePlugin

from stylecli.batch.ledger import LEDGER, LOCK
from stylecli.budget import ALLOWANCE, Budget, OverBudgetError
from stylecli.checkpoints import store
from stylecli.checkpoints.registry import Entry
from stylecli.errors import InputError, MemoryLimitError, printable
from stylecli.media.audio import read_sound, write_sound
from stylecli.media.images import read_picture, write_picture
from stylecli.media.resize import resize, resize_8bit, short_side
from stylecli.media.stored_settings import read_settings
from stylecli.media.xmp import NAMESPACE, clean_xmp, settings_in, xmp_with_settings

Cli = Callable[..., Result]
ESCAPE = "\x1b]0;PWN\x07\x1b[31m"


def packet(inside: str) -> bytes:
    rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {rdf}>{inside}</rdf:RDF></x:xmpmeta>'.encode()


INSIDE = "<stylecli:settings>evil</stylecli:settings>"
DESCRIPTION = f'<rdf:Description rdf:about="" xmlns:stylecli="{NAMESPACE}">{INSIDE}</rdf:Description>'
SPOOFS = {
    "another prefix": DESCRIPTION.replace("stylecli:", "s:").replace(":stylecli=", ":s="),
    "single quotes": f"<rdf:Description rdf:about='' xmlns:stylecli='{NAMESPACE}' stylecli:settings='evil'/>",
    "ours twice": DESCRIPTION + f'<rdf:Description xmlns:b="{NAMESPACE}" b:settings="evil" b:more="evil"/>',
    "a comment": f"<!-- {DESCRIPTION} -->",
    "an end in a comment": "<rdf:Description rdf:about=''/><!-- </rdf:RDF> -->",
    "mentions without end": "<!-- " + "<stylecli:settings>" * 20_000 + " -->",
}


@pytest.mark.parametrize("name", SPOOFS)
@pytest.mark.parametrize("format", ["jpeg", "webp", "tiff", "png"])
def test_our_record_is_ours_whatever_the_content_says(name: str, format: str):
    given = packet(SPOOFS[name])
    kept = clean_xmp(given)
    assert kept is None or settings_in(kept) is None
    merged = xmp_with_settings(kept, "ours")
    assert settings_in(merged) == "ours"
    assert settings_in(clean_xmp(merged) or b"") is None
    content = io.BytesIO()
    Image.new("RGB", (9, 7)).save(content, "WEBP", xmp=given)
    made = io.BytesIO()
    write_picture(
        torch.rand(3, 7, 9), made, format=format, carried=read_picture(content.getvalue()).carried, settings="ours"
    )
    assert read_settings(made.getvalue()) == "ours"


def test_other_properties_stay():
    dublin = '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:rights>mine</dc:rights></rdf:Description>'
    for given in (packet(dublin), packet(dublin + SPOOFS["another prefix"])):
        kept = clean_xmp(given) or b""
        assert b"<dc:rights>mine</dc:rights>" in kept
        assert b"evil" not in kept
    turned = packet('<rdf:Description xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"/>')
    assert b'Orientation="1"' in (clean_xmp(turned) or b"")


def test_a_budget_is_spent_once():
    budget = Budget.of(0)
    budget.take(ALLOWANCE)
    with pytest.raises(OverBudgetError):
        budget.take(1)
    with pytest.raises(OverBudgetError):
        budget.step(budget.steps + 1)


def test_what_is_printed_is_one_line():
    assert printable("a\nb\x1b[31m\u202eé\udc80") == "a\\nb\\x1b[31m\\u202eé\udc80"


@pytest.fixture
def folder(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path], tmp_path: Path) -> Path:
    picture("in/a.png"), picture("in/b.png"), picture("s.png")
    (tmp_path / "mine").write_text("mine\n")
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", [LEDGER, LOCK])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_no_link_in_the_output_folder_is_followed(cli: Cli, folder: Path, name: str, link: Callable[..., None]):
    link(folder / "mine", folder / "out" / name)
    done = cli("gatys", "in", "--style", "s.png", "-o", "out/", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert len(list((folder / "out").glob("*.png"))) == 2
    assert (folder / "mine").read_text() == "mine\n"
    assert f"{name}: " in done.stderr
    assert "a link" in done.stderr


def test_no_pipe_in_the_output_folder_is_waited_for(cli: Cli, folder: Path):
    os.mkfifo(folder / "out" / LEDGER)
    os.mkfifo(folder / "out" / ".a.png.12345678.part")
    done = cli("gatys", "in", "--style", "s.png", "-o", "out/", "--device", "cpu")
    assert done.exit_code == 0, done.stderr


def test_no_stem_leaves_the_output_folder(cli: Cli, folder: Path, picture: Callable[..., Path]):
    picture("in/a.png").rename(folder / "in" / "...png")
    done = cli(
        "gatys", "in/...png", "--style", "s.png", "-o", "out/", "--name", "{stem}/{style}.png", "--device", "cpu"
    )
    assert done.exit_code == 0, done.stderr
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("s.png")] == ["s.png", "out/--/s.png"]


def recorded(folder: Path, **changed: Any) -> Path:
    """A picture with a record that a stranger wrote."""
    one = lambda name: [{"path": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}]
    record = {
        "method": "gatys",
        "settings": {},
        "inputs": {"content": one("in/a.png"), "style": one("s.png")},
        "weights": {},
        "encoding": {"quality": 92, "bits": "auto", "strip": False, "format": "png"},
        "compute": {"device": "cpu"},
        **changed,
    }
    info = PngImagePlugin.PngInfo()
    info.add_itxt("stylecli", json.dumps(record))
    Image.new("RGB", (8, 8)).save(path := folder / "evil.png", pnginfo=info)
    return path


def at(path: str) -> dict[str, Any]:
    return {"inputs": {"content": [{"path": path, "sha256": "0" * 64}], "style": [{"path": path, "sha256": "0" * 64}]}}


def test_a_record_of_a_stranger_may_be_good(cli: Cli, folder: Path):
    recorded(folder)
    assert cli("replay", "evil.png", "-o", "again.png").exit_code == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (at("/dev/zero"), "not a regular file"),
        (at("fifo"), "not a regular file"),
        (at("in"), "not a regular file"),
        (at("@list.txt"), "no such file"),
        (at("in/*.png"), "no such file"),
        (at("nul\0"), "damaged or of another version"),
        ({"compute": {"device": "cpu", "threads": 10**30}}, "--threads 1"),
        ({"compute": {"device": "cpu", "threads": 10**9}}, "--threads 1"),
        ({"compute": {"device": "cpu", "threads": "many"}}, "--threads"),
        ({"settings": {"size": 10**30}}, "--size 1"),
        ({"settings": {"size": -1}}, "--size -1"),
        ({"inputs": {}}, "content: missing"),
        ({"encoding": {"quality": 92, "bits": "auto", "strip": False, "format": []}}, "damaged"),
        ({"encoding": {"quality": 92, "bits": "auto", "strip": False, "format": "exe"}}, "--format exe"),
        ({"encoding": {"quality": True, "bits": "auto", "strip": False, "format": "png"}}, "--quality True"),
        ({"method": "train fast"}, "no such method"),
        ({"method": ["gatys"]}, "damaged or of another version"),
        ({"weights": {"encoder": 3}}, "damaged or of another version"),
        ({"settings": {ESCAPE: 1}}, "no such option"),
        (at(ESCAPE), "no such file"),
    ],
)  # fmt: skip
def test_records_are_claims(cli: Cli, folder: Path, changed: dict[str, Any], said: str):
    os.mkfifo(folder / "fifo")
    (folder / "list.txt").write_text("in/a.png\n")
    recorded(folder, **changed)
    done = cli("replay", "evil.png", "-o", "again.png")
    assert done.exit_code in (1, 2), done.stderr
    assert said in done.stderr
    assert "\x1b" not in done.stderr
    assert "internal" not in done.stderr
    assert not (folder / "again.png").exists()


def test_no_url_of_a_record_is_fetched_unless_asked(cli: Cli, folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        recorded(folder, **at(f"webhdfs://127.0.0.1:{server.getsockname()[1]}/x.png"))
        done = cli("replay", "evil.png", "-o", "again.png")
        assert "--allow-urls" in done.stderr
        with pytest.raises(TimeoutError):
            server.accept()
    data = (folder / "in/a.png").read_bytes()
    import fsspec

    fsspec.filesystem("memory").pipe_file("/a.png", data)
    inputs = {
        "content": [{"path": "memory://a.png", "sha256": hashlib.sha256(data).hexdigest()}],
        "style": [{"path": "in/a.png", "sha256": hashlib.sha256(data).hexdigest()}],
    }
    recorded(folder, inputs=inputs)
    assert cli("replay", "evil.png", "-o", "again.png").exit_code == 1
    assert cli("replay", "evil.png", "-o", "again.png", "--allow-urls").exit_code == 0


def test_names_steer_no_terminal(cli: Cli, folder: Path):
    (folder / "in" / f"{ESCAPE}\nsecond.png").write_bytes(b"\x89PNG\r\n\x1a\nx")
    done = cli("gatys", "in", "--style", "s.png", "-o", "out/", "--device", "cpu")
    assert done.exit_code == 1
    assert "\x1b" not in done.stderr
    assert sum("second" in line for line in done.stderr.splitlines()) == 1
    shown = cli("gatys", "in", "--style", "s.png", "-o", "o2/", "--dry-run")
    assert len(shown.stdout.splitlines()) == 3
    assert "\x1b" not in shown.stdout


def test_devices_are_no_pictures(cli: Cli, folder: Path):
    (folder / "list.txt").write_text("in/a.png\n/dev/zero\n")
    for word in ("/dev/zero", "@list.txt", "@/dev/zero"):
        done = cli("gatys", word, "--style", "s.png", "-o", "out/", "--device", "cpu")
        assert done.exit_code in (1, 2), done.stderr
        assert "/dev/zero" in done.stderr
    assert "a device" in complaint(cli("replay", "/dev/zero"), 1)


def tiff(width: int, height: int, entries: dict[int, tuple[int, list[int]]]) -> bytes:
    """A little-endian TIFF of one page with nothing behind its tags; values are (type, numbers)."""
    tags = {256: (4, [width]), 257: (4, [height]), **entries}
    body, out = b"", struct.pack("<H", len(tags))
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            at, body = 8 + 2 + 12 * len(tags) + 4 + len(body), body + data
            data = struct.pack("<I", at)
        out += struct.pack("<HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", 8) + out + bytes(4) + body


@pytest.mark.parametrize("counts", [[0], [0, 1], [1, 1]])
def test_parts_of_a_tiff_that_are_not_there_are_not_made_up(counts: list[int]):
    rows = 4000 // len(counts)
    data = tiff(
        4000,
        4000,
        {
            258: (3, [64] * 8),
            259: (3, [1]),
            262: (3, [2]),
            273: (4, [8] * len(counts)),
            277: (3, [8]),
            278: (4, [rows]),
            279: (4, counts),
            338: (3, [0] * 5),
            339: (3, [3] * 8),
        },
    )
    with pytest.raises(InputError, match=r"truncated|no pixels|not an image"):
        read_picture(data)


def test_depths_of_channels_are_not_multiplied():
    """Found by fuzzing: numbers times a tuple of depths were a tuple of billions."""
    tags = {258: (3, [8, 520, 2, 5376]), 259: (3, [1]), 262: (3, [2]), 273: (4, [8]), 277: (3, [4]), 278: (4, [9])}
    data = tiff(7, 7_798_793, {**tags, 279: (4, [263]), 338: (3, [2])}) + bytes(300)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="channels of different depths"):
            read_picture(data)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


def test_a_header_is_no_reason_to_allocate():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "BMP")
    data = bytearray(file.getvalue())
    data[18:26] = struct.pack("<ii", 30_000, 30_000)
    with pytest.raises(InputError, match="246 bytes cannot hold so many pixels"):
        read_picture(bytes(data))


def test_pages_are_not_walked_for_ever():
    file = io.BytesIO()
    small = Image.new("L", (1, 1))
    small.save(file, "TIFF", save_all=True, append_images=[small] * 1010)
    assert read_picture(file.getvalue()).notes == ("first of 1000 pages used",)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_memory_is_asked_for_before_a_picture_is_decoded(format: str):
    file = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(file, format)
    assert read_picture(file.getvalue(), most=5_000_000).pixels.shape == (3, 1000, 1000)
    with pytest.raises(MemoryLimitError, match="its decoded pixels"):
        read_picture(file.getvalue(), most=2_000_000)


@pytest.mark.parametrize("resized", [resize, partial(resize_8bit, filter="bilinear")])
def test_a_line_does_not_become_a_wall(resized: Callable[..., torch.Tensor]):
    with pytest.raises(InputError, match="60,000 x 1 px would become 3,840,000 x 64"):
        resized(torch.zeros(3, 1, 60000), short_side(1, 60000, 64))


def wav(rate: int, data: bytes, channels: int = 1) -> bytes:
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, rate, 0, 0, 16)
    return (
        head[:28]
        + struct.pack("<IHH", rate * channels * 2 % 2**32, channels * 2, 16)
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_memory_is_asked_before_a_sound_is_decoded(cli: Cli, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (80_000, 2))
    soundfile.write(folder / f"a.{kind}", noise, 8000)
    soundfile.write(folder / "s.wav", noise, 8000)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("decoded"))
    done = cli("audio", f"a.{kind}", "--style", "s.wav", "-o", "o.wav", "--max-memory", "600K")
    assert complaint(done, 4) == f"a.{kind}: its decoded samples would take more room than it may have"


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_the_record_of_a_sound_is_read_back(folder: Path, kind: str):
    noise = torch.rand(2, 8000, generator=torch.Generator().manual_seed(0)) / 10
    for tags, left_out in ({"comment": "by the sea", "title": "t"}, False), ({"comment": "stylecli:{}"}, True):
        notes = write_sound(noise, folder / f"a.{kind}", 44_100, format=kind, tags=tags, settings='{"mine": 1}')
        assert read_settings(folder / f"a.{kind}") == '{"mine": 1}'
        assert any("tags of the content left out" in note for note in notes) == left_out
    assert read_sound(folder / f"a.{kind}").tags.get("title") is None


@pytest.mark.parametrize(
    ("rate", "channels", "said"),
    [
        (1, 1, "1 samples a second, not"),
        (1_000_000, 1, "samples a second, not"),
        (8000, 64, "64 channels, not 1 to 32"),
    ],
)
def test_sounds_beyond_all_recorders(cli: Cli, folder: Path, rate: int, channels: int, said: str):
    noise = np.random.default_rng(0).integers(-8000, 8000, 8000, dtype=np.int16).tobytes()
    (folder / "a.wav").write_bytes(wav(rate, noise, channels))
    (folder / "s.wav").write_bytes(wav(8000, noise))
    assert said in complaint(cli("audio", "a.wav", "--style", "s.wav", "-o", "o.wav"), 1)


def test_silence_is_not_unpacked_without_end(cli: Cli, folder: Path):
    with soundfile.SoundFile(folder / "a.flac", "w", 8000, 8, format="FLAC", subtype="PCM_16") as file:
        for _ in range(300):
            file.write(np.zeros((2**16, 8), np.int16))
    (folder / "s.wav").write_bytes(wav(8000, bytes(16000)))
    assert "longer than 35 minutes" in complaint(cli("audio", "a.flac", "--style", "s.wav", "-o", "o.wav"), 1)


def npy(shape: tuple[int, ...], data: bytes, kind: str = "<f4") -> bytes:
    head = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    head += b" " * (63 - (len(head) + 10) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + data


def test_arrays_are_what_is_there(tmp_path: Path):
    from stylecli.arrays import read_arrays

    path = tmp_path / "a"
    path.write_bytes(npy((2, 3), np.arange(6, dtype=np.float32).tobytes()))
    assert read_arrays(path, "")["array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("mean.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy((2**26,), b""))
        for _ in range(4):
            file.write(bytes(2**26))
    for data in (
        npy((10**12, 512), bytes(100)), npy((10**30,), b""), npy((2,), b"x" * 16, "|O"), b"PK\3\4" + b"junk" * 30, b"x",
        bomb.getvalue(),
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(InputError, match=str(path)):
            read_arrays(path, "")


def test_claims_of_latents(cli: Cli, folder: Path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**12, 512], "data_offsets": [0, 0]}}).encode()
    (folder / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    done = cli("stylegan", "sample", "--seeds", "w.safetensors", "-o", "out/", "--dry-run")
    assert "1,000,000,000,000 latents" in complaint(done, 1)


class Server(http.server.ThreadingHTTPServer):
    """Answers by path: bytes, a status, or bytes without end."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[bytes | int | None]] = {}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answers = self.server.answers[self.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(answer if isinstance(answer, int) else 200, ESCAPE if isinstance(answer, int) else None)
        self.send_header("Retry-After", "0")
        if isinstance(answer, bytes):
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        try:
            self.wfile.write(answer if isinstance(answer, bytes) else b"")
            while answer is None:
                self.wfile.write(bytes(2**16))
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("STYLECLI_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.delenv("STYLECLI_OFFLINE", raising=False)
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def published(server: Server, monkeypatch: pytest.MonkeyPatch, *paths: str, **fields: Any) -> None:
    made = Entry("a net", tuple(map(server.url, paths)), "net.bin", **fields)
    monkeypatch.setattr(store, "ENTRIES", {"net": made})


def test_pulls(cli: Cli, server: Server, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch):
    data, cache = tiny_encoder.read_bytes(), tmp_path / "cache"
    page = b"<!doctype html><title>gone</title>"
    server.answers = {
        "/page": [page],
        "/net": [data],
        "/busy": [503, 429, data],
        "/cut": [data[:-9]],
        "/endless": [None],
    }
    left = lambda: sorted(path.name for path in cache.iterdir())
    for path in ("/page", "/cut"):
        published(server, monkeypatch, path)
        assert cli("weights", "pull", "net").exit_code == 3
        assert left() == []
    published(server, monkeypatch, "/page")
    assert "a web page" in complaint(cli("weights", "pull", "net"), 3)
    for paths in (("/page", "/net"), ("/cut", "/net"), ("/busy",)):
        published(server, monkeypatch, *paths, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        done = cli("weights", "pull", "net")
        assert done.exit_code == 0, done.stderr
        cli("weights", "remove", "net")
    published(server, monkeypatch, "/endless", sha256="a" * 64, size=1000)
    assert "more than 1,000 bytes came" in complaint(cli("weights", "pull", "net"), 3)
    server.answers["/busy"] = [404]
    published(server, monkeypatch, "/busy")
    assert "\x1b" not in cli("weights", "pull", "net").stderr
    assert left() == []
    (tmp_path / "mine").write_text("mine")
    (cache / ".net.bin.part").symlink_to(tmp_path / "mine")
    published(server, monkeypatch, "/net")
    assert cli("weights", "pull", "net").exit_code == 3
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_network_of_ones_own_under_a_published_name_is_not_called_damaged(
    cli: Cli, server: Server, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
):
    data, there = tiny_encoder.read_bytes(), tmp_path / "cache/net.bin"
    there.parent.mkdir(exist_ok=True)
    there.write_bytes(data)
    for size, said in ((len(data) + 1, f"{there}: whole, but not the published net: "), (len(data), "wrong sha256")):
        published(server, monkeypatch, "/net", sha256="a" * 64, size=size)
        for command in ("pull", "check"):
            assert said in complaint(cli("weights", command, "net"), 3)
    there.write_bytes(data[:-9])
    published(server, monkeypatch, "/net", sha256="a" * 64, size=len(data))
    done = cli("weights", "check", "net")
    assert "wrong sha256" in complaint(done, 3)
    assert "weights remove net" in done.stderr
    assert there.read_bytes() == data[:-9]


def test_trainings_leave_out_what_cannot_be_read(
    cli: Cli, folder: Path, tiny_encoder: Path, picture: Callable[..., Path]
):
    for name in "ab":
        picture(f"ph/{name}.png", size=(80, 80))
    (folder / "ph/broken.jpg").write_bytes(b"\xff\xd8\xffx")
    os.mkfifo(folder / "ph/f.jpg")
    words = ["train", "fast", "--style", "s.png", "--content", "ph", "--crop", "64", "--batch", "1", "--output", "run"]
    words += ["--teacher", str(tiny_encoder), "--every", "2", "--device", "cpu"]
    picture("s.png", size=(80, 80))
    done = cli(*words, "--steps", "6")
    assert done.exit_code == 0, done.stderr
    assert "unreadable pictures left out: 1" in done.stderr
    with Path("run/log.jsonl").open("ab") as file:
        file.write(b'{"step": 6, "lo\n\xff\xfe\n[]\n')
    assert cli(*words, "--steps", "8").exit_code == 0
    assert [json.loads(line)["step"] for line in Path("run/log.jsonl").read_text().splitlines()] == list(range(1, 9))
    hostile = b"\x80\x02cos\nsystem\nX\x09\0\0\0touch PWN\x85R."
    whole = Path("run/snapshot_before.pt").read_bytes()
    for before, went in ((whole, "went on from step 6"), (whole[:-99], "began anew")):
        Path("run/snapshot.pt").write_bytes(hostile)
        Path("run/snapshot_before.pt").write_bytes(before)
        done = cli(*words, "--steps", "9")
        assert done.exit_code == 0, done.stderr
        assert f"run/snapshot.pt: damaged, kept as snapshot_damaged.pt; {went}" in done.stderr
        assert [json.loads(line)["step"] for line in Path("run/log.jsonl").read_text().splitlines()] == list(
            range(1, 10)
        )
        assert not Path("PWN").exists()


def test_a_metadata_block_cannot_stand_for_what_was_measured(cli: Cli, folder: Path, tiny_encoder: Path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(tiny_encoder, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    said = {**json.loads(metadata["stylecli"]), "sha256": "lie", "parameters": 1, "colour": "red"}
    save_file(tensors, folder / "a", {"stylecli": json.dumps(said)})
    shown = json.loads(cli("weights", "show", "a", "--json").stdout)
    assert shown["sha256"] == hashlib.sha256((folder / "a").read_bytes()).hexdigest()
    assert shown["parameters"] > 1
    assert shown["colour"] == "red"
