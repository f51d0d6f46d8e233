"""Methods that are played in the terminal: keys change the picture, what is saved is the command's file."""

import asyncio
import json
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Result
from PIL.Image import Image, open

pytest.importorskip("textual", reason="needs stylecli[live]")
pytest.importorskip("textual_image", reason="needs stylecli[live]")

from stylecli.batch.sources import Source
from stylecli.commands import _live
from stylecli.live.app import Live
from stylecli.live.half_blocks import HalfBlocks
from stylecli.media.stored_settings import read_settings
from stylecli.settings.adain import AdainSettings
from stylecli.settings.fast import FastSettings
from stylecli.settings.fields import Settings
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Compute, Files, Styles
from stylecli.settings.stargan import StarganRefSettings
from stylecli.settings.stylegan import StyleganSampleSettings, StyleganTruncateSettings

# Of Pillow, to the library that draws half blocks.
pytestmark = pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated")

CPU = Compute(device="cpu")
NAMES = ("great_wave", "the_scream", "udnie")


class Player:
    """An application, and hands on its keys."""

    def __init__(self, method: str, settings: Settings, **more: Any) -> None:
        files = {role: tuple(map(Source, more.pop(role, ()))) for role in ("content", "style")}
        found = {role: some for role, some in files.items() if some}
        self.play = _live.opened_for(method, settings, found, CPU, **more)
        self.saved: list[list[str]] = []
        self.app = Live(self.play, self._save, HalfBlocks)

    def _save(self, asked: Any, listener: Any) -> tuple[str, list[str]]:
        how = MovingOutputs() if self.play.contents else Files()
        path = asked.session.write(how, numbered=True, shares=asked.shares, listener=listener, **asked.options)
        self.saved.append([*asked.session.command(shares=asked.shares, **asked.options), "-o", path])
        return path, self.saved[-1]

    async def press(self, *keys: str) -> Image:
        """The picture after some keys."""
        await self.pilot.press(*keys)
        return await self.settled()

    async def settled(self) -> Image:
        await self.until(lambda: self.app.drawn == self.app.wanted)
        made = self.app.query_one("#picture").image  # type: ignore[attr-defined]
        assert isinstance(made, Image)
        return made

    async def until(self, there: Callable[[], bool]) -> None:
        for _ in range(3000):
            if there():
                return
            await self.pilot.pause(0.01)
        pytest.fail("never there")

    def text(self, name: str) -> str:
        return str(self.app.query_one(name).render())

    def run(self, go: "Callable[[], Awaitable[None]]") -> None:
        async def all_of_it() -> None:
            async with self.app.run_test(size=(60, 24)) as self.pilot:
                await self.settled()
                await go()

        asyncio.run(all_of_it())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Callable[..., Path]) -> None:
    monkeypatch.chdir(tmp_path)
    picture("a.png", size=(96, 64)), picture("b.png", size=(60, 80))
    picture("s.png", size=(64, 64)), picture("t.png", size=(64, 64))


def test_arrows_move_the_strength_and_the_strip_shows_the_sweep():
    player = Player("fast", FastSettings(style=("udnie",), alpha=0.5), content=["a.png"], names=NAMES)

    async def go() -> None:
        first = await player.settled()
        assert first.size == (96, 64)
        weaker = await player.press("left", "left")
        assert player.text("#told").split() == ["alpha", "0.40", "udnie", "3/3"]
        again = player.play.asked().session.at(alpha=0.4, style=("udnie",))
        assert weaker.tobytes() == again.tobytes() != first.tobytes()  # type: ignore[union-attr]
        assert (await player.press("end")).tobytes() != weaker.tobytes()
        await player.press("right")
        assert player.play.level == 1
        small = list(player.app.query(".small"))
        await player.until(lambda: all(widget.image for widget in small))  # type: ignore[attr-defined]
        assert len({widget.image.tobytes() for widget in small}) == 7  # type: ignore[attr-defined]
        assert player.app.query(".point")[-1].has_class("here")
        await player.press("shift+left")
        assert player.play.level == 0.99

    player.run(go)


