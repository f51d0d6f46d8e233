"""The command line as a whole, on a method of no time at all."""

import importlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeGatys, Result
from PIL import Image

import stylecli
from stylecli import cli as program
from stylecli.batch.record import loads
from stylecli.errors import InputError, MemoryLimitError, WeightsError
from stylecli.media.stored_settings import read_settings

Cli = Callable[..., Result]
RUN = ("--device", "cpu")


def opened(source: object) -> Image.Image:
    with Image.open(source) as image:  # type: ignore[arg-type]
        return image.copy()


@pytest.fixture(autouse=True)
def pictures(picture: Callable[..., Path]) -> None:
    for name in ("a.png", "s.png"):
        picture(name)


def test_one_picture(cli: Cli, gatys: FakeGatys):
    done = cli("gatys", "a.png", "--style", "s.png", *RUN)
    assert done == Result(0, "a_gatys_s.png\n", "loading weights ...\n", b"a_gatys_s.png\n")
    assert opened("a_gatys_s.png").size == (12, 10)


def test_quiet_and_verbose(cli: Cli, gatys: FakeGatys):
    done = cli("gatys", "a.png", "--style", "s.png", "-q", *RUN)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    done = cli("gatys", "a.png", "--style", "s.png", "-v", "--overwrite", *RUN)
    assert "a_gatys_s.png: 0.0 s, style 0.5" in done.stderr


def test_json(cli: Cli, gatys: FakeGatys):
    done = cli("gatys", "a.png", "--style", "s.png", "--steps", "1", "--steps", "2", "--json", *RUN)
    one, two = map(json.loads, done.stdout.splitlines())
    assert {"input", "output", "seconds", "settings", "losses", "error"} <= set(one)
    assert (one["input"], one["output"], two["output"]) == ("a.png", "a_gatys_s_steps1.png", "a_gatys_s_steps2.png")
    assert (one["settings"]["steps"], one["losses"], one["error"]) == (1, {"style": 0.5}, None)


def test_the_backend_is_built_once_and_gets_the_grid(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]):
    picture("b.png")
    done = cli("gatys", "?.png", "--style", "s.png", "--style-weight", "0:1:3", "-o", "out", *RUN)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == len(gatys.calls) == 9
    assert gatys.builds == 1


def test_a_blend(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]):
    picture("t.png")
    done = cli("gatys", "a.png", "--style", "s.png:1", "--style", "t.png:3", "--blend", *RUN)
    assert done.stdout == "a_gatys_s+t.png\n"
    assert gatys.calls[0]["blend"] == [0.25, 0.75]
    stored = loads(read_settings("a_gatys_s+t.png"), "")
    assert [one.get("share") for one in stored.inputs["style"]] == [None, 3.0]


def test_masks(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]):
    picture("t.png")
    picture("m.png", mode="L", size=(24, 20))
    picture("n.png", mode="L")
    words = ("gatys", "a.png", "--style", "s.png", "--style", "t.png", "--mask", "m.png", *RUN)
    assert cli(*words).stderr.startswith("--mask: 1 for 2 styles")
    assert cli(*words, "--mask", "n.png").exit_code == 0
    assert [tuple(mask.shape) for mask in gatys.calls[0]["masks"]] == [(1, 10, 12)] * 2  # type: ignore[attr-defined]
    assert gatys.calls[0]["blend"] == [1, 1]


def test_snapshots(cli: Cli, gatys: FakeGatys):
    assert cli("gatys", "a.png", "--style", "s.png", "--save-every", "2", *RUN).exit_code == 0
    assert Path("a_gatys_s_00002.png").exists()
    Path("a_gatys_s.png").unlink()
    done = cli("gatys", "a.png", "--style", "s.png", "--save-every", "2", *RUN)
    assert (done.exit_code, "a_gatys_s_00002.png: already there" in done.stderr) == (1, True)
    words = ("--style", "s.png", "--save-every", "2", "--overwrite", "-o", "a_gatys_s.png", *RUN)
    assert cli("gatys", "a.png", *words).exit_code == 0
    assert cli("gatys", "a_gatys_s_00002.png", *words).exit_code == 1


