"""Color profiles: from an input's own colors to sRGB, and back to them for the output (LittleCMS)."""

from functools import cache

import imagecodecs
import numpy as np

_SPACES = {b"RGB ": "rgb", b"GRAY": "gray", b"CMYK": "cmyk"}
BROKEN = "broken color profile ignored: colors read as sRGB"


@cache
def _srgb() -> bytes:
    return bytes(imagecodecs.cms_profile("srgb"))


def to_srgb(color: np.ndarray, space: str, profile: bytes | None) -> tuple[np.ndarray, bytes | None, str]:
    """A picture in sRGB.

    Args:
        color: [H, W] for gray, [H, W, 3] for rgb, [H, W, 4] for cmyk (0 = no ink); uint8 or uint16.
        space: `gray`, `rgb` or `cmyk`.
        profile: The embedded ICC profile. Without one, gray and RGB are taken as sRGB, and CMYK as ideal inks:
            R = (1 - C) (1 - K), and so on, which is what browsers do.

    Returns:
        [H, W, 3] uint8 or uint16; the profile, if `from_srgb` can go back to it; a note, empty for none.
    """
    own = _SPACES.get(profile[16:20]) if profile else None
    if space == "gray" and own != "gray":
        color, space = np.broadcast_to(color[..., None], (*color.shape, 3)), "rgb"
    try:
        if profile is None:
            return _plain(color, space), None, ""
        if own != space:
            return _plain(color, space), None, f"color profile ignored: it is not made for {space} pictures"
        if space == "rgb" and is_srgb(profile):
            return color, profile, ""
        out = _transformed(color, profile, _srgb(), space, "rgb", np.uint16)
    except (RuntimeError, ValueError):
        return _plain(color, space), None, BROKEN
    return out, profile if space == "rgb" and _goes_back(profile) else None, ""


def is_srgb(profile: bytes) -> bool:
    """Whether an RGB profile moves no color by half a level of 8 bits.

    There are dozens of sRGB profiles under as many names; what they do tells them from others.
    """
    moved = _transformed(_lattice(), profile, _srgb(), "rgb", "rgb", np.uint16)
    return bool(np.abs(moved.astype(np.int32) - _lattice()).max() <= 128)


def from_srgb(color: np.ndarray, profile: bytes, dtype: type) -> np.ndarray:
    """A picture [H, W, 3] uint16 in sRGB, in the colors of an RGB profile, as uint8 or uint16."""
    return _transformed(color, _srgb(), profile, "rgb", "rgb", dtype)


def _transformed(color: np.ndarray, source: bytes, target: bytes, space: str, to: str, dtype: type) -> np.ndarray:
    out: np.ndarray = imagecodecs.cms_transform(
        np.ascontiguousarray(color), source, target, colorspace=space, outcolorspace=to, outdtype=np.dtype(dtype).str
    )
    return out


def _plain(color: np.ndarray, space: str) -> np.ndarray:
    if space != "cmyk":
        return np.repeat(color[..., None], 3, axis=2) if space == "gray" else color
    paper = 1 - color.astype(np.float32) / np.iinfo(color.dtype).max
    return np.rint(paper[..., :3] * paper[..., 3:] * 65535).astype(np.uint16)


@cache
def _lattice() -> np.ndarray:
    steps = np.linspace(0, 65535, 6).astype(np.uint16)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(36, 6, 3)


def _goes_back(profile: bytes) -> bool:
    try:
        from_srgb(_lattice(), profile, np.uint16)
    except (RuntimeError, ValueError):
        return False
    return True
