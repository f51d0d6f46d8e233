"""Train StyleGAN 2 or 1 on a folder of pictures."""

from stylecli.commands._options import from_settings
from stylecli.commands._training import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.train_stylegan import TrainStyleganSettings

PANEL = "Training"


@from_settings
def command(settings: TrainStyleganSettings, compute: Machine, reporting: Reporting) -> ExitCode:
    """Train StyleGAN 2 (Karras et al. 2020), or 1, on the pictures below DIR, hundreds are enough to begin with.

    To resume a training, run the same command again. `weights.safetensors` in it opens with
    --weights at any time, `sample_N.jpg` shows what it makes, `distances.jsonl` how far that is from the pictures.

    \b
      stylecli train stylegan paintings/ --output runs/stylegan
      stylecli train stylegan animals/ --by-folder --size 128 --mirror
    """
    return run("stylegan", settings, compute, reporting)
