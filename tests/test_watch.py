"""`--watch`, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Result, complaint

import stylecli
from stylecli.batch.ledger import LEDGER

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(stylecli.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
PATIENCE = 120


class Watching:
    """A command that watches, and what is waited for."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, "-m", "stylecli", *map(str, words), "--device", "cpu", "--watch"]
        self.errors = Path("stderr.txt")
        with self.errors.open("wb") as file:
            self.run = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=file, text=True)

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert self.run.poll() is None, self.errors.read_text()
            assert time.monotonic() < end, f"no {what}: {self.errors.read_text()}"
            time.sleep(0.05)

    def makes(self, *names: str) -> None:
        self.until(lambda: all(Path(name).exists() for name in names), ", ".join(names))

    def says(self, words: str) -> None:
        self.until(lambda: words in self.errors.read_text(), words)

    def stop(self) -> tuple[int, list[str]]:
        self.run.send_signal(signal.SIGINT)
        out, _ = self.run.communicate(timeout=PATIENCE)
        return self.run.returncode, out.split()


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Watching]]:
    monkeypatch.chdir(tmp_path)
    begun: list[Watching] = []

    def begin(*words: object) -> Watching:
        begun.append(Watching(*words))
        return begun[-1]

    yield begin
    for each in begun:
        each.run.kill()
        each.run.communicate()


def test_what_is_there_and_what_comes(
    watching: Callable[..., Watching], picture: Callable[..., Path], tiny_adain: Path
):
    for name in ("in/a.png", "s.png", "t.png", "later/b.png", "later/c.png", "later/d.png"):
        picture(name, size=(40, 30))
    words = ("adain", "in", "-r", "--style", "s.png", "--style", "t.png", "--weights", tiny_adain, "-o", "out")
    run = watching(*words)
    run.makes("out/a_adain_s.png", "out/a_adain_t.png")
    # One comes whole in a folder of its own, one piece by piece, one is no picture, one goes at once.
    Path("in/deep").mkdir()
    Path("later/b.png").rename("in/deep/b.png")
    run.makes("out/deep/b_adain_s.png", "out/deep/b_adain_t.png")
    Path("in/gone.png").write_bytes(b"gone")
    Path("in/gone.png").unlink()
    Path("in/bad.png").write_bytes(b"no picture")
    data = Path("later/c.png").read_bytes()
    with Path("in/c.png").open("wb") as file:
        for start in range(0, len(data), len(data) // 4):
            file.write(data[start : start + len(data) // 4])
            file.flush()
            time.sleep(0.7)
    run.makes("out/c_adain_s.png", "out/c_adain_t.png")
    run.says("in/bad.png: not an image")
    # A name whose picture has changed is not replaced.
    Path("later/d.png").replace("in/a.png")
    run.says("out/a_adain_s.png: exists, with another content file")
    code, made = run.stop()
    assert code == 130
    assert sorted(made) == sorted(str(each) for each in Path("out").rglob("*.png"))
    assert len(made) == 6
    assert run.errors.read_text().endswith("interrupted: finished files stay\n")
    assert run.errors.read_text().count("loading weights") == 1
    assert "gone" not in run.errors.read_text()
    states = [json.loads(line)["state"] for line in Path("out", LEDGER).read_text().splitlines()]
    assert {"done", "failed"} == {*states}
    assert not list(Path("out").rglob("*.part"))
    # What was done is not done again.
    again = watching(*words)
    again.says("out/deep/b_adain_t.png: skipped, it holds this result")
    assert again.stop() == (130, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png"], "--watch: no folder among the inputs"),
        (["in", "-o", "in/"], "--watch: results would come back as inputs of in"),
        (["in", "-r", "-o", "in/out/"], "--watch: results would come back as inputs of in"),
        (["in", "-o", "-"], "--watch: works on folders, not on pipes"),
        (["in", "--grid", "-o", "out/"], "--watch: no sheet or clip of what never ends"),
    ],
)
def test_what_cannot_be_watched(
    words: list[str], said: str, cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
):
    picture("a.png"), picture("in/a.png"), picture("s.png")
    done = cli("adain", *words, "--style", "s.png", "--weights", tiny_adain, "--watch")
    assert complaint(done, 2).startswith(said)


def test_a_dry_run_watches_nothing(cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path):
    picture("in/a.png"), picture("s.png")
    done = cli("adain", "in", "--style", "s.png", "--weights", tiny_adain, "--watch", "--dry-run", "-o", "out/")
    assert (done.exit_code, done.stdout) == (0, "in/a.png + s.png -> out/a_adain_s.png\n")
