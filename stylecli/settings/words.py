"""From settings back to the words of a command line that says the same."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from stylecli.settings.values import flag

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def words(settings: "DataclassInstance") -> list[str]:
    """The options of a command that differ from what it does by default, in the order of its help.

    What is given by position, and options without a word for their value, are left out.
    """
    preset = getattr(settings, "presets", {}).get(getattr(settings, "recipe", None), {})
    said: list[str] = []
    for field in fields(settings):
        value, plain = getattr(settings, field.name), preset.get(field.name, field.default)
        if value == plain or field.metadata.get("argument"):
            continue
        name, short = flag(field.name), field.metadata.get("short")
        if isinstance(value, bool):
            said.append(name if value else f"--no-{name[2:]}")
        elif value is None:
            said += [name, field.metadata["empty"]] if field.metadata.get("empty") else []
        elif isinstance(value, tuple) and field.metadata["unit"] == "file":
            for each in value:
                said += _said(name, short, each)
        else:
            said += _said(name, short, ",".join(map(_text, value)) if isinstance(value, tuple) else _text(value))
    return said


def _text(value: object) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _said(name: str, short: str | None, text: str) -> Sequence[str]:
    # What begins like an option, or is empty, is tied to its own.
    return [f"{name}={text}"] if text.startswith("-") or not text else [short or name, text]
