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
from stylecli.media.video.reader import opened, origin
from stylecli.media.video.segments import Segments
from stylecli.media.xmp import xmp_with_settings

SAMPLED = 2**18
"""Pixels of all frames that a GIF's palette is made of."""

SOUND_RATE = 192_000
"""Bits a second of sound that is coded anew."""

CODED_SOUND = {"webm": "libopus", "avi": "libmp3lame"}
"""What sound becomes where a kind of file does not hold it as it is; else AAC."""

_COMMON = ("aac", "mp3", "ac3", "eac3", "alac")
HOLDS = {
    "mp4": frozenset([*_COMMON, "opus", "flac", "dts"]),
    "mov": frozenset([*_COMMON, "pcm_s16le", "pcm_s24le", "pcm_s16be", "pcm_s24be", "pcm_f32le"]),
    "webm": frozenset(["opus", "vorbis"]),
    "avi": frozenset(["mp3", "mp2", "ac3", "aac", "pcm_s16le", "pcm_u8"]),
    "mkv": frozenset(
        [*_COMMON, "mp2", "opus", "flac", "vorbis", "dts", "wavpack", "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"]
    ),
}
"""Sound that a kind of file holds as it is."""

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
    sound: str | bytes | None,
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
        sound: The file that has the sound; None where there is none.
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
    sound: str | bytes | None,
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
        copied = _Sound(out, sound, format, part, notes) if sound else None
        out.start_encoding()
        for packet in _packets(segments, stream, coding.step):
            if copied:
                copied.until(packet.dts * coding.step)
            out.mux(packet)
        if copied:
            copied.until(None)
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


class _Sound:
    """The sound of a clip, copied packet by packet, in step with the pictures."""

    def __init__(self, out: Av, source: str | bytes, format: str, part: Part, notes: list[str]) -> None:
        self.out, self.part, self.notes = out, part, notes
        self.opened = opened(source, "sound")
        self.container = self.opened.__enter__()
        self.begin = origin(self.container) + part.first
        self.pairs = {one.index: self._stream(one, format) for one in self.container.streams.audio}
        self.waiting: Av = None
        self.packets = self.container.demux(*self.container.streams.audio) if self.pairs else iter(())
        self.damaged = False

    def _stream(self, stream: Av, format: str) -> tuple[Av, bool]:
        """Where a stream goes, and whether it is coded anew."""
        if self.out.supported_codecs and stream.codec_context.codec.canonical_name in HOLDS[format]:
            return self.out.add_stream_from_template(stream, opaque=True), False
        name = CODED_SOUND.get(format, "aac")
        rate = 48_000 if name == "libopus" else stream.rate
        made = self.out.add_stream(name, rate=rate, layout=stream.layout.name)
        made.bit_rate = SOUND_RATE
        self.notes.append(
            f"sound: {stream.codec_context.name} is not held by .{format}: coded as {made.codec_context.name}"
        )
        return made, True

    def until(self, time: Fraction | None) -> None:
        """Writes what sounds before `time`, or all that is left."""
        import av

        while (packet := self._next()) is not None:
            made, anew = self.pairs[packet.stream.index]
            if packet.dts is None:
                if anew:
                    self._coded(packet, made)
                continue
            at = packet.pts * packet.time_base - self.begin
            if time is not None and at > time:
                self.waiting = packet
                return
            if at + packet.duration * packet.time_base <= 0 and self.part.first:
                continue
            if self.part.last is not None and at >= self.part.last - self.part.first:
                continue
            if anew:
                self._coded(packet, made)
                continue
            shift = round(self.begin / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, made
            self.out.mux(packet)
        if time is None:
            for made, anew in self.pairs.values():
                if anew:
                    self.out.mux(made.encode(None))
            with suppress(av.error.FFmpegError):
                self.opened.__exit__(None, None, None)

    def _next(self) -> Av:
        import av

        if self.waiting is not None:
            packet, self.waiting = self.waiting, None
            return packet
        try:
            return next(self.packets, None)
        except av.error.FFmpegError:
            if not self.damaged:
                self.notes.append("its sound is damaged: copied up to there")
            self.damaged = True
            return None

    def _coded(self, packet: Av, made: Av) -> None:
        import av

        with suppress(av.error.InvalidDataError):
            for frame in packet.decode():
                frame.pts = None if frame.pts is None else frame.pts - round(self.begin / frame.time_base)
                self.out.mux(made.encode(frame))


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
