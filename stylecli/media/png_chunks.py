"""The chunks of a PNG, none of which needs its pixels."""

import struct
import zlib
from collections.abc import Iterator

MAGIC = b"\x89PNG\r\n\x1a\n"
XMP = "XML:com.adobe.xmp"
MOST = 2**26
"""Bytes that a compressed chunk may unpack to."""


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of four letters `kind`."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of every whole chunk."""
    at = len(MAGIC)
    while at + 12 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if at + 12 + size > len(data):
            return
        yield kind, data[at + 8 : at + 8 + size]
        if kind == b"IEND":
            return
        at += 12 + size


def text(data: bytes, keyword: str) -> bytes | None:
    """A text of the file by its keyword, of any length; None where there is none, or it is damaged."""
    for kind, body in chunks(data):
        if kind in {b"tEXt", b"zTXt", b"iTXt"} and body.partition(b"\0")[0] == keyword.encode():
            rest = body[len(keyword) + 1 :]
            if kind == b"tEXt":
                return rest
            packed = kind == b"zTXt" or rest[:1] == b"\1"
            rest = rest[1:] if kind == b"zTXt" else rest[2:].partition(b"\0")[2].partition(b"\0")[2]
            return unpacked(rest) if packed else rest
    return None


def unpacked(packed: bytes) -> bytes | None:
    """What was compressed; None where it is damaged or beyond `MOST`."""
    unpacker = zlib.decompressobj()
    try:
        made = unpacker.decompress(packed, MOST)
    except zlib.error:
        return None
    return made if unpacker.eof else None
