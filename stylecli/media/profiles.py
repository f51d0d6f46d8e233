"""Color profiles: from an input's own colors to sRGB, and back to them for the output.

sRGB here has no end: colors beyond its gamut have values below 0 or above 1, so none is lost on the way to a network
and back. Profiles of curves and primaries are computed in floats (`icc`), those of tables by LittleCMS in floats.
"""

from collections.abc import Callable
from functools import cache

import imagecodecs
import numpy as np

from stylecli.media.icc import D50, SRGB, gray_curve, shaper

_SPACES = {b"RGB ": "rgb", b"GRAY": "gray", b"CMYK": "cmyk"}
BROKEN = "broken color profile ignored: colors read as sRGB"
EXACT = 0x0100
"""LittleCMS: no shortcuts of 8 or 16 bits on the way."""

BAND = 2**20
"""Pixels that are converted at once."""

REFINED, MISSED = 20, 0.05
"""Times that the tables of a profile are asked the way back, at most, and units of Lab that are no miss."""

SEEN = 1.5 / 255
"""Beyond [0, 1] by so much, a color is outside of sRGB."""


def to_srgb(color: np.ndarray, space: str, profile: bytes | None) -> tuple[np.ndarray, bytes | None, str]:
    """A picture in sRGB.

    Args:
        color: [H, W] for gray, [H, W, 3] for rgb, [H, W, 4] for cmyk (0 = no ink), uint8 or uint16; or lab, float32
            [H, W, 3] with L in [0, 100], under D50.
        space: `gray`, `rgb`, `cmyk` or `lab`.
        profile: The embedded ICC profile. Without one, gray and RGB are taken as sRGB, and CMYK as ideal inks:
            R = (1 - C) (1 - K), and so on, which is what browsers do.

    Returns:
        [H, W, 3]: the levels where they are those of sRGB, else float32, beyond [0, 1] where the color is and the
        profile leads back to it; the profile, if `from_srgb` can go back to it; a note, empty for none.
    """
    if space == "lab":
        return _clipped(_banded(color, _from_lab))
    own = _SPACES.get(profile[16:20]) if profile else None
    if space == "gray" and own != "gray":
        color, space = np.repeat(color[..., None], 3, axis=2), "rgb"
    if profile is None:
        return _plain(color, space), None, ""
    if profile[36:40] != b"acsp":
        return _plain(color, space), None, BROKEN
    if own != space:
        return _plain(color, space), None, f"color profile ignored: it is not made for {space} pictures"
    try:
        if space == "rgb" and is_srgb(profile):
            return color, profile, ""
        out = _converted(color, space, profile)
        back = space == "rgb" and _goes_back(profile)
    except (RuntimeError, ValueError):
        return _plain(color, space), None, BROKEN
    return (out, profile, _drift(profile)) if back else _clipped(out)


def is_srgb(profile: bytes) -> bool:
    """Whether an RGB profile moves no color by half a level of 8 bits.

    There are dozens of sRGB profiles under as many names; what they do tells them from others.
    """
    moved = _converted(_lattice(), "rgb", profile)
    return bool(np.abs(moved - _lattice() / 65535).max() <= 0.5 / 255)


def from_srgb(color: np.ndarray, profile: bytes, dtype: type) -> np.ndarray:
    """A picture [H, W, 3] of floats in sRGB, beyond [0, 1] too, in the colors of an RGB profile, as `dtype` levels."""
    known, top = shaper(profile), float(np.iinfo(dtype).max)
    exact = _precision(dtype)
    matrix = (np.linalg.inv(known.matrix) @ SRGB.matrix).astype(exact) if known else None

    def convert(band: np.ndarray) -> np.ndarray:
        if known is None or matrix is None:
            codes = _from_tables(_to_lab(band), profile)
        else:
            light = _light(band.astype(exact)) @ matrix.T
            # Outside of sRGB, what float32 left of nought on the way there and back has a root that could be seen.
            beyond = ((band < 0) | (band > 1)).any(-1, keepdims=True)
            light[(np.abs(light) < 2e-7) & beyond] = 0
            codes = np.stack([curve.codes(light[..., i]) for i, curve in enumerate(known.curves)], axis=-1)
        return np.rint(codes.clip(0, 1) * top).astype(dtype)

    return _banded(color, convert, dtype)


def _clipped(color: np.ndarray) -> tuple[np.ndarray, None, str]:
    return color.clip(0, 1), None, outside(color)


def outside(color: np.ndarray) -> str:
    """A note on how many pixels [..., 3] lie outside of sRGB, empty where none can be seen to."""
    share = float(((color < -SEEN) | (color > 1 + SEEN)).any(-1).mean())
    return f"{max(share, 0.001):.1%} of the pixels have colors outside of sRGB: clipped" if share else ""


def _banded(color: np.ndarray, convert: Callable[[np.ndarray], np.ndarray], dtype: type = np.float32) -> np.ndarray:
    """`convert` on some rows at a time, as [H, W, 3]."""
    height, width = color.shape[:2]
    made: np.ndarray = np.empty((height, width, 3), dtype)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        made[top : top + rows] = convert(color[top : top + rows])
    return made


