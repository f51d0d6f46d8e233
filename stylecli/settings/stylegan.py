"""Settings of `stylegan`: a dataclass for each of its commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings import lists
from stylecli.settings.fields import Settings, option
from stylecli.settings.shared import argument
from stylecli.settings.values import number, numbers

NOISES = ("const", "random", "none")
LARGEST_PSI = 1e6
SEEDS = "seeds and saved latents, as 0,3,5-9,face.safetensors"


@dataclass(frozen=True)
class Generator(Settings):
    """What every command of a generator takes."""

    weights: str = option("stylegan", "StyleGAN 1 or 2: a name of `stylecli weights list`, or a file of any layout")
    size: int | None = option(
        None, "size of the pictures, for files that do not tell which one was trained", unit="px", minimum=4
    )
    class_: str = option("", "class of a conditional network: numbers as 0,2-4 or names; default: seed modulo classes")
    noise: str = option(
        "const", "const (the file's), random (by seed), none, or a .safetensors of noise_0, noise_1, ..."
    )
    center: str = option(
        "", "where psi 0 is: a file of latents, of which the mean is taken; default: the file's mean w"
    )
    cutoff: int | None = option(None, "truncate only the layers before this one; default: all", minimum=0)
    batch: int = option(8, "pictures computed at once", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise not in NOISES and not self.noise.endswith(".safetensors"):
            raise UsageError(f"--noise {self.noise[:40]}: not one of {', '.join(NOISES)}", "or a .safetensors file")

    def files(self) -> Mapping[str, Sequence[str]]:
        """Latents that stand among seeds, the center, and noise."""
        center = [self.center] if self.center else []
        noise = [] if self.noise in NOISES else [self.noise]
        named = {"latents": self.latent_files(), "center": center, "noise": noise}
        return {role: paths for role, paths in named.items() if paths}

    def latent_files(self) -> list[str]:
        """Files of latents that stand among seeds."""
        return []

    @property
    def truncations(self) -> tuple[float, ...]:
        """Every psi of the command."""
        return (1.0,)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of weights that are used beside the generator's."""
        return ()


@dataclass(frozen=True)
class OfSeeds(Generator):
    """What commands with one list of seeds take."""

    seeds: str = option("0", SEEDS)
    psi: tuple[float, ...] = option((1.0,), "truncation")

    def __post_init__(self) -> None:
        object.__setattr__(self, "psi", numbers(self.psi, "--psi"))
        super().__post_init__()
        lists.sources(self.seeds, "--seeds")

    @classmethod
    def playable(cls) -> tuple[str, ...]:
        """See `Settings`."""
        return "seeds", "psi", "noise", "class_"

    def latent_files(self) -> list[str]:
        """See `Generator`."""
        return lists.paths(self.seeds)

    @property
    def truncations(self) -> tuple[float, ...]:
        """See `Generator`."""
        return self.psi


@dataclass(frozen=True)
class StyleganSampleSettings(OfSeeds):
    """Every option of `stylegan sample`."""

    psi: tuple[float, ...] = option(
        (1.0,), "truncation: 1 is none, 0 the mean; a sweep as 0:1:6 gives a row each on a sheet"
    )
    grid: bool = option(False, "one labelled sheet in place of single pictures")
    columns: int | None = option(None, "pictures in a row of the sheet; default: near a square", minimum=1)
    save_latents: bool = option(False, "also write the w of each picture beside it (.safetensors)")

    def keeps_latents(self) -> bool:
        """See `Settings`."""
        return self.save_latents


@dataclass(frozen=True)
class StyleganTruncateSettings(OfSeeds):
    """Every option of `stylegan truncate`."""

    seeds: str = option("0", SEEDS + "; a row each")
    psi: tuple[float, ...] = option((-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0), "truncations, a column each")


