"""The settings that made a file, as it holds them; read without decoding it, and without a network's library.

PNG keeps them in an iTXt chunk with the keyword `stylecli`, GIF and sounds in a comment, MP4 in a box of our own; every
other format of pictures keeps them in XMP as `stylecli:settings`, added to whatever XMP the input had.
"""

import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from stylecli.files import read_bytes, regular
from stylecli.media import riff
from stylecli.media.png_chunks import MAGIC, XMP
from stylecli.media.png_chunks import text as png_text
from stylecli.media.xmp import settings_in
from stylecli.remote import Remote, place

KEYWORD = "stylecli"
MOST = 2**24
"""Bytes of settings in a box."""

PICTURES = frozenset([b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
"""Brands of pictures in the boxes of MP4."""

IN_COMMENT = "stylecli:"
"""Before the settings, in a sound's comment."""

STATED_TAG = {"mkv": "STYLECLI", "webm": "STYLECLI", "avi": "comment"}
"""Of other clips: the tag that holds them, behind `stylecli:`."""

MP4_TYPE = b"stylecli:setting"
"""Of the MP4 box that holds the settings: players skip boxes of types they do not know."""


def read_settings(source: str | Path | bytes) -> str | None:
    """The settings stored in a picture or a sound, as JSON; None when it holds none. Pixels are not decoded.

    Raises:
        InputError: The file is missing or neither.
    """
    name = "<bytes>" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes) and (clip := _of_clip(source)) is not None:
        return clip or None
    data = read_bytes(source, name)
    if is_sound(data):
        return _of_sound(data)
    if data[4:8] == b"ftyp" and (stored := _in_boxes(BytesIO(data))) is not None:
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


def _of_clip(path: str | Path) -> str | None:
    """What a clip holds, which may be too large to be read as a whole: empty where it holds none, None for no clip."""
    path = place(path)
    if isinstance(path, Remote):
        return None
    try:
        with open(path, "rb", opener=regular) as file:
            head = file.read(12)
            if head[4:8] == b"ftyp":
                return _in_boxes(file) or (None if head[8:12] in PICTURES else "")
            if not (head[:4] == b"\x1aE\xdf\xa3" or head[:4] + head[8:12] == b"RIFFAVI "):
                return None
    except (OSError, ValueError):
        return None
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except (av.error.FFmpegError, ValueError):
        return ""
    told = [tags.get(key.lower(), "").partition(IN_COMMENT) for key in dict.fromkeys(STATED_TAG.values())]
    return next((settings for before, found, settings in told if found and not before), "")


def _in_boxes(file: BinaryIO) -> str | None:
    """The settings in an MP4 file, whose other boxes are passed over."""
    size = file.seek(0, 2)
    at = 0
    while at + 24 <= size:
        file.seek(at)
        head = file.read(24)
        length, kind = struct.unpack(">I4s", head[:8])
        if kind == b"uuid" and head[8:24] == MP4_TYPE:
            return file.read(min(length - 24, MOST)).decode(errors="replace")
        if length == 1:
            (length,) = struct.unpack(">Q", head[8:16])
        # A box that is smaller than its own head would have this take a byte at a time.
        at += length if length >= 8 else size
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
