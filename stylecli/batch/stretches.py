"""One clip as several jobs: stretches of its frames, painted apart, whose pieces the clip's own job then joins.

A stretch goes on from what the one before has not painted yet. It follows the motion of all frames before its own,
which costs little, and paints some of them for nothing: until what they did not know of the past has faded.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log
from pathlib import Path
from typing import TYPE_CHECKING

from stylecli.batch.clip_opening import open_clip, part_of
from stylecli.batch.clip_past import SMOOTH
from stylecli.batch.plan import STDOUT, Job, Stretch
from stylecli.errors import StyleCliError
from stylecli.remote import Remote, place
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Files

if TYPE_CHECKING:
    from stylecli.media.video.segments import Segments

LEAST, MOST = 128, 16
"""Frames of a stretch, so that it is worth what it paints for nothing; and stretches of a clip."""

PIECES = 64
"""Stretches have a multiple of so many frames: theirs are the pieces of a clip that is painted as a whole."""

FADED = 0.02
"""Share of what was before a stretch that no eye sees."""


def lead(steady: float) -> int | None:
    """Frames that a stretch paints for nothing; None where the past never fades."""
    if not steady:
        return 0
    from stylecli.media.video.carrying import DUE, FRAMES

    kept = steady + steady * (1 - steady)
    found = max(log(FADED) / log(DUE * kept) * (1 + FRAMES * steady), log(FADED) / log(SMOOTH * steady**0.5))
    return ceil(found) if 4 * found < MOST * LEAST / 4 else None


def stretches(job: Job, outputs: Files) -> list[Job]:
    """The jobs of the stretches of a job's clip; none where it is better, or has to be, painted as a whole."""
    if not (isinstance(outputs, MovingOutputs) and job.main.moving) or job.output == STDOUT:
        return []
    before = lead(outputs.steady)
    if before is None or isinstance(place(job.output), Remote) or isinstance(place(job.main.path), Remote):
        return []
    try:
        total = part_of(outputs, job).expected(open_clip(job, outputs, None))
    except StyleCliError:
        return []  # the job will say why
    frames = ceil(max(LEAST, 4 * before, total / MOST) / PIECES) * PIECES
    count = ceil(total / frames)
    return [replace(job, stretch=Stretch(index, frames, before)) for index in range(count if count > 1 else 0)]


def joining(job: Job, parts: Sequence[Job]) -> Job:
    """The job that joins what those of its stretches have painted, and paints what they have not."""
    assert parts[0].stretch
    return replace(job, stretch=replace(parts[0].stretch, index=None))


def folder(whole: Path, index: int) -> Path:
    """Where the pieces of a stretch are, beside those of the whole."""
    return whole.with_name(f"{whole.name}-{index:03}")


def joined(whole: "Segments", stated: str, stretch: Stretch) -> None:
    """Takes over the pieces of stretches, as far as they follow one another."""
    from stylecli.media.video.segments import Segments

    index, rest = divmod(whole.frames, stretch.frames)
    while not rest and folder(whole.folder, index).is_dir():
        part = Segments.opened(folder(whole.folder, index), stated, again=True)
        if part.made:
            whole.take(part)
        part.remove()
        index, rest = divmod(whole.frames, stretch.frames) if part.made else (index, 1)
    while folder(whole.folder, index := index + 1).is_dir():
        Segments(folder(whole.folder, index)).remove()
