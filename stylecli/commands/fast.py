"""Paint a picture in one pass, in a style that a network has learned: seconds a picture."""

import json
from collections.abc import Iterator
from dataclasses import replace

from stylecli.commands._live import play
from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode, printable
from stylecli.settings.fast import Blending, FastContents, FastSettings
from stylecli.settings.live import Live
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Compute, Reporting


@from_settings
def command(
    contents: FastContents,
    blending: Blending,
    grid: tuple[FastSettings, ...],
    live: Live,
    outputs: MovingOutputs,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Paint CONTENT in a style that the network has learned (Johnson 2016, Dumoulin 2017).

    Options marked … may be given several times, numbers also as first:last:count; every combination is a job.

    \b
      stylecli fast --list-styles --preview
      stylecli fast photo.jpg --style great_wave --style the_scream
      stylecli fast photo.jpg --style great_wave --alpha 0:1:5 -o sweep/
      stylecli fast photo.jpg --live
      stylecli fast photos/ -r --style great_wave:0.3 --style udnie:0.7 --blend -o out/
    """
    if contents.list_styles:
        return _list(grid[0].weights, as_json=reporting.json, preview=contents.preview)
    jobs = blending.arranged(grid)
    if live.live:
        return _play(contents, jobs, outputs, compute, reporting)
    return run("fast", contents, None, jobs, outputs, compute, reporting)


def _play(
    contents: FastContents,
    grid: tuple[FastSettings, ...],
    outputs: MovingOutputs,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Begins with the style that was named, or the first one of the net."""
    names = [row["name"] for row in _rows(grid[0].weights)]
    begun = grid[0] if grid[0].style or not names else replace(grid[0], style=(names[0],))
    return play("fast", contents, None, [begun], outputs, compute, reporting, names=names)


def _rows(weights: str) -> list[dict[str, str]]:
    from stylecli.checkpoints.header import styles_of
    from stylecli.checkpoints.store import resolve

    rows = styles_of(resolve(weights))
    if rows is not None:
        return rows
    # Only PyTorch can open what others wrote.
    from stylecli.backends.fast import styles

    return styles(weights)


def _list(weights: str, *, as_json: bool, preview: bool) -> ExitCode:
    rows = _rows(weights)
    pictures: Iterator[str] = iter(())
    if preview and not as_json:
        from stylecli.commands._previews import previews

        pictures = previews(rows, weights)
    if not as_json:
        rows = [{key: printable(value) for key, value in row.items()} for row in rows]
    widths = [max(len(row[key]) for row in rows) for key in ("name", "title")]
    for row in rows:
        if as_json:
            print(json.dumps(row))
        else:
            by = ", ".join(filter(None, (row["artist"], row["year"])))
            sizes = f"  (--style-scale {row['scales']})" if "scales" in row else ""
            print(f"{row['name']:{widths[0]}}  {row['title']:{widths[1]}}  {by}{sizes}".rstrip())
        print(next(pictures, ""), end="", flush=True)
    return ExitCode.DONE
