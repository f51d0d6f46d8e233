"""What a frame of a clip goes on from: the statistics, the motion and the picture of the frame before."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Recall:
    """Numbers of a frame that go on from those of the frame before: threads may paint both, one layer apart.

        known_t = keep known_(t - 1) + (1 - keep) found_t

    Args:
        keep: Share of what was known before, 0 to 1.
        before: Of the frame before; None where the scene begins.
    """

    def __init__(self, keep: float, before: "Recall | None" = None) -> None:
        self.keep, self.before = keep, before
        self.known: dict[str, tuple[Tensor, ...]] = {}
        self.closed, self.changed = False, Condition()

    def smoothed(self, name: str, found: "Sequence[Tensor]") -> "tuple[Tensor, ...]":
        """What is known of `name`, now that it was `found` in this frame; waits until the frame before knows it."""
        before = self.before.of(name) if self.before else None
        if before is None or any(a.shape != b.shape for a, b in zip(before, found, strict=True)):
            made = tuple(found)
        else:
            made = tuple(now.lerp(then.to(now), self.keep) for then, now in zip(before, found, strict=True))
        with self.changed:
            self.known[name] = made
            self.changed.notify_all()
        return made

    def of(self, name: str) -> "tuple[Tensor, ...] | None":
        """What is known of `name` as soon as that is so; None where it will never be."""
        with self.changed:
            self.changed.wait_for(lambda: name in self.known or self.closed)
            return self.known.get(name)

    def close(self) -> None:
        """Nothing more will be known: the frame is done, or failed."""
        with self.changed:
            self.closed, self.before = True, None
            self.changed.notify_all()


@dataclass(frozen=True)
class Past:
    """What a frame may go on from.

    Attributes:
        recall: Of statistics.
        shift: How far what is seen has come since it was first seen, [1, 2, h, w], across and down, in parts of width
            and height; None where the scene begins.
        picture: The result before, moved to where the scene is now, [3, H, W] in [0, 1]; None where there is none.
        seen: Where that shows what is seen now, [1, H, W] in [0, 1].
    """

    recall: Recall
    shift: "Tensor | None" = None
    picture: "Tensor | None" = None
    seen: "Tensor | None" = None
