"""WAV files chunk by chunk: tags of any length, the mask of channels, and headers that were never finished."""

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO

from stylecli.media.channels import USUAL

_TAGS = {"title": b"INAM", "artist": b"IART", "album": b"IPRD", "date": b"ICRD", "genre": b"IGNR", "comment": b"ICMT",
         "copyright": b"ICOP", "tracknumber": b"ITRK"}  # fmt: skip
_NAMES = {chunk: name for name, chunk in _TAGS.items()}
_STREAMED = 0x7FFF0000
"""What is written to a pipe gets this size or more: nobody knew the true one."""


def is_wav(data: bytes) -> bool:
    """Whether these are the bytes of a WAV."""
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


def chunks(data: bytes, at: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of each chunk, from a place on."""
    while at + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[at : at + 8])
        yield name, at + 8, size
        at += 8 + size + size % 2


def mended(data: bytes) -> tuple[bytes, str]:
    """A WAV whose size is that of its samples, and a note on what was wrong with it."""
    width, rate = 0, 0
    for name, at, size in chunks(data, 12):
        if name == b"fmt " and size >= 16:
            rate, _, width = struct.unpack("<IIH", data[at + 4 : at + 14])
        if name != b"data":
            continue
        there = len(data) - at
        # Nothing in it, and chunks behind it that fit: nothing was recorded.
        whole = size <= there and (size or not there or _ends_well(data, at))
        if whole or not width:
            return data, ""
        kept = there - there % width
        fixed = data[: at - 4] + struct.pack("<I", kept) + data[at : at + kept]
        fixed = fixed[:4] + struct.pack("<I", len(fixed) - 8) + fixed[8:]
        if size == 0 or size >= _STREAMED:
            return fixed, "its header was never finished: read to the end of the file"
        seconds = [count / width / max(rate, 1) for count in (kept, size)]
        return fixed, f"cut short: {seconds[0]:.2f} of {seconds[1]:.2f} s are there"
    return data, ""


def _ends_well(data: bytes, at: int) -> bool:
    ends = [start + size + size % 2 for _, start, size in chunks(data, at)]
    return bool(ends) and ends[-1] in (len(data), len(data) + 1)


def mask_of(data: bytes) -> int:
    """The mask of channels that a WAV tells, 0 for none."""
    for name, at, size in chunks(data, 12):
        if name == b"fmt " and size >= 40 and data[at : at + 2] == b"\xfe\xff":
            return int.from_bytes(data[at + 20 : at + 24], "little")
    return 0


def with_mask(data: bytes, mask: int, count: int) -> bytes:
    """A WAV of the extensible kind with the mask, 0 for the usual one of so many channels."""
    at = next(at for name, at, _ in chunks(data, 12) if name == b"fmt ")
    return data[: at + 20] + struct.pack("<I", mask or USUAL.get(count, 0)) + data[at + 24 :]


def tags_of(data: bytes) -> dict[str, str]:
    """The tags of a WAV file, also those that are too long for libsndfile."""
    found: dict[str, str] = {}
    for name, at, size in chunks(data, 12) if is_wav(data) else ():
        if name == b"LIST" and data[at : at + 4] == b"INFO":
            body = data[at + 4 : at + size]
            parts = [(key, body[start : start + length]) for key, start, length in chunks(body)]
            found |= {_NAMES[k]: text.rstrip(b"\0").decode("utf-8", "replace") for k, text in parts if k in _NAMES}
    return found


def with_tags(data: bytes, tags: Mapping[str, str]) -> bytes:
    """A WAV with a LIST chunk of tags behind its samples; libsndfile drops all of them when they are long."""
    parts = b"".join(_chunk(_TAGS[key], value.encode() + b"\0") for key, value in tags.items() if key in _TAGS)
    if not parts:
        return data
    file = BytesIO(data)
    file.write(b"\0" * (file.seek(0, 2) % 2) + _chunk(b"LIST", b"INFO" + parts))
    size = file.tell() - 8
    file.seek(4)
    file.write(struct.pack("<I", min(size, 2**32 - 1)))
    return file.getvalue()


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
