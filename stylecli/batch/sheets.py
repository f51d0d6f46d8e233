"""Sheets and clips of a sweep, made from the files that its jobs wrote."""

import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from stylecli.batch.plan import STDOUT, Job, guard, identity
from stylecli.errors import StyleCliError, UsageError
from stylecli.files import is_stream, present, version
from stylecli.remote import place
from stylecli.settings.fields import Settings
from stylecli.settings.shared import CLIPS, Outputs

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sheet:
    """A picture or a clip to be made of all results of one content.

    Attributes:
        path: The file.
        jobs: Its results: in rows of one style each for a sheet, in time for a clip.
        moving: A clip.
        paper: A plain table: contents across, styles down.
    """

    path: str
    jobs: Sequence[Job]
    moving: bool = False
    paper: bool = False


def plan_sheets(jobs: Sequence[Job], outputs: Outputs) -> list[Sheet]:
    """What `--grid` and `--animate` ask for; empty without them.

    Args:
        jobs: The plan.
        outputs: Where results go.

    Raises:
        UsageError: A file that exists, or a clip of an unknown kind.
    """
    if not jobs or not (outputs.grid or outputs.animate):
        return []
    # A plain table has no place to say which value a result of a sweep has.
    paper = outputs.paper and len({job.settings for job in jobs}) == 1
    groups = [list(group) for _, group in itertools.groupby(jobs, key=lambda job: paper or job.main)]
    sheets = []
    for group in groups:
        main = group[0].main
        if outputs.grid:
            path = Path(f"{main.stem}_{group[0].method.replace(' ', '-')}_grid.png")
            if group[0].kept:
                path = place(outputs.output or "") / main.below / path
            elif outputs.output:
                path = _own(place(outputs.output), main.stem, groups)
            sheets.append(Sheet(str(path), group, paper=paper))
        if outputs.animate:
            sheets.append(Sheet(str(_own(place(outputs.animate), main.stem, groups)), group, moving=True))
    inputs = {identity(one.path) for job in jobs for some in job.inputs.values() for one in some}
    for each in sheets:
        if identity(each.path) in inputs:
            raise UsageError(f"{each.path}: would overwrite an input", "name another file")
        if (
            not is_stream(place(each.path))
            and present([each.path])
            and not (outputs.overwrite or outputs.skip_existing)
        ):
            raise UsageError(f"{each.path}: already there", "--overwrite replaces it")
    return sheets


def make_sheet(plan: Sheet, read: Callable[[str], "Tensor"], quality: int) -> bool:
    """Makes the file of `plan` from what its jobs wrote; results that are missing leave a gray field.

    Nothing is made without any result, or where the file was made of these very files before; False then.

    Raises:
        OutputError: It cannot be written.
    """
    there = [place(path) for path in present([job.output for job in plan.jobs])]
    kept = plan.jobs[0].kept
    sources = json.dumps({"sheet": [[str(path), version(path)] for path in there]}) if kept else None
    if not there or (kept and _stored(plan.path) == sources):
        return False
    from stylecli.media.clips import write_clip
    from stylecli.media.grids import sheet
    from stylecli.media.images import write_picture

    def found(path: str) -> "Tensor | None":
        try:
            return read(path)
        except StyleCliError:
            return None

    place(plan.path).parent.mkdir(parents=True, exist_ok=True)
    if plan.moving:
        frames = [picture for job in plan.jobs if (picture := found(job.output)) is not None]
        if frames:
            # There and back again, so that the clip has no jump where it begins anew.
            write_clip(
                [*frames, *frames[-2:0:-1]], plan.path, seconds=max(0.05, min(0.4, 3 / len(frames))), settings=sources
            )
        return True
    if plan.paper:
        write_picture(_table(plan.jobs, found), plan.path, quality=quality, settings=sources)
        return True
    rows = [list(row) for _, row in itertools.groupby(plan.jobs, key=_others)]
    styles = [row[0].inputs.get("style", ()) for row in rows]
    picture = sheet(
        [[found(job.output) for job in row] for row in rows],
        ["+".join(one.stem for one in some) for some in styles],
        [_differing(job, plan.jobs) for job in rows[0]],
        heads=[found(some[0].path) if len(some) == 1 else None for some in styles],
        corner=found(plan.jobs[0].main.path),
    )
    write_picture(picture, plan.path, quality=quality, settings=sources)
    return True


