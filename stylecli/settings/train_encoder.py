"""Settings of `train encoder`: VGG-19 distilled into a small encoder."""

from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.training import Judged


@dataclass(frozen=True)
class TrainEncoderSettings(Judged):
    """Every option of `train encoder`."""

    content: tuple[str, ...] = option((), "folders of pictures to learn from, with all below them", unit="folder")
    teacher: str = option("vgg19", "VGG-19 at least up to relu3_4: a name, or a file of any dialect")
    deep_teacher: str = option(
        "", "network with maps for relu4_1 and relu5_1; default: the teacher itself", unit="file"
    )
    output: str = option("runs/encoder", "folder for snapshots, losses and weights", unit="folder")
    steps: int = option(3000, "steps in all; a resumed training may be given more", minimum=1)
    crop: int = option(128, "side of the crops", unit="px", minimum=32)
    batch: int = option(16, "crops a step", minimum=1)
    learning_rate: float = option(3e-3, "peak of Adam's rate, which falls to zero along a cosine", minimum=0)
    reconstruction_weight: float = option(1.0, "weight of rebuilding the picture from relu5_1", minimum=0)

    def __post_init__(self) -> None:
        if not self.content:
            raise UsageError("--content: missing", "give one or more folders of pictures")
