"""A looping clip through seeds or saved latents."""

from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Compute, Files, Reporting
from stylecli.settings.stylegan import StyleganInterpolateSettings


@from_settings
def command(settings: StyleganInterpolateSettings, outputs: Files, compute: Compute, reporting: Reporting) -> ExitCode:
    """A looping clip through seeds or saved latents: .webp, .gif or .mp4.

    \b
      stylecli stylegan interpolate --seeds 0-5 -o walk.webp
      stylecli stylegan interpolate --seeds a.safetensors,b.safetensors --space w -o walk.mp4
    """
    return run(
        "stylegan interpolate",
        None,
        None,
        [settings],
        outputs,
        compute,
        reporting,
        stems=["stylegan_interpolate"],
        clip=True,
    )
