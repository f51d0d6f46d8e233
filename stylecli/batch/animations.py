"""Which inputs are clips: videos always, animated pictures where the result may move too."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

from stylecli.batch.inputs import SOUNDS, VIDEOS, expand, pictures_of
from stylecli.batch.plan import Job
from stylecli.batch.sources import STDIN, Source
from stylecli.errors import UsageError
from stylecli.files import regular
from stylecli.remote import Remote, place
from stylecli.settings.moving import BESIDE, ENCODING, MOVING, PIPED, SOUND_STYLE, MovingOutputs
from stylecli.settings.shared import FORMATS, Files
from stylecli.settings.values import flag

STILL = frozenset([*FORMATS, "jpeg", "tif"]) - {*MOVING}


def folders_as_clips(words: Sequence[str], outputs: MovingOutputs) -> tuple[list[Source], Sequence[str]]:
    """Folders of pictures that become one clip each, for a result that moves, and the words that are left.

    Raises:
        UsageError: Nobody says how many of them are shown a second.
    """
    clips, others = [], []
    for word in words:
        files = pictures_of(place(word)) if asked(outputs) in MOVING else ()
        if not files:
            others.append(word)
        elif outputs.fps is None and asked(outputs) not in FORMATS:
            raise UsageError(f"{word}: pictures, without --fps", "--fps 25 makes one clip of them, so many a second")
        elif outputs.fps is None:
            others.append(word)
        else:
            clips.append(Source(word, moving=True, frames=files))
    return clips, others


def piped(words: Sequence[str], outputs: MovingOutputs) -> tuple[list[Source], Sequence[str]]:
    """Raw frames that come through stdin, of which nothing is read yet, and the words that are left.

    Raises:
        UsageError: Nobody says how large they are, or `--raw` is of no use.
    """
    if outputs.raw is None:
        return [], words
    coming = STDIN in words
    if not coming and outputs.output != STDIN:
        raise UsageError(f"--raw {outputs.raw}: for pipes", "- as CONTENT, or -o -")
    if not coming:
        return [], words
    if outputs.raw_size is None:
        raise UsageError(f"--raw {outputs.raw}: says not how large frames are", f"such as {outputs.raw}:640x360")
    if outputs.skip_existing:
        raise UsageError("--skip-existing: nobody knows what will come through a pipe", "leave it out, or write a file")
    return [Source(STDIN, data=b"", moving=True)], [word for word in words if word != STDIN]


def marked(sources: Sequence[Source], outputs: MovingOutputs, *, all_known: bool = True) -> list[Source]:
    """The sources, and which of them are clips; `all_known`: no more will come.

    Raises:
        UsageError: Numbered pictures without a rate, a sheet of clips, or options of clips where there is none.
    """
    wanted = asked(outputs)
    found = [replace(one, moving=one.moving or _moves(one, wanted)) for one in sources]
    for one in found:
        if one.frames and outputs.fps is None:
            raise UsageError(f"{one.name}: pictures, without --fps", "--fps 25 shows so many of them a second")
        if one.moving and (outputs.grid or outputs.animate):
            raise UsageError(f"--{'grid' if outputs.grid else 'animate'}: {one.name} is a clip", "it is for pictures")
    if all_known and not any(one.moving for one in found):
        for field in fields(outputs):
            if field.name in (*ENCODING, *PIPED, *BESIDE) and getattr(outputs, field.name) != field.default:
                raise UsageError(f"{flag(field.name)}: for clips, and none goes in", "leave it out, or name a clip")
    return found


def accompanied(jobs: list[Job], outputs: Files) -> list[Job]:
    """The jobs, those of clips with the sound whose style theirs takes, and with what finds their motion.

    Raises:
        UsageError: Several files where one is asked for.
    """
    more = {}
    for role in BESIDE if isinstance(outputs, MovingOutputs) else ():
        if word := getattr(outputs, role):
            more[role] = tuple(expand([(word, 1.0)], suffixes=SOUNDS if role == SOUND_STYLE else frozenset()))
            if len(more[role]) > 1:
                raise UsageError(f"{flag(role)} {word}: {len(more[role])} files", "name one")
    return [replace(job, inputs={**job.inputs, **more}) if more and job.main.moving else job for job in jobs]


def asked(outputs: MovingOutputs) -> str | None:
    """The format that options ask for, None where they leave it to the content."""
    if outputs.format:
        return outputs.format
    for text in (outputs.output, outputs.name):
        suffix = Path(text or "").suffix[1:].lower()
        if suffix in STILL or suffix in MOVING:
            return suffix
    return None


def _moves(source: Source, wanted: str | None) -> bool:
    suffix = Path(source.name).suffix.lower()
    if suffix in VIDEOS or (source.data is not None and _is_video(source.data)):
        return True
    # An APNG has the suffix of all PNGs: a folder of them is not opened for its sake.
    if wanted in STILL or source.closed or not (suffix in {".gif", ".webp"} or wanted in MOVING):
        return False
    if source.data is not None or isinstance(place(source.path), Remote):
        return False
    try:
        with open(source.path, "rb", opener=regular) as file:
            head = file.read(64)
            if head.startswith(b"\x89PNG\r\n"):
                return b"acTL" in head + file.read(2**16)
            if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
                return bool(head[20] & 2)
            return head[:4] == b"GIF8" and len([*islice(_pictures_of_gif(head + file.read()), 2)]) > 1
    except (OSError, ValueError, IndexError):
        return False


def _is_video(data: bytes) -> bool:
    still = data[8:12] in {b"avif", b"heic", b"mif1"}
    return (data[4:8] == b"ftyp" and not still) or data[:4] == b"\x1aE\xdf\xa3"


def _pictures_of_gif(data: bytes) -> Iterator[int]:
    """Where the pictures of a GIF begin; nothing of it is decoded."""
    table: Callable[[int], int] = lambda flags: 3 << ((flags & 7) + 1) if flags & 0x80 else 0
    at = 13 + table(data[10])
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            yield at
            at += 10 + table(data[at + 9]) + 1
        else:
            at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
