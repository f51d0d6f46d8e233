"""Inputs and outputs behind URLs: in memory, on this machine, on a server of S3."""

import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import FakeGatys, Result, complaint
from fsspec import filesystem, register_implementation
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from stylecli.batch.ledger import LEDGER
from stylecli.files import atomic_write
from stylecli.media.stored_settings import read_settings
from stylecli.remote import Remote, _probe, place

Write = Callable[[str, bytes], None]


class Nas(LocalFileSystem):
    """A file system that fsspec knows nothing special of, and whose files grow as they are written."""

    protocol = "nas"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("nas://")))


register_implementation("nas", Nas)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """An S3 server on loopback."""
    pytest.importorskip("s3fs", reason="needs stylecli[s3]")
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    made = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    made.start()
    yield "http://{}:{}".format(*made.get_host_and_port())
    made.stop()


@pytest.fixture(params=["memory", "s3", "nas"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place to read and write: the URL of a bucket."""
    if request.param == "memory":
        filesystem("memory").store.clear()
        return "memory://bucket"
    if request.param == "nas":
        (tmp_path / "bucket").mkdir()
        return f"nas://{tmp_path}/bucket"
    log_in(monkeypatch, request.getfixturevalue("server"))
    filesystem("s3").mkdir(tmp_path.name.replace("_", "-"))
    return f"s3://{tmp_path.name.replace('_', '-')}"


def log_in(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    said = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**said, "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are kept as long as nobody says otherwise."""
    monkeypatch.setattr("s3fs.core.S3FileSystem._cache", {})
    _probe.cache_clear()


def put(url: str, seed: int = 0) -> None:
    file = io.BytesIO()
    Image.effect_noise((12, 10), 50 + seed).convert("RGB").save(file, "PNG")
    place(url).parent.mkdir()
    place(url).write_bytes(file.getvalue())


def ledger(folder: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (place(folder) / LEDGER).read_text().splitlines()]
    return [(line["output"], line["state"]) for line in lines]


@pytest.fixture
def folder(root: str, gatys: FakeGatys) -> str:
    """A style, and a tree of pictures."""
    for name in ("s.png", "in/a.png", "in/b10.png", "in/b9.png", "in/sub/c.png"):
        put(f"{root}/{name}")
    (place(root) / "in" / "note.txt").write_bytes(b"no picture")
    return root


def test_a_folder_in_and_a_folder_out(cli: Callable[..., Result], folder: str):
    words = ("gatys", f"{folder}/in", "-r", "--style", f"{folder}/s.png", "-o", f"{folder}/out/")
    done = cli(*words)
    assert done.exit_code == 0, done.stderr
    names = ["a", "b9", "b10", "sub/c"]
    made = [f"{name}_gatys_s.png" for name in names]
    assert done.stdout.split() == [f"{folder}/out/{name}" for name in made]
    assert "cannot be locked" in done.stderr
    assert ledger(f"{folder}/out") == [(name, "done") for name in made]
    assert sorted(map(str, (place(folder) / "out").below(recursive=True))) == sorted(
        f"{folder}/out/{name}" for name in (*made, LEDGER)
    )
    assert "already there" in complaint(cli(*words), 2)
    place(made_first := f"{folder}/out/{made[0]}").write_bytes(b"torn")
    put(f"{folder}/in/b9.png", seed=1)
    again = cli(*words, "--skip-existing")
    assert (again.exit_code, again.stdout.split()) == (1, [])
    assert f"{made_first}: exists, with another record" in again.stderr
    again = cli(*words, "--skip-existing", "--overwrite")
    assert (again.exit_code, again.stdout.split()) == (0, [f"{folder}/out/{made[i]}" for i in (0, 1)])
    states = [state for _, state in ledger(f"{folder}/out")]
    assert states[4:] == ["failed", "failed", "skipped", "skipped", "done", "done", "skipped", "skipped"]


def test_what_is_there_is_what_local_files_give(cli: Callable[..., Result], folder: str, tmp_path: Path):
    for name in ("a.png", "s.png"):
        source = place(folder) / ("in" if name == "a.png" else ".") / name
        (tmp_path / name).write_bytes(source.read_bytes())
    assert cli("gatys", "a.png", "--style", "s.png", "-o", "local.png").exit_code == 0
    made = f"{folder}/made.png"
    assert cli("gatys", f"{folder}/in/a.png", "--style", f"{folder}/s.png", "-o", made).stdout == f"{made}\n"
    assert Image.open(io.BytesIO(place(made).read_bytes())).tobytes() == Image.open("local.png").tobytes()
    record = json.loads(read_settings(made) or "")
    assert record["inputs"]["content"][0]["path"] == f"{folder}/in/a.png"
    assert cli("replay", made, "--allow-urls", "-o", f"{folder}/again.png").exit_code == 0
    assert (place(folder) / "again.png").read_bytes() == place(made).read_bytes()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("in/b*.png", ["b9", "b10"]), ("in/**/*.png", ["a", "b9", "b10", "c"]), ("in/*", ["a", "b9", "b10"])],
)
def test_globs(cli: Callable[..., Result], folder: str, pattern: str, names: list[str]):
    done = cli("gatys", f"{folder}/{pattern}", "--style", f"{folder}/s.png", "-o", "out/", "--dry-run")
    assert [Path(line.split()[-1]).name.split("_")[0] for line in done.stdout.splitlines()] == names


