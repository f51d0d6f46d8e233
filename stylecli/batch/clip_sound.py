"""The sound of a clip through the method of sounds, in the style of `--sound-style`; it is kept with the pieces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylecli.batch.plan import Job
from stylecli.errors import InputError, UsageError
from stylecli.files import atomic_write
from stylecli.method import Method, Request
from stylecli.progress import Listener
from stylecli.settings.audio import AudioSettings
from stylecli.settings.fields import Settings
from stylecli.settings.moving import SOUND_STYLE

if TYPE_CHECKING:
    from stylecli.media.video.clip import Clip, Part
    from stylecli.media.video.tracks import Heard

KEPT = "sound.safetensors"


def check(job: Job, clip: "Clip") -> None:
    """Refuses a style of sound where there is none to be painted, or nowhere to put it.

    Raises:
        InputError: The clip has no sound.
        UsageError: The result's kind of file has none.
    """
    from stylecli.media.video.codecs import KINDS

    if SOUND_STYLE not in job.inputs:
        return
    if job.format not in KINDS:
        raise UsageError(f"--sound-style: no sound in .{job.format}", "write a .mp4, or leave it out")
    if not clip.sounds:
        raise InputError(f"{job.title}: no sound in it, which --sound-style asks for", "leave out --sound-style")


def painted(
    job: Job, part: "Part", opening: Callable[[], Method[Settings, object]], folder: Path, listener: Listener
) -> "tuple[Heard, tuple[str, ...]]":
    """The clip's sound in its new style, as long as it was, and notes; from `folder` where it is there already.

    Raises:
        InputError: One of the sounds cannot be read.
    """
    from safetensors.torch import load, save

    from stylecli.media.audio import read_sound
    from stylecli.media.video.tracks import heard

    (source,) = job.inputs[SOUND_STYLE]
    found = heard(job.main.held, job.title, part)
    notes = (f"{job.title}: {found.more} more of its sounds left out",) if found.more else ()
    kept = folder / KEPT
    if kept.exists():
        samples = load(kept.read_bytes())["samples"]
    else:
        style = read_sound(source.held, name=source.name)
        made = opening()(Request(AudioSettings(), found.sound, [style], listener=listener))
        if made.interrupted:
            raise KeyboardInterrupt
        samples, notes = made.sound.contiguous(), (*notes, *made.notes)
        with atomic_write(kept) as file:
            file.write(save({"samples": samples}))
    return replace(found, sound=replace(found.sound, samples=samples)), notes
