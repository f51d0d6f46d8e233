"""A strip from psi -1 over the mean to psi 1."""

from stylecli.commands._live import play
from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings.live import Live
from stylecli.settings.shared import Compute, Files, Reporting
from stylecli.settings.stylegan import StyleganTruncateSettings


@from_settings
def command(
    settings: StyleganTruncateSettings, live: Live, outputs: Files, compute: Compute, reporting: Reporting
) -> ExitCode:
    """The truncation trick on a strip (Karras et al. 2019, figure 8): psi from -1, an opposite, to 1, the picture.

    \b
      stylecli stylegan truncate --seeds 0-3
      stylecli stylegan truncate --weights ffhq.pkl --seeds 91 --psi 1,0.7,0.5,0,-0.5,-1 -o strip.png
    """
    if live.live:
        return play("stylegan truncate", None, None, [settings], outputs, compute, reporting)
    return run("stylegan truncate", None, None, [settings], outputs, compute, reporting, stems=["stylegan_truncate"])