def test_lists_and_styles(cli: Callable[..., Result], folder: str):
    (place(folder) / "list.txt").write_bytes(f"{folder}/in/a.png\n# no\n{folder}/in/sub\n".encode())
    done = cli("gatys", f"@{folder}/list.txt", "--style", f"{folder}/in", "-o", f"{folder}/out/")
    assert (done.exit_code, len(done.stdout.split())) == (0, 6)
    blend = ("--style", f"{folder}/s.png:3", "--style", f"{folder}/in/a.png:1", "--blend")
    assert cli("gatys", f"{folder}/in/a.png", *blend, "-o", f"{folder}/blend.png").exit_code == 0


def test_a_broken_picture_fails_alone(cli: Callable[..., Result], folder: str):
    (place(folder) / "in" / "b9.png").write_bytes(b"no picture")
    done = cli("gatys", f"{folder}/in", "--style", f"{folder}/s.png", "-o", f"{folder}/out/")
    assert (done.exit_code, len(done.stdout.split())) == (1, 2)
    assert "1 of 3 jobs failed" in done.stderr
    assert f"{folder}/in/b9.png: not an image" in done.stderr
    assert [state for _, state in ledger(f"{folder}/out")] == ["done", "failed", "done"]


def test_sheets(cli: Callable[..., Result], folder: str):
    words = ("gatys", f"{folder}/in/a.png", "--style", f"{folder}/s.png", "--style-weight", "1:3:3", "--grid")
    assert cli(*words, "-o", f"{folder}/sheet.png").stdout == f"{folder}/sheet.png\n"
    kept = (*words, "-o", f"{folder}/out/", "--skip-existing")
    assert f"{folder}/out/a_gatys_grid.png" in cli(*kept).stdout
    assert cli(*kept).stdout == ""


def test_an_input_is_never_replaced(cli: Callable[..., Result], folder: str):
    words = ("gatys", f"{folder}/in/a.png", "--style", f"{folder}/s.png", "--overwrite", "-o")
    assert "would overwrite the input" in complaint(cli(*words, f"{folder}/in/a.png"), 2)


def test_bytes_are_fetched_once_a_run(cli: Callable[..., Result], folder: str, monkeypatch: pytest.MonkeyPatch):
    fetched, read = [], Remote.read_bytes
    monkeypatch.setattr(Remote, "read_bytes", lambda path: (fetched.append(path.name), read(path))[1])
    words = ("gatys", f"{folder}/in", "--style", f"{folder}/s.png", "-o", f"{folder}/out/")
    assert (cli(*words, "--dry-run").exit_code, fetched) == (0, [])
    cli(*words)
    assert sorted(fetched) == ["a.png", "b10.png", "b9.png", "s.png"]


def test_a_file_appears_whole_or_not_at_all(root: str):
    with suppress(ZeroDivisionError), atomic_write(f"{root}/a.png") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert not (place(root) / "a.png").exists()
    with atomic_write(f"{root}/a.png") as file:
        file.write(b"whole")
        assert not (place(root) / "a.png").exists()
    assert [(path.name, path.read_bytes()) for path in place(root).iterdir()] == [("a.png", b"whole")]


@pytest.mark.parametrize("root", ["nas"], indirect=True)
def test_what_cannot_be_moved_leaves_nothing(root: str, monkeypatch: pytest.MonkeyPatch):
    def broken(self: Nas, *paths: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Nas, "mv", broken)
    with pytest.raises(Exception, match=r"a\.png: cannot be written: .* No space left"):
        (place(root) / "a.png").write_bytes(b"data")
    assert not list(place(root).iterdir())