def test_states_that_were_passed_over_are_not_computed(monkeypatch: pytest.MonkeyPatch):
    player = Player("fast", FastSettings(style=("udnie",)), content=["a.png"], names=NAMES)
    made: list[float] = []
    compute = player.app._made

    def counted(side: int, asked: Any) -> Image:
        if side == 384:
            made.append(asked.options["alpha"])
        return compute(side, asked)

    monkeypatch.setattr(player.app, "_made", counted)

    async def go() -> None:
        made.clear()
        for _ in range(20):
            player.app.action_stronger(-0.05)
        await player.settled()
        assert len(made) < 5
        assert made[-1] == 0

    player.run(go)


def test_styles_mixtures_colors_and_strokes(cli: Callable[..., Result]):
    player = Player("fast", FastSettings(style=("great_wave",)), content=["a.png", "b.png"], names=NAMES)

    async def go() -> None:
        seen = {(await player.settled()).tobytes()}
        for keys in (["down"], ["m"], ["down", "]", "]", "]"], ["c"], ["plus"]):
            keys = ["right_square_bracket" if key == "]" else key for key in keys]
            seen.add((await player.press(*keys)).tobytes())
        # To mix one style is that style.
        assert len(seen) == 5
        assert player.text("#told").split() == [
            "alpha", "1.00", "the_scream", "1", "+", "udnie", "0.3", "▸", "udnie",
            "preserve", "color", "luminance", "style", "scale", "1.25",
        ]  # fmt: skip
        assert (await player.press("tab")).size == (60, 80)
        await player.press("s")
        await player.until(lambda: bool(player.saved) and not player.app._saving)
        assert "b_fast_the_scream-1-udnie-0.3.png: stylecli fast b.png" in player.text("#said")
        await player.press("d")
        assert player.app.drawn == player.app.wanted

    player.run(go)
    (words,) = player.saved
    assert cli(*words[1:-2], "-o", "again.png", "--device", "cpu").exit_code == 0
    assert Path("again.png").read_bytes() == Path(words[-1]).read_bytes()


def test_what_is_saved_is_what_the_command_writes_and_replaces_nothing(cli: Callable[..., Result]):
    styles = Styles(("s.png:0.5", "t.png:1"), blend=True)
    player = Player("adain", AdainSettings(), content=["a.png"], style=["s.png", "t.png"], styles=styles)

    async def go() -> None:
        player.play.shares = [0.5, 1.0]
        await player.press("left", "s")
        await player.until(lambda: bool(player.saved) and not player.app._saving)
        await player.press("left", "s")
        await player.until(lambda: len(player.saved) == 2 and not player.app._saving)
        await player.press("left_square_bracket", *["left_square_bracket"] * 9)
        assert player.play.used == (1,)

    player.run(go)
    assert [words[-1] for words in player.saved] == ["a_adain_s+t.png", "a_adain_s+t_2.png"]
    assert shlex.join(player.saved[0][:8]) == "stylecli adain a.png --style s.png:0.5 --style t.png:1 --blend"
    for words in player.saved:
        assert cli(*words[1:-2], "-o", "again.png", "--overwrite", "--device", "cpu").exit_code == 0
        assert Path("again.png").read_bytes() == Path(words[-1]).read_bytes()
    record = json.loads(read_settings(Path("again.png").read_bytes()) or "")
    assert not [key for key in record["settings"] if "live" in key]


def test_seeds_and_psi():
    for method, kind in (("stylegan sample", StyleganSampleSettings), ("stylegan truncate", StyleganTruncateSettings)):
        player = Player(method, kind(seeds="3", psi=(0.5,)))

        async def go(player: Player = player) -> None:
            seen = {(await player.settled()).tobytes()}
            for key in ("down", "right", "home"):
                seen.add((await player.press(key)).tobytes())
            assert len(seen) == 4
            assert player.text("#told").split()[:4] == ["psi", "-1.00", "seed", "4"]
            await player.press("up", "s")
            await player.until(lambda: bool(player.saved) and not player.app._saving)

        player.run(go)
        assert player.saved[0][:3] == ["stylecli", *method.split()]
        with open(player.saved[0][-1]) as image:
            assert image.height >= 64


