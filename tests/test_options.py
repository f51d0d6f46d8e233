"""Options from dataclasses, and the values that they take."""

import contextlib
import dataclasses
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import pytest
import typer
from conftest import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stylecli.commands._options import from_settings
from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.shared import Compute, Outputs, Reporting, Styles
from stylecli.settings.values import Kind, build, check, flag, kinds, parse, sweep


@dataclass(frozen=True)
class Demo:
    alpha: float = option(1.0, "strength", minimum=0, maximum=1, sweep=True)
    steps: int = option(10, "steps", minimum=1, sweep=True)
    seed: int = option(0, "seed", sweep=True)
    size: int | None = option(None, "size [px]", unit="px", minimum=1)
    loss: str = option("gram", "loss", choices=("gram", "moments"), sweep=True)
    layers: tuple[str, ...] = option(("a", "b"), "layers")
    fine: bool = option(False, "finer")
    recipe: str = option("own", "preset", choices=("own", "other"))

    presets: ClassVar[dict[str, dict[str, Any]]] = {"other": {"steps": 99, "fine": True, "size": 7}}


FIELDS = {field.name: (field, kinds(Demo)[field.name]) for field in dataclasses.fields(Demo)}


def swept(name: str, *words: str) -> tuple[Any, ...]:
    return sweep(*FIELDS[name], words)


@pytest.fixture
def grid() -> Callable[..., tuple[Demo, ...]]:
    seen: list[tuple[Demo, ...]] = []

    @from_settings
    def command(grid: tuple[Demo, ...], reporting: Reporting) -> None:
        seen.append(grid)

    app = typer.Typer()
    app.command()(command)

    def call(*words: str) -> tuple[Demo, ...]:
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return seen[-1]

    return call


def test_defaults(grid: Callable[..., tuple[Demo, ...]]):
    assert grid() == (Demo(),)


def test_the_grid_is_every_combination(grid: Callable[..., tuple[Demo, ...]]):
    made = grid(
        "--alpha", "0:1:3", "--loss", "gram", "--loss", "moments", "--size", "5", "--layers", "x,y", "--layers", "z"
    )
    assert [(one.alpha, one.loss) for one in made] == [(a, b) for a in (0, 0.5, 1) for b in ("gram", "moments")]
    assert {(one.size, one.layers) for one in made} == {(5, ("x", "y", "z"))}


def test_a_preset_yields_to_what_is_said(grid: Callable[..., tuple[Demo, ...]]):
    assert grid("--recipe", "other") == (Demo(steps=99, fine=True, size=7, recipe="other"),)
    made = grid("--recipe", "other", "--steps", "10", "--no-fine")
    assert made == (Demo(steps=10, fine=False, size=7, recipe="other"),)


def test_every_option_is_in_the_help():
    @from_settings
    def command(demo: Demo) -> None:
        pass

    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)
    text = CliRunner(env={"COLUMNS": "150"}).invoke(app, ["--help"]).output
    for name in FIELDS:
        assert f"--{name}" in text
    for words in (
        "size [px] (1 or more)",
        "(from 0 to 1; default 1)",
        "(gram, moments; default gram)",
        "default a,b",
        "N…",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("name", "words", "values"),
    [
        ("alpha", ["0:1:5"], (0, 0.25, 0.5, 0.75, 1)),
        ("alpha", ["0.2:0.8:4"], (0.2, 0.4, 0.6, 0.8)),
        ("alpha", ["1:0:3"], (1, 0.5, 0)),
        ("alpha", ["0.2", "0.8", "0.2"], (0.2, 0.8)),
        ("alpha", ["0.5:0.5:9"], (0.5,)),
        ("steps", ["100:400:4", "7"], (100, 200, 300, 400, 7)),
        ("steps", ["1:10:3"], (1, 6, 10)),
        ("seed", ["0:9007199254740993:2"], (0, 9007199254740993)),
        ("loss", ["moments", "gram"], ("moments", "gram")),
    ],
)
def test_sweeps(name: str, words: list[str], values: tuple[Any, ...]):
    assert swept(name, *words) == values


@pytest.mark.parametrize(
    ("name", "word", "message", "hint"),
    [
        ("alpha", "x", "--alpha x: not a number from 0 to 1", ""),
        ("alpha", "nan", "--alpha nan: not a number from 0 to 1", ""),
        ("alpha", "2", "--alpha 2.0: not a number from 0 to 1", ""),
        ("steps", "0", "--steps 0: not a whole number, 1 or more", ""),
        ("steps", "1.5", "--steps 1.5: not a whole number, 1 or more", ""),
        ("seed", "9" * 5000, f"--seed {'9' * 39}…: not a whole number", ""),
        (
            "alpha",
            "0:1:1",
            "--alpha 0:1:1: the count is not a whole number from 2 to 1000",
            "first:last:count, such as 0:1:5",
        ),
        (
            "alpha",
            "0:1:99999999",
            "--alpha 0:1:99999999: the count is not a whole number from 2 to 1000",
            "first:last:count, such as 0:1:5",
        ),
        ("alpha", "0:2:3", "--alpha 2.0: not a number from 0 to 1", ""),
        ("loss", "grma", "--loss grma: not one of gram, moments", "did you mean gram?"),
        ("loss", "zzz", "--loss zzz: not one of gram, moments", ""),
    ],
)
def test_bad_values_name_the_option_and_what_it_takes(name: str, word: str, message: str, hint: str):
    with pytest.raises(UsageError) as caught:
        swept(name, word)
    assert (caught.value.message, caught.value.hint) == (message, hint)


