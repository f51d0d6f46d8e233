"""Which codecs are in which kind of file, and how RGB frames become their packets.

Quality 1 to 100 becomes what each codec counts in, so that 92 looks alike in all of them. Frames are BT.709 in limited
range, in 4:2:0 where players ask for that; FFV1 keeps RGB as it is.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from stylecli.errors import UsageError
from stylecli.media.video.clip import LARGE, NOTHING_SAID, UNKNOWN, Colors
from stylecli.media.video.pixels import BT2020, HALVED, Pixels

Av = Any
"""PyAV's types are not told."""

THREADS = 4
"""Of an encoder; some write other bytes with another number."""

GLOBAL_HEADER = 1 << 22
BT709 = 1


@dataclass(frozen=True)
class Codec:
    """How a codec is used.

    Attributes:
        encoder: FFmpeg's name of what writes it.
        pixels: FFmpeg's name of its kind of frames.
        options: By quality.
        transparent: Its kind of frames with alpha, empty where it has none.
        even: Sides must be even.
        held: Bytes of a pixel that an encoder holds once it is full; and with `spare`. Measured.
        spare: More options of frames so large that an encoder may not look far ahead: it holds what it looks at.
        thin: More options of frames a side of which is one pixel.
    """

    encoder: str
    pixels: str
    options: Callable[[int], Mapping[str, str]]
    transparent: str = ""
    even: bool = False
    held: tuple[int, int] = (35, 35)
    spare: Mapping[str, str] = field(default_factory=dict)
    thin: Mapping[str, str] = field(default_factory=dict)

    def wanted(self, quality: int, height: int, width: int) -> Mapping[str, str]:
        """Options for frames of a height and width; what an option has of parts of its own comes together."""
        made = dict(self.options(quality))
        more = self.spare if height * width > LARGE else self.thin if 1 in (height, width) else {}
        for name, value in more.items():
            made[name] = f"{made[name]}:{value}" if name.endswith("-params") else value
        return made


def _crf(best: float, each: float) -> Callable[[int], str]:
    """From quality 100 down."""
    return lambda quality: f"{best + (100 - quality) * each:.4g}"


_X264, _X265, _VP9, _AV1 = _crf(15.2, 0.25), _crf(17, 0.25), _crf(16, 0.4), _crf(18, 0.4)

