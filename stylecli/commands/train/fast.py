"""Train a net that paints in one pass, or teach one a style of your own in minutes."""

from stylecli.commands._options import from_settings
from stylecli.commands._training import run
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.train_fast import TrainFastSettings

PANEL = "Training"


@from_settings
def command(settings: TrainFastSettings, compute: Machine, reporting: Reporting) -> ExitCode:
    """Teach the net of `stylecli fast` a style of your own in minutes, or train a whole net of one or many styles.

    To resume a training, run the same command again. `weights.safetensors` in it opens with
    --weights at any time, and holds the styles that were there before, too.

    \b
      stylecli train fast --style my.jpg --content photos/
      stylecli fast photo.jpg --weights runs/fast/weights.safetensors --style my
      stylecli train fast --from-scratch --style a.jpg --style b.jpg --content photos/ --output runs/mine
    """
    return run("fast", settings, compute, reporting)
