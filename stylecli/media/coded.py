"""Colors that a file tells by numbers instead of a profile (PNG, AVIF, HEIC): the profile that says the same."""

import struct

import numpy as np

from stylecli.media.icc import D65, SRGB_CURVE, SRGB_PRIMARIES, written

_BT709 = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_SMPTE240 = (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0912)
_C = (0.310, 0.316)

# Numbers as in ITU-T H.273, tables 2 and 3: x, y of red, green, blue and white; gamma, or parameters of a curve.
PRIMARIES: dict[int, tuple[float, ...]] = {
    1: SRGB_PRIMARIES,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    10: (1, 0, 0, 1, 0, 0, 1 / 3, 1 / 3),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *D65),
}
TRANSFERS: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709),
    4: (2.2,),
    5: (2.8,),
    7: _SMPTE240,
    8: (1.0,),
    13: SRGB_CURVE,
    17: (2.6,),
}
HDR = {16: "PQ", 18: "HLG"}


def coded(primaries: int, transfer: int) -> tuple[bytes | None, str]:
    """The profile of colors coded as in H.273, and a note; None for sRGB and for what says nothing.

    HDR curves are toned into the range of a screen: `t (1 + t / w^2) / (1 + t)` of light t, 1 at the white of text and
    w at the brightest code (Reinhard et al. 2002, equation 4), so that every code still has a color of its own.
    """
    points = PRIMARIES.get(primaries if primaries != 2 else 1)
    if transfer in HDR and points:
        light = _hdr(transfer)
        toned = light * (1 + light / light[-1] ** 2) / (1 + light)
        return written(
            f"H.273 {primaries}/{transfer}", points, toned
        ), f"{HDR[transfer]} colors toned down to a screen's"
    curve = TRANSFERS.get(transfer if transfer != 2 else 13)
    if points is None or curve is None:
        return None, f"colors coded as {primaries}/{transfer} are not known: read as sRGB"
    if points == SRGB_PRIMARIES and curve == SRGB_CURVE:
        return None, ""
    return written(f"H.273 {primaries}/{transfer}", points, curve), ""


def _hdr(transfer: int) -> np.ndarray:
    """Light of 4096 even codes, 1 at 203 cd/m2, the white of text (ITU-R BT.2408)."""
    codes = np.linspace(0, 1, 4096)
    if transfer == 16:  # ITU-R BT.2100, table 4
        power = codes ** (1 / 78.84375)
        return np.asarray(
            10000 / 203 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
        )
    a, b, c = 0.17883277, 0.28466892, 0.55991073  # table 5, on a screen of 1000 cd/m2
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
    return np.asarray(1000 / 203 * scene**1.2)


ADOBE_RGB = written("Adobe RGB (1998)", (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *D65), (563 / 256,))


def by_gamma(gamma: float | None, points: tuple[float, ...] | None) -> bytes | None:
    """The profile of PNG's gAMA (as an exponent of codes) and cHRM (white, red, green, blue); None for sRGB.

    1 / 0.45455 is how writers that know no other way tell sRGB, whose curve it is near (PNG, third edition, 11.3.2.2).
    """
    near_srgb = points is None or max(abs(a - b) for a, b in zip(points, SRGB_PRIMARIES, strict=True)) < 0.002
    if near_srgb and (gamma is None or abs(gamma - 2.2) < 0.02):
        return None
    return written("gAMA and cHRM", points or SRGB_PRIMARIES, SRGB_CURVE if gamma is None else (gamma,))


def in_boxes(data: bytes) -> tuple[bytes | None, str]:
    """The profile and a note of what `colr` boxes of an AVIF or HEIC say in numbers (ISO/IEC 14496-12, 12.1.5)."""
    at = data.find(b"colrnclx", 0, 2**16)
    if at < 0 or len(data) < at + 14:
        return None, ""
    primaries, transfer = struct.unpack(">HH", data[at + 8 : at + 12])
    return coded(primaries, transfer)


def in_bmp(data: bytes) -> bytes | None:
    """The profile that a BMP of version 5 embeds."""
    if data[14:18] != b"\x7c\0\0\0" or data[70:74] != b"DEBM":
        return None
    start, size = struct.unpack("<II", data[126:134])
    return data[14 + start : 14 + start + size] or None