def test_through_pipes(cli: Cli, gatys: FakeGatys):
    data = Path("a.png").read_bytes()
    done = cli("gatys", "-", "--style", "s.png", "-o", "-", "--format", "png", *RUN, stdin=data)
    assert (done.exit_code, done.stderr) == (0, "loading weights ...\n")
    assert opened(BytesIO(done.binary)).size == (12, 10)
    assert cli("gatys", "-", "--style", "s.png", *RUN, stdin=data).stdout == "stdin_gatys_s.png\n"


def test_stdout_is_for_one_thing(cli: Cli, gatys: FakeGatys):
    done = cli("gatys", "a.png", "--style", "s.png", "-o", "-", "--json", *RUN)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (2, "--json: stdout is taken by -o -")
    done = cli("gatys", "-", "--style", "-", stdin=b"x")
    assert (done.exit_code, gatys.builds) == (2, 0) or done.stderr.startswith("stdin: empty")


def test_alpha_is_kept_at_the_new_size(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]):
    picture("c.png", mode="RGBA")
    assert cli("gatys", "c.png", "--style", "s.png", "-o", "same.png", *RUN).exit_code == 0
    before, after = (np.asarray(opened(name))[..., 3] for name in ("c.png", "same.png"))
    assert (before == after).all()
    assert cli("gatys", "c.png", "--style", "s.png", "--size", "5", "-o", "small.png", *RUN).exit_code == 0
    assert (opened("small.png").size, opened("small.png").mode) == ((5, 5), "RGBA")


def test_the_tree_is_kept(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]):
    for name in ("in/x.png", "in/deep/er/y.png"):
        picture(name)
    done = cli("gatys", "in", "-r", "--style", "s.png", "-o", "out", "--name", "{stem}.{ext}", *RUN)
    assert done.stdout.splitlines() == ["out/deep/er/y.png", "out/x.png"]


def test_dry_run_prints_the_jobs_and_does_nothing(cli: Cli, gatys: FakeGatys):
    done = cli("gatys", "a.png", "--style", "s.png", "--steps", "1:3:2", "--dry-run")
    assert done.stdout.splitlines() == [
        "a.png + s.png -> a_gatys_s_steps1.png  steps=1",
        "a.png + s.png -> a_gatys_s_steps3.png  steps=3",
    ]
    assert json.loads(cli("gatys", "a.png", "--style", "s.png", "--dry-run", "--json").stdout)["seconds"] is None
    assert gatys.builds == 0


def test_existing_files_stop_it_before_anything_is_computed(cli: Cli, gatys: FakeGatys):
    Path("a_gatys_s.png").touch()
    done = cli("gatys", "a.png", "--style", "s.png", *RUN)
    assert (done.exit_code, gatys.builds) == (2, 0)
    assert done.stderr == "a_gatys_s.png: already there\nhint: --overwrite replaces, --skip-existing keeps\n"
    assert cli("gatys", "a.png", "--style", "s.png", "--overwrite", *RUN).exit_code == 0


def test_skip_existing_skips_the_same_only(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]):
    words = ("gatys", "a.png", "--style", "s.png", "--skip-existing", *RUN)
    assert cli(*words).stdout == "a_gatys_s.png\n"
    done = cli(*words)
    assert (done.exit_code, done.stdout, len(gatys.calls)) == (0, "", 1)
    assert "skipped" in done.stderr
    assert json.loads(cli(*words, "--json").stdout)["skipped"] is True
    done = cli(*words, "--steps", "7")
    assert (done.exit_code, done.stderr.splitlines()[-2]) == (1, "a_gatys_s.png: exists, with another steps")
    picture("a.png", seed=1)
    assert "with another content file" in cli(*words).stderr
    assert cli(*words, "--overwrite").stdout == "a_gatys_s.png\n"
    gatys.weights = {"encoder": "11"}
    assert "with another weights file" in cli(*words).stderr
    Path("a_gatys_s.png").write_bytes(b"mine")
    assert "with another record" in cli(*words).stderr
    assert Path("a_gatys_s.png").read_bytes() == b"mine"


