"""Strength and style that change along a clip: `--alpha 0..1`, `--alpha 0@0s,1@2s`, `--style a.jpg@0s,b.jpg@4s`.

On the way to the settings these become one text, `alpha=0@0,1@2;style=0,4`, which a clip's record keeps: the strength
at some times, and when each of the styles, in their order, stands alone. Where one comes again, its place stands before
the time: `style=0#0,1#2,0#4`. In between, values change evenly.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from stylecli.errors import UsageError
from stylecli.settings.fields import Settings

S = TypeVar("S", bound=Settings)
END = "end"
_TIME = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,7}(?:\.\d{0,9})?)s?", re.ASCII)
_SPAN = re.compile(r"([\d.]+?)\.\.([\d.]+)", re.ASCII)
_KEY = re.compile(r"(.+)@([\d:.]+s?|end)", re.ASCII | re.DOTALL)


def seconds(text: str, name: str) -> float:
    """`12.5`, `12.5s`, `1:02.5` and `0:01:02.5` in seconds.

    Raises:
        UsageError: Something else.
    """
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{name} {text[:40]}: not a time", "seconds or [h:]m:s, such as 12.5 or 1:02.5")
    return 3600 * int(found[1] or 0) + 60 * int(found[2] or 0) + float(found[3])


@dataclass(frozen=True)
class OverTime:
    """What changes along a clip, None standing for its end.

    Attributes:
        alpha: Times in seconds and strengths.
        styles: Times at which a style stands alone, and the place of that style.
    """

    alpha: tuple[tuple[float | None, float], ...] = ()
    styles: tuple[tuple[float | None, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "OverTime":
        """Of `alpha=0@0,1@2;style=0,4`.

        Raises:
            UsageError: It is something else, or times do not grow.
        """
        parts = dict(part.strip().partition("=")[::2] for part in text.split(";") if part.strip())
        if parts.keys() - {"alpha", "style"}:
            raise UsageError(f"--over-time {text[:40]}: cannot be used", "alpha=0@0s,1@2s;style=0s,4s")
        keys = [_KEY.fullmatch(word.strip()) for word in parts.get("alpha", "").split(",") if word.strip()]
        try:
            alpha = [(_time(key[2]), float(key[1])) for key in keys if key]
        except ValueError:
            alpha = []
        if len(alpha) != len(keys) or not all(0 <= value <= 1 for _, value in alpha):
            raise UsageError(
                f"--alpha {parts['alpha'][:40]}: not strengths at times", "such as 0@0s,1@2s,0.3@5s, or 0..1"
            )
        styles = [_style(word, at) for at, word in enumerate(parts.get("style", "").split(",")) if word.strip()]
        for times in ([time for time, _ in alpha], [time for time, _ in styles]):
            known = [float("inf") if time is None else time for time in times]
            if any(later <= sooner for sooner, later in pairwise(known)):
                raise UsageError(f"--over-time {text[:40]}: times must grow", "such as 0@0s,1@2s")
        return cls(tuple(alpha), tuple(styles))

    def check(self, settings: Settings, styles: int) -> None:
        """Refuses what a job cannot follow; `styles` are those that it mixes.

        Raises:
            UsageError: A strength where there is none, or not a time for each style.
        """
        if self.alpha and not any(field.name == "alpha" for field in fields(settings)):
            raise UsageError("--over-time alpha: this method has no --alpha", "leave it out")
        if self.styles and {place for _, place in self.styles} != {*range(styles)}:
            hint = "a time for each style, such as --style a.jpg@0s,b.jpg@4s"
            raise UsageError(f"--over-time style: {len(self.styles)} times for {styles} styles", hint)

    def settings(self, settings: S, time: float, end: float) -> S:
        """The settings at a time of a clip that ends at `end`."""
        changed: dict[str, object] = {}
        if self.alpha:
            changed["alpha"] = _between([(end if at is None else at, value) for at, value in self.alpha], time)
        names = getattr(settings, "style", ())
        if self.styles and names:
            pairs = zip(names, self.shares(time, end), strict=True)
            changed["style"] = tuple(f"{name.partition(':')[0]}:{share:.6f}" for name, share in pairs if share)
        return replace(settings, **changed) if changed else settings

    def shares(self, time: float, end: float) -> list[float]:
        """Of each style at a time of a clip that ends at `end`."""
        keys = [(end if at is None else at, place) for at, place in self.styles]
        count = 1 + max(place for _, place in keys)
        return [_between([(at, float(here == place)) for at, here in keys], time) for place in range(count)]


def said(words: Sequence[str], role: str) -> tuple[list[str], str] | None:
    """Words of `--alpha` or `--style` that change along a clip: those without times, and their text; None for others.

    Raises:
        UsageError: Some of several words do.
    """
    if len(words) != 1 or Path(words[0]).exists():
        return None
    if role == "alpha" and (span := _SPAN.fullmatch(words[0])):
        return [], f"alpha={span[1]}@0,{span[2]}@{END}"
    keys = [_KEY.fullmatch(word.strip()) for word in words[0].split(",")]
    if not all(keys):
        return None
    if role == "alpha":
        return [], f"alpha={words[0]}"
    found = [(key[1], key[2]) for key in keys if key]
    once = [*dict.fromkeys(name for name, _ in found)]
    again = len(once) < len(found)
    return once, "style=" + ",".join(f"{once.index(name)}#{time}" if again else time for name, time in found)


def _style(text: str, place: int) -> tuple[float | None, int]:
    """`4`, or `0#4` for the first style."""
    before, mark, after = text.strip().partition("#")
    if mark and not (before.isdecimal() and before.isascii() and len(before) < 4):
        raise UsageError(f"--over-time style={text[:40]}: not a style and a time", "such as style=0#0s,1#2s,0#4s")
    return (_time(after), int(before)) if mark else (_time(before), place)


def _time(text: str) -> float | None:
    return None if text.strip() == END else seconds(text, "--over-time")


def _between(keys: Sequence[tuple[float, float]], time: float) -> float:
    """The value at a time, by those at some; before the first and behind the last one it stays."""
    before = [key for key in keys if key[0] <= time]
    after = [key for key in keys if key[0] > time]
    if not before or not after:
        return (before[-1] if before else after[0])[1]
    (sooner, low), (later, high) = before[-1], after[0]
    return low + (high - low) * (time - sooner) / (later - sooner)


def arranged(words: Mapping[str, object]) -> dict[str, object]:
    """A command line's words, with what changes along a clip gathered under `over_time`."""
    made, found = dict(words), []
    for role in ("alpha", "style", "reference"):
        given = words.get(role)
        timed = (
            said([str(each) for each in given], "alpha" if role == "alpha" else "style")
            if isinstance(given, list)
            else None
        )
        if timed:
            made[role] = timed[0] or None
            found.append(timed[1])
            made |= {"blend": True} if role != "alpha" else {}
    if found:
        made["over_time"] = ";".join([*([str(words["over_time"])] if words.get("over_time") else []), *found])
    return made
