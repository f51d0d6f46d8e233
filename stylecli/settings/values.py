"""What a value must be to fit a field made by `fields.option`: from words, from Python, from a stored record."""

import dataclasses
import difflib
import math
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, Union, get_args, get_origin, get_type_hints

from stylecli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST_STEPS = 1000
LARGEST = 2**63
"""Beyond all whole numbers that libraries take."""

NUMBERS = {int: "a whole number", float: "a number"}
T = TypeVar("T", bound="DataclassInstance")
Value = str | bool | int | float | None


@dataclasses.dataclass(frozen=True)
class Kind:
    """The type of one value of a field.

    Attributes:
        base: `str`, `int`, `float` or `bool`.
        many: The field holds a tuple of such values.
        optional: None is allowed.
    """

    base: type
    many: bool = False
    optional: bool = False


def kinds(settings: type) -> dict[str, Kind]:
    """The kind of every field of a settings dataclass."""
    hints = get_type_hints(settings)
    return {field.name: _kind(hints[field.name]) for field in dataclasses.fields(settings)}


def _kind(hint: object) -> Kind:
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = (_kind(arm) for arm in get_args(hint) if arm is not type(None))
        return dataclasses.replace(inner, optional=True)
    if get_origin(hint) is tuple:
        return Kind(get_args(hint)[0], many=True)
    assert isinstance(hint, type)
    return Kind(hint)


