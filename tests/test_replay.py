"""`replay` makes the same file again, or says why it cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FakeGatys, Result

Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def made(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]) -> None:
    for name in ("a.png", "s.png", "t.png"):
        picture(name)
    words = ("--style", "s.png:0.3", "--style", "t.png", "--blend", "--steps", "7", "--seed", "5", "--device", "cpu")
    assert cli("gatys", "a.png", *words, "-o", "out.png").exit_code == 0


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_the_same_file_bit_for_bit(cli: Cli, suffix: str):
    words = ("--style", "s.png", "--quality", "50", "--device", "cpu", "-o", f"x.{suffix}")
    assert cli("gatys", "a.png", *words).exit_code == 0
    done = cli("replay", f"x.{suffix}")
    assert (done.exit_code, done.stdout) == (0, f"x_replay.{suffix}\n")
    assert Path(f"x_replay.{suffix}").read_bytes() == Path(f"x.{suffix}").read_bytes()


def test_settings_and_mixture_come_back(cli: Cli, gatys: FakeGatys):
    assert cli("replay", "out.png").stdout == "out_replay.png\n"
    first, second = gatys.calls
    assert first["settings"] == second["settings"]
    assert first["blend"] == second["blend"]
    assert Path("out.png").read_bytes() == Path("out_replay.png").read_bytes()


def test_outputs(cli: Cli):
    Path("there").mkdir()
    assert cli("replay", "out.png", "-o", "there").stdout == "there/out_replay.png\n"
    assert cli("replay", "out.png", "-o", "there").exit_code == 2
    assert cli("replay", "out.png", "-o", "there", "--overwrite").exit_code == 0
    assert cli("replay", "out.png", "-o", "-").binary == Path("out.png").read_bytes()
    for output in ("a.png", "s.png", "out.png"):
        done = cli("replay", "out.png", "-o", output, "--overwrite")
        assert (done.exit_code, "would overwrite the input" in done.stderr) == (2, True)


def test_a_changed_input_is_named(cli: Cli, picture: Callable[..., Path]):
    picture("t.png", seed=1)
    done = cli("replay", "out.png")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (1, "t.png: has changed since")
    Path("t.png").unlink()
    done = cli("replay", "out.png")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (1, "t.png: no such file")


def test_other_weights_are_named(cli: Cli, gatys: FakeGatys):
    gatys.weights = {"encoder": "ff"}
    done = cli("replay", "out.png")
    assert (done.exit_code, done.stderr.splitlines()[1]) == (3, "encoder: not the weights that made this file")


def test_files_without_a_record(cli: Cli):
    done = cli("replay", "a.png")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (1, "a.png: says nothing about how it was made")
    assert cli("replay", "nope.png").exit_code == 1
    assert cli("replay").exit_code == 2


def test_an_interrupted_picture_cannot_come_again(cli: Cli, gatys: FakeGatys):
    gatys.interrupted = True
    assert cli("gatys", "a.png", "--style", "s.png", "-o", "half.png", "--device", "cpu").exit_code == 130
    done = cli("replay", "half.png")
    assert (done.exit_code, "a picture on the way" in done.stderr) == (1, True)


def test_what_came_through_a_pipe_is_given_again(cli: Cli, gatys: FakeGatys):
    data = Path("a.png").read_bytes()
    assert cli("gatys", "-", "--style", "s.png", "-o", "p.png", "--device", "cpu", stdin=data).exit_code == 0
    assert cli("replay", "p.png", stdin=data).exit_code == 0
    assert Path("p.png").read_bytes() == Path("p_replay.png").read_bytes()
    assert cli("replay", "p.png", "-o", "q.png", stdin=b"x").stderr.startswith("stdin: has changed since")


def test_dry_run(cli: Cli, gatys: FakeGatys):
    assert cli("replay", "out.png", "--dry-run").stdout == "a.png + s.png + t.png -> out_replay.png\n"
    assert gatys.builds == 1
