"""What is played in the terminal: which picture, which styles in which shares, how strong; and what that asks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stylecli.sessions import Session
from stylecli.settings.fields import Settings
from stylecli.settings.lists import LARGEST_SEED

POINTS = 7
"""Of the strip."""

COLORS = ("none", "luminance", "histogram", "coral")
SCALES = (0.05, 4.0)


@dataclass(frozen=True)
class Asked:
    """What a picture is made of: a session, and what it is asked for."""

    session: Session
    shares: tuple[float, ...] | None
    options: dict[str, Any]


@dataclass
class Play:
    """What keys change.

    Attributes:
        opened: Gives the session of a content, by its place, with some of the styles, by theirs.
        settings: Where it begins.
        contents: What the contents are called; none where pictures are made of nothing.
        styles: What the styles are called.
        named: The styles are names that the network knows.
        shares: Of each style in the mixture.
        mixing: Several styles go into one picture.
        domains: Of the references, that may be named.
    """

    opened: Callable[[int, tuple[int, ...]], Session]
    settings: Settings
    contents: Sequence[str]
    styles: Sequence[str]
    named: bool
    shares: list[float]
    mixing: bool = False
    style: int = 0
    content: int = 0
    domains: Sequence[str] = ()
    values: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.values = {name: getattr(self.settings, name) for name in self.settings.playable()}

    @property
    def strength(self) -> tuple[str, float, float]:
        """What the arrows left and right change: its name, and from where to where."""
        return ("alpha", 0.0, 1.0) if "alpha" in self.values else ("psi", -1.0, 1.0)

    @property
    def level(self) -> float:
        """Of the strength."""
        value = self.values[self.strength[0]]
        if isinstance(value, tuple):
            # A strip of several begins with the last.
            value = value[-1]
        assert isinstance(value, int | float)
        return float(value)

    def stronger(self, by: float) -> None:
        """Moves the strength."""
        self.to(self.level + by)

    def to(self, level: float) -> None:
        """Sets the strength."""
        name, low, high = self.strength
        level = round(min(max(level, low), high), 4) + 0.0
        self.values[name] = (level,) if name == "psi" else level

    def next(self, by: int) -> None:
        """Goes to another style, or seed."""
        if "seeds" in self.values:
            seed = int(str(self.values["seeds"]).partition(",")[0].partition("-")[0])
            self.values["seeds"] = str((seed + by) % (LARGEST_SEED + 1))
        elif self.styles:
            self.style = (self.style + by) % len(self.styles)

    def mix(self) -> str:
        """Begins to mix, with the style that is seen, or ends it; what there is to say."""
        if len(self.styles) < 2:
            return "a mixture needs several styles"
        self.mixing = not self.mixing
        self.shares = [float(place == self.style) for place in range(len(self.styles))]
        return "up and down choose a style, [ and ] its share" if self.mixing else "one style"

    def share(self, by: float) -> str:
        """Moves the share of the style that is chosen; what there is to say."""
        if not self.mixing:
            return "m begins a mixture"
        shares = [*self.shares]
        shares[self.style] = round(min(max(shares[self.style] + by, 0), 1), 2)
        if not any(shares):
            return "one style has to stay"
        self.shares = shares
        return ""

    def choose(self, name: str, among: Sequence[str]) -> str:
        """Goes to the next of some words; what there is to say."""
        if name not in self.values or not among:
            return f"this method has no {name.replace('_', ' ')}"
        self.values[name] = among[(among.index(str(self.values[name])) + 1) % len(among)]
        return ""

    def scale(self, by: float) -> str:
        """Makes strokes larger or smaller; what there is to say."""
        known = self.values.get("style_scale")
        if not isinstance(known, int | float):
            return "this method has no size of strokes"
        self.values["style_scale"] = round(min(max(known * by, SCALES[0]), SCALES[1]), 2)
        return ""

    @property
    def used(self) -> tuple[int, ...]:
        """Styles that are in the picture."""
        return tuple(place for place, share in enumerate(self.shares) if share) if self.mixing else (self.style,)

    def asked(self, level: float | None = None) -> Asked:
        """What the picture asks for; another `level` of the strength, for the strip."""
        at = replace(self, values={**self.values})
        at.values = {**self.values}
        if level is not None:
            at.to(level)
        used, options = self.used if self.styles else (), at.values
        shares = [self.shares[place] for place in used] if len(used) > 1 else None
        if self.named:
            words = [f"{self.styles[place]}:{self.shares[place]:g}" for place in used]
            options = {**options, "style": tuple(words) if shares else (self.styles[used[0]],)}
            return Asked(self.opened(self.content, ()), None, options)
        return Asked(self.opened(self.content, used), tuple(shares) if shares else None, options)

    def levels(self) -> list[float]:
        """Of the strip."""
        _, low, high = self.strength
        return [round(low + (high - low) * place / (POINTS - 1), 4) for place in range(POINTS)]

    def likeness(self) -> tuple[object, ...]:
        """What is the same in all pictures of a strip."""
        rest = {name: value for name, value in self.values.items() if name != self.strength[0]}
        shares = tuple(self.shares) if self.mixing else ()
        return (self.content, self.used, shares, tuple(rest.items()))

    def told(self) -> str:
        """What is seen, in a line."""
        name, _, _ = self.strength
        parts = [f"{name} {self.level:.2f}"]
        if "seeds" in self.values:
            parts.append(f"seed {self.values['seeds']}")
        if self.styles and self.mixing:
            share = [f"{self.styles[place]} {self.shares[place]:g}" for place in self.used]
            parts.append(f"{' + '.join(share)}   ▸ {self.styles[self.style]}")
        elif self.styles:
            count = f"  {self.style + 1}/{len(self.styles)}" if len(self.styles) > 1 else ""
            parts.append(f"{self.styles[self.style]}{count}")
        for key, plain in (("preserve_color", "none"), ("style_scale", 1.0), ("domain", "")):
            if self.values.get(key, plain) != plain:
                parts.append(f"{key.replace('_', ' ')} {self.values[key]}")
        return "   ".join(parts)