def _stored(path: str) -> str | None:
    from stylecli.media.stored_settings import read_settings

    try:
        return read_settings(path)
    except StyleCliError:
        return None


def _table(jobs: Sequence[Job], found: Callable[[str], "Tensor | None"]) -> "Tensor":
    """Results in a plain table, below their contents and beside their styles as the method saw them."""
    from stylecli.media.fit_square import square
    from stylecli.media.grids import CELL, table

    fit = getattr(jobs[0].settings, "fit", "pad")
    rows: dict[tuple[tuple[tuple[str, ...], ...], Settings], list[Tensor | None]] = {}
    for job in jobs:
        rows.setdefault((_others(job), job.settings), []).append(found(job.output))
    results = [each for row in rows.values() for each in row if each is not None]
    side = CELL if fit == "pad" or not results else max(results[0].shape)

    def seen(path: str, fit: str) -> "Tensor | None":
        picture = found(path)
        return picture if picture is None or fit == "pad" else square(picture.float() / 255, side, fit).pixels

    top = [seen(path, fit) for path in dict.fromkeys(job.main.path for job in jobs)]
    beside = fit if fit == "stretch" else "crop"
    left = {_others(job): seen(some[0].path, beside) for job in jobs if len(some := job.inputs["style"]) == 1}
    return table([[None, *top], *([left.get(styles), *row] for (styles, _), row in rows.items())])


def _others(job: Job) -> tuple[tuple[str, ...], ...]:
    """All inputs of a job but the main one."""
    return tuple(tuple(one.path for one in some) for some in list(job.inputs.values())[1:])


def plan_morphs(jobs: Sequence[Job], settings: Settings, outputs: Outputs) -> list[Job]:
    """A clip for each content of a plan, through all its styles, under the name that `--animate` gives.

    Args:
        jobs: The plan.
        settings: Of the clips.
        outputs: Where results go.

    Raises:
        UsageError: A single style, a file that exists, or a clip of an unknown kind.
    """
    contents = list(dict.fromkeys(job.main for job in jobs))
    styles = tuple(dict.fromkeys(one for job in jobs for one in job.inputs["style"]))
    animate = place(str(outputs.animate))
    if len(styles) < 2 or any(len(job.inputs["style"]) > 1 for job in jobs):
        raise UsageError(f"--animate {animate}: goes from one style to the next", "give several, without --blend")
    if (kind := animate.suffix[1:].lower()) not in CLIPS:
        raise UsageError(f"{animate}: not a clip", f"one of {', '.join(CLIPS)}")
    made = [
        Job(
            len(jobs) + index,
            jobs[0].method,
            {"content": (content,), "style": styles},
            settings,
            str(_own(animate, content.stem, contents)),
            kind,
            clip=True,
        )
        for index, content in enumerate(contents, 1)
    ]
    guard(made, outputs)
    return made


def _differing(job: Job, jobs: Sequence[Job]) -> str:
    """The settings that vary among `jobs`, with their values in `job`."""
    names = [f.name for f in fields(job.settings) if len({str(getattr(each.settings, f.name)) for each in jobs}) > 1]
    return ", ".join(f"{name.replace('_', '-')} {_said(getattr(job.settings, name))}" for name in names)


def _said(value: object) -> str:
    """A value as the user would have written it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _own(path: Path, stem: str, groups: Sequence[object]) -> Path:
    """A name of its own for each content, where the user gave one for all."""
    return path.with_name(f"{path.stem}_{stem}{path.suffix}") if len(groups) > 1 else path


def wants_singles(outputs: Outputs) -> bool:
    """Whether the results themselves are kept, next to sheets and clips: where they have a folder to go to."""
    if not (outputs.grid or outputs.animate):
        return True
    output = outputs.output
    if output == STDOUT:
        raise UsageError("-o -: a sheet goes to a file", "such as -o sheet.png")
    return bool(outputs.name) or bool(output and (output.endswith(("/", os.sep)) or place(output).is_dir()))
