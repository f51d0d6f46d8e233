"""Train a network that paints in any style."""

from stylecli.commands._options import from_settings
from stylecli.commands._training import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.train_adain import TrainAdainSettings

PANEL = "Training"


@from_settings
def command(settings: TrainAdainSettings, compute: Machine, reporting: Reporting) -> ExitCode:
    """Train a network that paints in any style (AdaIN; Huang, Belongie 2017, arXiv 1703.06868).

    To resume a training, run the same command again. `weights.safetensors` in it opens with
    --weights at any time, `sample_N.jpg` shows what it makes.

    \b
      stylecli train adain --content photos/ --style paintings/ --output runs/adain
      stylecli train adain --network published --style-weight 10 --learning-rate 1e-4 --content a/ --style b/
    """
    return run("adain", settings, compute, reporting)
