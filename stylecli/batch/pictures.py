"""One job on pictures: read, compute, write with the record of how it was made."""

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from stylecli.batch.failures import out_of_memory
from stylecli.batch.inputs import Source
from stylecli.batch.jobs import STDOUT, Job
from stylecli.batch.outputs import begin, check_free, noted
from stylecli.batch.picture_cache import PictureCache
from stylecli.batch.record import Record, hashed
from stylecli.batch.runner import Made, Outcome
from stylecli.errors import InputError
from stylecli.files import binary_stdout
from stylecli.progress import Listener
from stylecli.remote import place
from stylecli.settings.shared import Files

if TYPE_CHECKING:
    from torch import Tensor

    from stylecli.media.images import Picture

FILLED = 8
"""Less pixels than this are what a network adds to sides that its layers do not divide."""

GIVEN = ("content", "style", "mask")


@dataclass(frozen=True)
class Given:
    """What was read for a job: its record, its pictures by role, and its masks at the size of the content."""

    record: Record
    pictures: "dict[str, list[Picture]]"
    masks: "list[Tensor] | None"


@dataclass(frozen=True)
class PictureWork:
    """Does the jobs of one method.

    Attributes:
        backend: The built method: `weights`, and `run(content, styles, settings, ...)` on tensors. `compact`: it takes
            levels too; `opaque`: its results have no use for the content's alpha; `named`: it is told `paths` by role;
            `shared`: threads may use it side by side; `short`: a job takes seconds, and its `device` may be `tight`.
        outputs: How files are encoded, and what becomes of those that exist.
        compute: `device`, `precision` and `threads`, as the record keeps them.
        contents: Those that were read last: a sweep takes each several times in a row.
        others: Styles above all, which come again with every content.
    """

    backend: Any
    outputs: Files
    compute: dict[str, Any]
    contents: PictureCache = dataclasses.field(default_factory=lambda: PictureCache(2**25))
    others: PictureCache = dataclasses.field(default_factory=lambda: PictureCache(2**28))

    def __call__(self, job: Job, listener: Listener) -> Outcome:
        """Does a job as a whole.

        Raises:
            InputError: A picture cannot be read.
            OutputError: The file cannot be written, or holds something else and may not be replaced.
        """
        given = self.gather(job)
        return given if isinstance(given, Outcome) else self.make(job, given, listener).finish()

    def gather(self, job: Job) -> "Given | Outcome":
        """The pictures of a job, unless its file already is what the job would make.

        Raises:
            InputError: A picture cannot be read.
            OutputError: The file holds something else and may not be replaced, or its folder cannot be written.
        """
        if (record := begin(job, self)) is None:
            return Outcome(skipped=True)
        pictures = {
            role: [self._read(role, one, job.settings) for one in some]
            for role, some in job.inputs.items()
            if role != "mask"
        }
        masks = _masks(job, pictures["content"][0].pixels) if pictures.get("content") else None
        if hashed(job.inputs) != record.inputs:
            raise InputError(f"{job.title}: an input was replaced while it was read", "run again")
        return Given(record, pictures, masks)

    def make(self, job: Job, given: "Given", listener: Listener) -> Made:
        """The job's result, which is not written yet.

        Raises:
            MemoryLimitError: It does not fit.
        """
        try:
            return self._made(self.backend, job, given, listener)
        except Exception as error:
            if not (getattr(self.backend, "short", False) and out_of_memory(error)):
                raise
        # The error is gone, and with it what it held of the job.
        tight = copy.copy(self.backend)
        tight.device = dataclasses.replace(tight.device, tight=True)
        made = self._made(tight, job, given, listener)
        note = f"{job.title}: ran out of memory, was done again with half as much"
        return dataclasses.replace(made, outcome=dataclasses.replace(made.outcome, notes=(*made.outcome.notes, note)))

    def _made(self, backend: Any, job: Job, given: "Given", listener: Listener) -> Made:
        pictures, masks = given.pictures, given.masks
        content, styles = next(iter(pictures.get("content", [])), None), pictures.get("style", [])
        shares = [style.share for style in job.inputs.get("style", ())]
        if content and getattr(backend, "opaque", False):
            content = dataclasses.replace(content, alpha=None)
        named = getattr(backend, "named", False)

        def snapshot(step: int, pixels: "Tensor") -> None:
            path = place(job.output)
            path = path.with_name(f"{path.stem}_{step:05}{path.suffix}")
            check_free(path, job, replace=self.outputs.overwrite)
            _write(pixels, str(path), content, dataclasses.replace(given.record, interrupted=True))

        result = backend.run(
            None if content is None else content.pixels,
            [style.pixels for style in styles],
            job.settings,
            blend=shares if masks else even(shares),
            masks=masks,
            listener=listener,
            snapshot=None if job.output == STDOUT else snapshot,
            **{role: some[0].pixels for role, some in pictures.items() if role not in GIVEN},
            **({"paths": {role: [one.name for one in some] for role, some in job.inputs.items()}} if named else {}),
        )
        record = dataclasses.replace(given.record, interrupted=result.interrupted)
        notes = (*noted(job, pictures), *result.notes, *_narrowed(job, content, result))
        return Made(
            Outcome(dict(result.losses), notes, interrupted=result.interrupted),
            partial(self._written, result, job, content, record),
        )

    def _written(self, result: Any, job: Job, content: "Picture | None", record: Record) -> tuple[str, ...]:
        if getattr(result, "frames", None) is not None:
            from stylecli.media.clips import write_clip

            quality = self.outputs.quality
            write_clip(result.frames, job.output, seconds=result.seconds, settings=record.dumps(), quality=quality)
            return ()
        if content and content.alpha is not None and getattr(result, "window", None):
            top, left, height, width = result.window
            alpha = content.alpha[:, top : top + height, left : left + width]
            content = dataclasses.replace(content, alpha=alpha)
        return _write(result.image, job.output, content, record)

    def _read(self, role: str, source: Source, settings: Any) -> "Picture":
        from stylecli.media.images import read_picture

        compact = getattr(self.backend, "compact", False) and self.outputs.bits != "16"
        read = partial(read_picture, source.held, name=source.name, compact=compact, wide=True, most=self._most)
        if role != "content":
            return self.others.take(source.sha256(), read)
        # References resize by rules of their own.
        size = getattr(settings, "size", None) if getattr(settings, "recipe", "") == "stylecli" else None
        return self.contents.take(f"{source.sha256()} {size}", lambda: _sized(read(), size))

    @property
    def _most(self) -> int | None:
        """Bytes that a picture may take: what is allowed is asked for before it is decoded."""
        most = getattr(getattr(self.backend, "device", None), "max_memory", None)
        return most if isinstance(most, int) else None


