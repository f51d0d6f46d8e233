"""One job on sounds: read, compute, write with the record of how it was made, and draw the report."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stylecli.batch.inputs import Source
from stylecli.batch.jobs import STDOUT, Job
from stylecli.batch.outputs import begin, check_free, noted
from stylecli.batch.pictures import even
from stylecli.batch.runner import Outcome
from stylecli.files import binary_stdout
from stylecli.progress import Listener
from stylecli.remote import place
from stylecli.settings.audio import SoundFiles

if TYPE_CHECKING:
    from stylecli.media.audio import Sound


@dataclass(frozen=True)
class SoundWork:
    """Does the jobs of one method.

    Attributes:
        backend: The built method: `weights`, and `run(content, styles, settings, ...)` on sounds.
        outputs: How files are encoded, and what becomes of those that exist.
        compute: `device`, `precision` and `threads`, as the record keeps them.
    """

    backend: Any
    outputs: SoundFiles
    compute: dict[str, Any]

    def __call__(self, job: Job, listener: Listener) -> Outcome:
        """Makes the job's file, unless the file already is what the job would make.

        Raises:
            InputError: A sound cannot be read.
            OutputError: The file cannot be written, or holds something else and may not be replaced.
        """
        from stylecli.media.audio import write_sound

        report = self._report(job)
        if (record := begin(job, self)) is None:
            return Outcome(skipped=True)
        sounds = {role: [_read(one) for one in some] for role, some in job.inputs.items()}
        (content,), styles = sounds["content"], sounds["style"]
        shares = even([style.share for style in job.inputs["style"]])
        result = self.backend.run(content, styles, job.settings, blend=shares, listener=listener)
        # FLAC holds 24 bits at most, what is lossy has none.
        deep = content.bits if content.bits != "32f" or job.format == "wav" else "24"
        written = write_sound(
            result.samples,
            binary_stdout() if job.output == STDOUT else job.output,
            content.rate,
            format=job.format,
            bits=deep if self.outputs.bits == "auto" else self.outputs.bits,
            clip=job.settings.clip,
            tags={} if self.outputs.strip else content.tags,
            settings=dataclasses.replace(record, interrupted=result.interrupted).dumps(),
            mask=content.mask,
        )
        notes = noted(job, sounds)
        if report:
            from stylecli.media.spectrograms import draw

            made = dataclasses.replace(content, samples=result.samples)
            draw([("content", content), *(("style", each) for each in styles), ("result", made)], report)
            notes.append(f"report: {report}")
        return Outcome(dict(result.losses), (*notes, *result.notes, *written), interrupted=result.interrupted)

    def _report(self, job: Job) -> str | None:
        """The job's own picture: of the second job on, numbered."""
        if self.outputs.report is None:
            return None
        path = place(self.outputs.report)
        path = path if job.index == 1 else path.with_name(f"{path.stem}_{job.index}{path.suffix}")
        check_free(path, job, replace=self.outputs.overwrite or self.outputs.skip_existing)
        return str(path)


def _read(source: Source) -> "Sound":
    from stylecli.media.audio import read_sound

    return read_sound(source.held, name=source.name)
