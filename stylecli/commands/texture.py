"""Make more of a material: textures of any size, seamless if you like."""

import json
from dataclasses import replace

from stylecli.batch.inputs import expand
from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode, UsageError, printable
from stylecli.settings.shared import Compute, Outputs, Reporting, Styles
from stylecli.settings.texture import Exemplars, TextureSettings


@from_settings
def command(
    exemplars: Exemplars,
    grid: tuple[TextureSettings, ...],
    outputs: Outputs,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Make more of the material in EXEMPLAR (Gatys 2015), or let a generator draw it (Ulyanov 2016).

    Options marked … may be given several times, numbers also as first:last:count; every combination is a job.

    \b
      stylecli texture pebbles.jpg --out-size 1024x512
      stylecli texture bark.jpg --seamless --seed 0:3:4 -o bark/
      stylecli texture sand.jpg:0.7 rust.jpg:0.3 --blend
      stylecli texture --list
      stylecli texture --method net --style bark --out-size 4096x4096
    """
    if exemplars.list:
        return _list(as_json=reporting.json)
    net, words = grid[0].method == "net", exemplars.content
    if net and words:
        raise UsageError(f"{words[0]}: a net needs no exemplar", "leave it out, or --method net")
    if not net and not words:
        raise UsageError("EXEMPLAR: missing", "name a picture of a material, or say --method net --style NAME")
    if not (exemplars.blend or grid[0].guide):
        return run("texture", exemplars, None, grid, outputs, compute, reporting)
    mixed = Styles(style=words, blend=True)
    first = expand(mixed.weighted(), recursive=exemplars.recursive)[0]
    return run("texture", replace(exemplars, content=(first.path,)), mixed, grid, outputs, compute, reporting)


def _list(*, as_json: bool) -> ExitCode:
    from stylecli.checkpoints.header import textures

    for row in textures():
        print(json.dumps(row) if as_json else printable(f"{row['name']}  {row['title']}".rstrip()))
    return ExitCode.DONE
