"""From the pieces of a result to its file: pictures, the sound of the clip as it was, tags, and how it was made."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from stylecli.errors import OutputError
from stylecli.files import atomic_write, output_error
from stylecli.media.stored_settings import KEYWORD, STATED_TAG, mp4_box
from stylecli.media.video.clip import Clip, Part
from stylecli.media.video.codecs import CODECS, KINDS, Coding
from stylecli.media.video.segments import Segments
from stylecli.media.video.tracks import Coded, Copied, Heard
from stylecli.media.xmp import xmp_with_settings

SAMPLED = 2**18
"""Pixels of all frames that a GIF's palette is made of."""

Av = Any
"""PyAV's types are not told."""


def assemble(
    segments: Segments,
    destination: str,
    format: str,
    coding: Coding,
    clip: Clip,
    part: Part,
    *,
    sound: str | bytes | Heard | None,
    settings: str,
    strip: bool = False,
) -> tuple[str, ...]:
    """Writes the file, whole or not at all; notes for the user.

    Args:
        segments: Its frames.
        destination: Its path.
        format: Kind of file.
        coding: Of the frames.
        clip: Where tags come from.
        part: Which part of the clip's sound goes along.
        sound: The file that has the sound, which is copied, or one to be coded; None where there is none.
        settings: JSON that `read_settings` gives back.
        strip: Leave out the clip's tags.

    Raises:
        OutputError: It cannot be written.
    """
    import av

    tags = {} if strip else dict(clip.tags)
    try:
        with atomic_write(destination) as file:
            if format not in KINDS:
                _animated(segments, file, format, coding, settings)
                return ("its sound left out: no sound in ." + format,) if clip.sounds else ()
            return _muxed(segments, file, format, coding, part, sound, tags, settings)
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno:
            raise output_error(destination, error) from error
        raise OutputError(f"{destination}: cannot be written: {error.strerror}".lower()) from error


def _muxed(
    segments: Segments,
    file: BinaryIO,
    format: str,
    coding: Coding,
    part: Part,
    sound: str | bytes | Heard | None,
    tags: dict[str, str],
    settings: str,
) -> tuple[str, ...]:
    import av

    boxed = format in ("mp4", "mov")
    tags |= {} if boxed else {STATED_TAG[format]: f"{KEYWORD}:{settings}"}
    # No numbers drawn by chance; and tags of MP4 beyond the usual ones are kept too.
    options = {"fflags": "+bitexact", **({"movflags": "use_metadata_tags"} if boxed and tags else {})}
    notes: list[str] = []
    with _Whole(av.open(file, "w", format=KINDS[format].muxer, container_options=options)) as out:
        out.metadata.update(tags)
        stream = out.add_stream(CODECS[coding.codec].encoder)
        coding.set_up(stream.codec_context)
        if coding.codec == "hevc" and boxed:
            stream.codec_context.codec_tag = "hvc1"
        track: Coded | Copied | None = None
        if sound:
            track = Coded(out, sound, format) if isinstance(sound, Heard) else Copied(out, sound, format, part, notes)
        out.start_encoding()
        for packet in _packets(segments, stream, coding.step):
            if track:
                track.until(packet.dts * coding.step)
            out.mux(packet)
        if track:
            track.until(None)
    if boxed:
        file.seek(0, 2)
        file.write(mp4_box(settings))
    return tuple(notes)


class _Whole:
    """A container that is closed without its end where something went wrong: the end could not be written either."""

    def __init__(self, container: Av) -> None:
        self.container = container

    def __enter__(self) -> Av:
        return self.container

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.container.close()
            return
        with suppress(Exception):
            self.container.close()


def _packets(segments: Segments, stream: Av, step: Fraction) -> Iterator[Av]:
    """All packets, each with the time when it must be there for those that are shown later."""
    import av

    times = segments.times()
    shown = sorted(times)
    places = {time: place for place, time in enumerate(shown)}
    late = max((place - places[time] for place, time in enumerate(times)), default=0)
    ahead = max(shown[1] - shown[0], 1) if shown[1:] else 1
    coded = [shown[0] - ahead * count for count in range(late, 0, -1)] + shown
    for packet, dts in zip(segments.packets(), coded, strict=False):
        made: Av = av.Packet(packet.data)
        made.pts, made.dts, made.time_base, made.stream = packet.time, dts, step, stream
        made.duration, made.is_keyframe = packet.duration, packet.key
        yield made


def _animated(segments: Segments, file: BinaryIO, format: str, coding: Coding, settings: str) -> None:
    """A GIF, WebP or APNG; Pillow holds the frames of GIF and APNG in memory until all are there."""
    times = segments.times()
    last = [max(round(packet.duration * coding.step * 1000), 1) for packet in segments.packets()][-1]
    marks = [round(time * coding.step * 1000) for time in times]
    lengths = [max(after - before, 1) for before, after in pairwise(marks)] + [last]
    images = (Image.fromarray(levels) for levels in _stored(segments, coding))
    options: dict[str, Any] = {"loop": 0, "duration": lengths}
    if format == "gif":
        palette = _palette(segments, coding)
        images = (_indexed(image, palette) for image in images)
        options |= {"comment": f"{KEYWORD}:{settings}".encode(), "disposal": 2 if coding.transparent else 1}
        options |= {"transparency": 255} if coding.transparent else {}
    elif format == "webp":
        options |= {
            "xmp": xmp_with_settings(None, settings),
            "quality": coding.quality,
            "lossless": coding.quality == 100,
        }
    else:
        told = PngImagePlugin.PngInfo()
        told.add_itxt(KEYWORD, settings)
        options |= {"pnginfo": told}
    first, kind = next(images), "PNG" if format == "apng" else format.upper()
    # Pillow looks at those of an APNG twice.
    others = list(images) if format == "apng" else images
    first.save(file, kind, save_all=True, append_images=others, **options)


def _stored(segments: Segments, coding: Coding) -> Iterator[np.ndarray]:
    """The frames [H, W, 3 or 4] of pieces of FFV1."""
    import av

    told: Av = av.CodecContext.create("ffv1", "w")
    coding.set_up(told)
    told.open()
    reader: Av = av.CodecContext.create("ffv1", "r")
    reader.extradata = told.extradata
    reader.height, reader.width, reader.pix_fmt = *coding.coded, coding.pixels
    for packet in segments.packets():
        for frame in reader.decode(av.Packet(packet.data)):
            yield frame.to_ndarray(format="rgba" if coding.transparent else "rgb24")
    for frame in reader.decode(None):
        yield frame.to_ndarray(format="rgba" if coding.transparent else "rgb24")


def _palette(segments: Segments, coding: Coding) -> Image.Image:
    """One palette for all frames, so that flat colors do not flicker; the last place is for what is transparent."""
    count = max(len(segments.times()), 1)
    each = max(SAMPLED // count, 64)
    some = []
    for levels in _stored(segments, coding):
        pixels = levels.reshape(-1, levels.shape[2])
        some.append(pixels[:: max(len(pixels) // each, 1), :3])
    sample = Image.fromarray(np.concatenate(some)[None])
    return sample.quantize(255, Image.Quantize.MEDIANCUT)


def _indexed(image: Image.Image, palette: Image.Image) -> Image.Image:
    made = image.convert("RGB").quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    if image.mode == "RGBA":
        made.paste(255, mask=image.getchannel("A").point(lambda alpha: 255 * (alpha < 128)))
    return made
