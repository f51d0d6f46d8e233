"""The options that every method shares, in groups named after their use."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.values import check

FORMATS = ("png", "jpg", "webp", "tiff", "avif")
CLIPS = ("webp", "gif", "mp4")
T = TypeVar("T")
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def short(letter: str, field: T) -> T:
    """A field that also has a short flag."""
    return _marked(field, "short", letter)


def argument(field: T) -> T:
    """A field that is given by position."""
    return _marked(field, "argument", True)


def _marked(field: T, key: str, value: object) -> T:
    # To type checkers a field is its value.
    assert isinstance(field, dataclasses.Field)
    default: T = field.default  # type: ignore[assignment]
    made: T = dataclasses.field(default=default, metadata={**field.metadata, key: value})
    return made


def colors() -> str:
    """The field of methods that can keep the content's colors."""
    return option(
        "none",
        "keep the colors of the content",
        choices=("none", "luminance", "histogram", "coral"),
        sweep=True,
        panel="Look",
    )


@dataclass(frozen=True)
class Contents:
    """The pictures to work on."""

    content: tuple[str, ...] = argument(
        option((), "pictures, folders, globs, @list.txt (a path a line) or - (stdin)", unit="content")
    )
    recursive: bool = short("-r", option(False, "folders: take the whole tree below them", panel="Inputs"))
    watch: bool = option(
        False, "folders: go on with what comes in, until Ctrl-C; implies --skip-existing", panel="Inputs"
    )

    def __post_init__(self) -> None:
        """Refuses an empty list."""
        if not self.content:
            raise UsageError("CONTENT: missing", "name a picture, a folder, a glob, @list.txt or - for stdin")


