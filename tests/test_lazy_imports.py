"""Help and planning load nothing heavy."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result

HEAVY = (
    "torch",
    "numpy",
    "PIL",
    "scipy",
    "librosa",
    "soundfile",
    "imagecodecs",
    "safetensors",
    "fsspec",
    "ray",
    "starlette",
    "textual",
    "uvicorn",
)
CODE = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()):
    {call}
print(json.dumps(sorted(sys.modules)))
"""


def loaded(call: str, folder: Path) -> set[str]:
    code = CODE.format(call=call)
    root = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r})" + code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["gatys", "--help"],
        ["fast", "--help"],
        ["fast", "a.png", "--style", "wave", "--alpha", "0:1:3", "--dry-run"],
        ["replay", "--help"],
        ["stylegan", "mix", "--help"],
        ["stylegan", "sample", "--seeds", "0-3", "--psi", "0:1:3", "--dry-run"],
        ["stargan", "ref", "a.png", "--reference", "s.png", "--alpha", "0:1:3", "--grid", "--dry-run"],
        ["stargan", "latent", "a.png", "--domain", "cat", "--seeds", "0-3", "--dry-run"],
        ["gatys", "a.png", "--style", "s.png", "--steps", "1:9:3", "--dry-run"],
        ["gatys", "nope.png", "--style", "s.png"],
        ["audio", "--help"],
        ["audio", "a.png", "--style", "s.png", "--alpha", "0:1:3", "--dry-run"],
    ],
)
def test_no_heavy_module_is_loaded(words: list[str], tmp_path: Path):
    for name in ("a.png", "s.png"):
        (tmp_path / name).touch()
    modules = loaded(f"from stylecli.cli import run; run({words!r})", tmp_path)
    assert not modules & set(HEAVY)
    commands = {name for name in modules if name.startswith("stylecli.commands.") and "._" not in name}
    assert all(name.startswith(f"stylecli.commands.{words[0]}") for name in commands)


def test_the_api_is_light(tmp_path: Path):
    assert not loaded("import stylecli.api", tmp_path) & set(HEAVY)


LISTINGS = [
    ["fast", "--list-styles"],
    ["fast", "--list-styles", "--json"],
    ["texture", "--list"],
    ["stargan", "domains"],
    ["weights", "list"],
    ["weights", "show", "fast"],
    ["weights", "show", "stargan", "--json"],
    ["replay", "made.png", "-o", "again.png", "--dry-run"],
]


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_what_is_listed_is_read_from_headers(
    words: list[str], tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
):
    if words[0] == "replay":
        picture("a.png"), picture("s.png")
        done = cli("adain", "a.png", "--style", "s.png", "--weights", tiny_adain, "-o", "made.png", "--device", "cpu")
        assert done.exit_code == 0, done.stderr
    modules = loaded(f"from stylecli.cli import run; assert run({words!r}) == 0", tmp_path)
    assert not modules & {*HEAVY, "pydantic", "rich.console"}


@pytest.mark.parametrize("words", [["--help"], ["gatys", "--help"], ["weights", "--help"]], ids=" ".join)
def test_help_that_is_piped_loads_no_toolkit(words: list[str], tmp_path: Path):
    assert not loaded(f"from stylecli.cli import run; run({words!r})", tmp_path) & {"pydantic", "rich.console"}


def test_a_sound_takes_no_solver(tmp_path: Path):
    """SciPy's optimizers take a fifth of PyTorch's time; nor does a picture take readers of other kinds."""
    call = "import stylecli.backends.audio, stylecli.backends.fast, stylecli.backends.adain, stylecli.media.images"
    assert not {"scipy", "librosa", "numba", "tifffile", "av", "matplotlib"} & loaded(call, tmp_path)


def test_headers_say_what_pytorch_finds():
    """Every embedded file, described from its header and from its tensors."""
    from stylecli.checkpoints import header, store
    from stylecli.checkpoints.load import describe

    for known in store.known().values():
        if known.state == "embedded":
            short, full = header.described(known.path), describe(known.path)
            assert short is not None
            plain = [json.loads(json.dumps({**vars(each), "dtypes": None}, default=str)) for each in (short, full)]
            assert plain[0] == plain[1], known.name
            assert set(short.dtypes) == set(full.dtypes)


def test_garbage_is_looked_for_again_once_all_is_loaded(tmp_path: Path, picture: Callable[..., Path]):
    picture("a.png", size=(32, 32))
    run = "run(['fast', 'a.png', '--style', 'udnie', '-o', 'made.png', '--device', 'cpu']) == 0"
    call = f"import gc; from stylecli.cli import run; assert {run} and gc.isenabled() and gc.get_freeze_count()"
    assert "torch" in loaded(call, tmp_path)
