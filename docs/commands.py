"""Writes the pages of the commands into `docs/pages/commands`, from the command line itself.

Names, help and options are those of `stylecli COMMAND --help`, which come from the settings dataclasses. No PyTorch is
imported. `python docs/commands.py`, before the site is built.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from stylecli.cli import commands  # noqa: E402

Pages = dict[str, list[tuple[str, Any]]]


def text(words: str | None) -> str:
    """Help as Markdown: code stays code, and nothing else is markup."""
    plain = (words or "").replace("\\[", "[")
    parts = re.split(r"(`[^`]*`)", plain)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<|\[\]])", r"\\\1", part) for part in parts)


def prose(words: str | None) -> str:
    """The docstring of a command: examples, which are indented, become blocks of code."""
    lines = (words or "").replace("\\[", "[").replace("\b", "").splitlines()
    made: list[str] = []
    inside = False
    for line in lines:
        example = line.startswith("  ")
        if example != inside and (example or line.strip()):
            made += ["", "```sh" if example else "```"]
            inside = example
        made.append(line.strip() if example else text(line))
    return "\n".join([*made, *["```"] * inside]).strip()


def rows(command: Any) -> Iterator[tuple[str, str]]:
    """(heading, row of a table) of each option."""
    for each in command.params:
        if getattr(each, "hidden", False):
            continue
        names = [] if each.param_type_name == "argument" else [*each.opts, *each.secondary_opts]
        metavar = each.metavar or ("" if each.param_type_name == "option" else each.name.upper())
        shown = " ".join([", ".join(f"`{name}`" for name in names), f"`{metavar}`" if metavar else ""]).strip()
        heading = getattr(each, "rich_help_panel", None) or ("Options" if names else "Arguments")
        yield heading, f"| {shown} | {text(each.help).replace(chr(10), ' ')} |"


def section(path: str, command: Any, level: int) -> str:
    """A command: what it does, then a table for each group of options."""
    tables: dict[str, list[str]] = {}
    for heading, row in rows(command):
        tables.setdefault(heading, []).append(row)
    made = [f"{'#' * level} stylecli {path}", prose(command.help)]
    for heading, lines in tables.items():
        made.append("\n".join([f"**{heading}**", "", "| option | what it does |", "|---|---|", *lines]))
    return "\n\n".join(made)


def main() -> None:
    """Writes a page for each command, one with subcommands on one page, and their index."""
    folder = DOCS / "pages" / "commands"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pages: Pages = {}
    for path, command in commands():
        pages.setdefault(path.split()[0], []).append((path, command))
    index = ["# Commands", "", "`stylecli COMMAND --help` shows the same in the terminal.", ""]
    index += ["| command | what it does |", "|---|---|"]
    for name, parts in pages.items():
        body = [section(path, command, 1 if path == name else 2) for path, command in parts]
        (folder / f"{name}.md").write_text("\n\n".join(body) + "\n")
        first = text(parts[0][1].help).split("\n")[0].split(". ")[0]
        index.append(f"| [`stylecli {name}`]({name}.md) | {first} |")
    (folder / "index.md").write_text("\n".join(index) + "\n")
    shutil.copy(ROOT / "benchmarks/results/table.svg", DOCS / "pages/pictures/table.svg")


if __name__ == "__main__":
    main()
