"""Typer parameters from settings dataclasses, so that no option is written twice."""

import dataclasses
import inspect
import itertools
import re
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import TypeVar, get_args, get_origin, get_type_hints

import typer

from stylecli.settings.over_time import arranged
from stylecli.settings.values import Kind, build, expected, flag, kinds, parse, sweep

T = TypeVar("T")


def from_settings(command: Callable[..., T]) -> Callable[..., T]:
    """Gives Typer the fields of a command's dataclass parameters as options, and the command the dataclasses.

    A parameter `settings: S` becomes one object of the dataclass `S`; `grid: tuple[S, ...]` becomes all
    combinations of the options that may be swept, the last option varying fastest.

    Raises:
        UsageError: (when called) A value that does not fit its field.
    """
    hints = {name: hint for name, hint in get_type_hints(command).items() if name != "return"}
    classes = {name: get_args(hint)[0] if get_origin(hint) is tuple else hint for name, hint in hints.items()}
    fields = {
        name: [(field, kinds(cls)[field.name]) for field in dataclasses.fields(cls)] for name, cls in classes.items()
    }

    @wraps(command)
    def run(**words: object) -> T:
        made = {}
        # What changes along a clip is typed at the option that it changes.
        words = arranged(words) if "over_time" in words else words
        for name, cls in classes.items():
            spans: dict[str, Sequence[object]] = {}
            for field, kind in fields[name]:
                if words.get(f"no_{field.name}"):
                    spans[field.name] = [False]
                elif words[field.name] not in (None, []):
                    spans[field.name] = _values(field, kind, words[field.name])
            grid = tuple(build(cls, dict(zip(spans, each, strict=True))) for each in itertools.product(*spans.values()))
            made[name] = grid[0] if cls is hints[name] else grid
        return command(**made)

    parameters: list[inspect.Parameter] = []
    for name, cls in classes.items():
        # What all of a kind share comes last in the help.
        own = sorted(fields[name], key=lambda each: each[0].name not in vars(cls).get("__annotations__", {}))
        parameters += [_parameter(field, kind) for field, kind in own]
        # What a preset switches on, the user may switch off.
        flags = [f"no_{field.name}" for field, kind in fields[name] if kind.base is bool and hasattr(cls, "presets")]
        parameters += [_named(each, bool, typer.Option(False, flag(each), hidden=True)) for each in flags]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _named(name: str, annotation: object, info: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=annotation)


def _values(field: "dataclasses.Field[object]", kind: Kind, said: object) -> Sequence[object]:
    """All values that one option spans; a single one unless it may be swept."""
    if kind.base is bool:
        return [said]
    words = list(said) if isinstance(said, list | tuple) else [str(said)]
    if kind.many and kind.base is float:
        return [tuple(itertools.chain.from_iterable(sweep(field, kind, _parts(field, word)) for word in words))]
    if kind.many:
        picks = [tuple(parse(field, kind, part) for part in _parts(field, word)) for word in words]
        return picks if field.metadata["sweep"] else [tuple(itertools.chain.from_iterable(picks))]
    return sweep(field, kind, words) if field.metadata["sweep"] else [parse(field, kind, *words)]


def _parts(field: "dataclasses.Field[object]", word: str) -> Sequence[str]:
    """The values in one word: file names may hold commas, layer names and numbers do not."""
    return [word] if field.metadata["unit"] in ("file", "content") else word.split(",")


def _parameter(field: "dataclasses.Field[object]", kind: Kind) -> inspect.Parameter:
    """What Typer reads for one field: text or a flag, None where nothing was said; `settings.values` checks it."""
    meta = field.metadata
    annotation = bool if kind.base is bool else list[str] if kind.many or meta["sweep"] else str
    remarks = "; ".join(filter(None, _remarks(field, kind)))
    text = f"{meta['help']} ({remarks})".removesuffix(" ()")
    if meta.get("argument"):
        info = typer.Argument(None, metavar=meta["unit"].upper(), help=text, show_default=False)
    else:
        info = typer.Option(
            None,
            *filter(None, [flag(field.name), meta.get("short")]),
            help=text,
            metavar=_metavar(field, kind),
            show_default=False,
            rich_help_panel=meta["panel"] or None,
            autocompletion=_completion(field),
        )
    return _named(field.name, annotation | None, info)


def _completion(field: "dataclasses.Field[object]") -> Callable[[str], list[str]] | None:
    """What a shell offers behind an option: names of weights or of embedded styles, or the choices."""
    if field.name == "weights":
        # Imported when a shell asks, not whenever a command starts.
        return lambda incomplete: import_module("stylecli.checkpoints.store").complete(incomplete)
    if field.metadata["unit"] == "name":
        return lambda incomplete: import_module("stylecli.checkpoints.store").complete_styles(incomplete)
    choices = field.metadata["choices"]
    return (lambda incomplete: [each for each in choices if each.startswith(incomplete)]) if choices else None


def _metavar(field: "dataclasses.Field[object]", kind: Kind) -> str:
    if kind.base is bool:
        return ""
    plain = "word" if field.metadata["choices"] else {int: "n", float: "x"}.get(kind.base, "text")
    return (field.metadata["unit"] or plain).upper() + "…" * (field.metadata["sweep"] or kind.many)


def _remarks(field: "dataclasses.Field[object]", kind: Kind) -> list[str]:
    """What stands in brackets behind the help: limits, source, default."""
    default = field.default
    if isinstance(default, tuple | float):
        default = ",".join(map(str, default)) if isinstance(default, tuple) else f"{default:g}"
    shown = kind.base is not bool and default not in (None, "")
    limits = re.sub(r"^a (whole )?number,? ?", "", expected(field, kind))
    return [limits, field.metadata["source"], f"default {default}" * shown]
