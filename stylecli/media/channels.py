"""The order of channels: which loudspeaker each of them is for, in WAV and FLAC, and in Vorbis and Opus.

Sounds in memory have the order of WAV's mask: its bits from the lowest on. FLAC has it too, Vorbis and Opus another one
(Vorbis I, section 4.3.9).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FL, FR, FC, LFE, BL, BR, BC, SL, SR = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x100, 0x200, 0x400

USUAL = {1: FC, 2: 0x3, 3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
"""Masks of so many channels where a file has none (FLAC, RFC 9639, section 9.1.3)."""

_VORBIS = {
    3: (FL, FC, FR),
    4: (FL, FR, BL, BR),
    5: (FL, FC, FR, BL, BR),
    6: (FL, FC, FR, BL, BR, LFE),
    7: (FL, FC, FR, SL, SR, BC, LFE),
    8: (FL, FC, FR, SL, SR, BL, BR, LFE),
}
_STAND_IN = {SL: BL, SR: BR, BL: SL, BR: SR}


def speakers(mask: int) -> list[int]:
    """The bits of a mask, in the order of the channels."""
    return [1 << bit for bit in range(32) if mask >> bit & 1]


def from_vorbis(samples: "np.ndarray") -> "np.ndarray":
    """Samples [T, C] of a Vorbis or Opus file in the order of `USUAL`."""
    order = _VORBIS.get(samples.shape[1])
    return samples if order is None else samples[:, [order.index(each) for each in speakers(USUAL[len(order)])]]


def to_vorbis(samples: "np.ndarray", mask: int) -> "tuple[np.ndarray, str]":
    """Samples [T, C] of a mask, 0 for the usual one, in Vorbis' order; and a note where it has no such loudspeakers."""
    count = samples.shape[1]
    order, there = _VORBIS.get(count), speakers(mask or USUAL.get(count, 0))
    if order is None or len(there) != count:
        return samples, ""
    where = {each: place for place, each in enumerate(there)}
    places = [where.get(each, where.get(_STAND_IN.get(each, 0), -1)) for each in order]
    if sorted(places) != list(range(count)):
        return samples, f"the loudspeakers {mask:#x} have no order in this format: channels are left as they are"
    return samples[:, places], ""
