"""Painting the frames of a clip: each as methods take pictures, with what it goes on from and what changes by then."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stylecli.batch.plan import Job
from stylecli.method import Method, Request, Result
from stylecli.past import Past
from stylecli.settings.fields import Settings
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.over_time import OverTime

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stylecli.batch.clip_past import Before, Way
    from stylecli.media.video.clip import Clip, Frame, Part


@dataclass(frozen=True)
class Painted:
    """A frame as the method made it: its result, levels [H, W, 3], and alpha [H, W] where there is some."""

    result: Result
    levels: "np.ndarray"
    alpha: "np.ndarray | None"


@dataclass
class Frames:
    """What paints the frames of one clip.

    Attributes:
        job: What is to be done.
        clip: What goes in.
        part: Which of its frames.
        outputs: What changes along it, and how steady it is.
        asked: Makes the request for a frame of its pixels and what it goes on from.
    """

    job: Job
    clip: "Clip"
    part: "Part"
    outputs: MovingOutputs
    asked: "Callable[[Tensor, Past | None], Request[Settings, object]]"

    def __post_init__(self) -> None:
        self.over_time = OverTime.parse(self.outputs.over_time)
        ends = [each for each in (self.part.last, self.clip.seconds) if each is not None]
        self.end = float(min(ends) - self.part.first) if ends else None

    def painted(self, method: Method[Settings, object], way: "Way", before: "Before") -> Painted:
        """What `method` makes of the frame of `way`; methods that start from the result `before` go on from that.

        Raises:
            KeyboardInterrupt: It was stopped.
        """
        from torch import from_numpy

        from stylecli.batch.codecs import fitting
        from stylecli.media.images import quantize

        try:
            pixels, alpha = pixels_of(way.frame, method.traits.levels, self.job.settings.short_side())
            past = None
            if way.recall:
                shift = None if way.shift is None else from_numpy(way.shift.transpose(2, 0, 1).copy())[None]
                past = Past(way.recall, shift)
                if method.traits.carried and way.motion:
                    picture, held = self._carried(way, before)
                    past = dataclasses.replace(past, picture=picture, seen=held)
            result = method(self._now(self.asked(pixels, past), float(way.frame.time)))
        finally:
            way.close()
        if result.interrupted:
            raise KeyboardInterrupt
        levels = quantize(result.picture, 8)
        seen = alpha if method.traits.transparent and result.window is None else None
        return Painted(result, levels, None if seen is None else quantize(fitting(seen, result.picture), 8)[..., 0])

    def _carried(self, way: "Way", before: "Before") -> "tuple[Tensor, Tensor]":
        """The result before, where the scene is now, and how far it holds."""
        from stylecli.media.video.carrying import moved

        assert before.result is not None
        assert way.motion
        motion = way.motion
        drawn, (trust,) = moved(before.result, motion, self.clip.size, before.window, [motion.trust])
        return planes(drawn / 255), planes(trust[..., None] * self.outputs.steady)

    def _now(self, request: Request[Settings, object], time: float) -> Request[Settings, object]:
        """The request, with what changes along the clip."""
        if not self.outputs.over_time:
            return request
        assert self.end is not None
        shares = self.over_time.shares(time, self.end) if request.styles and self.over_time.styles else request.shares
        return dataclasses.replace(
            request, settings=self.over_time.settings(request.settings, time, self.end), shares=shares
        )


def pixels_of(frame: "Frame", levels: bool, size: int | None) -> "tuple[Tensor, Tensor | None]":
    """A frame as `codecs.read_picture` gives a picture: [3, H, W] uint8 or floats, and alpha [1, H, W] in [0, 1]."""
    import numpy as np
    from torch import from_numpy

    from stylecli.media.resize import sized
    from stylecli.media.transparency import filled, resize_seen

    pixels = from_numpy(np.array(frame.color.transpose(2, 0, 1), order="C"))
    pixels = pixels if levels else pixels.float().div_(255)
    if frame.alpha is None:
        return pixels, None
    alpha = from_numpy(frame.alpha).float().div_(255)[None]
    pixels = filled(pixels, alpha)
    if not size:
        return pixels, alpha
    height, width = alpha.shape[1:]
    return resize_seen(pixels, alpha, sized((height, width), size))


def planes(values: "np.ndarray") -> "Tensor":
    """[H, W, C] as [C, H, W], cut to [0, 1]."""
    import numpy as np
    from torch import from_numpy

    return from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)).clamp_(0, 1)
