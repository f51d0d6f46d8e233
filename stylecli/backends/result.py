"""What every method on pictures gives."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Result:
    """What a run gives.

    Attributes:
        image: [3, H, W] in [0, 1], or uint8 where the content was.
        losses: Weighted losses at the last evaluation, by name.
        interrupted: Ctrl-C ended the run early.
        notes: Remarks for the user.
        window: The part of the content that the image shows: top, left, height, width; None for all of it.
        frames: Those of a clip, which then is the result.
        seconds: Time of a frame.
    """

    image: Tensor
    losses: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    window: tuple[int, int, int, int] | None = None
    frames: Iterator[Tensor] | None = None
    seconds: float = 0.0
