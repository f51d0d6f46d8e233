"""One job of any method: gather its inputs, make its result, write it with the record of how it was made."""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from stylecli.batch import codecs, moving
from stylecli.batch.clip_opening import open_clip
from stylecli.batch.failures import out_of_memory
from stylecli.batch.outputs import begin, noted
from stylecli.batch.picture_cache import PictureCache
from stylecli.batch.plan import STDOUT, Job
from stylecli.batch.record import Record, hashed
from stylecli.batch.runner import Made, Outcome
from stylecli.batch.sources import Source
from stylecli.errors import InputError
from stylecli.method import Method, Request
from stylecli.past import Past
from stylecli.progress import Listener
from stylecli.settings.audio import SoundFiles
from stylecli.settings.fields import Settings
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Files

if TYPE_CHECKING:
    from torch import Tensor

    from stylecli.media.audio import Sound
    from stylecli.media.images import Picture
    from stylecli.media.strips import Strips
    from stylecli.media.video.clip import Clip


@dataclass(frozen=True)
class Given:
    """What was read for a job: its record, pictures or sounds by role, masks at the content's size, its clip.

    A large content may be left in its file, to be read in `strips`.
    """

    record: Record
    pictures: "Mapping[str, Sequence[Picture]]" = field(default_factory=dict)
    sounds: "Mapping[str, Sequence[Sound]]" = field(default_factory=dict)
    masks: "list[Tensor] | None" = None
    clip: "Clip | None" = None
    strips: "Strips | None" = None


