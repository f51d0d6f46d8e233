"""Folder runs in bad weather: full and read-only disks, inputs that go, memory that runs out."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Result

import stylecli
from stylecli.backends.adain import Adain

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(stylecli.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def words(tmp_path: Path, picture: Callable[..., Path], tiny_adain: Path) -> list[str]:
    """A run over three pictures, of which the second is the largest."""
    picture("s.png")
    for name, side in (("a", 20), ("b", 300), ("c", 20)):
        picture(f"in/{name}.png", size=(side, side))
    return ["adain", "in", "--style", "s.png", "--weights", str(tiny_adain), "--device", "cpu", "--jobs", "2"]


def left(folder: Path) -> set[str]:
    return {each.name[0] for each in folder.iterdir() if each.suffix == ".png" or each.suffix == ".part"}


def small_files_only() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small disk of its own."""
    made: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no disk can be mounted here: {error}")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_full(disk: Callable[[str], Path], cli: Callable[..., Result], words: list[str]):
    folder = disk("size=128k")
    done = cli(*words, "-o", f"{folder}/")
    assert (done.exit_code, len(done.stdout.split())) == (1, 2), done.stderr
    assert "1 of 3 jobs failed" in done.stderr
    assert f"{folder}/b_adain_s.png: the disk is full; free some space" in done.stderr
    assert left(folder) == {"a", "c"}


def test_a_disk_that_is_read_only(disk: Callable[[str], Path], cli: Callable[..., Result], words: list[str]):
    folder = disk("size=128k,ro")
    done = cli(*words, "-o", f"{folder}/")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "3 of 3 jobs failed" in done.stderr
    assert done.stderr.count("not permitted to write here") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_files_that_cannot_grow(tmp_path: Path, words: list[str]):
    command = [sys.executable, "-m", "stylecli", *words, "-o", "out/"]
    run = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, preexec_fn=small_files_only, check=False
    )
    assert (run.returncode, len(run.stdout.split())) == (1, 2), run.stderr
    assert "out/b_adain_s.png: cannot be written: file too large" in run.stderr
    assert left(tmp_path / "out") == {"a", "c"}


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory: you tried to allocate 9"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception, bool], None]:
    """Lets memory run out over the large picture: always, or only where it is painted whole."""
    painted = Adain._painted

    def fail(error: Exception, always: bool) -> None:
        def short(self: Adain, content: Any, *rest: Any) -> Any:
            if content.x.shape[2] == 300 and (always or content.side is None):
                raise error
            return painted(self, content, *rest)

        monkeypatch.setattr(Adain, "_painted", short)

    return fail


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_out_of_memory_is_done_again_in_tiles(
    error: Exception, cli: Callable[..., Result], words: list[str], short: Callable[[Exception, bool], None]
):
    assert cli(*words, "-o", "whole/").exit_code == 0
    short(error, False)
    done = cli(*words, "-o", "out/")
    assert (done.exit_code, len(done.stdout.split())) == (0, 3), done.stderr
    assert "in/b.png: ran out of memory, was done again with half as much" in done.stderr
    for name in ("a", "c"):
        assert Path(f"out/{name}_adain_s.png").read_bytes() == Path(f"whole/{name}_adain_s.png").read_bytes()
    from stylecli.media.images import read_picture

    tiled, whole = (read_picture(f"{folder}/b_adain_s.png").pixels for folder in ("out", "whole"))
    assert (tiled - whole).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_out_of_memory_in_tiles_too(
    error: Exception, cli: Callable[..., Result], words: list[str], short: Callable[[Exception, bool], None]
):
    short(error, True)
    done = cli(*words, "-o", "out/")
    assert (done.exit_code, len(done.stdout.split())) == (1, 2)
    assert "1 of 3 jobs failed" in done.stderr
    assert "in/b.png  out/b_adain_s.png  out of memory; smaller pictures (--size)" in done.stderr
    assert left(Path("out")) == {"a", "c"}
    alone = cli("adain", "in/b.png", *words[2:], "-o", "b.png")
    assert (alone.exit_code, "out of memory\nhint: " in alone.stderr) == (4, True)


@pytest.mark.parametrize("change", ["deleted", "replaced", "cut"])
def test_an_input_that_changes_while_others_run(
    change: str, cli: Callable[..., Result], words: list[str], monkeypatch: pytest.MonkeyPatch
):
    painted, path = Adain._painted, Path("in/d.png")
    changes = {
        "deleted": path.unlink,
        "replaced": lambda: path.write_bytes(Path("in/a.png").read_bytes()),
        "cut": lambda: path.write_bytes(Path("in/b.png").read_bytes()[:5000]),
    }
    left_to_do = [changes[change]]

    def changing(self: Adain, content: Any, *rest: Any) -> Any:
        # Once, while the first job runs: the last input is opened only when two jobs are done.
        made = painted(self, content, *rest)
        if left_to_do:
            left_to_do.pop()()
        return made

    Path("in/d.png").write_bytes(Path("in/b.png").read_bytes())
    monkeypatch.setattr(Adain, "_painted", changing)
    done = cli(*words[:-1], "1", "-o", "out/")
    if change == "replaced":
        # It is whatever it was when its turn came.
        assert done.exit_code == 0
        assert len(Path("out/d_adain_s.png").read_bytes()) < 10_000
        return
    assert (done.exit_code, len(done.stdout.split())) == (1, 3)
    said = {"deleted": "in/d.png: no such file", "cut": "in/d.png: not an image: truncated after 5,000 bytes"}[change]
    assert said in done.stderr
    assert left(Path("out")) == {"a", "b", "c"}
