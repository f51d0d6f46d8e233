"""Distill VGG-19 into a small encoder with the same layer names."""

from stylecli.commands._options import from_settings
from stylecli.commands._training import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.train_encoder import TrainEncoderSettings

PANEL = "Training"


@from_settings
def command(settings: TrainEncoderSettings, compute: Machine, reporting: Reporting) -> ExitCode:
    """Distill VGG-19 into a small encoder with the same layer names (Wang et al. 2020, arXiv 2003.08436).

    To resume a training, run the same command again. `weights.safetensors` in it opens with
    --weights at any time.

    \b
      stylecli weights pull vgg19
      stylecli train encoder --content photos/ --content paintings/ --output runs/encoder
    """
    return run("encoder", settings, compute, reporting)