@dataclass(frozen=True)
class Work:
    """Does the jobs of one opened method.

    Attributes:
        method: It.
        outputs: How files are encoded, and what becomes of those that exist.
        compute: `device`, `precision` and `threads`, as the record keeps them.
        hear: Opens the method of sounds, for those of clips.
        contents: Those that were read last: a sweep takes each several times in a row.
        others: Styles above all, which come again with every content.
    """

    method: Method[Settings, object]
    outputs: Files
    compute: Mapping[str, object]
    hear: Callable[[], Method[Settings, object]] | None = None
    contents: PictureCache = field(default_factory=lambda: PictureCache(2**25))
    others: PictureCache = field(default_factory=lambda: PictureCache(2**28))

    def __call__(self, job: Job, listener: Listener) -> Outcome:
        """Does a job as a whole.

        Raises:
            InputError: An input cannot be read.
            OutputError: The file cannot be written, or holds something else and may not be replaced.
        """
        given = self.gather(job)
        return given if isinstance(given, Outcome) else self.make(job, given, listener).finish()

    def gather(self, job: Job) -> Given | Outcome:
        """The inputs of a job, unless its file already is what the job would make.

        Raises:
            InputError: An input cannot be read.
            OutputError: The file holds something else and may not be replaced, or its folder cannot be written.
        """
        record = begin(job, self.method.weights_for(job.settings), self.outputs, self.compute)
        if record is None:
            return Outcome(skipped=True)
        # What goes beside the result must have a place too.
        codecs.Destination(job, record, self.outputs).beside()
        roles = ["content", "style", *job.settings.pictures()]
        read = {role: some for role, some in job.inputs.items() if role in roles}
        if isinstance(self.outputs, SoundFiles):
            hear = partial(codecs.read_sound, most=self.method.device.max_memory)
            given = Given(record, sounds={role: [hear(one) for one in some] for role, some in read.items()})
        else:
            clip = self._clip(job)
            strips = None if clip else self._strips(job)
            if clip or strips:
                read.pop("content")
            pictures = {role: [self._read(role, one, job.settings) for one in some] for role, some in read.items()}
            size = clip.size if clip else pictures["content"][0].pixels.shape[1:] if "content" in pictures else None
            given = Given(
                record,
                pictures,
                masks=codecs.read_masks(job, (size[0], size[1])) if size else None,
                clip=clip,
                strips=strips,
            )
        self._check(job, record)
        return given

    @staticmethod
    def _check(job: Job, record: Record) -> None:
        if hashed(job.inputs) != record.inputs:
            raise InputError(f"{job.title}: an input was replaced while it was read", "run again")

    def make(self, job: Job, given: Given, listener: Listener) -> Made:
        """The job's result, which is not written yet.

        Raises:
            MemoryLimitError: It does not fit.
        """
        try:
            return self._made(self.method, job, given, listener)
        except Exception as error:
            if not (self.method.traits.short and out_of_memory(error)):
                raise
        # The error is gone, and with it what it held of the job.
        tight = copy.copy(self.method)
        tight.device = dataclasses.replace(tight.device, tight=True)
        made = self._made(tight, job, given, listener)
        note = f"{job.title}: ran out of memory, was done again with half as much"
        return dataclasses.replace(made, outcome=dataclasses.replace(made.outcome, notes=(*made.outcome.notes, note)))

    def _made(self, method: Method[Settings, object], job: Job, given: Given, listener: Listener) -> Made:
        picture = next(iter(given.pictures.get("content", ())), None)
        if picture and not method.traits.transparent:
            picture = dataclasses.replace(picture, alpha=None)
        to = codecs.Destination(job, given.record, self.outputs, picture, given.sounds)
        tensors = {role: [each.pixels for each in some] for role, some in given.pictures.items()}
        some: Mapping[str, Sequence[object]] = given.sounds or tensors
        shares = [one.share for one in job.inputs.get("style", ())]
        frame = given.clip is not None
        request: Request[Settings, object] = Request(
            job.settings,
            next(iter(some.get("content", ())), None),
            some.get("style", ()),
            shares if given.masks else even(shares) if shares else None,
            given.masks,
            {role: each[0] for role, each in tensors.items() if role not in ("content", "style")},
            {role: [one.name for one in sources] for role, sources in job.inputs.items()},
            listener,
            None if frame or job.output == STDOUT else to.snapshot,
        )
        if given.clip:
            return self._moving(method, job, given, request, listener)
        if given.strips:
            wrote = to.write_rows(method.rows(request, given.strips), given.strips)
            self._check(job, given.record)
            told = noted(job, {**given.pictures, "content": [given.strips]})
            return Made(Outcome(notes=(*told, *wrote)), tuple)
        result = method(request)
        notes = (*noted(job, {**given.pictures, **given.sounds}), *result.notes)
        outcome = Outcome(dict(result.losses), notes, interrupted=result.interrupted)
        return Made(outcome, partial(to.write, result))

    def _strips(self, job: Job) -> "Strips | None":
        levels = self.method.traits.levels and "mask" not in job.inputs
        return codecs.open_strips(job, self.outputs) if levels and self.method.by_rows(job.settings) else None

    def _clip(self, job: Job) -> "Clip | None":
        if not job.main.moving:
            return None
        assert isinstance(self.outputs, MovingOutputs)
        return open_clip(job, self.outputs, self.method.device.max_memory)

    def _moving(
        self,
        method: Method[Settings, object],
        job: Job,
        given: Given,
        request: Request[Settings, object],
        listener: Listener,
    ) -> Made:
        """The job's clip, each frame of it as `request` asks."""
        assert given.clip is not None
        assert isinstance(self.outputs, MovingOutputs)

        def asked(pixels: "Tensor", past: Past | None) -> Request[Settings, object]:
            return dataclasses.replace(
                request, content=pixels, past=past, listener=lambda step: listener(painting.told)
            )

        painting = moving.Painting(method, job, given.clip, given.record, self.outputs, asked, listener, self.hear)
        return painting.run()

    def _read(self, role: str, source: Source, settings: Settings) -> "Picture":
        levels = self.method.traits.levels and self.outputs.bits != "16"
        read = partial(codecs.read_picture, source, levels=levels, most=self.method.device.max_memory)
        if role != "content":
            return self.others.take(source.sha256(), partial(read, size=None))
        size = settings.short_side()
        return self.contents.take(f"{source.sha256()} {size}", partial(read, size=size))


def even(shares: Sequence[float]) -> list[float]:
    """The shares of a mixture, with a sum of 1."""
    return [share / sum(shares) for share in shares]