NUMBERS = st.floats(0, 1) | st.integers(-(10**20), 10**20)


@given(
    st.text() | st.builds("{}:{}:{}".format, NUMBERS, NUMBERS, st.integers(-5, 1100)), st.sampled_from(sorted(FIELDS))
)
def test_only_usage_errors_escape(word: str, name: str):
    with contextlib.suppress(UsageError):
        sweep(*FIELDS[name], [word])
    with contextlib.suppress(UsageError):
        parse(*FIELDS[name], word)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, 50))
def test_ends_are_exact(first: float, last: float, count: int):
    values = swept("alpha", f"{first!r}:{last!r}:{count}")
    assert (values[0], values[-1]) == (first, last) or first == last
    assert len(values) <= count
    assert list(values) == sorted(values, reverse=first > last)


def test_python_values_are_held_to_the_same():
    check(Demo(alpha=1, size=None))
    for bad in (
        {"alpha": 2.0},
        {"alpha": "1"},
        {"steps": True},
        {"steps": 1.0},
        {"loss": "x"},
        {"layers": (1,)},
        {"fine": 1},
    ):
        with pytest.raises(UsageError, match=f"--{next(iter(bad))} "):
            check(Demo(**bad))


def test_settings_survive_json():
    made = Demo(alpha=0.1, layers=("q",), recipe="other")
    assert build(Demo, json.loads(json.dumps(dataclasses.asdict(made)))) == made


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UsageError, match="--stpes: no such option") as caught:
        build(Demo, {"stpes": 1})
    assert caught.value.hint == "did you mean steps?"


@pytest.mark.parametrize(
    ("said", "blend", "files", "split"),
    [
        ("a.jpg:0.3", True, [], ("a.jpg", 0.3)),
        ("a.jpg:2", True, [], ("a.jpg", 2.0)),
        ("a.jpg:.5", True, ["a.jpg"], ("a.jpg", 0.5)),
        ("a.jpg:0.3", True, ["a.jpg:0.3"], ("a.jpg:0.3", 1.0)),
        ("10:30", False, [], ("10:30", 1.0)),
        (r"C:\a.jpg", True, [], (r"C:\a.jpg", 1.0)),
        ("C:/a.jpg:0.5", True, [], ("C:/a.jpg", 0.5)),
        ("a.jpg:-1", True, [], ("a.jpg:-1", 1.0)),
        ("a.jpg:nan", True, [], ("a.jpg:nan", 1.0)),
        ("a:1:2", True, [], ("a:1", 2.0)),
        (":1", True, [], (":1", 1.0)),
    ],
)
def test_style_weights(said: str, blend: bool, files: list[str], split: tuple[str, float], tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in files:
        (tmp_path / name).touch()
    assert Styles((said, "b"), blend).weighted()[0] == split


def test_a_weight_without_a_mixture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UsageError, match="a weight says how much of a mixture") as caught:
        Styles(("a.jpg:0.3",))
    assert caught.value.hint == "add --blend"


@given(st.lists(st.text(max_size=9), max_size=3), st.booleans())
def test_styles_give_usage_errors_only(words: list[str], blend: bool):
    with contextlib.suppress(UsageError):
        Styles(tuple(words), blend).weighted()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Styles(()),
        lambda: Styles(("a", "b"), mask=("m",)),
        lambda: Styles(("a:0", "b:0"), blend=True),
        lambda: Outputs(output=""),
        lambda: Outputs(output="-", name="x"),
        lambda: Outputs(quality=0),
        lambda: Outputs(bits="12"),
        lambda: Compute(threads=0),
        lambda: Compute(precision="half"),
        lambda: Compute(max_memory="4X"),
        lambda: Compute(max_memory="0"),
        lambda: Reporting(quiet=True, verbose=True),
    ],
)
def test_groups_refuse_what_does_not_fit(make: Callable[[], object]):
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize(
    ("said", "size"),
    [("4G", 4 << 30), ("1.5 K", None), ("1.5k", 1536), ("800MB", 800 << 20), ("2GiB", 2 << 30), ("7", 7)],
)
def test_memory_sizes(said: str, size: int | None):
    if size is None:
        with pytest.raises(UsageError):
            Compute(max_memory=said)
    else:
        assert Compute(max_memory=said).max_bytes == size