def flag(name: str) -> str:
    """The option that sets the field `name`: `style_weight` is `--style-weight`, `class_` is `--class`."""
    return f"--{name.strip('_').replace('_', '-')}"


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint that names what was probably meant, else everything that may be said."""
    known = list(words)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"one of {', '.join(known)}"


def expected(field: "dataclasses.Field[object]", kind: Kind) -> str:
    """The values that a field allows, in words; empty when any text will do."""
    low, high = field.metadata.get("minimum"), field.metadata.get("maximum")
    if choices := field.metadata.get("choices"):
        return ", ".join(choices)
    number = NUMBERS.get(kind.base, "")
    if low is not None and high is not None:
        return f"{number} from {low:g} to {high:g}"
    if low is not None:
        return f"{number}, {low:g} or more"
    return f"{number}, {high:g} or less" if high is not None else number


def parse(field: "dataclasses.Field[object]", kind: Kind, word: str) -> Value:
    """One value from one word of the command line.

    Raises:
        UsageError: Not a number, out of range, or not one of the choices; names the option and what it takes.
    """
    if word and word == field.metadata.get("empty"):
        return None
    try:
        value = kind.base(word) if kind.base in NUMBERS else word
    except ValueError:
        raise _wrong(field, kind, word) from None
    return _checked(field, kind, value)


def sweep(field: "dataclasses.Field[object]", kind: Kind, words: Sequence[str]) -> tuple[Value, ...]:
    """The values of an option given several times, or as `first:last:count`; doubles are dropped.

    `0:1:5` is five even steps with both ends, exactly; between the ends, floats have 12 digits and integers are
    rounded.

    Raises:
        UsageError: As `parse`; or a count that is not a whole number from 2 to 1000.
    """
    values: list[Value] = []
    for word in words:
        parts = word.split(":")
        if kind.base in NUMBERS and len(parts) == 3:
            first, last = (parse(field, kind, part) for part in parts[:2])
            if not (isinstance(first, int | float) and isinstance(last, int | float)):
                raise _wrong(field, kind, word)
            if not (parts[2].isdecimal() and len(parts[2]) <= 4 and 2 <= int(parts[2]) <= MOST_STEPS):
                raise UsageError(
                    f"{flag(field.name)} {_short(word)}: the count is not a whole number from 2 to {MOST_STEPS}",
                    "first:last:count, such as 0:1:5",
                )
            values += _even(first, last, int(parts[2]))
        else:
            values.append(parse(field, kind, word))
    return tuple(dict.fromkeys(values))


def numbers(said: object, name: str) -> tuple[float, ...]:
    """Numbers as they come from Python or an older record: `0.5`, `"0.5,0.7"` or `"-1:1:9"`, or a sequence of numbers.

    Raises:
        UsageError: Something else.
    """
    words = said.split(",") if isinstance(said, str) else said if isinstance(said, tuple | list) else [said]
    field: dataclasses.Field[object] = dataclasses.field(metadata={"sweep": True})
    field.name = name.strip("-")
    found = (each for word in words for each in sweep(field, Kind(float), [str(word)]))
    return tuple(each for each in found if isinstance(each, float))


def number(said: object, name: str) -> float:
    """One of `numbers`.

    Raises:
        UsageError: Something else, or several.
    """
    found = numbers(said, name)
    if len(found) != 1:
        raise UsageError(f"{name} {_short(str(said))}: one number")
    return found[0]


def _even(first: float, last: float, count: int) -> Sequence[float]:
    if isinstance(first, int) and isinstance(last, int):
        gaps = count - 1
        return [first + (2 * (last - first) * i + gaps) // (2 * gaps) for i in range(count)]
    low, high = sorted((first, last))
    between = (first * (1 - i / (count - 1)) + last * (i / (count - 1)) for i in range(1, count - 1))
    return [first, *(min(max(float(f"{value:.12g}"), low), high) for value in between), last]


def check(settings: "DataclassInstance") -> None:
    """Holds every field of a settings object to its type, range and choices, for values that came from Python.

    Raises:
        UsageError: The first field that does not fit, named as its option.
    """
    known = kinds(type(settings))
    for field in dataclasses.fields(settings):
        kind, value = known[field.name], getattr(settings, field.name)
        if value is None and kind.optional:
            continue
        values: Sequence[Value] = value if kind.many and isinstance(value, tuple | list) else (value,)
        for one in values:
            if type(one) is not kind.base and not (kind.base is float and type(one) is int):
                raise _wrong(field, kind, repr(one))
            _checked(field, kind, one)


def build(settings: type[T], given: Mapping[str, object]) -> T:
    """A settings object from the values that were given, by Python or by a stored record; lists become tuples.

    What is left out comes from the preset that the field `recipe` names, where the class has `presets`, else from
    the defaults.

    Raises:
        UsageError: A name that the method does not have (a typo, or stored by another version), or a bad value.
    """
    known = kinds(settings)
    for name in given:
        if name not in known:
            raise UsageError(f"{flag(name)}: no such option", nearest(name, known))
    values = {n: tuple(v) if known[n].many and isinstance(v, list) else v for n, v in given.items()}
    recipe = values.get("recipe", getattr(settings, "recipe", None))
    made = settings(**{**getattr(settings, "presets", {}).get(recipe, {}), **values})
    check(made)
    return made


def completed(settings: type, stored: Mapping[str, object]) -> dict[str, object]:
    """What a record holds, and for options that are younger than it what was done before they were there."""
    young = {field.name: field.metadata.get("before") for field in dataclasses.fields(settings)}
    return {**young, **stored}


def _checked(field: "dataclasses.Field[object]", kind: Kind, value: Value) -> Value:
    low, high, choices = (field.metadata.get(key) for key in ("minimum", "maximum", "choices"))
    if choices and value not in choices:
        raise _wrong(field, kind, str(value))
    if (
        isinstance(value, int | float)
        and kind.base in NUMBERS
        and not (
            (abs(value) < LARGEST if kind.base is int else math.isfinite(value))
            and (low is None or value >= low)
            and (high is None or value <= high)
        )
    ):
        raise _wrong(field, kind, str(value))
    return value


def _wrong(field: "dataclasses.Field[object]", kind: Kind, said: str) -> UsageError:
    choices = field.metadata.get("choices")
    takes = expected(field, kind) or kind.base.__name__
    names = {each: each for each in choices or ()} | dict(field.metadata.get("also", {}))
    near = difflib.get_close_matches(said.lower(), names, n=1)
    return UsageError(
        f"{flag(field.name)} {_short(said)}: not {'one of ' * bool(choices)}{takes}",
        f"did you mean {names[near[0]]}?" if near else "",
    )


def _short(said: str) -> str:
    return said if len(said) <= 40 else f"{said[:39]}…"
