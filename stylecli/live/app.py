"""Play in the terminal: the picture, a strip of the sweep, and keys that change it (`--live`).

Pictures are computed in two threads beside the one that reads keys: the picture always in its last state, never in one
that was passed over; the strip when nothing else moves.
"""

import asyncio
import shlex
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from PIL.Image import Image as Picture
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Horizontal, Vertical
from textual.widgets import Footer, Label, Static
from textual_image.renderable import HalfcellImage
from textual_image.renderable import Image as Best
from textual_image.widget import Image

from stylecli.batch.failures import explain
from stylecli.errors import printable
from stylecli.live.half_blocks import HalfBlocks
from stylecli.live.play import COLORS, POINTS, Asked, Play
from stylecli.progress import Step
from stylecli.sessions import Session

SIDE, DRAFT, SMALL = 384, 192, 96
"""Pixels of the long side: of the picture, of what comes before it where it is slow, and of those in the strip."""

SLOW, PAUSE = 0.12, 0.1
"""Seconds of a picture from which a draft comes before it, and without a key after which it follows the draft."""

STEP, FINE, TURN = 0.05, 0.01, 0.1
"""Of the strength, and of shares."""

REST = 0.25
"""Seconds without a key after which the strip is made."""

Save = Callable[[Asked, Callable[[Step], None]], tuple[str, Sequence[str]]]


