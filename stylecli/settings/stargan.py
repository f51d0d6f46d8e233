"""Settings of `stargan`: a dataclass for each of its commands (StarGAN v2, Choi et al. 2020)."""

from dataclasses import dataclass
from typing import ClassVar

from stylecli.errors import UsageError
from stylecli.settings import lists
from stylecli.settings.fields import Settings, option
from stylecli.settings.gatys import Refined
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Weighted

WEIGHTS = "StarGAN v2: a name of `stylecli weights list`, or a file such as 100000_nets_ema.ckpt"
NAMES = (
    "names of the domains in their order, as cat,dog,wild; default: the file's own, or those in a text beside it, "
    "FILE.domains"
)


@dataclass(frozen=True)
class Named(Settings):
    """Which networks, and what their domains are called."""

    weights: str = option("stargan", WEIGHTS)
    domains: str = option("", NAMES)


@dataclass(frozen=True)
class StarganDomainsSettings(Named):
    """Every option of `stargan domains`."""


@dataclass(frozen=True)
class Translation(Named):
    """What every command that translates takes."""

    alpha: float = option(
        1.0,
        "strength: 0 is the content with the style that the network sees in it, 1 the new style",
        minimum=0,
        maximum=1,
        sweep=True,
        panel="Look",
    )
    content_domain: str = option(
        "",
        "domain of the content, where --alpha is below 1; default: its folder's name, else the one that the network "
        "takes it for",
        unit="domain",
    )
    fit: str = option(
        "pad",
        "how a content becomes a square: pad with its mirror image, and give the result the content's frame; crop to "
        "the middle; or stretch, as the authors do (references are cropped, or stretched too)",
        choices=("pad", "crop", "stretch"),
        panel="Look",
    )
    size: int | None = option(
        None,
        "side of the square that the generator sees; default: as in its training. Larger: finer strokes, more details",
        unit="px",
        minimum=16,
        panel="Look",
    )
    align: bool = option(False, "turn faces upright and to one size first, as the network of faces wants them")
    mean_face: str = option(
        "", "where --align brings landmarks: celeba_lm_mean.npz; default: where CelebA-HQ has them", unit="file"
    )
    no_masks: bool = option(False, "let no details of faces around the network, where it was trained with them")
    fan: str = option("wing", "landmarks of faces, for files that need but do not hold them: a name, or a file")


@dataclass(frozen=True)
class StarganRefSettings(Translation, Refined):
    """Every option of `stargan ref`."""

    domain: str = option(
        "",
        "domain of the references: a name or a number; default: the name of the folder of each, else the one that the "
        "network takes it for",
        unit="domain",
    )
    frames: int | None = option(
        None, "with --animate: frames from one reference to the next; default: 24", minimum=1, maximum=1000
    )

    @classmethod
    def playable(cls) -> tuple[str, ...]:
        """See `Settings`."""
        return (*super().playable(), "domain")


@dataclass(frozen=True)
class StarganLatentSettings(Translation):
    """Every option of `stargan latent`."""

    domain: str = option("", "domain to go to: a name or a number", unit="domain", sweep=True)
    seeds: str = option("0", "seeds of styles, as 0,3,5-9")
    psi: float = option(
        1.0, "truncation: 1 is none, 0 the mean style of the domain", minimum=0, maximum=1, sweep=True, panel="Look"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        lists.integers(self.seeds, "--seeds")


@dataclass(frozen=True)
class References(Weighted):
    """The pictures whose style is taken; several are a sweep, with `--blend` one mixture."""

    reference: tuple[str, ...] = option(
        (),
        "picture of any size whose style is taken, folder or list; several make a sweep, or with --blend a mixture",
        unit="file",
        panel="Inputs",
    )
    blend: bool = option(False, "mix all references; `--reference a.jpg:0.3 --reference b.jpg:0.7`", panel="Inputs")

    role: ClassVar[str] = "reference"


@dataclass(frozen=True)
class ReferenceOutputs(MovingOutputs):
    """Where results go; a sheet is the paper's: contents across, references down."""

    paper: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output == "-" and (self.grid or self.animate):
            raise UsageError("-o -: a sheet or a clip goes to a file", "such as -o sheet.png")
