"""The contract of a method: what it takes and can (`Traits`), what it is asked (`Request`), what it gives (`Result`).

A method implements `Method`; the command line, the Python API, folders and clusters know nothing else of it. What
differs between methods is said by their traits, never found out by looking at an object.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from stylecli.errors import UsageError
from stylecli.past import Past
from stylecli.progress import Listener, silent

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from stylecli.device import Device

S = TypeVar("S")
"""The settings of a method."""

S_contra = TypeVar("S_contra", contravariant=True)
"""The settings of a training."""

M = TypeVar("M")
"""What a method works on: `Tensor` for pictures, `media.audio.Sound` for sounds."""

Span = tuple[int, int]
"""First and last (exclusive) place along one axis."""

Snapshot = Callable[[int, "Tensor"], None]
"""Takes (step, picture so far [3, H, W] in [0, 1])."""


class Rows(Protocol):
    """A picture, or features, that need not be in memory: read in parts, from the top to the bottom and again.

    Attributes:
        shape: [N, C, H, W].
    """

    @property
    def shape(self) -> Sequence[int]:
        """Of all of it."""

    def part(self, rows: Span, columns: Span, /) -> "Tensor":
        """[N, C, h, w]."""


@dataclass(frozen=True)
class Traits:
    """What a method takes, and what may be done with it.

    Attributes:
        content: Whether a job has a content: always, perhaps, or never.
        styles: Whether it has pictures (or sounds) of styles; never where styles are names, or seeds.
        masks: Masks may say where each style goes.
        levels: Pictures may be uint8 [3, H, W], and so are the results then; else they are floats in [0, 1].
        threads: Threads may run it side by side.
        short: A job takes seconds: folders are done one job a core, and what ran out of memory again in half as much.
        transparent: The content's alpha fits the result.
        carried: A frame goes on from `Past.picture`, and is painted after the one before.
    """

    content: Literal["needed", "optional", "none"] = "needed"
    styles: Literal["needed", "optional", "none"] = "needed"
    masks: bool = False
    levels: bool = False
    threads: bool = True
    short: bool = False
    transparent: bool = True
    carried: bool = False


@dataclass(frozen=True)
class Request(Generic[S, M]):
    """What a method is asked for.

    Attributes:
        settings: Of the method; what belongs to its networks is as those it was opened with.
        content: [3, H, W] in [0, 1] or uint8; or a sound; None where there is none.
        styles: Likewise, of any size.
        shares: Of each style, with a sum of 1, or with masks any; even where left out.
        masks: Where in the content each style goes, [1, H, W] in [0, 1].
        pictures: Those that options name, by role, [3, H, W] in [0, 1].
        names: Where all of these come from, by role.
        listener: Hears of every step.
        snapshot: Takes pictures on the way, where the settings ask for them.
        past: What a frame of a clip goes on from; None for pictures.
    """

    settings: S
    content: M | None = None
    styles: Sequence[M] = ()
    shares: Sequence[float] | None = None
    masks: "Sequence[Tensor] | None" = None
    pictures: "Mapping[str, Tensor]" = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    listener: Listener = silent
    snapshot: Snapshot | None = None
    past: Past | None = None

    @property
    def main(self) -> M:
        """The content of a method that needs one."""
        assert self.content is not None
        return self.content

    @property
    def weights(self) -> Sequence[float]:
        """`shares`, even where left out."""
        return self.shares or [1 / len(self.styles)] * len(self.styles)

    def name(self, role: str, index: int = 0) -> str:
        """What messages call an input."""
        known = self.names.get(role, ())
        return known[index] if index < len(known) else f"{role} {index + 1}" if index else role


@dataclass(frozen=True)
class Result:
    """What a method gives: a picture, frames, or a sound.

    Attributes:
        image: [3, H, W] in [0, 1], or uint8.
        frames: Of a clip.
        seconds: Time of a frame.
        samples: [C, T] at the content's rate.
        losses: Weighted losses or measures by name.
        notes: Remarks for the user.
        interrupted: Ctrl-C ended the run early; this is the best so far.
        window: The part of the content that the image shows: top, left, height, width; None for all of it.
        pictures: All single ones of a sheet, [N, 3, H, W], not clamped.
        latents: w of each, [N, layers, w_dim].
    """

    image: "Tensor | None" = None
    frames: "Iterator[Tensor] | None" = None
    seconds: float = 0.0
    samples: "Tensor | None" = None
    losses: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    window: tuple[int, int, int, int] | None = None
    pictures: "Tensor | None" = None
    latents: "Tensor | None" = None

    @property
    def picture(self) -> "Tensor":
        """The image of a method that gives one."""
        assert self.image is not None
        return self.image

    @property
    def sound(self) -> "Tensor":
        """The samples of a method that gives some."""
        assert self.samples is not None
        return self.samples


class Method(ABC, Generic[S, M]):
    """An opened method, ready for any number of requests; `build` in its file opens it.

    Attributes:
        traits: What it takes and can, with the settings that it was opened with.
        weights: SHA-256 of each file of weights by name.
        device: Where it computes.
    """

    traits: Traits
    weights: Mapping[str, str]
    device: "Device"

    @abstractmethod
    def run(self, request: Request[S, M]) -> Result:
        """What `request` asks for, which the traits allow."""

    def by_rows(self, settings: S) -> bool:
        """Whether `rows` can do what these ask for."""
        return False

    def rows(self, request: Request[S, M], content: Rows) -> "Iterator[Tensor]":
        """The result for a `content` of levels [1, 3, H, W] in place of the request's, [1, 3, h, W] uint8 a time.

        Raises:
            MemoryLimitError: It does not fit, in the smallest tiles either.
        """
        raise NotImplementedError

    def weights_for(self, settings: S) -> Mapping[str, str]:
        """SHA-256 by name of all weights that a job uses: some options need more than the method does.

        Raises:
            WeightsError: They are missing.
        """
        return self.weights

    def __call__(self, request: Request[S, M]) -> Result:
        """`run`, for a request of any caller.

        Raises:
            UsageError: The traits do not allow it.
            InputError: Something that was given cannot be used.
            MemoryLimitError: It does not fit.
        """
        _held(self.traits.content, "content", request.content is not None)
        _held(self.traits.styles, "styles", bool(request.styles))
        if request.masks is not None and not self.traits.masks:
            raise UsageError("masks: this method takes none", "leave them out")
        one_each(request.styles, request.shares, request.masks)
        return self.run(request)


def one_each(styles: Sequence[object], shares: Sequence[float] | None, masks: "Sequence[Tensor] | None") -> None:
    """Refuses shares or masks that are not as many as the styles.

    Raises:
        UsageError: So many are not.
    """
    for what, given in (("shares", shares), ("masks", masks)):
        if given is not None and len(given) != len(styles):
            raise UsageError(f"{what}: {len(given)} for {len(styles)} styles", "one for each style")


def _held(wanted: Literal["needed", "optional", "none"], what: str, there: bool) -> None:
    if wanted == "needed" and not there:
        raise UsageError(f"{what}: missing", "give a picture, or a sound to a method of sounds")
    if wanted == "none" and there:
        raise UsageError(f"{what}: this method takes no pictures there", "styles may be names, as --style great_wave")


class TrainingRun(Protocol[S_contra]):
    """The contract of a training: `run` in its file."""

    def __call__(self, settings: S_contra, device: "Device", listener: Listener, /) -> "Path":
        """Trains, or goes on where the settings' output folder stopped; the path of the weights so far is returned.

        Raises:
            UsageError: Settings that do not fit together.
            InputError: Pictures that cannot be read, or a folder with a training of something else.
            WeightsError: A teacher that is missing or of another family.
        """