@dataclass(frozen=True)
class StyleganMixSettings(Generator):
    """Every option of `stylegan mix`."""

    rows: str = option("0-2", SEEDS + "; they keep the layers that are not mixed")
    columns: str = option("3-7", SEEDS + "; they give --layers")
    layers: str = option("coarse", "coarse (4 to 8 px), middle (16, 32 px), fine (64 px up), or indices as 0-3,7")
    psi: float = option(1.0, "truncation of all", minimum=-LARGEST_PSI, maximum=LARGEST_PSI)
    plain: bool = option(False, "only the mixed pictures, without sources and labels")

    def __post_init__(self) -> None:
        object.__setattr__(self, "psi", number(self.psi, "--psi"))
        super().__post_init__()
        lists.sources(self.rows, "--rows"), lists.sources(self.columns, "--columns")

    def latent_files(self) -> list[str]:
        """See `Generator`."""
        return lists.paths(self.rows, self.columns)

    @property
    def truncations(self) -> tuple[float, ...]:
        """See `Generator`."""
        return (self.psi,)


@dataclass(frozen=True)
class StyleganInterpolateSettings(Generator):
    """Every option of `stylegan interpolate`."""

    seeds: str = option("0-3", SEEDS + "; the clip goes through them and back to the first")
    psi: float = option(0.7, "truncation", minimum=-LARGEST_PSI, maximum=LARGEST_PSI)
    space: str = option("z", "z: along the sphere (seeds only); w: straight", choices=("z", "w"))
    steps: int = option(30, "frames from one to the next", minimum=1, maximum=1000)
    seconds: float = option(1.0, "time from one to the next", unit="seconds", minimum=0.02)

    def __post_init__(self) -> None:
        object.__setattr__(self, "psi", number(self.psi, "--psi"))
        super().__post_init__()
        if self.latent_files() and self.space == "z":
            raise UsageError(f"--space z: {self.latent_files()[0]} holds w", "--space w")

    def latent_files(self) -> list[str]:
        """See `Generator`."""
        return lists.paths(self.seeds)

    @property
    def truncations(self) -> tuple[float, ...]:
        """See `Generator`."""
        return (self.psi,)


@dataclass(frozen=True)
class StyleganProjectSettings(Generator):
    """Every option of `stylegan project`."""

    photo: str = argument(option("", "picture to find; its middle square is taken", unit="file"))
    steps: int = option(300, "steps of the search", minimum=1)
    learning_rate: float = option(0.05, "peak of Adam's rate", minimum=0)
    pixel_weight: float = option(1.0, "weight of the mean squared difference of pixels", minimum=0)
    center_weight: float = option(0.01, "weight of staying near the mean w", minimum=0)
    encoder: str = option("encoder", "network that compares: a name, or a file of any VGG dialect")
    seed: int = option(0, "seed of the search", minimum=0, maximum=lists.LARGEST_SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.photo:
            raise UsageError("PHOTO: missing", "name a picture")

    def pictures(self) -> Mapping[str, str]:
        """The photo."""
        return {"photo": self.photo}

    @property
    def networks(self) -> tuple[str, ...]:
        """See `Generator`."""
        return (self.encoder,)

    def keeps_latents(self) -> bool:
        """What was found is written beside the picture."""
        return True


@dataclass(frozen=True)
class StyleganPplSettings(Generator):
    """Every option of `stylegan ppl`."""

    samples: int = option(1000, "paths to measure; published numbers take 50,000", minimum=2)
    ends: bool = option(False, "measure at the ends of the paths, not all along them")
    crop: bool = option(False, "the middle alone, as for faces")
    space: str = option("w", "where the paths lie", choices=("w", "z"))
    epsilon: float = option(1e-4, "length of the steps", minimum=1e-8, maximum=1)
    encoder: str = option(
        "",
        "network that compares: a name, or a file of any VGG dialect; default: vgg16 with LPIPS' weights where "
        "`weights pull vgg16` and `weights pull lpips-vgg` brought both, else the embedded encoder",
    )
    lpips: str = option("", "weights of LPIPS for the channels of --encoder: a name such as lpips-vgg, or a file")
    seed: int = option(0, "seed of the paths", minimum=0, maximum=lists.LARGEST_SEED)

    @property
    def networks(self) -> tuple[str, ...]:
        """See `Generator`."""
        return (self.encoder,) if self.encoder else ()
