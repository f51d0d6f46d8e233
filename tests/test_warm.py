"""Commands that are handed over to a warm process: the same files, streams and exit codes, and never a wrong server."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from stylecli import handover
from stylecli.media.images import write_picture

pytestmark = pytest.mark.skipif(not handover.possible(), reason="needs Unix sockets that pass streams")

FAST = ("fast", "a.png", "--style", "udnie", "--size", "64", "--device", "cpu")
LONG = ("gatys", "a.png", "--style", "b.png", "--size", "96", "--steps", "100000", "--device", "cpu")


class Warm:
    """A folder with pictures, and commands in it that see one warm process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Sockets have short names.
        self.runtime = Path(tempfile.mkdtemp(prefix="w", dir="/tmp"))
        self.environment = os.environ | {"XDG_RUNTIME_DIR": str(self.runtime), "NO_COLOR": "1"}

    def start(self, *words: str, **options: Any) -> "subprocess.Popen[bytes]":
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        environment = {**self.environment, **options.pop("env", {})}
        called = [sys.executable, "-m", "stylecli", *words]
        return subprocess.Popen(called, cwd=self.folder, env=environment, **pipes | options)

    def run(self, *words: str, given: bytes = b"", **options: Any) -> "subprocess.CompletedProcess[bytes]":
        process = self.start(*words, **options)
        out, err = process.communicate(given, timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.run("warm", "--status").stdout or "{}")
        return told

    def running(self, count: int) -> dict[str, Any]:
        """The status once so many commands run."""
        for _ in range(200):
            if (told := self.status())["running"] == count:
                return told
            time.sleep(0.05)
        pytest.fail(f"never {count} commands at once")


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    made = Warm(tmp_path_factory.mktemp("warm"))
    for name, seed in (("a.png", 0), ("b.png", 1)):
        write_picture(torch.rand(3, 80, 100, generator=torch.Generator().manual_seed(seed)), made.folder / name)
    assert made.run("warm").returncode == 0
    yield made
    made.run("warm", "--stop")


def test_files_are_those_of_a_command_by_itself(warm: Warm):
    before = warm.status()["commands"]
    assert warm.run(*FAST, "-o", "warm.png").returncode == 0
    assert warm.run(*FAST, "-o", "cold.png", env={"PYTHONDONTWRITEBYTECODE": "2"}).returncode == 0
    # The second had another environment.
    assert warm.status()["commands"] == before + 1
    assert (warm.folder / "warm.png").read_bytes() == (warm.folder / "cold.png").read_bytes()
    assert any("fast" in each for each in warm.status()["weights"])


def test_streams_folder_and_exit_codes_are_the_callers(warm: Warm):
    before = warm.status()["commands"]
    done = warm.run(*("fast", "-", *FAST[2:]), "-o", "-", given=(warm.folder / "a.png").read_bytes())
    assert done.stdout.startswith(b"\x89PNG")
    told = warm.run(*FAST, "-o", "named/out.png", "--json", "--overwrite")
    assert json.loads(told.stdout)["output"] == "named/out.png"
    assert (warm.folder / "named/out.png").is_file()
    missing = warm.run("fast", "none.png", "--style", "udnie", "-o", "x.png")
    assert (missing.returncode, missing.stderr.splitlines()[0]) == (2, b"none.png: no such file")
    assert warm.status()["commands"] == before + 3


def test_ctrl_c_is_passed_on(warm: Warm):
    process = warm.start(*LONG, "-o", "stopped.png")
    warm.running(1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in err
    warm.running(0)


def test_who_is_killed_takes_the_command_along(warm: Warm):
    process = warm.start(*LONG, "-o", "killed.png")
    warm.running(1)
    process.kill()
    process.communicate()
    warm.running(0)
    assert not (warm.folder / "killed.png").exists()


def test_many_at_once_of_which_some_are_killed(warm: Warm):
    codes: dict[str, int] = {}

    def shell(name: int) -> None:
        for index in range(3):
            out = f"many_{name}_{index}.png"
            codes[out] = warm.run(*FAST, "-o", out).returncode

    shells = [threading.Thread(target=shell, args=(name,)) for name in range(3)]
    for each in shells:
        each.start()
    victims = random.Random(0)
    for index in range(3):
        process = warm.start(*FAST, "-o", f"victim_{index}.png")
        time.sleep(victims.random() / 2)
        process.kill()
        process.communicate()
    for each in shells:
        each.join()
    assert set(codes.values()) == {0}
    assert len({(warm.folder / name).read_bytes() for name in codes}) == 1
    warm.running(0)


def test_a_server_that_is_stuck_dead_or_open_to_others_is_left_alone(warm: Warm):
    pid = warm.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert warm.run(*FAST, "-o", "alone.png").returncode == 0
    finally:
        os.kill(pid, signal.SIGCONT)
    before = warm.status()["commands"]
    (warm.runtime / "stylecli").chmod(0o755)
    assert warm.run(*FAST, "-o", "alone.png", "--overwrite").returncode == 0
    (warm.runtime / "stylecli").chmod(0o700)
    assert warm.status()["commands"] == before
    assert (warm.runtime / "stylecli/warm").stat().st_mode & 0o177 == 0


def test_it_ends_when_it_is_idle_and_one_that_was_killed_is_replaced(warm: Warm):
    other = Warm(warm.folder)
    (other.runtime / "stylecli").mkdir(0o700)
    # As one leaves it that is killed.
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(other.runtime / "stylecli/warm"))
    assert other.run(*FAST, "-o", "unserved.png").returncode == 0
    assert other.run("warm", "--idle", "0.05").returncode == 0
    assert other.run("warm").stderr.startswith(b"warm already: process ")
    for _ in range(100):
        if not (other.runtime / "stylecli/warm").exists():
            break
        time.sleep(0.1)
    assert other.run("warm", "--status").returncode == 1
