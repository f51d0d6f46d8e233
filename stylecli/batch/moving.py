"""A clip through a method: frames are decoded, painted, carried on and coded side by side, and kept in whole pieces.

Memory is flat: each stage waits for the next one. Frames are painted on all cores at once, as pictures of a folder are;
where they go on from one another, a layer apart. Pieces of the result lie in a folder beside it until all are there.
"""

import copy
import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from threading import Event
from typing import TYPE_CHECKING, Any

from stylecli.batch import clip_flow, clip_sound
from stylecli.batch.ahead import AHEAD, Ahead
from stylecli.batch.clip_coding import Coder, Raw
from stylecli.batch.clip_opening import part_of
from stylecli.batch.clip_past import Before, Way
from stylecli.batch.frames import Frames, Painted
from stylecli.batch.plan import STDOUT, Job, Stretch
from stylecli.batch.stretches import folder, joined
from stylecli.errors import InputError
from stylecli.files import cut
from stylecli.method import Method, Request
from stylecli.past import Past
from stylecli.progress import Listener, Step
from stylecli.remote import Remote, place
from stylecli.settings.fields import Settings
from stylecli.settings.moving import SOUND_STYLE, MovingOutputs

if TYPE_CHECKING:
    from torch import Tensor

    from stylecli.batch.record import Record
    from stylecli.batch.runner import Made, Outcome
    from stylecli.media.video.clip import Clip
    from stylecli.media.video.segments import Segments
    from stylecli.media.video.tracks import Heard

PIECE, SLOW_PIECE = 64, 8
"""Frames of a piece of a method that takes seconds a frame, or minutes."""

ROOM = 2**30
"""Bytes of free memory that a frame should find before another one is painted beside it."""