# What a plan does not show, and the test that shows it.
SHOWN_ELSEWHERE = {
    "quiet": "test_cli.py", "verbose": "test_cli.py", "no_progress": "test_cli.py", "traceback": "test_cli.py",
    "dry_run": "test_options.py", "json": "test_options.py",
    "overwrite": "test_cli.py", "skip_existing": "test_end_to_end.py", "strip": "test_metadata.py",
    "quality": "test_images.py", "bits": "test_images.py", "report": "test_audio.py",
    "device": "test_device.py", "precision": "test_device.py", "threads": "test_concurrency.py",
    "max_memory": "test_refine.py", "jobs": "test_concurrency.py", "address": "test_ray.py",
    "num_cpus": "test_ray.py", "num_gpus": "test_ray.py", "engine": "test_ray.py", "watch": "test_watch.py",
    "recursive": "test_inputs.py",
    "list_styles": "test_fast.py", "preview": "test_fast.py", "list": "test_texture_net.py",
    "grid": "test_cli.py", "animate": "test_cli.py",
}  # fmt: skip
# Values for options that take more than any text, and what else a command line needs for one.
WORDS: dict[str, list[str]] = {
    "output": ["elsewhere.png"], "name": ["{stem}_x.{ext}"], "format": ["gif", "webp"], "style_layers": ["relu1_1"],
    "strokes_layers": ["relu2_1"], "content_layers": ["relu3_1"], "out_size": ["64x48"], "noise": ["random"],
    "seeds": ["3"], "rows": ["5"], "columns": ["6"], "layers": ["fine"], "psi": ["0.5"],
    "class_": ["2"], "center": ["c.safetensors"], "photo": ["b.png"], "content": ["b.png"], "style": ["b.png"],
    "reference": ["b.png"], "guide": ["b.png"], "init": ["noise"], "mask": ["b.png"],
    "refine": ["3"], "blend": ["--style", "b.png"], "frames": ["3", "--animate", "x.webp"], "domain": ["Cubism"],
    "method": ["net", "--style", "bark"],
}  # fmt: skip
METHODS: dict[str, list[str]] = {
    "gatys": ["a.png", "--style", "s.png"],
    "fast": ["a.png", "--style", "great_wave"],
    "adain": ["a.png", "--style", "s.png"],
    "texture": ["a.png"],
    "audio": ["a.wav", "--style", "s.wav"],
    "stargan ref": ["a.png", "--reference", "s.png"],
    "stargan latent": ["a.png", "--domain", "Ukiyo_e"],
    "stylegan sample": [], "stylegan truncate": [], "stylegan mix": [], "stylegan interpolate": [],
    "stylegan project": ["a.png"], "stylegan ppl": [],
}  # fmt: skip


@pytest.mark.parametrize("command", METHODS)
def test_every_option_changes_the_plan_or_is_refused(command: str, cli: Callable[..., Result], tmp_path: Path):
    """An option that does nothing would be a lie: each changes what `--dry-run` shows, or is tested by itself."""
    for name in ("a.png", "b.png", "s.png", "a.wav", "s.wav", "b.wav", "c.safetensors"):
        (tmp_path / name).write_bytes(b"not looked into")
    (tmp_path / "a").mkdir()
    words = [*command.split(), *METHODS[command], "--dry-run", "--json"]
    plain = cli(*words)
    assert plain.exit_code == 0, plain.stderr
    module = import_module(f"stylecli.commands.{command.replace(' ', '.')}")
    silent = []
    for cls in _classes(module.command):
        for field in dataclasses.fields(cls):
            if field.name in SHOWN_ELSEWHERE:
                assert (Path(__file__).parent / SHOWN_ELSEWHERE[field.name]).is_file()
                continue
            changed = cli(*words, *_said(field, kinds(cls)[field.name], command))
            refused = changed.exit_code != 0 and len(changed.stderr.splitlines()) <= 2
            if changed.stdout == plain.stdout and not refused:
                silent.append(field.name)
    assert not silent


def _classes(command: Callable[..., Any]) -> list[type]:
    hints = get_type_hints(inspect.unwrap(command))
    hints.pop("return", None)
    return [get_args(hint)[0] if get_origin(hint) is tuple else hint for hint in hints.values()]


def _said(field: "dataclasses.Field[Any]", kind: Kind, command: str) -> list[str]:
    """Another value than the default, as words."""
    option_name = [] if field.metadata.get("argument") else [flag(field.name)]
    if field.name in WORDS:
        values = [word.replace(".png", ".wav") if command == "audio" else word for word in WORDS[field.name]]
        values = values[command != "stylegan interpolate" :][:1] if field.name == "format" else values
        return [*option_name, *values]
    if kind.base is bool:
        return [f"--no-{field.name.replace('_', '-')}"] if field.default else option_name
    if choices := field.metadata["choices"]:
        return [*option_name, next(each for each in choices if each != field.default)]
    if kind.base in (int, float):
        low, high = field.metadata["minimum"], field.metadata["maximum"]
        tried = [7, 0.5, 1, low, high]
        fits = lambda x: x is not None and (low is None or x >= low) and (high is None or x <= high)
        value = next(x for x in tried if fits(x) and x != field.default and (kind.base is float or x == int(x)))
        return [*option_name, f"{value:g}"]
    return [*option_name, "something"]
