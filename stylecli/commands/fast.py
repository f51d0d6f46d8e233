"""Paint a picture in one pass, in a style that a network has learned: seconds a picture."""

import json
from collections.abc import Iterator

from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode, printable
from stylecli.settings.fast import Blending, FastContents, FastSettings
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Compute, Reporting


@from_settings
def command(
    contents: FastContents,
    blending: Blending,
    grid: tuple[FastSettings, ...],
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
      stylecli fast photos/ -r --style great_wave:0.3 --style udnie:0.7 --blend -o out/
    """
    if contents.list_styles:
        return _list(grid[0].weights, as_json=reporting.json, preview=contents.preview)
    return run("fast", contents, None, blending.arranged(grid), outputs, compute, reporting)


def _list(weights: str, *, as_json: bool, preview: bool) -> ExitCode:
    from stylecli.checkpoints.header import styles_of
    from stylecli.checkpoints.store import resolve

    rows = styles_of(resolve(weights))
    if rows is None:
        # Only PyTorch can open what others wrote.
        from stylecli.backends.fast import styles

        rows = styles(weights)
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