class Weighted:
    """Pictures that may be mixed, in a field named after what they are; see `Styles`."""

    role: ClassVar[str]
    """The field, and the option."""

    blend: bool
    mask: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses none at all, and weights that cannot be a mixture."""
        if not getattr(self, self.role):
            raise UsageError(f"--{self.role}: missing", f"name a picture with --{self.role} painting.jpg")
        shares = [share for _, share in self.weighted()]
        if self.mixed and not sum(shares) > 0:
            raise UsageError(f"--{self.role}: all weights of the mixture are 0")
        if not self.mixed and any(share != 1 for share in shares):
            raise UsageError(f"--{self.role}: a weight says how much of a mixture", "add --blend")

    @property
    def mixed(self) -> bool:
        """Whether all of them go into one picture."""
        return self.blend or bool(self.mask)

    def weighted(self) -> tuple[tuple[str, float], ...]:
        """Each word and its weight, 1 where none was given.

        Only a number behind the last colon is a weight, and only if the whole is not itself a file and either
        the rest is one or `--blend` is on: `C:\\a.jpg`, `https://b:80/c` and `10:30.png` keep their colons.
        """
        return tuple(self._split(word) for word in getattr(self, self.role))

    def _split(self, word: str) -> tuple[str, float]:
        found = re.fullmatch(r"(.+):(\d+\.?\d*|\.\d+)", word, re.DOTALL | re.ASCII)
        if not found or Path(word).exists() or not (self.mixed or Path(found[1]).exists()):
            return word, 1.0
        return found[1], min(float(found[2]), 1e9)


@dataclass(frozen=True)
class Styles(Weighted):
    """The pictures whose style is taken.

    Several styles are a sweep; `--blend` makes them one mixture, and so do masks, which say where each one goes.
    """

    style: tuple[str, ...] = option(
        (),
        "style picture, folder or list; several make a sweep, or with --blend a mixture",
        unit="file",
        panel="Inputs",
    )
    blend: bool = option(False, "mix all styles into one; `--style a.jpg:0.3 --style b.jpg:0.7`", panel="Inputs")
    mask: tuple[str, ...] = option(
        (), "where a style goes (white: there), one for each --style in the same order", unit="file", panel="Inputs"
    )

    role: ClassVar[str] = "style"

    def __post_init__(self) -> None:
        """Refuses no style, masks without a partner, and weights that cannot be a mixture."""
        if self.style and self.mask and len(self.mask) != len(self.style):
            raise UsageError(f"--mask: {len(self.mask)} for {len(self.style)} styles", "give one mask for each --style")
        super().__post_init__()


@dataclass(frozen=True)
class Files:
    """Where results go and how they are encoded."""

    output: str | None = short(
        "-o",
        option(None, "file for one job, folder for several, - for stdout; default: the current folder", unit="path"),
    )
    name: str | None = option(
        None,
        "template for file names: {stem} {style} {method} {ext} {index} {seed} and every option of the method",
        unit="template",
        panel="Outputs",
    )
    format: str | None = option(
        None,
        "file format; default: the suffix of -o or --name, else the content's",
        choices=(*FORMATS, "mp4", "mov", "mkv", "webm", "avi", "gif", "apng"),
        panel="Outputs",
    )
    overwrite: bool = option(False, "replace files that exist (never an input)", panel="Outputs")
    skip_existing: bool = option(
        False, "skip jobs whose file holds the same settings, inputs and weights", panel="Outputs"
    )
    strip: bool = option(False, "drop EXIF, XMP, DPI and color profile of the content", panel="Outputs")
    quality: int = option(92, "JPEG, WebP and AVIF quality", minimum=1, maximum=100, panel="Outputs")
    bits: str = option("auto", "bits a channel; auto: as the content", choices=("auto", "8", "16"), panel="Outputs")

    formats: ClassVar[tuple[str, ...]] = FORMATS
    """Formats of results; the first one where nothing says which."""

    paper: ClassVar[bool] = False
    """A sheet is one plain table of all contents across and all styles down, as papers have it."""

    depths: ClassVar[Mapping[str, tuple[str, ...]]] = {"16": ("png", "tiff")}
    """Formats that hold so many `bits`, where not all do."""

    def __post_init__(self) -> None:
        """Refuses values out of range and templates where there is no file to name."""
        check(self)
        if self.output in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
            object.__setattr__(self, "output", "-")
        if self.output == "":
            raise UsageError("--output: empty", "a file, a folder or - for stdout")
        if self.output == "-" and self.name:
            raise UsageError("--name: nothing to name on stdout", "leave out --name, or -o -")


@dataclass(frozen=True)
class Outputs(Files):
    """The same for methods on pictures, whose sweeps can become a sheet or a clip."""

    grid: bool = option(
        False,
        "make one labelled sheet of all results of a content: -o names it, or the folder for it and the results",
        panel="Outputs",
    )
    animate: str | None = option(
        None, "make a clip of all results of a content: .gif, .webp or .mp4", unit="file", panel="Outputs"
    )


@dataclass(frozen=True)
class Machine:
    """What to compute on, and how; see `stylecli.device`."""

    device: str = option(
        "auto", "auto, cpu, cuda, cuda:N, mps, or cuda:all: files on every GPU", unit="device", panel="Compute"
    )
    precision: str = option(
        "auto",
        "number type of the networks; auto: float16 on CUDA where one pass makes a picture, else float32; "
        "on CPUs made for bfloat16, fast uses it inside",
        choices=("auto", "float32", "tf32", "bfloat16", "float16"),
        panel="Compute",
    )
    threads: int | None = option(
        None, "CPU threads; default: PyTorch's choice", minimum=1, maximum=1024, panel="Compute"
    )
    max_memory: str | None = option(
        None, "memory that all jobs may use, such as 4G or 800M", unit="size", panel="Compute"
    )

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        check(self)
        _ = self.max_bytes

    @property
    def max_bytes(self) -> int | None:
        """`max_memory` in bytes, None for no limit."""
        if self.max_memory is None:
            return None
        found = re.fullmatch(
            r"(\d{1,12}\.?\d{0,6})([KMGT]?)(?:i?B)?", self.max_memory.strip(), re.IGNORECASE | re.ASCII
        )
        if not found or not (size := int(float(found[1]) * UNITS[found[2].upper()])):
            raise UsageError(f"--max-memory {self.max_memory}: not a size", "a number and K, M, G or T, such as 4G")
        return size


@dataclass(frozen=True)
class Compute(Machine):
    """The same for jobs, which a cluster can do too; see `stylecli.batch.ray_pool`."""

    jobs: int | None = option(
        None,
        "jobs computed at once, which share the CPU threads; default: one a thread where jobs are short, else 1; with "
        "cuda:all, processes on each GPU",
        minimum=1,
        panel="Compute",
    )
    engine: str = option("serial", "who does the jobs", choices=("serial", "ray"), panel="Cluster")
    address: str | None = option(
        None, "ray: the cluster; default: RAY_ADDRESS, else this machine alone", unit="host:port", panel="Cluster"
    )
    num_cpus: int = option(1, "ray: CPUs of a worker, which does one job at a time", minimum=1, panel="Cluster")
    num_gpus: float = option(0.0, "ray: GPUs of a worker, 0.5 for two workers on one", minimum=0, panel="Cluster")

    def __post_init__(self) -> None:
        """Refuses a cluster where nobody asked for one."""
        super().__post_init__()
        asked = self.address or self.num_cpus != 1 or self.num_gpus
        if self.engine != "ray" and asked:
            raise UsageError("--address, --num-cpus, --num-gpus: describe a cluster", "add --engine ray")
        if self.engine == "ray" and self.jobs:
            raise UsageError("--jobs: of one machine; a worker of Ray does one job at a time", "see --num-cpus")


@dataclass(frozen=True)
class Reporting:
    """What the user is told, and where."""

    json: bool = option(False, "one JSON object a job on stdout, in place of the path", panel="Reporting")
    quiet: bool = short("-q", option(False, "only errors", panel="Reporting"))
    verbose: bool = short("-v", option(False, "also notes, losses and seconds of each job", panel="Reporting"))
    dry_run: bool = option(False, "print the jobs and do nothing", panel="Reporting")
    no_progress: bool = option(False, "no progress bar on a terminal", panel="Reporting")
    traceback: bool = option(False, "show where an error comes from", panel="Reporting")

    def __post_init__(self) -> None:
        """Refuses to be loud and silent at once."""
        if self.quiet and self.verbose:
            raise UsageError("--quiet and --verbose: one of the two")
