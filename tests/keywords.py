"""Types of the options of `stylecli.api`, made of the settings: `python tests/keywords.py` writes the stub."""

import dataclasses
import json
from pathlib import Path

from stylecli.methods import settings_of
from stylecli.settings.shared import Machine
from stylecli.settings.values import Kind, kinds

STUB = Path(__file__).parent.parent / "stylecli/settings/keywords.pyi"
COMMANDS = {
    "Gatys": ["gatys"],
    "Adain": ["adain"],
    "Fast": ["fast"],
    "Texture": ["texture"],
    "Stargan": ["stargan ref", "stargan latent"],
    "Stylegan": [f"stylegan {name}" for name in ("sample", "truncate", "mix", "interpolate", "project", "ppl")],
    "Audio": ["audio"],
}
LISTS = ("seeds", "rows", "columns", "class_")
HEAD = '''"""Keywords of the functions of `stylecli.api`; `python tests/keywords.py` makes them of the settings."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from stylecli.progress import Listener

'''


def text() -> str:
    """The stub."""
    parts = [_one("_Machine", "TypedDict", {**_hints(Machine), "listener": "Listener"})]
    for name, commands in COMMANDS.items():
        found: dict[str, str] = {}
        for command in commands:
            for field, hint in _hints(settings_of(command)).items():
                words = dict.fromkeys([*found.get(field, hint).split(" | "), *hint.split(" | ")])
                found[field] = " | ".join(sorted(words, key=lambda word: word == "None"))
        parts.append(_one(name, "_Machine", found))
    return HEAD + "\n".join(parts)


def _hints(settings: type) -> dict[str, str]:
    known = kinds(settings)
    return {field.name: _hint(field, known[field.name]) for field in dataclasses.fields(settings)}


def _hint(field: "dataclasses.Field[object]", kind: Kind) -> str:
    base = kind.base.__name__
    if (choices := field.metadata["choices"]) and field.name not in vars(Machine):
        base = f"Literal[{', '.join(map(json.dumps, choices))}]"
    # Lists of the command line may be one name or number.
    if kind.many:
        base = f"Sequence[{base}] | {base}" + " | str" * (base == "float")
    return base + " | int" * (field.name in LISTS) + " | None" * kind.optional


def _one(name: str, base: str, hints: dict[str, str]) -> str:
    rows = [f"    {field}: {hint}" for field, hint in hints.items()]
    lines = [f"class {name}({base}, total=False):", *rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    STUB.write_text(text())
