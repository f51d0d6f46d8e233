"""Options of moving pictures: which part of a clip, how it is written, how steady it is."""

import re
from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.over_time import OverTime, seconds
from stylecli.settings.shared import Outputs

MOVING = ("mp4", "mov", "mkv", "webm", "avi", "gif", "webp", "apng")
"""Formats of clips; the first one where nothing says which."""

CODECS = ("auto", "h264", "hevc", "vp9", "av1", "prores", "ffv1")
CODECS_ALSO = {"h265": "hevc", "x265": "hevc", "avc": "h264", "x264": "h264"}
ENCODING = ("codec", "start", "end", "fps", "every", "deinterlace", "steady", "over_time")
"""Options that a clip's record keeps beside those of every file."""

PIPED = ("raw",)
"""Options of clips that their record does not keep."""

SOUND_STYLE = "sound_style"
"""The role of the sound whose style a clip's own sound takes."""

FLOW = "flow"
"""The role of a network that finds what moved."""

BESIDE = (SOUND_STYLE, FLOW)
"""Options that name a file which goes in beside a clip, in this role."""

PANEL = "Clips"


@dataclass(frozen=True)
class MovingOutputs(Outputs):
    """Where results go, for methods that also take clips."""

    codec: str = option(
        "auto",
        "how the frames of a clip are coded; auto: as its kind of file",
        choices=CODECS,
        also=CODECS_ALSO,
        panel=PANEL,
    )
    start: str | None = option(None, "where in a clip to begin, in seconds or h:m:s", unit="time", panel=PANEL)
    end: str | None = option(None, "where in a clip to end, likewise", unit="time", panel=PANEL)
    fps: float | None = option(
        None,
        "frames a second of the result, each the nearest one of the clip; of numbered pictures and folders, their own",
        minimum=0.01,
        maximum=1000,
        panel=PANEL,
    )
    every: int = option(1, "take every Nth frame of a clip", unit="N", minimum=1, panel=PANEL)
    deinterlace: str = option(
        "auto", "make whole frames of interlaced ones; off: both fields stay in", choices=("auto", "off"), panel=PANEL
    )
    steady: float = option(
        0.4,
        "how much of the frame before is kept where the scene moved on with it; 0: each frame by itself",
        minimum=0,
        maximum=1,
        panel=PANEL,
    )

    flow: str | None = option(
        None,
        "what finds how a scene moved on: torchvision's RAFT, large or small; default: DIS, which needs no weights",
        unit="file",
        panel=PANEL,
    )

    over_time: str = option(
        "",
        "strength and style along a clip, which --alpha 0..1, --alpha 0@0s,1@2s and --style a@0s,b@4s say shorter",
        unit="keys",
        panel=PANEL,
    )

    sound_style: str | None = option(
        None, "give the sound of a clip to `stylecli audio`, with the style of this sound", unit="file", panel=PANEL
    )

    raw: str | None = option(
        None,
        "frames as bytes in pipes, as FFmpeg's rawvideo: rgb24:WxH, so large, where - is CONTENT; and where it is -o",
        unit="rgb24[:WxH]",
        panel=PANEL,
    )

    def __post_init__(self) -> None:
        """Refuses parts of a clip that are none."""
        super().__post_init__()
        _ = self.raw_size
        if self.flow and not self.steady:
            raise UsageError("--flow: with --steady 0 each frame is painted by itself", "leave out one of them")
        _ = OverTime.parse(self.over_time)
        first, last = self.part
        if last is not None and last <= first:
            raise UsageError(f"--end {self.end}: not behind the start, {first:g} s", "times count from the beginning")

    @property
    def raw_size(self) -> tuple[int, int] | None:
        """Height and width of raw frames that come in; None where `raw` does not say."""
        if self.raw is None:
            return None
        found = re.fullmatch(r"rgb24(?::([1-9]\d{0,4})x([1-9]\d{0,4}))?", self.raw, re.ASCII)
        if not found:
            raise UsageError(f"--raw {self.raw[:40]}: cannot be used", "rgb24:640x360, or for -o - alone rgb24")
        return (int(found[2]), int(found[1])) if found[1] else None

    @property
    def part(self) -> tuple[float, float | None]:
        """Seconds of the first frame and behind the last one."""
        first = 0.0 if self.start is None else seconds(self.start, "--start")
        return first, None if self.end is None else seconds(self.end, "--end")

    def takes_raw(self, path: str) -> bool:
        """Whether the content of this name is raw frames."""
        return self.raw_size is not None and path in ("-", "/dev/stdin")