def test_file_urls_are_files(cli: Callable[..., Result], picture: Callable[..., Path], gatys: FakeGatys):
    put_in = picture("in/a.png").parent
    picture("s.png")
    done = cli("gatys", f"file://{put_in}", "--style", f"file://{put_in}/../s.png", "-o", f"file://{put_in}/../out/")
    assert (done.exit_code, Path(done.stdout.strip()).resolve()) == (0, Path("out/a_gatys_s.png").resolve())
    assert Path("out", LEDGER).exists()


def test_a_record_elsewhere_is_put_now_and_then(
    cli: Callable[..., Result], folder: str, gatys: FakeGatys, monkeypatch: pytest.MonkeyPatch
):
    seen: list[int] = []
    write = Remote.write_bytes

    def written(path: Remote, data: bytes) -> None:
        seen.extend([data.count(b"\n")] if path.name == LEDGER else [])
        write(path, data)

    monkeypatch.setattr("stylecli.batch.ledger.SECONDS", -1)
    monkeypatch.setattr(Remote, "write_bytes", written)
    cli("gatys", f"{folder}/in", "--style", f"{folder}/s.png", "-o", f"{folder}/out/")
    assert seen == [1, 2, 3]
    assert len(ledger(f"{folder}/out")) == 3


ONE = ("--style", "s.png", "--device", "cpu")


@pytest.mark.parametrize(
    ("words", "code", "line", "hint"),
    [
        (("s3://nowhere/a.png", *ONE), 2, "s3://nowhere/a.png: no bucket nowhere", "make it first"),
        (("s3://here/b.png", *ONE), 2, "s3://here/b.png: no such file", ""),
        (("s3://here/*.webp", *ONE), 2, "s3://here/*.webp: nothing there that ends in .webp", ""),
        (("a.png", "--style", "s3://here/no.png"), 2, "s3://here/no.png: no such file", ""),
        (("a.png", *ONE, "-o", "s3://nowhere/b.png"), 1, "s3://nowhere: no bucket nowhere", "make it first"),
        (("nope://here/a.png", *ONE), 2, "nope://here/a.png: nope:// is not known", "such as s3://"),
    ],
)
def test_errors_are_one_line(
    cli: Callable[..., Result],
    picture: Callable[..., Path],
    gatys: FakeGatys,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
    words: tuple[str, ...],
    code: int,
    line: str,
    hint: str,
):
    log_in(monkeypatch, server)
    if not filesystem("s3").exists("here"):
        filesystem("s3").mkdir("here")
    picture("a.png"), picture("s.png")
    done = cli("gatys", *words)
    assert complaint(done, code) == line
    assert hint in done.stderr
    assert not gatys.calls


def test_no_credentials(
    cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, server: str
):
    log_in(monkeypatch, server)
    anew(monkeypatch)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    picture("s.png")
    done = cli("gatys", "s3://here/a.png", *ONE)
    assert complaint(done, 1) == "s3://here/a.png: no credentials for s3://"
    assert "hint: set AWS_ACCESS_KEY_ID" in done.stderr


def test_no_server(
    cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, server: str
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        log_in(monkeypatch, f"http://127.0.0.1:{free.getsockname()[1]}")
    anew(monkeypatch)
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    picture("s.png")
    assert "s3://here/a.png: cannot be read: " in complaint(cli("gatys", "s3://here/a.png", *ONE), 1)


def test_an_extra_that_is_not_installed(
    cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    def missing(url: str, **options: object) -> None:
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    picture("s.png")
    done = cli("gatys", "gs://bucket/a.png", *ONE)
    assert complaint(done, 2) == "gs://bucket/a.png: the package for gs:// is not installed"
    assert "hint: pip install 'stylecli[gs]'" in done.stderr


def test_paths():
    path = place("s3://bucket/a b/c.tar.gz")
    assert isinstance(path, Remote)
    assert (str(path.parent / "d"), path.stem, path.suffix) == ("s3://bucket/a b/d", "c.tar", ".gz")
    assert str(path.with_name("e.png")) == "s3://bucket/a b/e.png"
    assert place(path) == path
    assert place("a://b" if Path("a:").exists() else "a:/b") == Path("a:/b")
