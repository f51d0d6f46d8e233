"""Jobs of generators, which make pictures and clips of seeds: their plan, and how one is done."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stylecli.batch.inputs import expand
from stylecli.batch.jobs import STDOUT, SUFFIXES, Job, apart, folder_of, guard
from stylecli.batch.names import fill
from stylecli.batch.outputs import begin
from stylecli.batch.runner import Outcome
from stylecli.errors import InputError, UsageError
from stylecli.files import binary_stdout, regular
from stylecli.progress import Listener
from stylecli.remote import place
from stylecli.settings.shared import CLIPS, Files


def plan_generated(method: str, wanted: Sequence[tuple[str, Any]], outputs: Files, *, clip: bool = False) -> list[Job]:
    """A job for each (stem of its file, settings).

    Args:
        method: Words of the command, as `stylegan sample`.
        wanted: What to make; settings name their input files by role (`files`).
        outputs: Where results go.
        clip: They are clips, not pictures.

    Raises:
        UsageError: As `jobs.plan`; or an input that does not exist.
    """
    known = {name: name for name in CLIPS} if clip else SUFFIXES
    default = "webp" if clip else "png"
    folder = folder_of(outputs, len(wanted), (*known,))
    template = outputs.name or "{stem}.{ext}"
    made: list[Job] = []
    taken: set[str] = set()
    for index, (stem, settings) in enumerate(wanted, 1):
        path = place(template if folder else str(outputs.output))
        ext = known.get(outputs.format or path.suffix[1:].lower() or default)
        if ext is None and (outputs.format or folder is None):
            raise UsageError(f"{path}: cannot write {outputs.format or path.suffix}", f"one of {', '.join(known)}")
        ext = ext or default
        inputs = {role: tuple(expand([(p, 1.0) for p in paths])) for role, paths in settings.files().items() if paths}
        if folder is not None:
            word = method.replace(" ", "-")
            name = fill(template, method=word, ext=ext, index=index, inputs=inputs, settings=settings, stem=stem)
            path = apart(folder / name, taken, numbered=outputs.name is None)
        output = STDOUT if outputs.output == STDOUT else str(path)
        made.append(Job(index, method, inputs, settings, output, ext))
    guard(made, outputs)
    return made


MOST_ROWS = 100_000
"""Of a file of latents, each of which becomes a job."""


def latent_rows(path: str) -> int:
    """How many latents a file holds; of ours, from its header alone.

    Raises:
        UsageError: No such file.
        InputError: It holds none.
    """
    (source,) = expand([(path, 1.0)])
    if Path(source.path).suffix != ".safetensors":
        from stylecli.checkpoints.latents import latents_in

        return len(latents_in(source.path)[1])
    try:
        with open(source.path, "rb", opener=regular) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 2**20)))
        rows = int(next(header[name] for name in ("w", "z") if name in header)["shape"][0])
    except (OSError, ValueError, LookupError, TypeError, StopIteration, struct.error) as error:
        raise InputError(
            f"{path}: no file of latents", "`stylegan sample --save-latents` and `project` write them"
        ) from error
    if not 0 < rows <= MOST_ROWS:
        raise InputError(f"{path}: says that it holds {rows:,} latents, not 1 to {MOST_ROWS:,}")
    return rows


@dataclass(frozen=True)
class GeneratedWork:
    """Does the jobs of one generator.

    Attributes:
        backend: The built generator: `weights`, and `run(settings, listener, photo)`.
        outputs: How files are encoded, and what becomes of those that exist.
        compute: `device`, `precision` and `threads`, as the record keeps them.
    """

    backend: Any
    outputs: Files
    compute: Mapping[str, Any]

    def __call__(self, job: Job, listener: Listener) -> Outcome:
        """Makes the job's file, and latents beside it, unless the file already is what the job would make.

        Raises:
            InputError: A photo or latents that cannot be read.
            OutputError: The file cannot be written, or holds something else and may not be replaced.
        """
        from stylecli.checkpoints.latents import latents_beside, save_latents
        from stylecli.media.clips import write_clip
        from stylecli.media.images import read_picture, write_picture

        if (record := begin(job, self)) is None:
            return Outcome(skipped=True)
        photo = None
        if shown := job.inputs.get("photo"):
            photo = read_picture(shown[0].held, name=shown[0].name)
        beside = latents_beside(job.output, job.settings, overwrite=self.outputs.overwrite)
        result = self.backend.run(job.settings, listener, photo.pixels if photo else None)
        told = replace(record, interrupted=result.interrupted)
        notes = [*(photo.notes if photo else ()), *result.notes]
        if result.frames is not None:
            write_clip(
                result.frames,
                job.output,
                seconds=result.seconds,
                settings=told.dumps(),
                quality=self.outputs.quality,
            )
        else:
            bits = self.outputs.bits
            notes += write_picture(
                result.image,
                binary_stdout() if job.output == STDOUT else job.output,
                format=job.format,
                settings=told.dumps(),
                quality=self.outputs.quality,
                bits=None if bits == "auto" else int(bits),
            )
        if beside:
            save_latents(beside, result.latents, told.dumps())
            notes.append(f"latents: {beside}")
        return Outcome(dict(result.losses), tuple(notes), interrupted=result.interrupted)
