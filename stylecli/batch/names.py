"""File names of results, from templates."""

import dataclasses
import re
import string
from collections.abc import Callable, Mapping, Sequence

from stylecli.batch.sources import Source
from stylecli.errors import UsageError
from stylecli.files import cut
from stylecli.settings.fields import Settings
from stylecli.settings.values import nearest

LONGEST = 80
"""Characters of one value in a name."""

ROOM = 240
"""Bytes of a name: file systems take 255, a number or a part's ending may be added."""


def default_template(axes: Sequence[Sequence[Mapping[str, object]]], grid: Sequence[Settings]) -> str:
    """`{stem}_{method}_{style}` and every option whose value is not the same in all jobs."""
    styled = any("style" in part for axis in axes for part in axis) or bool(getattr(grid[0], "style", ()))
    swept = [f.name for f in dataclasses.fields(grid[0]) if len({getattr(each, f.name) for each in grid}) > 1]
    named = any(part for axis in axes for part in axis)
    parts = [*(["{stem}"] if named else []), "{method}", *(["{style}"] if styled else [])]
    return "_".join([*parts, *(f"{name.replace('_', '-')}{{{name}}}" for name in swept if name != "style")]) + ".{ext}"


def fill(
    template: str,
    *,
    method: str,
    ext: str,
    index: int,
    inputs: Mapping[str, tuple[Source, ...]],
    settings: Settings,
    stem: str | None = None,
) -> str:
    """The template with its fields: `{stem}`, `{method}`, `{ext}`, `{index}`, each role of input and each setting.

    A field may carry a short format (`{index:03}`, `{alpha:.2f}`); a slash in the template makes a folder, one in
    a value does not. `stem` stands in for that of the main input. Without a suffix `.{ext}` is added.

    Raises:
        UsageError: An unknown field or a format that does not fit, with the nearest field as a hint.
    """
    values: dict[str, object] = dataclasses.asdict(settings)
    values |= {role: "+".join(source.stem for source in sources) for role, sources in inputs.items()}
    values |= {"stem": stem or next((some[0].stem for some in inputs.values()), method)}
    values |= {"method": method, "ext": ext, "index": index}
    parts: Callable[[int], str] = lambda most: "".join(
        text + cut(_value(values, field, spec, conversion), most) for text, field, spec, conversion in _parse(template)
    )
    try:
        name = parts(4 * LONGEST)
        # A character has up to four bytes.
        for most in (LONGEST, 60, 40, 20):
            if max(len(_bytes(part)) for part in re.split(r"[/\\]", name)) <= ROOM:
                break
            name = parts(most)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"--name {template}: {error}", "such as {stem}_{style}_{index:03}.{ext}") from None
    if not name.strip("./\\ ") or name.endswith(("/", "\\")) or "\0" in name:
        raise UsageError(f"--name {template}: gives no file name", "such as {stem}_{style}.{ext}")
    return name if "{ext}" in template or re.search(r"\.[A-Za-z]{3,4}$", template) else f"{name}.{ext}"


def _parse(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    return list(string.Formatter().parse(template))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _value(values: Mapping[str, object], field: str | None, spec: str | None, conversion: str | None) -> str:
    if field is None:
        return ""
    if field not in values:
        raise UsageError(f"--name: no field {{{field}}}", nearest(field, values))
    if conversion or len(spec or "") > 4:
        raise ValueError(f"{{{field}}} takes only a short format")
    value = values[field]
    if isinstance(value, tuple | list):
        value = "-".join(map(str, value))
    text = format(value, spec) if spec else f"{value:g}" if isinstance(value, float) else str(value)
    # What would be a folder, or is not allowed on some system, becomes a dash.
    text = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "-", text)[:LONGEST]
    # So does what would lead to the folder above: a file may be called `...jpg`.
    return text if text.strip(".") else "-" * len(text)