def _converted(color: np.ndarray, space: str, profile: bytes) -> np.ndarray:
    """Levels in sRGB as float32 [H, W, 3]."""
    if space == "gray" and (curve := gray_curve(profile)):
        table = _coded(curve.light(np.linspace(0, 1, np.iinfo(color.dtype).max + 1))).astype(np.float32)
        return np.repeat(table[color][..., None], 3, axis=2)
    if space != "rgb":
        # Through a profile of sRGB, as LittleCMS then maps the ink's black to that of the screen.
        return _banded(color, lambda band: _by_cms(band, profile, _srgb(), space, "rgb"))
    known = shaper(profile)
    if known is None:
        return _banded(color, lambda band: _from_lab(_by_cms(band, profile, _lab(), space, "lab")))
    steps = np.linspace(0, 1, np.iinfo(color.dtype).max + 1)
    exact = _precision(color.dtype)
    tables: list[np.ndarray] = [curve.light(steps).astype(exact) for curve in known.curves]
    matrix = (np.linalg.inv(SRGB.matrix) @ known.matrix).astype(exact)
    return _banded(color, lambda band: _coded(np.stack([t[band[..., i]] for i, t in enumerate(tables)], -1) @ matrix.T))


def _from_tables(lab: np.ndarray, profile: bytes) -> np.ndarray:
    """Codes of an RGB profile of tables for Lab [H, W, 3]: where its way back is coarse, what it misses by is added."""
    wanted = lab.reshape(1, -1, 3)
    best, miss, aim = np.zeros_like(wanted), np.full(wanted.shape[1], np.inf, np.float32), wanted.copy()
    for _ in range(REFINED):
        left = miss > MISSED
        if not left.any():
            break
        codes = _by_cms(aim[:, left], _lab(), profile, "lab", "rgb").clip(0, 1)
        off = wanted[:, left] - _by_cms(codes, profile, _lab(), "rgb", "lab")
        distance = np.abs(off).max(-1)[0]
        best[:, left] = np.where((distance < miss[left])[:, None], codes, best[:, left])
        miss[left] = np.minimum(distance, miss[left])
        aim[:, left] += off
    return best.reshape(lab.shape)


def _precision(levels: type | np.dtype) -> type:
    """Of the arithmetic: float32 loses nothing of 8 bits, in half the time."""
    return np.float32 if np.dtype(levels) == np.uint8 else np.float64


def _by_cms(color: np.ndarray, source: bytes, target: bytes, space: str, to: str) -> np.ndarray:
    out: np.ndarray = imagecodecs.cms_transform(
        np.ascontiguousarray(color), source, target, colorspace=space, outcolorspace=to, outdtype="float32", flags=EXACT
    )
    return out


def _from_lab(lab: np.ndarray) -> np.ndarray:
    """CIELAB under D50 in sRGB."""
    y = (lab[..., 0].astype(np.float64) + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * 108 / 841) * D50
    return _coded(xyz @ np.linalg.inv(SRGB.matrix).T)


def _to_lab(color: np.ndarray) -> np.ndarray:
    xyz = _light(color.astype(np.float64)) @ SRGB.matrix.T / D50
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29)
    lab = np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
    return lab.astype(np.float32)


def _coded(light: np.ndarray) -> np.ndarray:
    """Codes of sRGB of linear values, mirrored below 0."""
    return np.asarray(np.copysign(SRGB.curves[0].codes(np.abs(light)), light))


def _light(codes: np.ndarray) -> np.ndarray:
    return np.asarray(np.copysign(SRGB.curves[0].light(np.abs(codes)), codes))


def _plain(color: np.ndarray, space: str) -> np.ndarray:
    if space != "cmyk":
        return np.repeat(color[..., None], 3, axis=2) if space == "gray" else color
    paper = 1 - color.astype(np.float32) / np.iinfo(color.dtype).max
    return np.rint(paper[..., :3] * paper[..., 3:] * 65535).astype(np.uint16)


@cache
def _lattice() -> np.ndarray:
    steps = np.linspace(0, 65535, 6).astype(np.uint16)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(36, 6, 3)


@cache
def _lab() -> bytes:
    return bytes(imagecodecs.cms_profile("lab2"))


@cache
def _srgb() -> bytes:
    return bytes(imagecodecs.cms_profile("srgb"))


def _goes_back(profile: bytes) -> bool:
    known = shaper(profile)
    if known is not None:
        return known.invertible
    try:
        from_srgb(_lattice() / 65535, profile, np.uint16)
    except (RuntimeError, ValueError):
        return False
    return True


def _drift(profile: bytes) -> str:
    """A note where tables lead back to other colors than they came from."""
    if shaper(profile) is not None:
        return ""
    codes = _lattice().astype(np.int32)
    back = from_srgb(_converted(_lattice(), "rgb", profile), profile, np.uint16)
    off = float(np.abs(back - codes).max()) / 257
    return f"its color profile does not lead back exactly: colors move by up to {off:.0f} of 255" if off > 1 else ""
