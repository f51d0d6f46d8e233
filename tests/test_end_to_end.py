"""The real `gatys` through the command line, on a tiny network."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result
from PIL import Image

from stylecli.batch.record import loads
from stylecli.media.stored_settings import read_settings


@pytest.fixture
def words(tiny_encoder: Path, picture: Callable[..., Path]) -> tuple[str, ...]:
    picture("a.png", size=(40, 32))
    picture("s.png", size=(33, 47))
    return ("gatys", "a.png", "--style", "s.png", "--weights", str(tiny_encoder), "--size", "32", "--device", "cpu")


def test_run_skip_and_replay(cli: Callable[..., Result], words: tuple[str, ...]):
    done = cli(*words, "--steps", "2", "--seed", "3", "--init", "noise", "--json")
    assert done.exit_code == 0, done.stderr
    line = json.loads(done.stdout)
    assert line["losses"]
    with Image.open("a_gatys_s.png") as image:
        assert image.size == (40, 32)
    assert loads(read_settings("a_gatys_s.png"), "").seed == 3
    assert json.loads(
        cli(*words, "--steps", "2", "--seed", "3", "--init", "noise", "--json", "--skip-existing").stdout
    )["skipped"]
    assert cli("replay", "a_gatys_s.png").exit_code == 0
    assert Path("a_gatys_s_replay.png").read_bytes() == Path("a_gatys_s.png").read_bytes()


def test_recipes_yield_to_options(cli: Callable[..., Result], words: tuple[str, ...]):
    line = json.loads(cli(*words, "--recipe", "neural-style", "--steps", "2", "--dry-run", "--json").stdout)
    assert (line["settings"]["init"], line["settings"]["steps"]) == ("noise", 2)


def test_weights_that_are_missing(cli: Callable[..., Result], words: tuple[str, ...]):
    assert cli(*words, "--weights", "nope").exit_code == 3


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_ctrl_c_leaves_the_best_picture(words: tuple[str, ...], tmp_path: Path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "stylecli", *words, "--steps", "1000000", "--save-every", "1", "--threads", "1"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            while process.poll() is None and not (tmp_path / "a_gatys_s_00001.png").exists():
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, b"a_gatys_s.png\n"), err
    assert loads(read_settings(tmp_path / "a_gatys_s.png"), "").interrupted


def test_memory_is_planned(cli: Callable[..., Result], words: tuple[str, ...]):
    refused = cli(*words, "--max-memory", "10K")
    assert (refused.exit_code, "may be used" in refused.stderr) == (4, True)
    assert not Path("a_gatys_s.png").exists()
