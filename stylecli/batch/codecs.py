"""Reading what goes into a job, and writing what comes out of it: pictures, clips, sounds."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stylecli.batch.outputs import check_free
from stylecli.batch.plan import STDOUT, Job
from stylecli.batch.record import Record
from stylecli.batch.sources import Source
from stylecli.files import binary_stdout, is_stream
from stylecli.method import Result
from stylecli.remote import Remote, place
from stylecli.settings.audio import AudioSettings, SoundFiles
from stylecli.settings.shared import Files

if TYPE_CHECKING:
    from torch import Tensor

    from stylecli.media.audio import Sound
    from stylecli.media.images import Picture
    from stylecli.media.strips import Strips

STRIPPED = (".tif", ".tiff", ".png", ".btf", ".tf8")
"""Suffixes of files that may be read in strips."""

FILLED = 8
"""Less pixels than this are what a network adds to sides that its layers do not divide."""


def read_sound(source: Source, *, most: int | None) -> "Sound":
    """A sound of any format; `most` are the bytes that it may take: they are asked for before it is decoded.

    Raises:
        InputError: It cannot be read.
        MemoryLimitError: It would take more than `most`.
    """
    from stylecli.media import audio

    return audio.read_sound(source.held, name=source.name, most=most)


def read_picture(source: Source, *, levels: bool, size: int | None, most: int | None) -> "Picture":
    """A picture: as levels where that loses nothing and `levels` allows it; a transparent one at short side `size`.

    `most` are the bytes that it may take: they are asked for before it is decoded.

    Raises:
        InputError: It cannot be read.
        MemoryLimitError: It would take more than `most`.
    """
    from stylecli.media import images

    picture = images.read_picture(source.held, name=source.name, compact=levels, wide=True, most=most)
    if picture.alpha is None or not size:
        return picture
    # Sized as the method will take it: only here its alpha is at hand.
    from stylecli.media.resize import short_side
    from stylecli.media.transparency import resize_seen

    height, width = picture.pixels.shape[1:]
    pixels, alpha = resize_seen(picture.pixels, picture.alpha, short_side(height, width, size))
    return dataclasses.replace(picture, pixels=pixels, alpha=alpha)


def open_strips(job: Job, outputs: Files) -> "Strips | None":
    """The content of a job, where it is large, and both files are of kinds that go through some rows at a time.

    Raises:
        InputError: It is cut off.
    """
    source, local = job.main, job.output != STDOUT and not isinstance(place(job.output), Remote)
    if source.data is not None or not local or is_stream(place(job.output)) or outputs.bits == "16":
        return None
    if Path(source.path).suffix.lower() not in STRIPPED or not isinstance(source.held, str):
        return None
    from stylecli.media.images import ROW_WRITERS, picture_format
    from stylecli.media.strips import open_strips

    return open_strips(source.held, source.name) if picture_format(job.format) in ROW_WRITERS else None


def read_masks(job: Job, size: tuple[int, int]) -> "list[Tensor] | None":
    """The masks of a job at the height and width of its content, each [1, H, W]; None where it has none.

    Raises:
        InputError: One cannot be read.
    """
    if "mask" not in job.inputs:
        return None
    from stylecli.media.masks import read_mask

    return [read_mask(mask.held, size, name=mask.name) for mask in job.inputs["mask"]]


@dataclass(frozen=True)
class Destination:
    """Where a result goes, and how it is encoded.

    Attributes:
        job: What was done.
        record: How it was made.
        outputs: Options of files.
        picture: The content that a picture takes its metadata and alpha from.
        sounds: Those of the job, by role.
    """

    job: Job
    record: Record
    outputs: Files
    picture: "Picture | None" = None
    sounds: "Mapping[str, Sequence[Sound]]" = dataclasses.field(default_factory=dict)

    @property
    def file(self) -> str | BinaryIO:
        """What is written to."""
        return binary_stdout() if self.job.output == STDOUT else self.job.output

    def beside(self) -> tuple[Path | None, Path | None]:
        """The files beside the job's own: of latents, and of a report on a sound.

        Raises:
            OutputError: One is there and may not be replaced, or is an input.
        """
        outputs, latents = self.outputs, None
        if self.job.settings.keeps_latents():
            from stylecli.checkpoints.latents import latents_beside

            latents = latents_beside(self.job.output, overwrite=outputs.overwrite)
        if not isinstance(outputs, SoundFiles) or outputs.report is None:
            return latents, None
        path = place(outputs.report)
        path = path if self.job.index == 1 else path.with_name(f"{path.stem}_{self.job.index}{path.suffix}")
        check_free(path, self.job, replace=outputs.overwrite or outputs.skip_existing)
        return latents, path

    def snapshot(self, step: int, pixels: "Tensor") -> None:
        """Writes a picture on the way beside the result.

        Raises:
            OutputError: It cannot be written.
        """
        path = place(self.job.output)
        path = path.with_name(f"{path.stem}_{step:05}{path.suffix}")
        check_free(path, self.job, replace=self.outputs.overwrite)
        told = dataclasses.replace(self.record, interrupted=True)
        _write_picture(pixels, str(path), self.picture, told, self.outputs)

    def write(self, result: Result) -> tuple[str, ...]:
        """Writes a result, and what goes beside it; notes for the user.

        Raises:
            OutputError: It cannot be written.
        """
        latents, report = self.beside()
        record = dataclasses.replace(self.record, interrupted=result.interrupted)
        notes: tuple[str, ...] = ()
        if result.samples is not None:
            notes = self._sound(result, record, report)
        elif result.frames is not None:
            from stylecli.media.clips import write_clip

            quality = self.outputs.quality
            write_clip(result.frames, self.job.output, seconds=result.seconds, settings=record.dumps(), quality=quality)
        else:
            content = self.picture
            if content and content.alpha is not None and result.window:
                top, left, height, width = result.window
                alpha = content.alpha[:, top : top + height, left : left + width]
                content = dataclasses.replace(content, alpha=alpha)
            notes = (*self._narrowed(result), *_write_picture(result.picture, self.file, content, record, self.outputs))
        if latents and result.latents is not None:
            from stylecli.checkpoints.latents import save_latents

            save_latents(latents, result.latents, record.dumps())
            notes += (f"latents: {latents}",)
        return notes

    def write_rows(self, bands: "Iterable[Tensor]", content: "Strips") -> tuple[str, ...]:
        """Writes a result some rows at a time; notes for the user.

        Raises:
            OutputError: It cannot be written.
        """
        from stylecli.media.images import write_rows

        (_, _, height, width), outputs = content.shape, self.outputs
        settings, format = self.record.dumps(), self.record.encoding["format"]
        return write_rows(
            bands,
            (height, width),
            self.job.output,
            format=format,
            carried=content.carried,
            settings=settings,
            strip=outputs.strip,
        )

    def _sound(self, result: Result, record: Record, report: Path | None) -> tuple[str, ...]:
        from stylecli.media.audio import write_sound

        (content,), outputs, settings = self.sounds["content"], self.outputs, self.job.settings
        # FLAC holds 24 bits at most, what is lossy has none.
        deep = content.bits if content.bits != "32f" or self.job.format == "wav" else "24"
        notes = write_sound(
            result.sound,
            self.file,
            content.rate,
            format=self.job.format,
            bits=deep if outputs.bits == "auto" else outputs.bits,
            clip=settings.clip if isinstance(settings, AudioSettings) else "limit",
            tags={} if outputs.strip else content.tags,
            settings=record.dumps(),
            mask=content.mask,
        )
        if report is None:
            return notes
        from stylecli.media.spectrograms import draw

        made = dataclasses.replace(content, samples=result.sound)
        styles = self.sounds.get("style", ())
        draw([("content", content), *(("style", each) for each in styles), ("result", made)], str(report))
        return (*notes, f"report: {report}")

    def _narrowed(self, result: Result) -> tuple[str, ...]:
        """A note where the content has colors outside of sRGB and the result has none."""
        from stylecli.media.profiles import SEEN

        # Whether colors lie outside is known only of floats.
        if self.picture is None or not self.picture.pixels.is_floating_point():
            return ()
        beyond: Callable[[Tensor], bool] = lambda pixels: float(pixels.min()) < -SEEN or float(pixels.max()) > 1 + SEEN
        if not beyond(self.picture.pixels) or beyond(result.picture):
            return ()
        return (f"{self.job.title}: its colors outside of sRGB were drawn inside of it",)


def _write_picture(
    pixels: "Tensor", file: str | BinaryIO, content: "Picture | None", record: Record, outputs: Files
) -> tuple[str, ...]:
    """Writes with the content's metadata and its alpha, if there is one, at the size of the result."""
    from stylecli.media.images import write_picture

    return write_picture(
        pixels,
        file,
        format=record.encoding["format"],
        alpha=None if content is None or content.alpha is None else fitting(content.alpha, pixels),
        carried=None if content is None else content.carried,
        settings=record.dumps(),
        quality=outputs.quality,
        bits=None if outputs.bits == "auto" else int(outputs.bits),
        strip=outputs.strip,
    )


def fitting(alpha: "Tensor", pixels: "Tensor") -> "Tensor":
    """The alpha of a result: its content's, which ends a few pixels earlier where a network filled up its sides."""
    import torch.nn.functional as F

    from stylecli.media.transparency import resize_alpha

    height, width = pixels.shape[-2:]
    more = height - alpha.shape[1], width - alpha.shape[2]
    if more != (0, 0) and all(0 <= each < FILLED for each in more):
        return F.pad(alpha[None], (0, more[1], 0, more[0]), mode="replicate")[0]
    return resize_alpha(alpha, (height, width))
