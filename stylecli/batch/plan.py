"""The plan: every combination of inputs and settings, and the file that each one makes."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stylecli.batch.inputs import expand
from stylecli.batch.names import default_template, fill
from stylecli.batch.sources import Source
from stylecli.errors import UsageError
from stylecli.files import is_stream, present
from stylecli.remote import Remote, place
from stylecli.settings.fields import Settings
from stylecli.settings.moving import MOVING
from stylecli.settings.shared import CLIPS, FORMATS, Files

STDOUT = "-"
SUFFIXES = {"jpeg": "jpg", "tif": "tiff", **{name: name for name in FORMATS}}

Inputs = Mapping[str, tuple[Source, ...]]


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Some frames of a clip, that are painted by a job of their own.

    Attributes:
        index: Which of the stretches; None for the job that joins them.
        frames: Of each stretch; the last one may have fewer.
        lead: Frames before it that are painted for nothing.
    """

    index: int | None
    frames: int
    lead: int


@dataclasses.dataclass(frozen=True)
class Job:
    """One result to make.

    Attributes:
        index: Place in the plan, 1 for the first.
        method: Name of the method, as in the command.
        inputs: Sources by role (`content`, `style`, `mask`); the first one of the first role gives the name. Empty for
            what is made from nothing.
        settings: The method's settings dataclass.
        output: The file to write, `-` for stdout.
        format: One of the outputs' `formats`, or of `CLIPS`.
        kept: The file stays; else it is only a part of a sheet or clip.
        clip: The file is a clip, and no part of a sheet.
        stretch: Which frames of a clip are to be painted, where other jobs paint the others.
    """

    index: int
    method: str
    inputs: Inputs
    settings: Settings
    output: str
    format: str
    kept: bool = True
    clip: bool = False
    stretch: Stretch | None = None

    @property
    def main(self) -> Source:
        """The input that the result is named after."""
        return main_of(self.inputs, self.method)

    @property
    def title(self) -> str:
        """What messages call the job: its main input, or the file that it makes."""
        return self.main.name if self.inputs else self.output


def main_of(inputs: Inputs, method: str) -> Source:
    """The first input of the first role; where nothing goes in, one that has the method's name."""
    return next((some[0] for some in inputs.values()), Source(method))


def plan(
    method: str,
    axes: Sequence[Sequence[Inputs]],
    grid: Sequence[Settings],
    outputs: Files,
    *,
    stems: Sequence[str] = (),
    clip: bool = False,
) -> list[Job]:
    """All jobs, the last axis and then the settings varying fastest.

    Files that options name are inputs too, in the roles that the settings give them.

    Without `-o` and `--name` a result is `{stem}_{method}_{style}.{ext}` and the swept options in the current
    folder; results that would still share a name are numbered (`_2`). With `--name` sharing is an error.

    Args:
        method: Name of the method.
        axes: What each axis runs through: inputs by role. The first axis holds the main input.
        grid: The settings to run through.
        outputs: Where results go.
        stems: Of the file of each settings, in place of names after inputs, for what is made from nothing.
        clip: Results are clips.

    Raises:
        UsageError: An input that does not exist, two jobs share a file, a file is an input or exists, or `-o` cannot
            hold that many jobs.
    """
    named = [_named(settings) for settings in grid]
    points: list[tuple[Inputs, int]] = [
        ({role: sources for part in (*parts, named[at]) for role, sources in part.items()}, at)
        for parts in itertools.product(*axes)
        for at in range(len(grid))
    ]
    still = CLIPS if clip else outputs.formats
    found = any(main_of(inputs, method).root for inputs, _ in points)
    folder = folder_of(outputs, len(points), still if clip else (*SUFFIXES, *still, *MOVING), found=found)
    template = outputs.name or ("{stem}.{ext}" if stems else default_template(axes, grid))
    jobs: list[Job] = []
    taken: set[str] = set()
    for index, (inputs, at) in enumerate(points, 1):
        main, settings, stem = main_of(inputs, method), grid[at], stems[at] if stems else None
        formats = MOVING if main.moving else still
        if folder is None:
            path = place(str(outputs.output))
            ext = _ext(outputs, formats, path, main)
        else:
            ext = _ext(outputs, formats, Path(template), main)
            word = method.replace(" ", "-")
            name = fill(template, method=word, ext=ext, index=index, inputs=inputs, settings=settings, stem=stem)
            path = apart(folder / main.below / name, taken, numbered=outputs.name is None)
        output = STDOUT if outputs.output == STDOUT else str(path)
        jobs.append(Job(index, method, inputs, settings, output, SUFFIXES.get(ext, ext)))
    guard(jobs, outputs)
    return jobs