CODECS = {
    "h264": Codec(
        "libx264",
        HALVED,
        # With AVX-512 small frames may otherwise be coded differently from one time to the next. In painted clips few
        # blocks are worth a partition: 0.7 of the time, at the same size and error.
        lambda q: {
            "crf": _X264(q),
            "preset": "faster",
            "refs": "1",
            "bf": "2",
            "rc-lookahead": "10",
            "x264-params": "cpu-independent=1:me=dia:subme=5:partitions=i8x8",
        },
        even=True,
        held=(220, 50),
        spare={"rc-lookahead": "2", "bf": "1", "x264-params": "sync-lookahead=0"},
    ),
    "hevc": Codec(
        "libx265",
        HALVED,
        lambda q: {"crf": _X265(q), "preset": "medium", "x265-params": "log-level=none"},
        even=True,
        held=(300, 140),
        spare={"x265-params": "rc-lookahead=6:frame-threads=1"},
    ),
    "vp9": Codec(
        "libvpx-vp9",
        HALVED,
        lambda q: {"crf": f"{float(_VP9(q)):.0f}", "b": "0", "row-mt": "1", "cpu-used": "3"},
        held=(200, 140),
        spare={"lag-in-frames": "6"},
    ),
    "av1": Codec("libsvtav1", HALVED, lambda q: {"crf": f"{float(_AV1(q)):.0f}", "preset": "8"}, held=(360, 360)),
    "prores": Codec("prores_ks", "yuv422p10le", lambda q: {"profile": str(min(3, q // 31))}, "yuva444p10le"),
    "ffv1": Codec(
        "ffv1",
        "bgr0",
        lambda q: {"level": "3", "slices": "4"},
        "bgra",
        held=(100, 100),
        thin={"level": "1", "slices": "0"},
    ),
}


class Kind(NamedTuple):
    """A kind of file: FFmpeg's name, and the codecs it holds, the usual one first."""

    muxer: str
    codecs: tuple[str, ...]


KINDS = {
    "mp4": Kind("mp4", ("h264", "hevc", "av1", "vp9")),
    "mov": Kind("mov", ("h264", "hevc", "prores")),
    "mkv": Kind("matroska", ("h264", "hevc", "vp9", "av1", "prores", "ffv1")),
    "webm": Kind("webm", ("vp9", "av1")),
    "avi": Kind("avi", ("h264", "ffv1")),
}
"""Those that FFmpeg writes; animated pictures are made of FFV1 when all frames are there."""


def codec_for(format: str, codec: str) -> str:
    """The codec of a kind of file, where `auto` is the usual one.

    Raises:
        UsageError: It does not hold the codec.
    """
    if format not in KINDS:
        if codec != "auto":
            raise UsageError(f"--codec {codec}: .{format} has its own", "leave out --codec")
        return "ffv1"
    known = KINDS[format].codecs
    if codec not in ("auto", *known):
        others = [f".{name}" for name, kind in KINDS.items() if codec in kind.codecs]
        raise UsageError(
            f"--codec {codec}: not in .{format}", f"one of {', '.join(known)}, or write {', '.join(others)}"
        )
    return known[0] if codec == "auto" else codec


def held_bytes(codec: str, size: tuple[int, int]) -> int:
    """What an encoder of frames of a height and width holds at most."""
    pixels = size[0] * size[1]
    return pixels * CODECS[codec].held[pixels > LARGE]


@dataclass(frozen=True)
class Coding:
    """How the frames of one result are coded.

    Attributes:
        codec: A key of `CODECS`.
        size: Height and width of the frames that come.
        step: All times are multiples of it.
        rate: Frames a second, on the mean.
        quality: 1 to 100.
        alpha: Whether frames have it; it is kept where the codec can.
        colors: What codes stand for.
        aspect: Width of a pixel by its height.
    """

    codec: str
    size: tuple[int, int]
    step: Fraction
    rate: Fraction
    quality: int
    alpha: bool = False
    colors: Colors = NOTHING_SAID
    aspect: Fraction = Fraction(1)

    @property
    def transparent(self) -> bool:
        """Whether alpha is kept."""
        return self.alpha and bool(CODECS[self.codec].transparent)

    @property
    def coded(self) -> tuple[int, int]:
        """Height and width of what is coded: a last row or column goes where sides must be even."""
        height, width = self.size
        return (max(height // 2 * 2, 2), max(width // 2 * 2, 2)) if CODECS[self.codec].even else (height, width)

    @property
    def pixels(self) -> str:
        """FFmpeg's name of the kind of frames."""
        codec = CODECS[self.codec]
        return codec.transparent if self.transparent else codec.pixels

    def set_up(self, context: Av) -> None:
        """Gives an encoder all that it must know; those of one result are all the same."""
        codec = CODECS[self.codec]
        context.height, context.width = self.coded
        context.pix_fmt, context.time_base, context.framerate = self.pixels, self.step, self.rate
        context.sample_aspect_ratio = self.aspect
        context.options = codec.wanted(self.quality, *self.coded)
        context.thread_count = min(THREADS, os.cpu_count() or 1)
        context.flags |= GLOBAL_HEADER
        if self.pixels.startswith("yuv"):
            wide = self.colors.primaries == BT2020
            context.colorspace, context.color_range = BT2020 if wide else BT709, 1
            context.color_primaries = BT709 if self.colors.primaries == UNKNOWN else self.colors.primaries
            context.color_trc = BT709 if self.colors.transfer == UNKNOWN else self.colors.transfer


class Packet(NamedTuple):
    """A coded frame; its time and duration are counted in steps."""

    data: bytes
    time: int
    duration: int
    key: bool


class Encoder:
    """Codes frames, one after the other; what it gives can be decoded without what other encoders gave."""

    def __init__(self, coding: Coding) -> None:
        import av

        os.environ.setdefault("SVT_LOG", "1")
        self.coding = coding
        self.context: Av = av.CodecContext.create(CODECS[coding.codec].encoder, "w")
        coding.set_up(self.context)
        self.pixels = Pixels(coding)
        self.durations: dict[int, int] = {}

    def add(self, levels: np.ndarray, time: Fraction, duration: Fraction) -> Iterator[Packet]:
        """Codes [H, W, 3], where alpha is kept [H, W, 4], or planes of `pixels`; gives what is ready."""
        made = self.pixels.frame(levels)
        made.pts, made.time_base, made.pict_type = round(time / self.coding.step), self.coding.step, 0
        self.durations[made.pts] = round(duration / self.coding.step)
        yield from self._packets(self.context.encode(made))

    def end(self) -> Iterator[Packet]:
        """What is left."""
        yield from self._packets(self.context.encode(None))

    def _packets(self, packets: list[Av]) -> Iterator[Packet]:
        for packet in packets:
            yield Packet(bytes(packet), packet.pts, self.durations.pop(packet.pts, 0), packet.is_keyframe)
