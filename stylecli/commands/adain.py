"""Paint a picture in any style in one pass, at any strength and any size."""

from stylecli.commands._live import play
from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings.adain import AdainSettings
from stylecli.settings.live import Live
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Compute, Contents, Reporting, Styles


@from_settings
def command(
    contents: Contents,
    styles: Styles,
    grid: tuple[AdainSettings, ...],
    live: Live,
    outputs: MovingOutputs,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Paint CONTENT in the style of --style in one pass (Huang, Belongie 2017), at strength --alpha.

    Options marked … may be given several times, numbers also as first:last:count; every combination is a job.

    \b
      stylecli adain photo.jpg --style wave.jpg --alpha 0.6
      stylecli adain photo.jpg --style wave.jpg --style night.jpg --alpha 0:1:5 --grid -o sheet.png
      stylecli adain photos/ -r --style a.jpg:0.3 --style b.jpg:0.7 --blend -o out/
      stylecli adain photo.jpg --style a.jpg --mask sky.png --style b.jpg --mask ground.png
      stylecli adain photo.jpg --style paintings/ --live
    """
    go = play if live.live else run
    return go("adain", contents, styles, grid, outputs, compute, reporting)
