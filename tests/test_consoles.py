"""Pipes, closed streams and consoles of few characters: processes of their own, as shells start them."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Result, complaint
from PIL import Image

import stylecli
from stylecli.batch.inputs import expand
from stylecli.batch.sources import forget_pipes
from stylecli.errors import InputError, OutputError

ROOT = Path(stylecli.__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "STYLECLI_OFFLINE": "1"}
COMMAND = f"{shlex.quote(sys.executable)} -m stylecli"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no such pipes there")


@pytest.fixture
def bash(
    tmp_path: Path, picture: Callable[..., Path], tiny_adain: Path
) -> Callable[..., "subprocess.CompletedProcess[bytes]"]:
    """Runs a line of shell in which `$ADAIN` is the command with a style and a small network."""
    picture("c.png", size=(40, 30)), picture("s.png")
    adain = f"{COMMAND} adain --alpha 0 --device cpu --weights {tiny_adain}"

    def call(line: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
        environment = {**ENVIRONMENT, "ADAIN": adain, "CLI": COMMAND, **more}
        return subprocess.run(["bash", "-c", line], capture_output=True, cwd=tmp_path, env=environment, timeout=300)

    return call


def same(tmp_path: Path, name: str) -> bool:
    return bool((np.asarray(Image.open(tmp_path / name)) == np.asarray(Image.open(tmp_path / "c.png"))).all())


def test_pipes_are_read_once_and_written_without_overwrite(bash: Callable, tmp_path: Path) -> None:
    done = bash("$ADAIN <(cat c.png) --style <(cat s.png) -o /dev/stdout --format png > o.png")
    assert (done.returncode, same(tmp_path, "o.png")) == (0, True), done.stderr
    done = bash("mkfifo f; (cat c.png > f) & $ADAIN f --style s.png -o >(cat > p.png); sleep 1")
    assert (done.returncode, same(tmp_path, "p.png")) == (0, True), done.stderr
    assert bash("$ADAIN c.png --style s.png -o /dev/null").returncode == 0


def test_streams_that_are_closed(bash: Callable, tmp_path: Path) -> None:
    done = bash("$ADAIN c.png --style s.png -o a.png >&- 2>&- <&-")
    assert (done.returncode, same(tmp_path, "a.png")) == (0, True)
    done = bash("$ADAIN - --style s.png -o b.png <&-")
    assert done.returncode == 1
    assert done.stderr.startswith(b"stdin: closed\nhint: ")
    done = bash("$ADAIN c.png --style s.png -o - --format png >&-")
    assert done.returncode == 1
    assert b"-: stdout is closed" in done.stderr
    assert bash("$CLI --help >&-").returncode == 0


def test_who_has_seen_enough_ends_it_quietly(bash: Callable) -> None:
    done = bash("set -o pipefail; $CLI weights list | head -n 1")
    assert done.stderr == b""
    done = bash("$CLI weights list > /dev/full")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"no space left" in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp932", "ascii"])
def test_consoles_of_few_characters(bash: Callable, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "m漢字é.png").write_bytes((tmp_path / "c.png").read_bytes())
    settings = {"PYTHONIOENCODING": f"{encoding}:strict", "LC_ALL": "C.UTF-8"}
    done = bash("$ADAIN m*.png c.png --style s.png --dry-run; $CLI adain --help; $CLI fast --list-styles", **settings)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    # Typer writes its help in UTF-8 where a console says that it knows ASCII alone.
    text = done.stdout.decode(encoding, "replace")
    assert "漢字" in text if encoding == "cp932" else "m\\u6f22\\u5b57" in text
    assert "Caf" in text
    made = bash("$ADAIN m*.png c.png --style s.png -o out/ --json", **settings)
    assert made.returncode == 0, made.stderr
    assert made.stdout.isascii()
    assert made.stdout.count(b"\n") == 2


def test_a_pipe_that_is_named_twice_gives_the_same(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    with subprocess.Popen(["bash", "-c", f"echo abc > {tmp_path / 'f'}"]):
        (first,) = expand([(str(tmp_path / "f"), 1.0)])
    assert (first.data, first.name) == (b"abc\n", str(tmp_path / "f"))
    with subprocess.Popen(["bash", "-c", f": > {tmp_path / 'f'}"]):
        assert expand([(str(tmp_path / "f"), 1.0)])[0].data == b"abc\n"
    forget_pipes()
    with (
        subprocess.Popen(["bash", "-c", f": > {tmp_path / 'f'}"]),
        pytest.raises(InputError, match="empty"),
    ):
        expand([(str(tmp_path / "f"), 1.0)])


def test_stdout_for_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    from stylecli.files import binary_stdout

    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="stdout is closed"):
        binary_stdout()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may read everything")
def test_folders_that_cannot_be_looked_into(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
) -> None:
    picture("t/a.png"), picture("t/locked/b.png"), picture("s.png")
    locked = Path("t/locked")
    locked.chmod(0)
    try:
        words = ("adain", "t", "-r", "--style", "s.png", "--weights", tiny_adain, "-o", "out/")
        done = cli(*words)
        assert done.exit_code == 1
        assert "t/locked: not permitted to list it" in done.stderr
        assert Path("out/a_adain_s.png").exists()
        assert "t/locked: not permitted to list it" in complaint(cli("adain", "t/locked", "--style", "s.png"), 1)
        locked.chmod(0o444)
        assert "b.png: " in cli(*words, "--overwrite").stderr
    finally:
        locked.chmod(0o755)


def test_folders_that_cannot_be_looked_into_are_failed_jobs(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for all users: the system's own refusal is made up."""
    picture("t/a.png"), picture("t/locked/b.png"), picture("s.png")
    scandir = os.scandir

    def refusing(path: object = ".") -> object:
        if Path(str(path)).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refusing)
    done = cli("adain", "t", "-r", "--style", "s.png", "--weights", tiny_adain, "-o", "out/")
    assert done.exit_code == 1
    assert "t/locked: not permitted to list it; mend it with `chmod +rx`" in " ".join(done.stderr.split())
    assert Path("out/a_adain_s.png").exists()
    done = cli("adain", "t/locked", "--style", "s.png")
    assert complaint(done, 1) == "t/locked: not permitted to list it"


