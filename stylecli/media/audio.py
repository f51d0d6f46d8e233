"""Reading and writing sound: WAV, FLAC, OGG and MP3 of any rate and number of channels.

What does not fit into full scale is limited, made quieter as a whole, or left to clip. Tags are carried over; the
settings that made a file stand behind `stylecli:` in its comment.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from stylecli.errors import InputError, OutputError
from stylecli.files import atomic_write, output_error
from stylecli.media.opening import read_bytes

KEYWORD = "stylecli:"
CEILING = 10 ** (-0.1 / 20)
"""Highest peak that is written: 0.1 dB below full scale, for lossy decoders overshoot."""

FULL = 0.999
"""Samples at or above this are taken for clipped where two or more stand in a row."""

_READABLE = "WAV, FLAC, OGG, MP3 and AIFF can be read; ffmpeg turns the sound of a video into one of them"
_FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}
_SUBTYPES = {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}
_INFO = {"title": b"INAM", "artist": b"IART", "album": b"IPRD", "date": b"ICRD", "genre": b"IGNR", "comment": b"ICMT",
         "copyright": b"ICOP", "tracknumber": b"ITRK"}  # fmt: skip
_NAMES = {chunk: name for name, chunk in _INFO.items()}


@dataclass(frozen=True)
class Sound:
    """A recording.

    Attributes:
        samples: [C, T] float32, full scale is 1.
        rate: Samples a second.
        bits: `16`, `24` or `32f`: the least depth that holds what was read.
        tags: Title, artist and so on, the comment without settings of ours.
        notes: What the user should know.
    """

    samples: Tensor
    rate: int
    bits: str = "16"
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_sound(source: str | Path | bytes, *, name: str | None = None) -> Sound:
    """Decodes a file or its bytes; NaN and infinite samples become silence, with a note.

    Raises:
        InputError: Missing, not sound, damaged, or without samples.
    """
    import soundfile

    name = name or (str(source) if not isinstance(source, bytes) else "<bytes>")
    data = read_bytes(source, name)
    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            samples = file.read(dtype="float32", always_2d=True)
            rate, subtype = file.samplerate, file.subtype
            tags = {**file.copy_metadata(), **_info(data)}
    except (soundfile.SoundFileError, RuntimeError, ValueError, MemoryError) as error:
        raise InputError(f"{name}: not sound, or damaged", _READABLE) from error
    if not len(samples):
        raise InputError(f"{name}: no samples in it", "record or copy it again")
    notes = []
    bad = ~np.isfinite(samples)
    if bad.any():
        samples[bad] = 0
        notes.append(f"{int(bad.sum()):,} samples are no numbers: taken as silence")
    full = np.abs(samples) >= FULL
    if runs := int((full[1:] & full[:-1]).sum()):
        notes.append(f"clipped: {runs:,} samples at full scale in a row")
    bits = "32f" if subtype in ("FLOAT", "DOUBLE") else "24" if subtype in ("PCM_24", "PCM_32") else "16"
    tags["comment"] = tags.get("comment", "").partition(KEYWORD)[0].rstrip("\n")
    kept = {key: value for key, value in tags.items() if value and key != "software"}
    return Sound(torch.from_numpy(np.ascontiguousarray(samples.T)), rate, bits, kept, tuple(notes))


def resample(samples: Tensor, rate: int, wanted: int) -> Tensor:
    """`samples` [C, T] at another rate; silence, and single samples, stay what they are."""
    if rate == wanted:
        return samples
    import librosa

    made = librosa.resample(samples.numpy(), orig_sr=rate, target_sr=wanted, res_type="soxr_hq")
    return torch.from_numpy(np.ascontiguousarray(made, dtype=np.float32))


def fit(samples: Tensor, clip: str) -> tuple[Tensor, str]:
    """`samples` below full scale, and a note when that changed something.

    Args:
        samples: [C, T].
        clip: `limit` turns loud places down, over 5 ms; `rescale` all of it; `none` leaves it to clip.
    """
    peak = max(float(samples.max()), -float(samples.min()))
    if clip == "none" or peak <= CEILING + 1e-6:
        return samples, ""
    note = f"peak at {20 * np.log10(peak):+.1f} dB of full scale: "
    if clip == "rescale":
        return samples * (CEILING / peak), note + "made quieter as a whole (--clip rescale)"
    half = 128
    gain = (CEILING / torch.maximum(samples.amax(0), -samples.amin(0)).clamp(min=CEILING))[None, None]
    # One name for all of them: an hour of sound is long.
    gain = torch.nn.functional.pad(gain, (2 * half, 2 * half), value=1.0)
    gain = torch.nn.functional.max_pool1d(gain.neg_(), 2 * half + 1, stride=1).neg_()
    # The mean of the least gains around a sample is at most its own.
    gain = torch.nn.functional.avg_pool1d(gain, 2 * half + 1, stride=1)[0].clamp_(max=1)
    return samples * gain, note + "loud places turned down (--clip limit)"


def write_sound(
    samples: Tensor,
    destination: str | Path | BinaryIO,
    rate: int,
    *,
    format: str,
    bits: str = "16",
    clip: str = "limit",
    tags: Mapping[str, str] | None = None,
    settings: str | None = None,
) -> tuple[str, ...]:
    """Encodes `samples` [C, T]; a note says what was too loud.

    Args:
        samples: Full scale is 1.
        destination: A file, which appears only when it is whole, or a stream.
        rate: Samples a second.
        format: `wav`, `flac`, `ogg` or `mp3`.
        bits: `16`, `24` or (WAV) `32f`; FLAC holds 24 at most, OGG and MP3 have no such thing.
        clip: As `fit`.
        tags: As `Sound.tags`.
        settings: What made it, as JSON.

    Raises:
        OutputError: It cannot be written, or the format has no such rate or number of channels.
    """
    fitted, note = fit(samples, clip)
    data = _encoded(fitted, rate, format, bits, {**(tags or {})}, settings, str(destination))
    try:
        if isinstance(destination, str | Path):
            with atomic_write(destination) as file:
                file.write(data)
        else:
            destination.write(data)
            destination.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(destination, error) from error
    return (note,) if note else ()


def _encoded(
    samples: Tensor, rate: int, format: str, bits: str, tags: dict[str, str], settings: str | None, name: str
) -> bytes:
    import soundfile

    subtype = {"ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}.get(format) or _SUBTYPES[
        "24" if format == "flac" and bits == "32f" else bits
    ]
    comment = "\n".join(filter(None, (tags.pop("comment", ""), settings and KEYWORD + settings)))
    everything = {**tags, **({"comment": comment} if comment else {})}
    buffer = BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", rate, samples.shape[0], subtype=subtype, format=_FORMATS[format]) as file:
            for key, value in everything.items() if format != "wav" else ():
                setattr(file, key, value)
            # Vorbis' encoder overflows its stack on one long block.
            for block in samples.split(2**16, 1):
                file.write(block.T.numpy())
    except (soundfile.SoundFileError, ValueError) as error:
        what = f"{samples.shape[0]} channels at {rate} Hz"
        raise OutputError(f"{name}: {format} cannot hold {what}", "write a .wav") from error
    if format == "wav":
        _add_info(buffer, everything)
    return buffer.getvalue()


def _add_info(file: BytesIO, tags: Mapping[str, str]) -> None:
    """Puts a LIST chunk of tags behind the samples of a WAV file; libsndfile drops all of them when they are long."""
    chunks = b"".join(_chunk(_INFO[key], value.encode() + b"\0") for key, value in tags.items() if key in _INFO)
    if chunks:
        file.write(b"\0" * (file.seek(0, 2) % 2) + _chunk(b"LIST", b"INFO" + chunks))
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", min(size, 2**32 - 1)))


def _info(data: bytes) -> dict[str, str]:
    """The tags of a WAV file, also those that are too long for libsndfile."""
    found: dict[str, str] = {}
    if data[:4] == b"RIFF":
        for name, body in _chunks(data[12:]):
            parts = _chunks(body[4:]) if name == b"LIST" and body[:4] == b"INFO" else ()
            found |= {
                _NAMES[key]: text.rstrip(b"\0").decode("utf-8", "replace") for key, text in parts if key in _NAMES
            }
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[at : at + 8])
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def is_sound(data: bytes) -> bool:
    """Whether these bytes begin as sound that we write."""
    wav = data[:4] == b"RIFF" and data[8:12] == b"WAVE"
    return wav or data[:4] in (b"fLaC", b"OggS") or data[:3] == b"ID3" or data[:2] in (b"\xff\xfb", b"\xff\xfa")


def stored_settings(data: bytes) -> str | None:
    """The settings in a sound file's comment; None when it holds none."""
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            tags = {**file.copy_metadata(), **_info(data)}
    except (soundfile.SoundFileError, RuntimeError):
        return None
    _, found, settings = tags.get("comment", "").partition(KEYWORD)
    return settings if found else None