def even(shares: Sequence[float]) -> list[float]:
    """The shares of a mixture, with a sum of 1."""
    return [share / sum(shares) for share in shares]


def _narrowed(job: Job, content: "Picture | None", result: Any) -> list[str]:
    """A note where the content has colors outside of sRGB and the result has none."""
    from stylecli.media.profiles import SEEN

    # Whether colors lie outside is known only of floats; a clip is told by its frames alone.
    if content is None or not content.pixels.is_floating_point() or getattr(result, "frames", None) is not None:
        return []
    beyond = lambda pixels: float(pixels.min()) < -SEEN or float(pixels.max()) > 1 + SEEN
    if not beyond(content.pixels) or beyond(result.image):
        return []
    return [f"{job.title}: its colors outside of sRGB were drawn inside of it"]


def _sized(picture: "Picture", size: int | None) -> "Picture":
    """A transparent picture at the size at which the method takes it: only here its alpha is at hand."""
    from stylecli.media.resize import short_side
    from stylecli.media.transparency import resize_seen

    if picture.alpha is None or not size:
        return picture
    height, width = picture.pixels.shape[1:]
    pixels, alpha = resize_seen(picture.pixels, picture.alpha, short_side(height, width, size))
    return dataclasses.replace(picture, pixels=pixels, alpha=alpha)


def _masks(job: Job, content: "Tensor") -> "list[Tensor] | None":
    if "mask" not in job.inputs:
        return None
    from stylecli.media.masks import read_mask

    height, width = content.shape[-2:]
    return [read_mask(mask.held, (height, width), name=mask.name) for mask in job.inputs["mask"]]


def _write(pixels: "Tensor", output: str, content: "Picture | None", record: Record) -> tuple[str, ...]:
    """Writes with the content's metadata and its alpha, if there is one, at the size of the result."""
    from stylecli.media.images import write_picture

    bits = record.encoding["bits"]
    return write_picture(
        pixels,
        binary_stdout() if output == STDOUT else output,
        format=record.encoding["format"],
        alpha=None if content is None or content.alpha is None else _fitting(content.alpha, pixels),
        carried=None if content is None else content.carried,
        settings=record.dumps(),
        quality=record.encoding["quality"],
        bits=None if bits == "auto" else int(bits),
        strip=record.encoding["strip"],
    )


def _fitting(alpha: "Tensor", pixels: "Tensor") -> "Tensor":
    """The alpha of a result: its content's, which ends a few pixels earlier where a network filled up its sides."""
    import torch.nn.functional as F

    from stylecli.media.transparency import resize_alpha

    height, width = pixels.shape[-2:]
    more = height - alpha.shape[1], width - alpha.shape[2]
    if more != (0, 0) and all(0 <= each < FILLED for each in more):
        return F.pad(alpha[None], (0, more[1], 0, more[0]), mode="replicate")[0]
    return resize_alpha(alpha, (height, width))
