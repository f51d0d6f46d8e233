"""What a long loop reports; loops never print, whoever called them decides what to show."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step of a loop that knows its length.

    Attributes:
        i: Steps done, 1 after the first.
        total: Steps in all.
        seconds: Wall time since the loop began.
        loss: Current loss, where there is one.
        what: Short label of the phase (`362 px`), empty for none.
    """

    i: int
    total: int
    seconds: float
    loss: float | None = None
    what: str = ""


Listener = Callable[[Step], None]


def silent(step: Step) -> None:
    """A listener that shows nothing."""
