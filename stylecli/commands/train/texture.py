"""Train a generator that draws one material, of any size."""

from stylecli.commands._options import from_settings
from stylecli.commands._training import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.train_texture import TrainTextureSettings

PANEL = "Training"


@from_settings
def command(settings: TrainTextureSettings, compute: Machine, reporting: Reporting) -> ExitCode:
    """Train a generator that draws the material in EXEMPLAR (Ulyanov 2016, arXiv 1603.03417).

    To resume a training, run the same command again. `weights.safetensors` in it opens with
    --weights at any time, `sample_N.jpg` shows the exemplar and what the generator makes.

    \b
      stylecli train texture bark.jpg --output runs/bark
      stylecli texture --method net --weights runs/bark/weights.safetensors --out-size 2048x1024
    """
    return run("texture", settings, compute, reporting)
