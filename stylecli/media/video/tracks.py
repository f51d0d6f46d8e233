"""The sound of a clip: read as a whole, copied as it is, or coded; always in step with the pictures."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from stylecli.errors import InputError
from stylecli.media.audio import Sound, fit
from stylecli.media.video.clip import Part
from stylecli.media.video.reader import opened, origin

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

BLOCK = 1024
"""Samples that are coded at once."""

Av = Any
"""PyAV's types are not told."""


@dataclass(frozen=True)
class Heard:
    """The sound of a clip's part.

    Attributes:
        sound: It.
        start: When it begins in the part, in seconds.
        layout: FFmpeg's name of its channels.
        more: Streams of sound that were left out.
    """

    sound: Sound
    start: Fraction
    layout: str
    more: int = 0


def heard(source: str | bytes, name: str, part: Part) -> Heard:
    """The first sound of a clip's part.

    Raises:
        InputError: Nothing of it can be decoded.
    """
    import av

    blocks: list[tuple[Fraction, np.ndarray]] = []
    with opened(source, name) as container:
        stream, begin = container.streams.audio[0], origin(container) + part.first
        rate, layout, more = int(stream.rate), stream.layout.name, len(container.streams.audio) - 1
        resampler, end = av.AudioResampler(format="fltp", layout=layout, rate=rate), Fraction(0)
        with suppress(av.error.FFmpegError):
            for frame in container.decode(stream):
                at = end if frame.pts is None else frame.pts * Fraction(frame.time_base) - begin
                end = at + Fraction(frame.samples, rate)
                if part.last is not None and at >= part.last - part.first:
                    break
                if end > 0 or not part.first:
                    blocks += [(at, each.to_ndarray()) for each in resampler.resample(frame)]
    if not blocks:
        raise InputError(f"{name}: nothing of its sound can be decoded", "leave out --sound-style")
    start = blocks[0][0]
    last = max(round((at - start) * rate) + block.shape[1] for at, block in blocks)
    samples = np.zeros((blocks[0][1].shape[0], last), np.float32)
    for at, block in blocks:
        place = round((at - start) * rate)
        samples[:, place : place + block.shape[1]] = block[:, : max(last - place, 0)]
    low = max(round(-start * rate), 0) if part.first else 0
    high = last if part.last is None else min(last, round((part.last - part.first - start) * rate))
    sound = Sound(torch.from_numpy(samples[:, low:high].copy()), rate)
    return Heard(sound, start + Fraction(low, rate), layout, more)


class Coded:
    """A sound that is coded, in step with the pictures."""

    def __init__(self, out: Av, heard: Heard, format: str) -> None:
        fitted, _ = fit(heard.sound.samples, "limit")
        self.out, self.rate, self.samples, self.place = out, heard.sound.rate, fitted.numpy(), 0
        self.start, self.layout, name = heard.start, heard.layout, CODED_SOUND.get(format, "aac")
        self.stream = out.add_stream(name, rate=48_000 if name == "libopus" else self.rate, layout=self.layout)
        self.stream.bit_rate = SOUND_RATE

    def until(self, time: Fraction | None) -> None:
        """Writes what sounds before `time`, or all that is left."""
        import av

        for block in self._blocks(time):
            frame: Av = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=self.layout)
            frame.rate, frame.time_base = self.rate, Fraction(1, self.rate)
            frame.pts = round(self.start * self.rate) + self.place
            self.place += block.shape[1]
            self.out.mux(self.stream.encode(frame))
        if time is None:
            self.out.mux(self.stream.encode(None))

    def _blocks(self, time: Fraction | None) -> Iterator[np.ndarray]:
        while self.place < self.samples.shape[1]:
            if time is not None and self.start + Fraction(self.place, self.rate) > time:
                return
            yield self.samples[:, self.place : self.place + BLOCK]


class Copied:
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
