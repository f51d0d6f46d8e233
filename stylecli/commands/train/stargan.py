"""Train StarGAN v2 on a folder for each domain."""

from stylecli.commands._options import from_settings
from stylecli.commands._training import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.train_stargan import TrainStarganSettings

PANEL = "Training"


@from_settings
def command(settings: TrainStarganSettings, compute: Machine, reporting: Reporting) -> ExitCode:
    """Train StarGAN v2 (Choi et al. 2020) on the folders below DIR: each is a domain of its name.

    To resume a training, run the same command again. `weights.safetensors` in it opens with
    --weights at any time, `sample_N.jpg` shows contents across and references down.

    \b
      stylecli train stargan animals/ --output runs/animals --diversity-weight 2
      stylecli train stargan photos/ ukiyoe/ cubism/ --channels 32 --most-channels 128 --precision bfloat16
    """
    return run("stargan", settings, compute, reporting)