@dataclass
class Painting:
    """One clip on its way through a method.

    Attributes:
        method: It.
        job: What is to be done.
        clip: What goes in.
        record: How it is made.
        outputs: How it is written.
        asked: Makes the request for a frame of its pixels and what it goes on from.
        listener: Hears of every frame.
        hear: Opens the method of sounds.
    """

    method: Method[Settings, object]
    job: Job
    clip: "Clip"
    record: "Record"
    outputs: MovingOutputs
    asked: "Callable[[Tensor, Past | None], Request[Settings, object]]"
    listener: Listener
    hear: Callable[[], Method[Settings, object]] | None = None
    notes: dict[str, None] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.part = part_of(self.outputs, self.job)
        self.total = self.part.expected(self.clip)
        self.frames = Frames(self.job, self.clip, self.part, self.outputs, self.asked)
        self.start, self.told = time.monotonic(), Step(0, max(self.total, 1), 0.0)
        self.before = Before(self.outputs.steady)
        self.flow = clip_flow.opened(self.job, self.method.device)
        self.piece = PIECE if self.method.traits.short else SLOW_PIECE

    def run(self) -> "Made":
        """Paints every frame; the result is written later."""
        from stylecli.batch.runner import Made
        from stylecli.media.video.segments import Segments

        if self.job.output == STDOUT:
            raw = Raw(self.clip)
            return Made(self._outcome(self._painted(raw, 0), notes=raw.notes), lambda: ())
        compute = {k: v for k, v in self.record.compute.items() if k != "jobs"}
        stated = dataclasses.replace(self.record, compute=compute).dumps()
        stretch, whole, again = self.job.stretch, self._folder(), self.outputs.skip_existing
        if stretch and stretch.index is not None:
            return self._stretch(Segments.opened(folder(whole, stretch.index), stated, again=again), stretch)
        segments = Segments.opened(whole, stated, again=again)
        if stretch:
            joined(segments, stated, stretch)
        kept = segments.frames
        if segments.made:
            self.before = Before.of(segments.state(), self.outputs.steady)
            if not stretch:
                self.notes[f"{self.job.title}: goes on behind {kept:,} frames that were there"] = None
        coder = self._coder(segments)
        sound: str | bytes | Heard | None = self.job.main.held if self.clip.sounds else None
        try:
            if SOUND_STYLE in self.job.inputs:
                assert self.hear
                sound, told = clip_sound.painted(self.job, self.part, self.hear, segments.folder, self.listener)
                self.notes |= dict.fromkeys(told)
            done = self._painted(coder, kept)
        except BaseException:
            if not segments.made:
                segments.remove()
            raise
        if not done:
            segments.remove()
            raise InputError(f"{self.job.title}: no frame in that part of it", "see --start, --end and --every")
        return Made(self._outcome(done, coder.kept, coder.notes), partial(self._write, segments, coder, sound))

    def _stretch(self, segments: "Segments", stretch: Stretch) -> "Made":
        """Paints the frames of a stretch, whose pieces stay for the job that joins them."""
        from stylecli.batch.runner import Made

        if segments.made:
            self.before = Before.of(segments.state(), self.outputs.steady)
        assert stretch.index is not None
        first, kept = stretch.index * stretch.frames, segments.frames
        # Frames that take minutes, and go on from one another, have no lead: their job paints all of them.
        if kept < stretch.frames and not (self.method.traits.carried and self.outputs.steady):
            coder = self._coder(segments)
            lead = 0 if kept else stretch.lead
            self._painted(coder, first + kept, lead=lead, last=first + stretch.frames)
        return Made(self._outcome(kept), tuple)

    def _coder(self, segments: "Segments") -> Coder:
        return Coder(segments, self.outputs, self.job, self.clip, self.part, 0 if self.clip.large else AHEAD)

    def _outcome(self, done: int, kept: int = 0, notes: Sequence[str] = ()) -> "Outcome":
        """Of so many frames, of which so many were there."""
        from stylecli.batch.runner import Outcome

        seconds = time.monotonic() - self.start
        told = [f"{self.job.title}: {note}" for note in dict.fromkeys(self.clip.notes)]
        rate = {"frames": float(done), "fps": round((done - kept) / max(seconds, 1e-9), 3)}
        return Outcome({**self.losses, **rate}, (*self.notes, *told, *notes))

    def _folder(self) -> Path:
        path = place(self.job.output)
        if isinstance(path, Remote):
            path = Path(gettempdir()) / path.name
        return path.with_name(f".{cut(path.name, 200)}.pieces")

    def _painted(self, coder: Coder | Raw, kept: int, *, lead: int = 0, last: int | None = None) -> int:
        """Paints what is not there yet, up to the `last` one; the count of all frames.

        With a `lead`, motion is followed from the beginning, and so many frames are painted that nobody sees.
        """
        from stylecli.device import give_back

        workers = self._workers()
        method, ready = self._sharing(workers)
        begin = 0 if lead else kept
        done = max(kept - lead, 0)
        with ExitStack() as stack:
            stopped, idle = Event(), lambda: self.listener(self.told)
            beside: Callable[[Iterator[Any]], Iterator[Any]] = lambda items: stack.enter_context(
                Ahead(items, stopped, idle)
            )
            # A pipe may give nothing for long, and Ctrl-C must be heard.
            apart = not self.clip.large or self.outputs.takes_raw(self.job.main.path)
            frames = itertools.islice(self.part.of(self.clip.frames()), begin, last)
            ways: Iterator[Way] = self.before.ways(beside(frames) if apart else frames, self.flow)
            ways = ways if self.clip.large else beside(ways)
            stack.callback(coder.close)
            pool = stack.enter_context(ThreadPoolExecutor(workers, initializer=ready))
            waiting: deque[tuple[Way, Future[Painted]]] = deque()
            way: Way | None = None
            try:
                for way in itertools.islice(ways, done - begin):
                    way.close()
                    self.before = self.before.behind(way)
                for way in ways:
                    waiting.append((way, pool.submit(self.frames.painted, method, way, self.before)))
                    while len(waiting) > (0 if method.traits.carried or self.clip.large else workers):
                        done = self._settled(coder, *waiting.popleft(), done, kept)
                        if self.clip.large:
                            give_back()
                while waiting:
                    done = self._settled(coder, *waiting.popleft(), done, kept)
                coder.end(partial(self.before.state, way) if way else dict)
            except BaseException:
                for late, future in waiting:
                    future.cancel()
                    late.close()
                raise
        return done

    def _settled(self, coder: Coder | Raw, way: "Way", future: "Future[Painted]", done: int, kept: int) -> int:
        """Takes what was painted of a frame, carries the one before on, and has it coded, behind those `kept`."""
        painted, frame = future.result(), way.frame
        levels, before = painted.levels, self.before
        if before.steady and not self.method.traits.carried:
            levels = coder.planes(levels)
        window, result, turn = painted.result.window, before.result, before.behind(way).turn
        if way.motion and result is not None and result.shape == levels.shape:
            from stylecli.media.video.carrying import carried

            levels = carried(levels, result, way.motion, self.clip.size, window, strength=before.steady, turn=turn)
        self.before = dataclasses.replace(before, content=frame.color, result=levels, window=window, turn=turn)
        self.losses = painted.result.losses
        self.notes |= dict.fromkeys(painted.result.notes)
        done += 1
        if done > kept:
            state = partial(self.before.state, way) if done % self.piece == 0 else None
            coder.add(frame, levels, painted.alpha, state)
        seconds = time.monotonic() - self.start
        self.told = Step(
            done, max(self.total, done), seconds, None, f"{(done - coder.kept) / max(seconds, 1e-9):.2f} fps"
        )
        self.listener(self.told)
        return done

    def _workers(self) -> int:
        """How many frames are painted at once."""
        from psutil import virtual_memory
        from torch import get_num_threads

        traits, device = self.method.traits, self.method.device
        if not (traits.short and traits.threads) or device.torch.type != "cpu" or device.max_memory or device.tight:
            return 1
        if self.clip.large:
            return 1
        room = int(virtual_memory().available) // ROOM // device.jobs
        return max(1, min(get_num_threads(), room))

    def _sharing(self, workers: int) -> tuple[Method[Settings, object], Callable[[], None]]:
        """The method, which knows that so many share its device, and what each thread calls first."""
        from torch import get_num_threads, set_num_threads

        method = copy.copy(self.method)
        device = dataclasses.replace(method.device, jobs=method.device.jobs * workers)
        if device.max_memory is not None and device.torch.type == "cpu":
            # The same for all frames: tiles should not depend on how far an encoder is.
            device = dataclasses.replace(device, held=device.held_memory() + self._beside())
        method.device = device
        return method, partial(set_num_threads, max(1, get_num_threads() // workers))

    def _beside(self) -> int:
        """Bytes that a clip takes besides what is painted: frames on their way, and those that an encoder holds."""
        from stylecli.media.resize import sized
        from stylecli.media.video.clip import ON_THE_WAY
        from stylecli.media.video.codecs import codec_for, held_bytes

        height, width = self.clip.size
        held = ON_THE_WAY * height * width
        if self.job.output == STDOUT:
            return held
        result = sized(self.clip.size, self.job.settings.result_side())
        return held + held_bytes(codec_for(self.job.format, self.outputs.codec), result)

    def _write(self, segments: "Segments", coder: Coder, sound: "str | bytes | Heard | None") -> tuple[str, ...]:
        from stylecli.media.video.writer import assemble

        notes = assemble(
            segments,
            self.job.output,
            self.job.format,
            coder.coding,
            self.clip,
            self.part,
            sound=sound,
            settings=self.record.dumps(),
            strip=self.outputs.strip,
        )
        segments.remove()
        return tuple(f"{self.job.title}: {note}" for note in notes)