def guard(jobs: Sequence[Job], outputs: Files) -> None:
    """Refuses, before anything is computed, outputs that are inputs, that exist, or that cannot hold `--bits`.

    Raises:
        UsageError: The first such job, and how many more exist.
    """
    _spare_inputs(jobs)
    _spare_existing(jobs, outputs)
    for job in jobs:
        able = outputs.depths.get(outputs.bits)
        if able and job.format not in able:
            raise UsageError(f"{job.output}: {job.format} does not hold {outputs.bits} bits", f"--format {able[0]}")


def folder_of(
    outputs: Files, count: int, suffixes: Sequence[str] = tuple(SUFFIXES), *, found: bool = False
) -> Path | None:
    """The folder for results, None when `-o` names the one file; `found`: in a folder there may be more tomorrow."""
    output = outputs.output
    if output is None:
        return Path()
    if output == STDOUT:
        if count > 1:
            raise UsageError(f"-o -: {count} jobs do not fit into one stream", "name a folder: -o out/")
        return None
    is_folder = output.endswith(("/", os.sep)) or place(output).is_dir() or bool(outputs.name)
    if not is_folder and is_stream(place(output)):
        if count > 1:
            raise UsageError(f"-o {output}: {count} jobs do not fit into one stream", "name a folder: -o out/")
        return None
    is_folder = is_folder or (found and not Path(output).suffix and not place(output).is_file())
    if not is_folder and count == 1:
        return None
    if place(output).is_file() or (not is_folder and Path(output).suffix[1:].lower() in suffixes):
        wrong = f"one file for {count} jobs" if count > 1 else "a file, not a folder"
        raise UsageError(f"-o {output}: {wrong}", "name a folder: -o out/")
    return place(output)


def _named(settings: Settings) -> Inputs:
    """Files that options name, by role."""
    found = {**{role: [path] for role, path in settings.pictures().items()}, **settings.files()}
    return {role: tuple(expand([(path, 1.0) for path in paths])) for role, paths in found.items()}


def _known(formats: Sequence[str], path: Path) -> str | None:
    ext = path.suffix[1:].lower()
    return ext if SUFFIXES.get(ext, ext) in formats else None


def _ext(outputs: Files, formats: Sequence[str], path: Path, main: Source) -> str:
    """`--format`, else the suffix of the output, else that of the main input where it can be written, or the first."""
    if outputs.format:
        if outputs.format not in formats:
            kind = "for pictures" if outputs.format in outputs.formats else "for clips"
            raise UsageError(f"--format {outputs.format}: {kind}", f"one of {', '.join(formats)}")
        return outputs.format
    if path.suffix and "{" not in path.suffix and outputs.output != STDOUT:
        known = _known(formats, path)
        if known is None and outputs.name is None:
            raise UsageError(f"{path}: cannot write {path.suffix}", f"one of .{', .'.join(formats)}; or say --format")
        if known:
            return known
    return _known(formats, Path(main.name)) or formats[0]


def apart(path: Path, taken: set[str], *, numbered: bool) -> Path:
    """A path that no earlier job has, also where upper and lower case are one."""
    key: Callable[[Path], str] = lambda each: str(each.resolve()).casefold()
    one = path
    for number in itertools.count(2):
        if key(one) not in taken:
            break
        if not numbered:
            raise UsageError(f"{path}: two jobs would write it", "add {style}, {index} or a swept option to --name")
        one = path.with_name(f"{path.stem}_{number}{path.suffix}")
    taken.add(key(one))
    return one


def _spare_inputs(jobs: Sequence[Job]) -> None:
    inputs = {identity(s.path): s.path for job in jobs for ss in job.inputs.values() for s in ss if s.data is None}
    for job in jobs:
        if job.output != STDOUT and (name := inputs.get(identity(job.output))):
            raise UsageError(f"{job.output}: would overwrite the input {name}", "name another file or folder with -o")


def identity(path: str) -> tuple[int, int] | str:
    """What two names of one file have in common, through links of both kinds."""
    named = place(path)
    try:
        if isinstance(named, Remote):
            return path
        found = named.stat()
    except OSError:
        return str(named.resolve())
    return found.st_dev, found.st_ino


def _spare_existing(jobs: Sequence[Job], outputs: Files) -> None:
    if outputs.overwrite or outputs.skip_existing:
        return
    if there := present([job.output for job in jobs if job.output != STDOUT and not is_stream(place(job.output))]):
        more = f" and {len(there) - 1} more" if there[1:] else ""
        raise UsageError(f"{there[0]}{more}: already there", "--overwrite replaces, --skip-existing keeps")
