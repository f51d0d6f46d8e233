"""Settings of `train stylegan`."""

from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.shared import argument
from stylecli.settings.training import Training

SIZES = tuple(str(2**n) for n in range(4, 11))


@dataclass(frozen=True)
class TrainStyleganSettings(Training):
    """Every option of `train stylegan`."""

    content: tuple[str, ...] = argument(option((), "folders of pictures, with all below them", unit="dir"))
    output: str = option("runs/stylegan", "folder for snapshots, samples, losses and weights", unit="folder")
    start: str = option(
        "", "weights to start from, of the same shape: a name, or a file; the discriminator is new", unit="file"
    )
    by_folder: bool = option(False, "conditional: each folder right below those given is a class")
    version: str = option("2", "StyleGAN 2, or 1 (at its final size from the start)", choices=("1", "2"))
    size: str = option("64", "height and width of the pictures", unit="px", choices=SIZES)
    channels: int = option(32, "channels at the final size, twice as many at each smaller one", minimum=4)
    most_channels: int = option(256, "channels at most", minimum=8)
    w_dim: int = option(128, "width of z and w", minimum=8)
    mapping_layers: int = option(4, "layers of the mapping network", minimum=1, maximum=16)
    steps: int = option(20000, "steps in all; a resumed training may be given more", minimum=1)
    batch: int = option(16, "pictures a step", minimum=2)
    learning_rate: float = option(0.0025, "Adam's rate", minimum=0, source="Karras et al. 2020, arXiv 2006.06676")
    r1_weight: float | None = option(
        None,
        "weight of the gradient penalty; default: 0.0002 size^2 / batch; ten times as much held the discriminator down",
        minimum=0,
        source="Karras et al. 2020, arXiv 2006.06676",
    )
    r1_every: int = option(16, "steps between gradient penalties", minimum=1)
    path_weight: float = option(2.0, "weight of the path-length penalty", minimum=0)
    path_every: int = option(8, "steps between path-length penalties", minimum=1)
    mixing: float = option(0.9, "share of pictures made of two latents", minimum=0, maximum=1)
    augment: str = option(
        "adaptive",
        "what keeps few pictures from being learned by heart: changes before the discriminator, as many as are needed, "
        "of every picture, or none",
        choices=("adaptive", "differentiable", "none"),
    )
    mirror: bool = option(False, "also learn the mirrored pictures")
    average: float = option(0.998, "decay of the averaged weights", minimum=0, maximum=1)
    samples: int = option(500, "pictures for the Fréchet distance; 0 measures none", minimum=0)
    encoder: str = option("encoder", "network in whose features it is measured")
    every: int = option(500, "steps between snapshots, samples and distances", minimum=1)

    def __post_init__(self) -> None:
        if not self.content:
            raise UsageError("DIR: missing", "give one or more folders of pictures")
