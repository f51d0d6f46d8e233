"""Codes the frames of a clip in a thread of its own, and keeps every piece of the result that is whole."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from stylecli.batch.ahead import AHEAD
from stylecli.batch.plan import Job
from stylecli.files import binary_stdout
from stylecli.settings.moving import MovingOutputs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stylecli.media.video.clip import Clip, Frame, Part
    from stylecli.media.video.codecs import Coding, Encoder, Packet
    from stylecli.media.video.pixels import Pixels
    from stylecli.media.video.segments import Segments

    State = Callable[[], dict[str, Tensor]]


class Coder:
    """See the module.

    Args:
        segments: Where pieces are kept.
        outputs: How frames are coded.
        job: What is made, for messages and the kind of file.
        clip: What it is made of.
        part: Which of its frames.
        ahead: Frames that may wait for it.
    """

    def __init__(
        self,
        segments: "Segments",
        outputs: MovingOutputs,
        job: Job,
        clip: "Clip",
        part: "Part",
        ahead: int = AHEAD,
    ) -> None:
        self.ahead = ahead
        self.segments, self.outputs, self.job, self.clip, self.part = segments, outputs, job, clip, part
        self.pool = ThreadPoolExecutor(1)
        self.waiting: deque[Future[None]] = deque()
        self.kept, self.count = segments.frames, 0
        self.encoder: Encoder | None = None
        self.packets: list[Packet] = []
        self.notes: list[str] = []
        self.known: Coding | None = None
        self.pixels: Pixels | None = None
        if segments.made:
            height, width = segments.state()["size"].tolist()
            self._knows((height, width))

    @property
    def coding(self) -> "Coding":
        """How frames are coded."""
        assert self.known is not None
        return self.known

    def _knows(self, size: tuple[int, int]) -> None:
        from stylecli.media.video.codecs import Coding, codec_for

        clip, job = self.clip, self.job
        self.known = Coding(
            codec_for(job.format, self.outputs.codec),
            size,
            self.part.step(clip),
            (self.part.fps or clip.rate) / self.part.every,
            self.outputs.quality,
            clip.alpha,
            clip.colors,
            clip.aspect,
        )
        if self.known.coded != size:
            height, width = self.known.coded
            note = f"{job.output}: {width}x{height}, for {self.known.codec} has even sides"
            self.notes.append(note)
        if clip.alpha and not self.known.transparent and job.format != "gif" and clip.tags is not None:
            self.notes.append(f"{job.output}: transparent parts drawn on white, {self.known.codec} has no alpha")

    def planes(self, levels: "np.ndarray") -> "np.ndarray":
        """What is coded of an opaque result [H, W, 3]: planes of 4:2:0 [H + H / 2, W], or the result itself."""
        from stylecli.media.video.pixels import Pixels

        if self.known is None:
            self._knows((levels.shape[0], levels.shape[1]))
        self.pixels = self.pixels or Pixels(self.coding)
        return levels if self.clip.alpha else self.pixels.planes(levels)

    def add(self, frame: "Frame", levels: "np.ndarray", alpha: "np.ndarray | None", state: "State | None") -> None:
        """Codes a frame, or its `planes`; a piece ends with it where there is a `state` to keep."""
        if self.known is None:
            self._knows((levels.shape[0], levels.shape[1]))
        self.waiting.append(self.pool.submit(self._coded, frame, levels, alpha, state))
        while len(self.waiting) > self.ahead:
            self.waiting.popleft().result()

    def end(self, state: "State") -> None:
        """Keeps what is left as the last piece."""
        if self.count or self.waiting:
            self.waiting.append(self.pool.submit(self._kept, state))
        while self.waiting:
            self.waiting.popleft().result()

    def close(self) -> None:
        """Codes nothing more."""
        self.pool.shutdown(cancel_futures=True)

    def _coded(self, frame: "Frame", levels: "np.ndarray", alpha: "np.ndarray | None", state: "State | None") -> None:
        from stylecli.media.video.codecs import Encoder

        self.encoder = self.encoder or Encoder(self.coding)
        self.packets += self.encoder.add(_laid(levels, alpha, self.coding.transparent), frame.time, frame.duration)
        self.count += 1
        if state:
            self._kept(state)

    def _kept(self, state: "State") -> None:
        if self.encoder is None:
            return
        self.packets += self.encoder.end()
        self.segments.add(self.packets, self.count, state())
        self.encoder, self.packets, self.count = None, [], 0


class Raw:
    """Writes frames to stdout as bytes; the same for callers as `Coder`, but nothing is kept.

    Raises:
        BrokenPipeError: Nobody reads them.
    """

    kept = 0

    def __init__(self, clip: "Clip") -> None:
        self.clip, self.notes, self.out = clip, list[str](), binary_stdout()

    def planes(self, levels: "np.ndarray") -> "np.ndarray":
        """Levels are written as they are."""
        return levels

    def add(self, frame: "Frame", levels: "np.ndarray", alpha: "np.ndarray | None", state: "State | None") -> None:
        """Writes a frame; the reader's pace is ours."""
        if not self.notes:
            self.notes.append(f"{self.clip.name}: raw frames of {levels.shape[1]}x{levels.shape[0]}, rgb24")
        self.out.write(_laid(levels, alpha, transparent=False).tobytes())
        self.out.flush()

    def end(self, state: "State") -> None:
        """Nothing waits."""
        self.out.flush()

    def close(self) -> None:
        """Nothing is left."""


def _laid(levels: "np.ndarray", alpha: "np.ndarray | None", transparent: bool) -> "np.ndarray":
    """[H, W, 4] where alpha is kept, else [H, W, 3], on white where there is alpha."""
    import numpy as np

    if transparent:
        full = np.full(levels.shape[:2], 255, np.uint8) if alpha is None else alpha
        return np.dstack([levels, full])
    if alpha is None:
        return levels
    share = alpha[..., None] / np.float32(255)
    return np.asarray(np.rint(levels * share + 255 * (1 - share)).astype(np.uint8))
