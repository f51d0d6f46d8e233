"""Settings of `train stargan`."""

import dataclasses
from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.shared import argument
from stylecli.settings.train_stylegan import SIZES
from stylecli.settings.training import Judged
from stylecli.settings.values import flag

PAINTING = ("teacher", "deep_teacher", "pixels", "content_weight", "domain_weight")
"""Options of the losses that a painting weight adds."""

CHOI = "Choi et al. 2020, arXiv 1912.01865"


@dataclass(frozen=True)
class TrainStarganSettings(Judged):
    """Every option of `train stargan`."""

    content: tuple[str, ...] = argument(
        option((), "folders with a folder of pictures for each domain, or such a folder itself", unit="dir")
    )
    output: str = option("runs/stargan", "folder for snapshots, samples, losses and weights", unit="folder")
    start: str = option("", "weights to start from, which also say size and widths: a name, or a file", unit="file")
    size: str = option("128", "height and width of the pictures", unit="px", choices=SIZES)
    channels: int = option(32, "channels at the full size, twice as many at each smaller one", minimum=4)
    most_channels: int = option(256, "channels at most", minimum=4)
    hidden: int = option(256, "width of the mapping network", minimum=8)
    style_dim: int = option(64, "width of a style", minimum=1, source=CHOI)
    latent_dim: int = option(16, "width of z", minimum=1, source=CHOI)
    colors: bool = option(False, "styles say the means and deviations of the three colors; palettes then come early")
    hpf: float = option(0.0, "above 0: details of faces go around through masks, divided by it", minimum=0)
    fan: str = option("wing", "landmarks of faces, with --hpf: a name, or a file")
    steps: int = option(100_000, "steps in all; a resumed training may be given more", minimum=1)
    batch: int = option(8, "pictures a step", minimum=1, source=CHOI)
    learning_rate: float = option(1e-4, "Adam's rate, a hundredth for the mapping network", minimum=0, source=CHOI)
    r1_weight: float = option(1.0, "weight of the gradient penalty", minimum=0, source=CHOI)
    r1_every: int = option(1, "steps between gradient penalties, which then weigh as much more", minimum=1)
    style_weight: float = option(1.0, "weight of finding the style again", minimum=0, source=CHOI)
    diversity_weight: float = option(
        1.0, "weight of difference between styles, at first; the paper has 2 for animals", minimum=0, source=CHOI
    )
    diversity_steps: int | None = option(None, "steps until that is 0; default: all", minimum=1)
    cycle_weight: float = option(1.0, "weight of the way back", minimum=0, source=CHOI)
    painting_weight: float = option(
        0.0,
        "weight of the Gram matrices of the reference, beside the paper's losses: fewer steps, for styles of paintings",
        minimum=0,
        panel="Losses",
    )
    content_weight: float = option(
        0.0, "weight of the features of the content, where --painting-weight is above 0", minimum=0, panel="Losses"
    )
    domain_weight: float = option(
        0.0,
        "weight of being taken for a picture of the domain by a linear map of features, where --painting-weight is "
        "above 0",
        minimum=0,
        panel="Losses",
    )
    painting_steps: int = option(
        0, "first steps without the discriminator, which begins with a generator that paints", minimum=0, panel="Losses"
    )
    augment: str = option(
        "none", "what keeps few pictures from being learned by heart", choices=("none", "differentiable")
    )
    average: float = option(0.999, "decay of the averaged weights", minimum=0, maximum=1, source=CHOI)
    every: int = option(1000, "steps between snapshots and samples", minimum=1)

    def __post_init__(self) -> None:
        if not self.content:
            raise UsageError("DIR: missing", "give a folder with a folder of pictures for each domain")
        if not self.painting_weight:
            plain = {field.name: field.default for field in dataclasses.fields(self)}
            unused = [name for name in PAINTING if getattr(self, name) != plain[name]]
            if unused:
                raise UsageError(f"{flag(unused[0])}: counts where --painting-weight is above 0", "--painting-weight 2")
        if self.painting_steps and not self.painting_weight:
            raise UsageError("--painting-steps: there is nothing to learn from yet", "--painting-weight 2")
