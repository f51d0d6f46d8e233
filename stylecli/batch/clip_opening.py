"""The clip of a job, and which of its frames are wanted; what cannot be done with it is refused here."""

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from stylecli.batch import clip_sound
from stylecli.batch.plan import STDOUT, Job
from stylecli.errors import InputError, UsageError
from stylecli.files import binary_stdin
from stylecli.settings.moving import SOUND_STYLE, MovingOutputs
from stylecli.settings.over_time import OverTime

if TYPE_CHECKING:
    from stylecli.media.video.clip import Clip, Part

RAW_FPS = Fraction(25)
"""Of raw frames where nobody says, as FFmpeg takes them."""


def part_of(outputs: MovingOutputs, job: Job) -> "Part":
    """The frames of a job's clip that are wanted."""
    from stylecli.media.video.clip import Part

    exact: Callable[[float | None], Fraction | None] = lambda number: None if number is None else Fraction(str(number))
    first, last = outputs.part
    fps = None if job.main.frames or outputs.takes_raw(job.main.path) else exact(outputs.fps)
    return Part(exact(first) or Fraction(0), exact(last), fps, outputs.every)


def open_clip(job: Job, outputs: MovingOutputs, most: int | None) -> "Clip":
    """The clip of a job.

    Raises:
        InputError: It cannot be read, or has nothing in the part that is wanted.
        UsageError: Its result cannot be written that way.
    """
    from stylecli.media.video import reader
    from stylecli.media.video.codecs import codec_for
    from stylecli.media.video.raw import of_stream

    if job.output == STDOUT and (outputs.raw is None or SOUND_STYLE in job.inputs):
        raise UsageError("-o -: a clip goes to a file", "such as -o out.mp4, or --raw rgb24 for frames without sound")
    codec_for(job.format, outputs.codec)
    if outputs.steady:
        from stylecli.media.video.motion import opencv

        opencv()
    styles = job.inputs.get("style", ()) or getattr(job.settings, "style", ())
    OverTime.parse(outputs.over_time).check(job.settings, len(styles))
    fps = Fraction(str(outputs.fps)) if outputs.fps else None
    if outputs.takes_raw(job.main.path):
        clip = of_stream(binary_stdin(), outputs.raw_size or (0, 0), fps or RAW_FPS, job.main.name)
    else:
        whole = outputs.deinterlace == "auto"
        clip = reader.open_clip(job.main.frames or job.main.held, name=job.main.name, fps=fps, most=most, whole=whole)
    clip_sound.check(job, clip)
    first = outputs.part[0]
    if clip.seconds is None and outputs.over_time and outputs.end is None:
        raise InputError(f"{job.title}: does not say how long it is", "--end says where what changes along it ends")
    if clip.seconds is not None and first >= clip.seconds:
        raise InputError(
            f"{job.title}: ends after {float(clip.seconds):.2f} s", f"--start {outputs.start} is behind that"
        )
    return clip