def test_a_failure_among_several_ends_with_a_table(cli: Cli, gatys: FakeGatys):
    Path("b.png").write_bytes(b"no picture")
    done = cli("gatys", "b.png", "a.png", "--style", "s.png", *RUN)
    assert (done.exit_code, done.stdout) == (1, "a_gatys_s.png\n")
    assert "1 of 2 jobs failed:" in done.stderr
    assert any(line.startswith("b.png") and "b_gatys_s.png" in line for line in done.stderr.splitlines())


def test_a_failure_alone_is_a_line(cli: Cli, gatys: FakeGatys):
    Path("b.png").write_bytes(b"no picture")
    done = cli("gatys", "b.png", "--style", "s.png", "-q", *RUN)
    assert done.exit_code == 1
    assert done.stderr.startswith("b.png: ")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("a.png: odd", "do this"), 1, "a.png: odd\nhint: do this\n"),
        (WeightsError("w: odd"), 3, "w: odd\n"),
        (MemoryLimitError("big"), 4, "big\n"),
        (MemoryError(), 4, "out of memory\n"),
        (KeyError("x"), 1, "internal error: KeyError: 'x'\nhint: `stylecli --traceback COMMAND"),
    ],
)
@pytest.mark.parametrize("where", ["run", "build"])
def test_exit_codes(cli: Cli, gatys: FakeGatys, error: Exception, code: int, text: str, where: str):
    def fail(*_: object) -> None:
        raise error

    if where == "run":
        gatys.fail = fail
    else:
        sys.modules["stylecli.backends.gatys"].build = fail  # type: ignore[attr-defined]
    done = cli("gatys", "a.png", "--style", "s.png", "-q", *RUN)
    assert done.exit_code == code
    assert done.stderr.startswith(text)
    with pytest.raises(type(error)):
        cli("gatys", "a.png", "--style", "s.png", "--traceback", *RUN)


def test_an_interrupted_method_leaves_its_best_picture(cli: Cli, gatys: FakeGatys, picture: Callable[..., Path]):
    picture("b.png")
    gatys.interrupted = True
    done = cli("gatys", "a.png", "b.png", "--style", "s.png", *RUN)
    assert (done.exit_code, done.stdout) == (130, "a_gatys_s.png\n")
    assert "interrupted" in done.stderr
    gatys.interrupted = False
    done = cli("gatys", "a.png", "--style", "s.png", "--skip-existing", *RUN)
    assert "with another interrupted" in done.stderr