def test_what_is_left_out_is_counted(cli: Callable[..., Result], picture: Callable[..., Path]) -> None:
    picture("t/a.png"), picture("t/sub/b.png"), picture("s.png")
    for name in ("t/notes.txt", "t/more.txt", "t/x.psd", "t/.hidden", "t/stylecli.jsonl"):
        Path(name).touch()
    Path("t/up").symlink_to("..", target_is_directory=True)
    Path("t/loop").symlink_to("loop")
    done = cli("adain", "t", "-r", "--style", "s.png", "--dry-run")
    assert done.stderr == "t: 1 linked folder and 3 files of other kinds (.txt, .psd) left out\n"
    assert len(done.stdout.splitlines()) == 2
    found = [one.path for one in expand([("t/**/*.png", 1.0)])]
    assert found == ["t/a.png", "t/sub/b.png"]
    assert cli("adain", "t", "-r", "--style", "s.png", "--dry-run", "-q").stderr == ""


def test_a_folder_of_one_picture_gives_a_folder(cli: Callable[..., Result], picture: Callable[..., Path]) -> None:
    picture("t/a.png"), picture("s.png")
    plan = lambda *words: cli("adain", *words, "--style", "s.png", "--dry-run").stdout.split(" -> ")[1].split()[0]
    assert plan("t", "-o", "out") == "out/a_adain_s.png"
    assert plan("t", "-o", "out.png") == "out.png"
    assert plan("t/a.png", "-o", "out.png") == "out.png"


def test_names_fit_the_file_system_by_their_bytes(cli: Callable[..., Result], picture: Callable[..., Path]) -> None:
    picture("漢" * 80 + ".png"), picture("字" * 80 + ".png"), picture("s.png")
    done = cli("adain", "漢" * 80 + ".png", "--style", "字" * 80 + ".png", "--style", "s.png", "--dry-run")
    first, second = (line.split(" -> ")[1].split()[0] for line in done.stdout.splitlines())
    for name in (first, second):
        assert len(os.fsencode(name)) <= 250
        assert name.startswith("漢" * 20)
    assert "_adain_字字字" in first
    assert second.endswith("_adain_s.png")


def test_the_c_locale_knows_no_characters_and_loses_none(bash: Callable, tmp_path: Path) -> None:
    names = ["m漢字é", "漢" * 82]
    for name in names:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.png").write_bytes((tmp_path / "c.png").read_bytes())
    done = bash("$ADAIN in --style s.png -o out", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "m漢字é_adain_s.png").exists()
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
