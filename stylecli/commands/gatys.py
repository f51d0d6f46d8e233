"""Paint a picture in the style of another by optimization: any style, minutes a picture."""

from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings.gatys import GatysSettings
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Compute, Contents, Reporting, Styles


@from_settings
def command(
    contents: Contents,
    styles: Styles,
    grid: tuple[GatysSettings, ...],
    outputs: MovingOutputs,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Paint CONTENT in the style of --style by optimization (Gatys, Ecker, Bethge 2016).

    Options marked … may be given several times, numbers also as first:last:count; every combination is a job.

    \b
      stylecli gatys photo.jpg --style wave.jpg
      stylecli gatys photo.jpg --style wave.jpg --style-weight 0.5:2:4 -o sweep/
      stylecli gatys photos/ -r --style a.jpg:0.3 --style b.jpg:0.7 --blend -o out/
    """
    return run("gatys", contents, styles, grid, outputs, compute, reporting)
