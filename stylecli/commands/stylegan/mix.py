"""Cross rows and columns of pictures: layout of the one, colors of the other."""

from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Compute, Files, Reporting
from stylecli.settings.stylegan import StyleganMixSettings


@from_settings
def command(settings: StyleganMixSettings, outputs: Files, compute: Compute, reporting: Reporting) -> ExitCode:
    """Style mixing (Karras et al. 2019, figure 3): each row with the styles of each column in some layers.

    \b
      stylecli stylegan mix --rows 0-2 --columns 3-7 --layers coarse
      stylecli stylegan mix --weights ffhq.pkl --rows 85,100 --columns 55,821 --layers 0-6 -o mix.png
      stylecli stylegan mix --rows face.safetensors --columns 0-5 --layers middle,fine
    """
    return run("stylegan mix", None, None, [settings], outputs, compute, reporting, stems=["stylegan_mix"])
