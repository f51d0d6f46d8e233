"""Settings of `train adain`: an any-style network."""

from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.training import Stroked


@dataclass(frozen=True)
class TrainAdainSettings(Stroked):
    """Every option of `train adain`."""

    content: tuple[str, ...] = option((), "folders of pictures to paint, with all below them", unit="folder")
    style: tuple[str, ...] = option((), "folders of pictures to take styles from", unit="folder")
    validation: tuple[str, ...] = option(
        (), "folders of styles that are only tried, at each snapshot; the best is kept", unit="folder"
    )
    patience: int = option(
        0,
        "with --validation: stop when so many snapshots in a row are no better; 0 goes on to the end",
        unit="snapshots",
        minimum=0,
    )
    network: str = option(
        "embedded", "ours, or the decoder of the paper for a given encoder", choices=("embedded", "published")
    )
    teacher: str = option(
        "encoder",
        "network that losses look through, and the encoder of the published kind: a name, or a file of any VGG dialect",
    )
    noise: bool = option(True, "the network sees noise, which its strokes begin with in flat areas")
    start: str = option("", "weights to start from: a name, or a file of the same network; default: random ones")
    output: str = option("runs/adain", "folder for snapshots, losses and weights", unit="folder")
    steps: int = option(20000, "steps in all; a resumed training may be given more", minimum=1)
    crop: int = option(256, "side of the crops", unit="px", minimum=64)
    batch: int = option(8, "pairs a step", minimum=2)
    learning_rate: float = option(1e-3, "peak of Adam's rate, which falls to zero along a cosine", minimum=0)
    style_weight: float = option(8.0, "weight of the style", minimum=0)
    content_weight: float = option(1.0, "weight of the content", minimum=0)
    pixel_weight: float = option(5.0, "weight of giving the picture back where alpha is low", minimum=0)

    def __post_init__(self) -> None:
        for name in ("content", "style"):
            if not getattr(self, name):
                raise UsageError(f"--{name}: missing", "give one or more folders of pictures")
        if self.patience and not self.validation:
            raise UsageError("--patience: nothing to be tried", "add --validation with a folder of pictures")
