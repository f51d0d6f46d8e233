"""Train networks of your own: every kind of weights that stylecli ships."""

from collections.abc import Callable
from typing import NamedTuple

from stylecli.commands._options import from_settings
from stylecli.commands._training import run
from stylecli.errors import ExitCode
from stylecli.methods import settings_of_training
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.training import Training

PANEL = "Training"


class About(NamedTuple):
    """The help of one network.

    Attributes:
        line: In the list of commands.
        title: First line of its own help.
        beside: What else its folder holds.
        examples: Command lines.
    """

    line: str
    title: str
    beside: str
    examples: tuple[str, ...]


COMMANDS = {
    "adain": About(
        "Train a network that paints in any style.",
        "Train a network that paints in any style (AdaIN; Huang, Belongie 2017, arXiv 1703.06868).",
        ", `sample_N.jpg` shows what it makes",
        (
            "stylecli train adain --content photos/ --style paintings/ --output runs/adain",
            "stylecli train adain --network published --style-weight 10 --learning-rate 1e-4 --content a/ --style b/",
        ),
    ),
    "encoder": About(
        "Distill VGG-19 into a small encoder with the same layer names.",
        "Distill VGG-19 into a small encoder with the same layer names (Wang et al. 2020, arXiv 2003.08436).",
        "",
        (
            "stylecli weights pull vgg19",
            "stylecli train encoder --content photos/ --content paintings/ --output runs/encoder",
        ),
    ),
    "fast": About(
        "Train a net that paints in one pass, or teach one a style of your own in minutes.",
        "Teach the net of `stylecli fast` a style of your own in minutes, or train a whole net of one or many styles.",
        ", and holds the styles that were there before, too",
        (
            "stylecli train fast --style my.jpg --content photos/",
            "stylecli fast photo.jpg --weights runs/fast/weights.safetensors --style my",
            "stylecli train fast --from-scratch --style a.jpg --style b.jpg --content photos/ --output runs/mine",
        ),
    ),
    "stargan": About(
        "Train StarGAN v2 on a folder for each domain.",
        "Train StarGAN v2 (Choi et al. 2020) on the folders below DIR: each is a domain of its name.",
        ", `sample_N.jpg` shows contents across and references down",
        (
            "stylecli train stargan animals/ --output runs/animals --diversity-weight 2",
            "stylecli train stargan photos/ ukiyoe/ cubism/ --channels 32 --most-channels 128 --precision bfloat16",
        ),
    ),
    "stylegan": About(
        "Train StyleGAN 2 or 1 on a folder of pictures.",
        "Train StyleGAN 2 (Karras et al. 2020), or 1, on the pictures below DIR, hundreds are enough to begin with.",
        ", `sample_N.jpg` shows what it makes, `distances.jsonl` how far that is from the pictures",
        (
            "stylecli train stylegan paintings/ --output runs/stylegan",
            "stylecli train stylegan animals/ --by-folder --size 128 --mirror",
        ),
    ),
    "texture": About(
        "Train a generator that draws one material, of any size.",
        "Train a generator that draws the material in EXEMPLAR (Ulyanov 2016, arXiv 1603.03417).",
        ", `sample_N.jpg` shows the exemplar and what the generator makes",
        (
            "stylecli train texture bark.jpg --output runs/bark",
            "stylecli texture --method net --weights runs/bark/weights.safetensors --out-size 2048x1024",
        ),
    ),
}

HELP = """{title}

To resume a training, run the same command again. `weights.safetensors` in it opens with
--weights at any time{beside}.

\b
  {examples}
"""


def command_of(network: str) -> Callable[..., ExitCode]:
    """The command that trains `network`, with the options of its settings."""

    def command(settings: Training, compute: Machine, reporting: Reporting) -> ExitCode:
        return run(network, settings, compute, reporting)

    about = COMMANDS[network]
    command.__doc__ = HELP.format(title=about.title, beside=about.beside, examples="\n  ".join(about.examples))
    command.__annotations__["settings"] = settings_of_training(network)
    return from_settings(command)
