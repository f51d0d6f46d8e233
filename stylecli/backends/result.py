"""What every method on pictures gives."""

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
    """

    image: Tensor
    losses: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    notes: tuple[str, ...] = ()