def test_domains_of_references():
    given: dict[str, Any] = {"content": ["a.png"], "style": ["s.png", "t.png"], "domains": ["cubism", "ukiyo_e"]}
    player = Player("stargan ref", StarganRefSettings(), **given)

    async def go() -> None:
        await player.press("d")
        assert player.play.values["domain"] == "cubism"
        first = await player.settled()
        assert (await player.press("down")).tobytes() != first.tobytes()
        assert player.text("#told").split() == ["alpha", "1.00", "t", "2/2", "domain", "cubism"]

    player.run(go)


def test_what_goes_wrong_is_a_line_and_the_next_key_goes_on():
    player = Player("fast", FastSettings(style=("udnie",)), content=["a.png"], names=(*NAMES, "no_style"))

    async def go() -> None:
        await player.press("down")
        assert player.text("#said").startswith("--style no_style: not a style of fast")
        assert player.app.query_one("#said").has_class("bad")
        await player.press("up")
        assert not player.text("#said")
        Path("a.png").unlink()
        await player.press("s")
        await player.until(lambda: not player.app._saving)
        assert player.text("#said").startswith("a.png: ")

    player.run(go)


class Terminal:
    """A stream that says so."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


WORDS = ("fast", "a.png", "--style", "udnie", "--live")


def test_where_it_cannot_be(cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    done = cli(*WORDS)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (2, "--live: stdin is no terminal")
    isatty = Terminal.isatty
    monkeypatch.setattr(_live, "sys", Terminal(sys))
    for name in ("stdin", "stdout", "stderr"):
        setattr(_live.sys, name, Terminal(None))
    assert isatty(_live.sys.stdin)  # type: ignore[arg-type]
    for more, says in (
        (["--json"], "--json: not with --live"),
        (["--dry-run"], "--dry-run: not with --live"),
        (["-o", "-"], "-o -: not with --live"),
        (["--grid"], "--grid, --animate: not with --live"),
        (["--engine", "ray"], "--engine ray: not with --live"),
    ):
        assert cli(*WORDS, *more).stderr.splitlines()[0] == says
    Path("clip.mp4").write_bytes(b"")
    assert cli("fast", "clip.mp4", "--live").stderr.splitlines()[0] == "--live: pictures, no clips"
    assert cli("fast", "none.png", "--live").stderr.splitlines()[0] == "none.png: no such file"
    monkeypatch.setattr(_live, "EXTRA", ("textual", "no_such"))
    assert cli(*WORDS).stderr.splitlines() == ["--live: needs no-such", "hint: pip install 'stylecli[live]'"]


@pytest.mark.parametrize(
    "words",
    [
        ("adain", "a.png", "--style", "s.png", "--style", "t.png", "--quality", "80"),
        ("fast", "a.png", "--size", "32"),
        ("stargan", "ref", "a.png", "--reference", "s.png"),
        ("stylegan", "sample", "--seeds", "2-4", "--psi", "0.5"),
        ("stylegan", "truncate", "--seeds", "1"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_command_plays(words: tuple[str, ...], cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_live, "sys", Terminal(sys))
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(_live.sys, name, Terminal(getattr(sys, name)), raising=False)

    def played(app: Live) -> None:
        async def keys() -> None:
            async with app.run_test(size=(60, 24)) as pilot:
                await pilot.press("left", "s")
                for _ in range(3000):
                    if not app._saving and app.drawn == app.wanted:
                        return
                    await pilot.pause(0.01)

        asyncio.run(keys())

    monkeypatch.setattr(Live, "run", played)
    done = cli(*words, "--live", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    path = done.stdout.strip()
    command = shlex.split(done.stderr.splitlines()[-1])
    assert command[:2] == ["stylecli", words[0]]
    assert command[-2:] == ["--device", "cpu"]
    made = Path(path).read_bytes()
    assert cli(*command[1:], "--overwrite").exit_code == 0
    assert Path(path).read_bytes() == made
