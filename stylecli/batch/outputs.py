"""What stands where a job wants to write, and what is told of it before and after the work."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from stylecli.batch.plan import STDOUT, Job, identity
from stylecli.batch.record import ENCODING, Record, loads, make
from stylecli.errors import OutputError, StyleCliError
from stylecli.files import is_stream, present
from stylecli.remote import Remote, place
from stylecli.settings import moving
from stylecli.settings.shared import Files
from stylecli.settings.values import build, completed


class Noted(Protocol):
    """What was read of a file."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know of it."""


def begin(job: Job, weights: Mapping[str, str], outputs: Files, compute: Mapping[str, object]) -> Record | None:
    """The record that the job's file will have; None where the file already is what the job would make.

    Args:
        job: The job.
        weights: SHA-256 of those that it uses, by name.
        outputs: How files are encoded, and what becomes of those that exist.
        compute: `device`, `precision` and `threads`.

    Raises:
        OutputError: The file holds something else and may not be replaced, or its folder cannot be written.
    """
    kept = (*ENCODING, *(moving.ENCODING if job.main.moving else ()))
    encoding = {**{key: getattr(outputs, key) for key in kept}, "format": job.format}
    record = make(job, weights=weights, encoding=encoding, compute=compute)
    if job.output != STDOUT and not is_stream(place(job.output)):
        if outputs.skip_existing and holds(job, record, overwrite=outputs.overwrite):
            return None
        prepare(place(job.output).parent)
    return record


def check_free(path: Path, job: Job, *, replace: bool) -> None:
    """Refuses a file beside the job's own that may not be written.

    Raises:
        OutputError: It is there and may not be replaced, or is an input.
    """
    inputs = {identity(one.path) for some in job.inputs.values() for one in some if one.data is None}
    if not is_stream(path) and present([path]) and (not replace or identity(str(path)) in inputs):
        raise OutputError(f"{path}: already there", "--overwrite replaces it, unless it is an input")


def noted(job: Job, read: Mapping[str, Sequence[Noted]]) -> list[str]:
    """Notes on what was read, by role, each with the name of its file."""
    return [
        f"{one.name}: {note}"
        for role, some in read.items()
        for one, each in zip(job.inputs[role], some, strict=True)
        for note in each.notes
    ]


def holds(job: Job, record: Record, *, overwrite: bool) -> bool:
    """Whether the output already is what the job would make.

    Raises:
        OutputError: It is something else, and may not be replaced.
    """
    from stylecli.media.stored_settings import read_settings

    if not present([job.output]):
        return False
    try:
        stored = loads(read_settings(job.output), job.output)
        kind = type(job.settings)
        stored = replace(stored, settings=asdict(build(kind, completed(kind, stored.settings))))
        differs = stored.differs(record)
    except StyleCliError:
        differs = ["record"]
    if differs and not overwrite:
        raise OutputError(f"{job.output}: exists, with another {', '.join(differs)}", "--overwrite replaces such files")
    return not differs


def prepare(folder: Path) -> None:
    """Makes the output's folder now: minutes of work should not end at a folder that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {(error.strerror or str(error)).lower()}") from error
    if not isinstance(folder, Remote) and not os.access(folder, os.W_OK):
        raise OutputError(f"{folder}: not permitted to write here", "write somewhere else with -o")
