"""The settings that made a file, as it holds them; read without decoding it, and without a network's library.

PNG keeps them in an iTXt chunk with the keyword `stylecli`, GIF and sounds in a comment, MP4 in a box of our own; every
other format of pictures keeps them in XMP as `stylecli:settings`, added to whatever XMP the input had.
"""

import struct
from io import BytesIO
from pathlib import Path

from stylecli.files import read_bytes
from stylecli.media import riff
from stylecli.media.png_chunks import MAGIC, XMP
from stylecli.media.png_chunks import text as png_text
from stylecli.media.xmp import settings_in

KEYWORD = "stylecli"
IN_COMMENT = "stylecli:"
"""Before the settings, in a sound's comment."""

MP4_TYPE = b"stylecli:setting"
"""Of the MP4 box that holds the settings: players skip boxes of types they do not know."""


def read_settings(source: str | Path | bytes) -> str | None:
    """The settings stored in a picture or a sound, as JSON; None when it holds none. Pixels are not decoded.

    Raises:
        InputError: The file is missing or neither.
    """
    name = "<bytes>" if isinstance(source, bytes) else str(source)
    data = read_bytes(source, name)
    if is_sound(data):
        return _of_sound(data)
    if (stored := _in_mp4(data)) is not None:
        return stored
    if data.startswith(MAGIC):
        if text := png_text(data, KEYWORD):
            return text.decode(errors="replace")
        xmp = png_text(data, XMP)
        return settings_in(xmp) if xmp else None
    # Pillow is loaded only for what has no chunks of ours.
    from stylecli.media.safe_open import decoding, opened

    with decoding(data, name), opened(data) as image:
        xmp, comment = image.info.get("xmp"), image.info.get("comment")
    if isinstance(comment, bytes) and comment.startswith(f"{KEYWORD}:".encode()):
        return comment.partition(b":")[2].decode(errors="replace")
    return settings_in(xmp) if isinstance(xmp, bytes) else None


def mp4_box(settings: str) -> bytes:
    """What is put behind an MP4 file to hold the settings."""
    data = settings.encode()
    return struct.pack(">I", 24 + len(data)) + b"uuid" + MP4_TYPE + data


def _in_mp4(data: bytes) -> str | None:
    at = 0 if data[4:8] == b"ftyp" else len(data)
    while at + 24 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"uuid" and data[at + 8 : at + 24] == MP4_TYPE:
            return data[at + 24 : at + size].decode(errors="replace")
        if size == 1:
            (size,) = struct.unpack(">Q", data[at + 8 : at + 16])
        # A box that is smaller than its own head would have this take a byte at a time.
        at += size if size >= 8 else len(data)
    return None


def is_sound(data: bytes) -> bool:
    """Whether these bytes begin as sound that we write."""
    return (
        riff.is_wav(data)
        or data[:4] in (b"fLaC", b"OggS")
        or data[:3] == b"ID3"
        or data[:2] in (b"\xff\xfb", b"\xff\xfa")
    )


def _of_sound(data: bytes) -> str | None:
    """The settings in a sound file's comment; None when it holds none."""
    import soundfile

    from stylecli.media.safe_open import mute

    try:
        with mute(), soundfile.SoundFile(BytesIO(data)) as file:
            tags = {**file.copy_metadata(), **riff.tags_of(data)}
    except (soundfile.SoundFileError, RuntimeError):
        return None
    _, found, settings = tags.get("comment", "").partition(IN_COMMENT)
    return settings if found else None
