"""Opening clips: by FFmpeg (PyAV), animated pictures by Pillow, numbered pictures one after the other.

Whatever is wrong with a file ends as one `InputError`, or where frames came before it, as a note behind these frames.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from stylecli.budget import ALLOWANCE
from stylecli.errors import InputError, MemoryLimitError
from stylecli.files import input_error, regular
from stylecli.media.coded import HDR
from stylecli.media.video import animated
from stylecli.media.video.clip import LARGE, Clip, Colors, Frame
from stylecli.media.video.interlaced import deinterlaced
from stylecli.media.video.levels import Levels, alpha_in

READABLE = "MP4, MOV, MKV, WebM, AVI, MPEG, GIF, animated WebP, APNG and numbered pictures can be read"
LARGEST = 2**26
"""Pixels of a frame: 8192 x 8192. What claims more is a bomb."""

MISSING, OF_ALL = Fraction(1, 4), Fraction(1)
"""Seconds by which pictures may end before the header says: theirs, or of all streams, for sound may go on."""

NO_TAGS = frozenset(
    ["major_brand", "minor_version", "compatible_brands", "encoder", "creation_time", "duration", "stylecli"]
)
Av = Any
"""PyAV's types are not told."""


def open_clip(
    source: str | bytes | Sequence[str],
    *,
    name: str,
    fps: Fraction | None = None,
    most: int | None = None,
    whole: bool = True,
) -> Clip:
    """What a file says of its clip; its frames are read later.

    Args:
        source: A path, the bytes of a file, or the paths of pictures.
        name: What messages call it.
        fps: Frames a second of pictures.
        most: Bytes that a frame may take.
        whole: Make whole frames of interlaced ones.

    Raises:
        InputError: It cannot be read, has no pictures, or frames that are too large.
        MemoryLimitError: A frame takes more than `most`.
    """
    if not isinstance(source, str | bytes):
        assert fps is not None
        clip = animated.of_pictures(source, fps, name)
    elif animated.is_animated(head(source, name)):
        clip = animated.of_file(source, name)
    else:
        clip = _by_ffmpeg(source, name, whole)
    height, width = clip.size
    check_size(height, width, name)
    # As floats, beside its levels.
    if most and 15 * height * width > max(most, ALLOWANCE):
        raise MemoryLimitError(
            f"{name}: frames of {width}x{height} take more than that", "allow more with --max-memory"
        )
    return clip


def check_size(height: int, width: int, name: str) -> None:
    """Refuses frames that no camera makes.

    Raises:
        InputError: They are too large.
    """
    if height * width > LARGEST:
        raise InputError(f"{name}: frames of {width:,}x{height:,} pixels", f"at most {LARGEST:,} pixels can be read")


def head(source: str | bytes, name: str) -> bytes:
    """The first bytes of a file.

    Raises:
        InputError: It cannot be read, or is empty.
    """
    if isinstance(source, bytes):
        return source[:64]
    try:
        with open(source, "rb", opener=regular) as file:
            found = file.read(64)
    except (OSError, ValueError) as error:
        raise input_error(name, error) from error
    if not found:
        raise InputError(f"{name}: empty file (0 bytes)", "write or copy it again")
    return found