class Live(App[None]):
    """The application.

    Args:
        play: What is seen.
        save: Writes what is asked for; its path, and the command that makes it.
        widget: Shows a picture; by default by the best way that the terminal has.
    """

    CSS = """
    Screen { layout: vertical; }
    #stage { height: 1fr; align: center middle; }
    #picture { width: auto; height: auto; max-width: 100%; max-height: 100%; }
    #strip { height: 16%; min-height: 6; max-height: 14; margin: 1 1 0 1; }
    .point { width: 1fr; height: 100%; }
    .point Center { height: 1fr; align: center bottom; }
    .point .small { width: auto; height: auto; max-width: 95%; max-height: 100%; }
    .point Label { width: 100%; text-align: center; color: $text-muted; }
    .point.here Label { color: $text-accent; text-style: bold underline; }
    #told { height: 1; padding: 0 1; text-style: bold; }
    #said { height: 1; padding: 0 1; color: $text-muted; }
    #said.bad { color: $text-error; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", f"stronger({-STEP})", "weaker", key_display="←"),
        Binding("right", f"stronger({STEP})", "stronger", key_display="→"),
        Binding("shift+left,h", f"stronger({-FINE})", show=False),
        Binding("shift+right,l", f"stronger({FINE})", show=False),
        Binding("home", "end(0)", show=False),
        Binding("end", "end(1)", show=False),
        Binding("s", "save", "save"),
        Binding("q,escape", "quit", "quit", key_display="q"),
        Binding("up", "next(-1)", "style or seed", key_display="↑↓"),
        Binding("down", "next(1)", show=False),
        Binding("m", "mix", "mix"),
        Binding("left_square_bracket", f"share({-TURN})", "share", key_display="[ ]"),
        Binding("right_square_bracket", f"share({TURN})", show=False),
        Binding("c", "choose('preserve_color')", "colors"),
        Binding("d", "choose('domain')", "domain"),
        Binding("minus", "scale(0.8)", show=False),
        Binding("plus", "scale(1.25)", "strokes", key_display="+ -"),
        Binding("tab", "content(1)", show=False, priority=True),
        Binding("shift+tab", "content(-1)", show=False, priority=True),
    ]

    def __init__(self, play: Play, save: Save, widget: type[HalfBlocks] | None = None) -> None:
        super().__init__()
        self.play, self._save = play, save
        self._widget = widget or (HalfBlocks if Best is HalfcellImage else Image)
        self.wanted = self.shown = self.answered = self.drawn = 0
        self._threads = {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("picture", "strip", "save")}
        self.sweeping = True
        self._painting = self._saving = False
        self._key = asyncio.Event()
        self._took, self._sizes = 0.0, dict[int, tuple[int, int]]()
        self._previews: dict[tuple[int, int], Session] = {}
        self._strip: tuple[object, ...] = ()
        self._resting: asyncio.TimerHandle | None = None

    def compose(self) -> ComposeResult:
        """The picture, the strip, a line of what is seen, one of what there is to say, the keys."""
        with Center(id="stage"):
            yield self._widget(id="picture")
        with Horizontal(id="strip"):
            for level in self.play.levels():
                with Vertical(classes="point"):
                    with Center():
                        yield self._widget(classes="small")
                    yield Label(f"{level:.2f}")
        yield Static(id="told", markup=False)
        yield Static(id="said", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """The first picture."""
        self.moved()

    def on_unmount(self) -> None:
        """Nothing more is begun."""
        if self._resting:
            self._resting.cancel()
        for each in self._threads.values():
            each.shutdown(wait=False, cancel_futures=True)

    def moved(self, word: str = "") -> None:
        """Something has changed: the picture follows."""
        self.say(word)
        self.wanted += 1
        self._key.set()
        self.query_one("#told", Static).update(printable(self.play.told()))
        levels = self.play.levels()
        nearest = min(range(POINTS), key=lambda place: abs(levels[place] - self.play.level))
        for place, point in enumerate(self.query(".point")):
            point.set_class(place == nearest, "here")
        if self._resting:
            self._resting.cancel()
        if not self._painting:
            self._painting = True
            self._begin(self._paint)

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work beside the keys; where the end comes before its beginning, no coroutine is left that nobody awaits."""
        self.run_worker(work)  # type: ignore[arg-type]

    def say(self, text: str, *, bad: bool = False) -> None:
        """A line."""
        said = self.query_one("#said", Static)
        said.update(printable(text))
        said.set_class(bad, "bad")

    async def _paint(self) -> None:
        try:
            while self.shown < self.wanted:
                now = self.wanted
                self._key.clear()
                asked = self.play.asked()
                whole = self._sizes.get(id(asked.session), (0, 0))
                # What has no content is never smaller.
                slow = self._took > SLOW and max(whole) > DRAFT and bool(self.play.contents)
                for side in (DRAFT, SIDE) if slow else (SIDE,):
                    start = time.perf_counter()
                    made = await self._computed("picture", side, asked)
                    if made and side == SIDE:
                        self._took, self._sizes[id(asked.session)] = time.perf_counter() - start, made.size
                    if made:
                        shown = made if side == SIDE else made.resize(whole)
                        self.query_one("#picture").image = shown  # type: ignore[attr-defined]
                    self.call_after_refresh(self._seen, now, side)
                    if side == DRAFT:
                        with suppress(asyncio.TimeoutError):
                            await asyncio.wait_for(self._key.wait(), PAUSE)
                    if self.wanted != now:
                        break
                self.shown = now
        finally:
            self._painting = False
        if self._strip != self.play.likeness():
            self._resting = asyncio.get_running_loop().call_later(REST, partial(self._begin, self._sweep))

    def _seen(self, now: int, side: int) -> None:
        self.answered = now
        if side == SIDE:
            self.drawn = now

    async def _sweep(self) -> None:
        """The pictures of the strip, as long as nothing moves."""
        now, like = self.wanted, self.play.likeness()
        small = self.query(".small")
        if len(small) < POINTS:  # what ends has fewer
            return
        for level, widget in zip(self.play.levels(), small, strict=True):
            made = await self._computed("strip", SMALL, self.play.asked(level))
            if self.wanted != now or not made:
                return
            widget.image = made  # type: ignore[attr-defined]
        self._strip, self.sweeping = like, False

    async def _computed(self, thread: str, side: int, asked: Asked) -> Picture | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads[thread], partial(self._made, side, asked))
        except Exception as error:
            told = explain(error)
            self.say(f"{told.message}{'; ' * bool(told.hint)}{told.hint}", bad=True)
            return None

    def _made(self, side: int, asked: Asked) -> Picture:
        key = id(asked.session), side
        if key not in self._previews:
            self._previews[key] = asked.session.preview(side)
        made = self._previews[key].at(shares=asked.shares, **asked.options)
        assert isinstance(made, Picture)
        return made

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether a key does anything here."""
        play = self.play
        fits = {
            "next": len(play.styles) > 1 or "seeds" in play.values,
            "mix": len(play.styles) > 1,
            "share": len(play.styles) > 1,
            "choose": bool(parameters) and parameters[0] in play.values,
            "scale": "style_scale" in play.values,
            "content": len(play.contents) > 1,
        }
        return fits.get(action, True)

    def action_stronger(self, by: float) -> None:
        """Moves the strength."""
        self.play.stronger(by)
        self.moved()

    def action_end(self, end: int) -> None:
        """Goes to an end of the strength."""
        _, low, high = self.play.strength
        self.play.to(high if end else low)
        self.moved()

    def action_next(self, by: int) -> None:
        """Goes to another style, or seed."""
        self.play.next(by)
        self.moved()

    def action_mix(self) -> None:
        """Begins a mixture, or ends it."""
        self.moved(self.play.mix())

    def action_share(self, by: float) -> None:
        """Moves the share of a style."""
        self.moved(self.play.share(by))

    def action_choose(self, name: str) -> None:
        """Goes to the next colors, or domain."""
        self.moved(self.play.choose(name, COLORS if name == "preserve_color" else ["", *self.play.domains]))

    def action_scale(self, by: float) -> None:
        """Makes strokes larger or smaller."""
        self.moved(self.play.scale(by))

    def action_content(self, by: int) -> None:
        """Goes to another picture."""
        if len(self.play.contents) > 1:
            self.play.content = (self.play.content + by) % len(self.play.contents)
            self.moved(self.play.contents[self.play.content])

    async def action_save(self) -> None:
        """Writes what is seen at full size."""
        if self._saving:
            return
        self._saving = True
        self.say("saving at full size ...")
        self._begin(partial(self._saved, self.play.asked()))

    async def _saved(self, asked: Asked) -> None:
        def tell(step: Step) -> None:
            self.call_from_thread(self.say, f"saving at full size: {step.i} of {step.total}")

        try:
            loop = asyncio.get_running_loop()
            path, words = await loop.run_in_executor(self._threads["save"], partial(self._save, asked, tell))
            self.say(f"{path}: {shlex.join(words)}")
        except Exception as error:
            told = explain(error)
            self.say(f"{told.message}{'; ' * bool(told.hint)}{told.hint}", bad=True)
        finally:
            self._saving = False
