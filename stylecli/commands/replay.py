"""Run again what made a file, from the record in it."""

import dataclasses
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stylecli.batch.inputs import recorded
from stylecli.batch.plan import Job, guard
from stylecli.batch.record import ENCODING, Record, loads
from stylecli.batch.sources import Source
from stylecli.commands._options import from_settings
from stylecli.commands._report import Reporter
from stylecli.commands._run import run_jobs
from stylecli.errors import ExitCode, InputError, UsageError
from stylecli.remote import place
from stylecli.settings import moving
from stylecli.settings.audio import SOUNDS, SoundFiles
from stylecli.settings.fields import option
from stylecli.settings.shared import Machine, Outputs, Reporting, argument, short
from stylecli.settings.values import build, completed

PANEL = "Tools"


@dataclass(frozen=True)
class Replay:
    """What is run again, and where the new file goes."""

    made: str = argument(option("", "a file that stylecli wrote", unit="output"))
    output: str | None = short(
        "-o", option(None, "new file or folder, - for stdout; default: {stem}_replay.{ext} here")
    )
    overwrite: bool = option(False, "replace a file that exists (never an input)")
    allow_urls: bool = option(False, "fetch inputs that the record names by URL; OUTPUT may be a stranger's")

    def __post_init__(self) -> None:
        """Refuses to replay nothing."""
        if not self.made:
            raise UsageError("OUTPUT: missing", "name a file that stylecli wrote")


@from_settings
def command(replay: Replay, compute: Machine, reporting: Reporting) -> ExitCode:
    """Run again what made OUTPUT: the same inputs, weights and settings, the same file bit for bit on one machine.

    Inputs are looked up as they were named, so run it in the same folder; one that has changed since is an error.
    What OUTPUT says is a claim of whoever made it: --dry-run shows what would be read, and URLs need --allow-urls.

    \b
      stylecli replay photo_gatys_wave.jpg
      stylecli replay photo_gatys_wave.jpg -o again.jpg --device cpu
    """
    from stylecli.media.stored_settings import read_settings
    from stylecli.methods import settings_of

    record = loads(read_settings(replay.made), replay.made)
    if record.interrupted:
        raise InputError(f"{replay.made}: a picture on the way, of a run that went on or was stopped")
    moves = "codec" in record.encoding
    keys = (*ENCODING, *(key for key in moving.ENCODING if moves and key in record.encoding))
    encoding = {key: record.encoding[key] for key in keys}
    files = SoundFiles if encoding["format"] in SOUNDS else moving.MovingOutputs if moves else Outputs
    outputs = files(output=replay.output, overwrite=replay.overwrite, **encoding)
    default = f"{Path(replay.made).stem}_replay{Path(replay.made).suffix}"
    output = replay.output or default
    if output.endswith(("/", os.sep)) or place(output).is_dir():
        output = str(place(output) / default)
    kind = settings_of(record.method)
    made = build(kind, completed(kind, record.settings))
    machine = _where(record, compute)
    if reporting.verbose:
        for role, some in record.inputs.items():
            Reporter(reporting).say(f"{replay.made}: reads {role} {', '.join(str(one['path']) for one in some)}")
    same = partial(_same, urls=replay.allow_urls)
    inputs = {
        role: tuple(same(one, frames=moves and role == "content") for one in some)
        for role, some in record.inputs.items()
    }
    inputs |= {"content": tuple(dataclasses.replace(one, moving=True) for one in inputs["content"])} if moves else {}
    job = Job(1, record.method, inputs, made, output, encoding["format"])
    guard([job, dataclasses.replace(job, inputs={"made": (Source(replay.made),)})], outputs)
    return run_jobs([job], outputs, machine, reporting, weights=record.weights)


def _same(stored: dict[str, object], urls: bool, frames: bool) -> Source:
    """An input of the record, as it was then.

    Raises:
        InputError: It is gone or holds something else.
    """
    path = str(stored["path"])
    try:
        source = recorded(path, float(str(stored.get("share", 1))), urls=urls, frames=frames)
    except InputError as error:
        hint = error.hint if "://" in path else "replay runs where the file was made, with its inputs in place"
        raise InputError(error.message, hint) from error
    if source.sha256() != stored["sha256"]:
        raise InputError(f"{source.name}: has changed since", f"its SHA-256 was {stored['sha256']}")
    return source


def _where(record: Record, compute: Machine) -> Machine:
    """As it was computed, but for what the user says now."""
    said = {field.name: getattr(compute, field.name) for field in dataclasses.fields(compute)}
    return Machine(
        **{name: record.compute.get(name, value) if value in ("auto", None) else value for name, value in said.items()}
    )
