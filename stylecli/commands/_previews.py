"""Little pictures on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from stylecli.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS = 36


def previews(rows: Sequence[Mapping[str, str]], weights: str) -> Iterator[str]:
    """A photograph in the style of each row, as lines for the terminal.

    Raises:
        UsageError: stdout shows no colors.
    """
    from PIL.Image import Image
    from rich.console import Console

    from stylecli import api

    console = Console(highlight=False)
    if not console.color_system:
        raise UsageError("--preview: stdout shows no colors", "fast PHOTO --style A --style B --grid makes a sheet")
    with as_file(files("stylecli") / "examples" / "harbor.jpg") as photo:
        for row in rows:
            with console.capture() as captured:
                painted = api.fast(photo, weights=weights, style=row["name"], size=128)
                assert isinstance(painted, Image)
                console.print(*_lines(painted), sep="\n")
            yield captured.get()


def _lines(image: "Image") -> Iterator[str]:
    """Two pixels a character: the upper half block has one for its color, the other behind it."""
    height = round(COLUMNS * image.height / image.width / 2)
    small = image.convert("RGB").resize((COLUMNS, 2 * height))
    levels = iter(small.tobytes())
    colors = [f"rgb({r},{g},{b})" for r, g, b in zip(levels, levels, levels, strict=True)]
    rows = [colors[start : start + COLUMNS] for start in range(0, len(colors), COLUMNS)]
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        yield "".join(f"[{above} on {below}]▀[/]" for above, below in zip(upper, lower, strict=True))
