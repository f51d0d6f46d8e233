"""Options that trainings share."""

from dataclasses import dataclass

from stylecli.settings.fields import Settings, option


@dataclass(frozen=True)
class Training(Settings):
    """Of every training."""

    output: str = option("runs", "folder for snapshots, losses and weights", unit="folder")
    every: int = option(250, "steps between snapshots", minimum=1, panel="Snapshots")
    seed: int = option(0, "seed of the first weights and of all that is drawn", minimum=0, panel="Snapshots")
    licence: str = option("Apache-2.0", "licence written into the weights", panel="Snapshots")
    data: str = option("", "what is learned from and where it comes from, written into the weights", panel="Snapshots")


@dataclass(frozen=True)
class Judged(Training):
    """Of trainings whose losses look through a fixed network."""

    teacher: str = option(
        "encoder", "network that losses look through: a name, or a file of any VGG dialect", panel="Losses"
    )
    deep_teacher: str = option(
        "", "network for layers from relu4_1 on; default: the teacher itself", unit="file", panel="Losses"
    )
    pixels: str = option(
        "auto",
        "pixel scale of a teacher that does not tell it",
        choices=("auto", "caffe", "torchvision"),
        panel="Losses",
    )


@dataclass(frozen=True)
class Stroked(Judged):
    """Of trainings of networks that paint."""

    strokes_weight: float = option(
        9.0, "weight of the strokes: correlations of features, relative to those of photos", minimum=0, panel="Losses"
    )
    strokes_layers: tuple[str, ...] = option(
        ("relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        "layers of the strokes, with commas",
        unit="layers",
        panel="Losses",
    )