@pytest.mark.parametrize("where", ["run", "build"])
def test_ctrl_c(cli: Cli, gatys: FakeGatys, where: str):
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    if where == "run":
        gatys.fail = fail
    else:
        sys.modules["stylecli.backends.gatys"].build = fail  # type: ignore[attr-defined]
    done = cli("gatys", "a.png", "--style", "s.png", *RUN)
    assert done.exit_code == 130
    assert done.stderr.count("interrupted") == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["gatsy"], "gatsy: no such command\nhint: did you mean gatys?"),
        (["gatys"], "CONTENT: missing\nhint: name a picture"),
        (["gatys", "a.png"], "--style: missing\nhint: "),
        (["gatys", "a.png", "--stlye", "s.png"], "--stlye: no such option\nhint: did you mean --style?"),
        (["gatys", "a.png", "--style"], "option '--style' requires an argument"),
        (["gatys", "a.png", "--style", "s.png", "--steps", "x"], "--steps x: not a whole number, 1 or more"),
        (["gatys", "a.png", "--style", "s.png", "--style-loss", "grma"], "--style-loss grma: not one of gram"),
        (["gatys", "a.png", "--style", "s.png", "-o", "a.png"], "a.png: would overwrite the input"),
        (["gatys", "nope.png", "--style", "s.png"], "nope.png: no such file"),
        (["gatys", "a.png", "--style", "s.png", "-q", "-v"], "--quiet and --verbose"),
        (
            ["gatys", "a.png", "--style", "s.png", "--device", "cuda:99"],
            "loading weights ...\ndevice cuda:99: not on this machine",
        ),
        (["gatys", "a.png", "--style", "s.png", "--name", "{x}"], "--name: no field {x}"),
        (["--bad"], "--bad: no such option"),
    ],
)
def test_usage_errors(cli: Cli, gatys: FakeGatys, words: list[str], text: str):
    done = cli(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(text)
    assert len(done.stderr.splitlines()) <= 3


def test_a_folder_that_cannot_be_made(cli: Cli, gatys: FakeGatys):
    Path("file").touch()
    done = cli("gatys", "a.png", "--style", "s.png", "-o", "file/x.png", *RUN)
    assert (done.exit_code, len(gatys.calls)) == (1, 0)
    assert done.stderr.splitlines()[-1].startswith("file: cannot be made")


def test_help_and_version(cli: Cli):
    assert cli("--version").stdout == f"stylecli {stylecli.__version__}\n"
    for words in ([], ["--help"], ["-h"]):
        done = cli(*words)
        assert done.exit_code == 0
        assert "gatys" in done.stdout
    text = cli("gatys", "-h").stdout
    assert "--style-weight" in text
    assert "stylecli gatys photo.jpg --style wave.jpg" in text


def test_help_on_a_terminal_has_panels(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    assert "╭" not in cli("gatys", "--help").stdout
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for words in (["--help"], ["gatys", "--help"]):
        text = cli(*words).stdout
        assert "╭─" in text
        assert "\b" not in text


def test_completion():
    def complete(line: str) -> str:
        words = {"_STYLECLI_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        root = Path(program.__file__).parents[1]
        environment = {**os.environ, **words, "PYTHONPATH": str(root)}
        done = subprocess.run([sys.executable, "-m", "stylecli"], env=environment, capture_output=True, text=True)
        return done.stdout

    assert {"gatys", "replay"} <= set(complete("stylecli ").split())
    assert "wasserstein" in complete("stylecli gatys --style-loss ")
    assert "--style-weight" in complete("stylecli gatys --style-w")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path):
    words = ["gatys", "a.png", "--style", "s.png", "--steps", "1:900:900", "--dry-run"]
    environment = {**os.environ, "PYTHONPATH": str(Path(program.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-m", "stylecli", *words],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_not_utf8(cli: Cli, gatys: FakeGatys, monkeypatch: pytest.MonkeyPatch):
    name = os.fsdecode(b"\xff\n.png")
    Path("a.png").rename(name)
    assert cli("gatys", name, "--style", "s.png", "--json", *RUN).exit_code == 0
    assert len(cli("gatys", name, "--style", "s.png", *RUN).stderr.splitlines()) == 2
    assert cli("replay", os.fsdecode(b"\xff-_gatys_s.png"), "-o", "again.png").exit_code == 0
    environment = {**os.environ, "PYTHONPATH": str(Path(program.__file__).parents[1])}
    words = [sys.executable, "-m", "stylecli", "gatys", name, "--style", "s.png", "--dry-run", "-o", "x.png"]
    assert b"\xff" in subprocess.run(words, env=environment, capture_output=True, check=True).stdout


def test_a_terminal_gets_a_bar(cli: Cli, gatys: FakeGatys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    done = cli("gatys", "a.png", "--style", "s.png", *RUN)
    assert done.stdout == "a_gatys_s.png\n"
    assert "1/2" in done.stderr
    assert "loss 1" in done.stderr
    assert "1/2" not in cli("gatys", "a.png", "--style", "s.png", "--no-progress", "--overwrite", *RUN).stderr


METHOD = {
    "settings": '''
"""Settings."""
from dataclasses import dataclass
from stylecli.settings.fields import Settings, option

@dataclass(frozen=True)
class NegateSettings(Settings):
    """Options."""
    amount: float = option(1.0, "how much", minimum=0, maximum=1, sweep=True)
    start: str | None = option(None, "picture to add", unit="file")

    def pictures(self):
        return {"start": self.start} if self.start else {}
''',
    "backends": '''
"""Negation."""
from stylecli.method import Method, Result, Traits

class Negate(Method):
    traits = Traits()
    weights = {}
    def __init__(self, device):
        self.device = device
    def run(self, request):
        image = request.pictures.get("start", 0) + request.main * (1 - request.settings.amount)
        return Result(image, notes=("done",))

def build(settings, device):
    return Negate(device)
''',
    "commands": '''
"""Turn a picture dark."""
from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.settings.negate import NegateSettings
from stylecli.settings.shared import Compute, Contents, Outputs, Styles, Reporting

@from_settings
def command(contents: Contents, styles: Styles, grid: tuple[NegateSettings, ...], outputs: Outputs, compute: Compute,
            reporting: Reporting) -> int:
    """Turn CONTENT dark."""
    return run("negate", contents, styles, grid, outputs, compute, reporting)
''',
}


@pytest.fixture
def negate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, text in METHOD.items():
        folder = tmp_path / "plugin" / package
        folder.mkdir(parents=True)
        (folder / "negate.py").write_text(text.lstrip())
        module = importlib.import_module(f"stylecli.{package}")
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
        monkeypatch.delitem(sys.modules, f"stylecli.{package}.negate", raising=False)
    importlib.invalidate_caches()


def test_the_example_of_contributing_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = Path(__file__).parents[1].joinpath("CONTRIBUTING.md").read_text()
    files: dict[str, str] = {}
    for prose, block in itertools.pairwise(text.split("```")):
        if block.startswith("python\n") and (names := re.findall(r"`((?:stylecli|tests)/\S*recolor\.py)`", prose)):
            files[names[-1]] = block.removeprefix("python\n")
    assert len(files) == 4
    for name, source in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    # As if its files lay in the packages.
    (tmp_path / "conftest.py").write_text(
        "from conftest_of_stylecli import *\nimport importlib\nfrom pathlib import Path\n"
        "for package in ('settings', 'backends', 'commands'):\n"
        "    module = importlib.import_module(f'stylecli.{package}')\n"
        "    module.__path__.append(str(Path(__file__).parent / 'stylecli' / package))\n"
    )
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path / "conftest_of_stylecli.py")
    environment = {**os.environ, "PYTHONPATH": f"{Path(program.__file__).parents[1]}{os.pathsep}{tmp_path}"}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_recolor.py"]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_method_is_three_new_files_and_nothing_edited(cli: Cli, negate: None):
    assert "Turn a picture dark." in cli("--help").stdout
    done = cli("negate", "a.png", "--style", "s.png", "--amount", "0:1:2", *RUN)
    assert done.stdout.splitlines() == ["a_negate_s_amount0.png", "a_negate_s_amount1.png"]
    assert not np.asarray(opened("a_negate_s_amount1.png")).any()
    assert cli("replay", "a_negate_s_amount0.png", "-o", "again.png").exit_code == 0
    assert Path("again.png").read_bytes() == Path("a_negate_s_amount0.png").read_bytes()


def test_options_may_name_pictures(cli: Cli, negate: None, picture: Callable[..., Path]):
    done = cli("negate", "a.png", "--style", "s.png", "--start", "s.png", "-o", "out.png", *RUN)
    assert done.exit_code == 0
    assert (np.asarray(opened("out.png")) == np.asarray(opened("s.png"))).all()
    assert cli("replay", "out.png").exit_code == 0
    picture("s.png", seed=1)
    assert "s.png: has changed" in cli("replay", "out.png", "-o", "again.png").stderr
    assert cli("negate", "a.png", "--style", "s.png", "--start", "nope.png", *RUN).exit_code == 2
