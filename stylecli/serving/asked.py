"""What a job may ask for: a method, pictures that were uploaded, and options that name no file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stylecli.errors import UsageError
from stylecli.methods import settings_of
from stylecli.settings.fields import Settings
from stylecli.settings.shared import FORMATS
from stylecli.settings.values import build, nearest

LARGEST_PREVIEW = 4096
MOST_STYLES = 8
TEXT = 200
"""Characters of an option."""


@dataclass(frozen=True)
class Played:
    """A method that is served.

    Attributes:
        title: What it does.
        content: Whether it takes a picture.
        styles: Whether it takes pictures of styles.
        options: Those that a job may set: none that names a file, and none that a job alone could make endless.
        ranges: Limits beside the options' own.
    """

    title: str
    content: bool
    styles: bool
    options: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


SIZES = {"size": (16, 16384), "style_size": (16, 4096), "style_scale": (0.05, 4)}
METHODS = {
    "fast": Played(
        "A style that the network knows",
        True,
        False,
        ("style", "alpha", "style_scale", "preserve_color", "size"),
        SIZES,
    ),
    "adain": Played(
        "The style of any picture",
        True,
        True,
        ("alpha", "style_scale", "style_size", "preserve_color", "crop", "size"),
        SIZES,
    ),
    "stargan ref": Played(
        "Another domain, in the style of a reference",
        True,
        True,
        ("alpha", "domain", "content_domain", "fit", "size"),
        {"size": (16, 1024)},
    ),
    "stylegan sample": Played(
        "A picture of nothing", False, False, ("seeds", "psi", "noise", "cutoff"), {"psi": (-2, 2)}
    ),
}
KEYS = ("method", "content", "styles", "shares", "options", "preview", "format", "quality")


@dataclass(frozen=True)
class Asked:
    """A job, as it was asked for.

    Attributes:
        method: Its name.
        settings: Of the method.
        content: The number of a picture; None where there is none.
        styles: Likewise, of each style.
        shares: Of each style, where there are several.
        preview: The long side in pixels; None for the file that the command writes.
        format: Of the file; None for that of the content.
        quality: Of the file.
    """

    method: str
    settings: Settings
    content: str | None
    styles: tuple[str, ...]
    shares: tuple[float, ...] | None
    preview: int | None
    format: str | None
    quality: int

    @classmethod
    def parse(cls, said: object) -> "Asked":
        """A job from JSON.

        Raises:
            UsageError: What it asks for cannot be.
        """
        if not isinstance(said, dict):
            raise UsageError("job: not an object", f"with {', '.join(KEYS)}")
        if unknown := next((key for key in said if key not in KEYS), None):
            raise UsageError(f"{str(unknown)[:40]}: no such key", nearest(str(unknown)[:40], KEYS))
        method = said.get("method")
        if not isinstance(method, str) or method not in METHODS:
            raise UsageError(f"method {str(method)[:40]}: not served", f"one of {', '.join(METHODS)}")
        played = METHODS[method]
        content, styles = said.get("content"), said.get("styles", [])
        if played.content != isinstance(content, str) or content == "":
            raise UsageError(
                *(("content: missing", "upload a picture") if played.content else ("content: takes none",))
            )
        if not isinstance(styles, list) or not all(isinstance(one, str) for one in styles) or len(styles) > MOST_STYLES:
            raise UsageError(f"styles: not a list of at most {MOST_STYLES} pictures")
        if played.styles != bool(styles):
            raise UsageError(*(("styles: missing", "upload a picture") if played.styles else ("styles: takes none",)))
        options = _options(played, said.get("options", {}))
        return cls(
            method,
            build(settings_of(method), options),
            content,
            tuple(styles),
            _shares(said.get("shares"), len(styles)),
            _whole("preview", said.get("preview"), 16, LARGEST_PREVIEW),
            _format(said.get("format")),
            _whole("quality", said.get("quality"), 1, 100) or 92,
        )

    @property
    def changing(self) -> dict[str, object]:
        """Options that may change while a session stays open."""
        return {name: getattr(self.settings, name) for name in self.settings.playable()}

    @property
    def fixed(self) -> tuple[object, ...]:
        """What jobs of one session have in common."""
        kept = (value for name, value in vars(self.settings).items() if name not in self.changing)
        return (self.method, self.content, self.styles, *kept)


def _options(played: Played, said: object) -> dict[str, object]:
    if not isinstance(said, dict):
        raise UsageError("options: not an object", f"with {', '.join(played.options)}")
    for name, value in said.items():
        if name not in played.options:
            raise UsageError(f"{str(name)[:40]}: no such option here", nearest(str(name)[:40], played.options))
        values: Sequence[object] = value if isinstance(value, list) else [value]
        if len(values) > 32 or any(len(str(each)) > TEXT for each in values):
            raise UsageError(f"{name}: too long")
        low, high = played.ranges.get(name, (None, None))
        for each in values:
            if low is not None and high is not None and isinstance(each, int | float) and not low <= each <= high:
                raise UsageError(f"{name} {each}: not from {low:g} to {high:g}")
    made = dict(said)
    # The command's lists may name files of latents and noise; these are of one picture, and of no file.
    if "seeds" in made and not re.fullmatch(r"\d{1,10}", str(made["seeds"]), re.ASCII):
        raise UsageError(f"seeds {str(made['seeds'])[:40]}: one number")
    made |= {"seeds": str(made["seeds"])} if "seeds" in made else {}
    if "psi" in made and not isinstance(made["psi"], int | float):
        raise UsageError("psi: one number")
    if made.get("noise", "const") not in ("const", "random", "none"):
        raise UsageError("noise: one of const, random, none")
    if "style" in made and isinstance(made["style"], str):
        made["style"] = [made["style"]]
    return made


def _shares(said: object, count: int) -> tuple[float, ...] | None:
    if said is None:
        return None
    numbers = isinstance(said, list) and all(type(one) in (int, float) and 0 <= one <= 1e6 for one in said)
    if not (isinstance(said, list) and numbers and len(said) == count and sum(said) > 0):
        raise UsageError(f"shares: not {count} numbers, not all of them 0")
    return tuple(map(float, said))


def _whole(name: str, said: object, low: int, high: int) -> int | None:
    if said is None:
        return None
    if not isinstance(said, int) or isinstance(said, bool) or not low <= said <= high:
        raise UsageError(f"{name} {str(said)[:40]}: not a whole number from {low} to {high}")
    return said


def _format(said: object) -> str | None:
    if said is not None and said not in FORMATS:
        raise UsageError(f"format {str(said)[:40]}: not one of {', '.join(FORMATS)}")
    return None if said is None else str(said)
