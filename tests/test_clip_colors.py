"""HDR clips on screens, by the formulas of ITU-R BT.2100 and Reinhard et al. 2002; and what else frames say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stylecli.media.video.reader import open_clip

CURVES = {"PQ": 16, "HLG": 18}
BRIGHTEST = {"PQ": 10_000 / 203, "HLG": 1000 / 203}


def light(code: np.ndarray, curve: str) -> np.ndarray:
    """Of codes in [0, 1], 1 at 203 cd/m2; HLG on a screen of 1000 cd/m2 (BT.2100, tables 4 and 5)."""
    if curve == "PQ":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
        power = code ** (1 / m2)
        return 10_000 / 203 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    a = 0.17883277
    b = 1 - 4 * a
    c = 0.5 - a * np.log(4 * a)
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return 1000 / 203 * scene**1.2


def on_a_screen(code: np.ndarray, curve: str) -> np.ndarray:
    """Levels of sRGB of grays."""
    bright, white = light(code, curve), BRIGHTEST[curve]
    toned = bright * (1 + bright / white**2) / (1 + bright)
    return 255 * np.where(toned <= 0.0031308, 12.92 * toned, 1.055 * toned ** (1 / 2.4) - 0.055)


def ramp(path: Path, transfer: int) -> np.ndarray:
    """A clip of gray codes of 10 bits, dark to bright, in limited range; the codes in [0, 1]."""
    import av

    codes = np.linspace(64, 940, 256).round().astype("<u2")
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, transfer, 9, 1
        frame: Any = av.VideoFrame(256, 64, "yuv420p10le")
        for place, plane in enumerate(frame.planes):
            row = np.full(plane.line_size // 2, 512, "<u2")
            row[: plane.width] = 512 if place else codes
            plane.update(row.tobytes() * plane.height)
        frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = 9, transfer, 9, 1
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return (codes - 64.0) / 876


@pytest.mark.parametrize("curve", ["PQ", "HLG"])
def test_hdr_is_toned_down_as_told(curve: str, tmp_path: Path):
    path = tmp_path / "a.mkv"
    codes = ramp(path, CURVES[curve])
    clip = open_clip(str(path), name="a.mkv")
    assert clip.notes == [f"{curve} colors (HDR) toned down to a screen's"]
    (frame,) = clip.frames()
    made = frame.color[32].astype(float)
    assert np.ptp(made, axis=1).max() <= 1  # grays stay gray
    apart = np.abs(made - on_a_screen(codes, curve)[:, None])
    assert apart.mean() < 0.65, apart.mean()
    assert apart.max() < 2, apart.max()
