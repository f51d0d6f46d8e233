"""What the frames of a clip go on from: statistics, motion, and the frame before; and how it is kept with a piece."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stylecli.past import Recall

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stylecli.media.video.clip import Frame
    from stylecli.media.video.motion import Flow, Motion

SMOOTH = 0.9
"""Share of the statistics before that is kept at full steadiness; it falls as the root."""


@dataclass(frozen=True)
class Way:
    """A frame, what moved since the one before, and what it goes on from; nothing of it where a scene begins."""

    frame: "Frame"
    motion: "Motion | None" = None
    recall: Recall | None = None
    shift: "np.ndarray | None" = None

    def close(self) -> None:
        """Nothing more will be known of it."""
        if self.recall:
            self.recall.close()


@dataclass
class Before:
    """Where a clip is: all that the next frame goes on from.

    Attributes:
        steady: `--steady`.
        content: The frame that was painted last [H, W, 3] uint8; None where the next one is the first.
        result: What was made of it, uint8: [H, W, 3], or as it is coded, planes of 4:2:0 [H + H / 2, W].
        window: The part of the content that results show: top, left, height, width; None for all of it.
        turn: Frames since the scene began.
        recall: Statistics, of the frame where this began.
        shift: How far what is seen had come there.
    """

    steady: float
    content: "np.ndarray | None" = None
    result: "np.ndarray | None" = None
    window: tuple[int, int, int, int] | None = None
    turn: int = 0
    recall: Recall | None = None
    shift: "np.ndarray | None" = None

    @classmethod
    def of(cls, state: "Mapping[str, Tensor]", steady: float) -> "Before":
        """As `state` told it."""
        found = cls(steady, turn=int(state["turn"]))
        if not steady:
            return found
        found.recall = Recall(SMOOTH * steady**0.5)
        for key, each in sorted(state.items()):
            if key.startswith("recall "):
                name, _, _ = key.removeprefix("recall ").rpartition(" ")
                found.recall.known[name] = (*found.recall.known.get(name, ()), each)
        found.recall.close()
        found.content, found.result = state["content"].numpy(), state["result"].numpy()
        found.shift = state["shift"].numpy() if "shift" in state else None
        if "window" in state:
            top, left, height, width = state["window"].tolist()
            found.window = top, left, height, width
        return found

    def behind(self, way: Way) -> "Before":
        """Behind a frame of which nothing is kept."""
        return replace(self, turn=self.turn + 1 if way.motion else 0)

    def state(self, way: Way) -> "dict[str, Tensor]":
        """All of it behind the frame of `way`, for `of`."""
        from torch import from_numpy, tensor

        assert self.content is not None
        assert self.result is not None
        height, width = self.result.shape[:2]
        size = height * 2 // 3 if self.result.ndim == 2 else height, width
        state = {"size": tensor(size), "turn": tensor(self.turn)}
        if self.steady:
            state |= {"content": from_numpy(self.content), "result": from_numpy(self.result)}
            state |= {"shift": from_numpy(way.shift)} if way.shift is not None else {}
            state |= {"window": tensor(self.window)} if self.window else {}
            known = way.recall.known.items() if way.recall else ()
            state |= {f"recall {name} {index:03}": each for name, some in known for index, each in enumerate(some)}
        return state

    def ways(self, frames: "Iterator[Frame]", flow: "Flow | None" = None) -> Iterator[Way]:
        """Each frame, and what it goes on from, by motion as `flow` finds it."""
        if not self.steady:
            yield from map(Way, frames)
            return
        from stylecli.media.video.motion import Seen, followed, shifted

        keep, recall, shift = SMOOTH * self.steady**0.5, self.recall, self.shift
        before = None if self.content is None else Seen.of(self.content)
        for frame in frames:
            now = Seen.of(frame.color)
            motion = None if before is None else followed(before, now, flow)
            if motion is None or motion.cut:
                motion = recall = shift = None
            else:
                shift = shifted(shift, motion)
            recall = Recall(keep, recall)
            yield Way(frame, motion, recall, shift)
            before = now
