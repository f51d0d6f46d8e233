"""Find the latents of a photo."""

from pathlib import Path

from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Compute, Files, Reporting
from stylecli.settings.stylegan import StyleganProjectSettings


@from_settings
def command(settings: StyleganProjectSettings, outputs: Files, compute: Compute, reporting: Reporting) -> ExitCode:
    """Find the w of each layer whose picture is nearest to PHOTO; they are written beside it as .safetensors.

    \b
      stylecli stylegan project face.jpg --weights ffhq.pkl
      stylecli stylegan mix --weights ffhq.pkl --rows face_stylegan.safetensors --columns 0-5
    """
    stem = f"{Path(settings.photo).stem}_stylegan"
    return run("stylegan project", None, None, [settings], outputs, compute, reporting, stems=[stem])
