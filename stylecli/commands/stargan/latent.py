"""Translate a picture with random styles of a domain."""

from dataclasses import replace

from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings import lists
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Compute, Contents, Reporting
from stylecli.settings.stargan import StarganLatentSettings


@from_settings
def command(
    contents: Contents,
    grid: tuple[StarganLatentSettings, ...],
    outputs: MovingOutputs,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Translate CONTENT to --domain, in a style of its own for each of --seeds (StarGAN v2, Choi et al. 2020).

    \b
      stylecli stargan latent photo.jpg --domain Ukiyo_e --seeds 0-4 --grid -o sheet.png
      stylecli stargan latent photos/ --domain Cubism --domain Pointillism --seeds 7 -o out/
      stylecli stargan latent cat.jpg --weights stargan-afhq --domain wild --seeds 0-7 --psi 0.7 -o wild/
    """
    each = [replace(one, seeds=str(seed)) for one in grid for seed in lists.integers(one.seeds, "--seeds")]
    return run("stargan latent", contents, None, each, outputs, compute, reporting)