@contextmanager
def opened(source: str | bytes, name: str) -> Iterator[Av]:
    """A container of PyAV, for reading.

    Raises:
        InputError: It is none.
    """
    import av

    file: str | BinaryIO = BytesIO(source) if isinstance(source, bytes) else str(Path(source).absolute())
    try:
        # Files name no others: a playlist may lead anywhere.
        container = av.open(file, options={"protocol_whitelist": "file,pipe"}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        why = "cut off before its index (moov)" if b"ftyp" in head(source, name)[:12] else "not a clip, or damaged"
        raise InputError(f"{name}: {why}", READABLE) from error
    with container:
        if container.format.name in {"hls", "concat", "dash", "sdp", "applehttp"}:
            raise InputError(f"{name}: a list of other files, not a clip", READABLE)
        yield container


def pictures_in(container: Av, name: str) -> Av:
    """The stream of pictures that is shown.

    Raises:
        InputError: There is none, or nothing here decodes it.
    """
    found = [one for one in container.streams.video if not one.disposition & one.disposition.attached_pic]
    if not found:
        sounds = "only sound" if container.streams.audio else "no pictures"
        raise InputError(f"{name}: {sounds} in it, no stream of video", "stylecli audio paints sound")
    stream = found[0]
    if stream.codec_context is None:
        raise InputError(f"{name}: its codec is not known", READABLE)
    height, width = stream.codec_context.height, stream.codec_context.width
    check_size(height, width, name)
    # Frames may become larger on the way.
    stream.codec_context.options = {"max_pixels": str(LARGEST)}
    # Threads that decode frames side by side hold some for each of them.
    stream.thread_type = "SLICE" if height * width > LARGE else "AUTO"
    return stream


def _by_ffmpeg(source: str | bytes, name: str, whole: bool) -> Clip:
    import av

    try:
        with opened(source, name) as container:
            stream = pictures_in(container, name)
            first = next(iter(_decoded(container, stream, name, [])), None)
            if first is None:
                raise InputError(f"{name}: no frame of it can be decoded", READABLE)
            return _described(source, name, container, stream, first, whole)
    except av.error.FFmpegError as error:
        raise InputError(f"{name}: damaged: {_words(error)}", READABLE) from error


def _described(source: str | bytes, name: str, container: Av, stream: Av, first: Av, whole: bool) -> Clip:
    turned = round(getattr(first, "rotation", 0) / 90) % 2
    size = (first.width, first.height) if turned else (first.height, first.width)
    step, transfer = Fraction(stream.time_base), int(first.color_trc)
    rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
    length = stream.duration * step if stream.duration else container.duration and Fraction(container.duration, 10**6)
    alone = bool(stream.duration) or not container.streams.audio
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    notes: list[str] = []
    if transfer in HDR:
        notes.append(f"{HDR[transfer]} colors (HDR) toned down to a screen's")
    colors = Colors() if transfer in HDR else Colors(int(first.color_primaries), transfer)
    more = len(container.streams.video) - 1
    notes += [f"{more} more stream{'s' * (more > 1)} of pictures left out"] if more else []

    def frames() -> Iterator[Frame]:
        return _frames(source, name, size, (length or Fraction(0)) - (MISSING if alone else OF_ALL), whole, notes)

    return Clip(
        name,
        size,
        step,
        rate,
        frames,
        length or None,
        alpha_in(first.format),
        len(container.streams.audio),
        colors,
        1 / aspect if turned else aspect,
        {key: value for key, value in container.metadata.items() if key.lower() not in NO_TAGS},
        notes,
    )


def origin(container: Av) -> Fraction:
    """When the first of its streams begins, in seconds."""
    known = [
        one.start_time * one.time_base for one in (*container.streams.video, *container.streams.audio) if one.start_time
    ]
    several = len(container.streams.video) + len(container.streams.audio) > len(known)
    return Fraction(min([*known, 0] if several else known, default=0))


def _frames(
    source: str | bytes, name: str, size: tuple[int, int], least: Fraction, whole: bool, notes: list[str]
) -> Iterator[Frame]:
    """Every frame, until the end or until it is too damaged to go on; there should be `least` seconds of them."""
    levels, before, count, end = Levels(), None, 0, Fraction(0)
    with opened(source, name) as container:
        stream = pictures_in(container, name)
        begin, step = origin(container), Fraction(stream.time_base)
        usual = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
        decoded = _decoded(container, stream, name, notes)
        for frame in deinterlaced(decoded, notes) if whole else decoded:
            time = end if frame.pts is None else frame.pts * step - begin
            if before is not None and time <= before:
                time = before + step
            color, alpha = levels.of(frame)
            if color.shape[:2] != size:
                notes.append(f"ends after {count:,} frames: those behind it have another size")
                return
            duration = frame.duration * step if frame.duration else usual
            yield Frame(color, alpha, max(time, Fraction(0)), duration)
            before, count, end = time, count + 1, time + duration
    if end + usual < least:
        notes.append(f"cut off: only {float(end):.1f} s of it are there")


def _decoded(container: Av, stream: Av, name: str, notes: list[str]) -> Iterator[Av]:
    import av

    packets, damaged = container.demux(stream), 0
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.error.FFmpegError as error:
            notes.append(f"damaged: {_words(error)}; what is before that is done")
            break
        try:
            some = packet.decode()
        except av.error.EOFError:
            continue
        except av.error.FFmpegError:
            damaged += 1
            continue
        yield from some
    if damaged:
        notes.append(f"{damaged:,} damaged part{'s' * (damaged > 1)} of its pictures left out")


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower().partition(":")[0]
