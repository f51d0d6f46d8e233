"""Settings of `train texture`: a generator that draws one material, at any size."""

from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.shared import argument
from stylecli.settings.training import Judged


@dataclass(frozen=True)
class TrainTextureSettings(Judged):
    """Every option of `train texture`."""

    exemplar: str = argument(option("", "a picture of the material", unit="exemplar"))
    title: str = option("", "what it shows, for `texture --list`; default: the name of the file")
    output: str = option("runs/texture", "folder for snapshots, losses, samples and weights", unit="folder")
    steps: int = option(800, "steps in all", minimum=1)
    size: int = option(256, "short side of the exemplar, if it is larger", unit="px", minimum=64)
    sample: int = option(
        128, "side of what is drawn in training, at most --size; small ones are more even", unit="px", minimum=32
    )
    batch: int = option(1, "samples a step", minimum=1)
    learning_rate: float = option(5e-3, "peak of Adam's rate, which falls to zero along a cosine", minimum=0)
    every: int = option(100, "steps between snapshots", minimum=1)

    sliced_weight: float = option(
        1.0,
        "of the sliced Wasserstein distance of features and colors, beside 1 of Gram matrices",
        source="Heitz et al. 2021",
        minimum=0,
        panel="Losses",
    )
    style_layers: tuple[str, ...] = option(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1"), "layers that are compared, with commas", unit="layers"
    )
    octaves: int = option(3, "sizes at which samples are looked at, each half the one before", minimum=1, maximum=4)
    widths: tuple[int, ...] = option(
        (64, 64, 64, 24), "channels at each scale, the coarsest first, with commas", panel="Network"
    )
    branch: int = option(
        0, "channels of Ulyanov's branches of noise; 0 joins noise as it is", minimum=0, panel="Network"
    )
    norm: str = option("batch", "statistics of the norms", choices=("batch", "instance"), panel="Network")

    def __post_init__(self) -> None:
        if not self.exemplar:
            raise UsageError("EXEMPLAR: missing", "name a picture of the material")
        if not (1 <= len(self.widths) <= 8 and all(0 < width <= 512 for width in self.widths)):
            raise UsageError("--widths: 1 to 8 numbers from 1 to 512", "such as 64,64,64,24")
        if self.branch and self.widths[0] != self.branch:
            raise UsageError(
                f"--branch {self.branch}: the coarsest scale is a branch itself", "as the first of --widths"
            )
        for name in ("size", "sample"):
            if getattr(self, name) % 2 ** (len(self.widths) - 1):
                raise UsageError(
                    f"--{name} {getattr(self, name)}: not a multiple of {2 ** (len(self.widths) - 1)}",
                    "or fewer --widths",
                )
        if min(self.sample, self.size) < 16 * 2 ** (self.octaves - 1):
            raise UsageError(f"--sample {self.sample}: too small for {self.octaves} octaves", "or fewer --octaves")
