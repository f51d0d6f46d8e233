"""From the bytes of a sound file to samples: by libsndfile, and what it does not know by FFmpeg (PyAV)."""

import itertools
import re
import struct
import sys
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from stylecli.budget import Budget, OverBudgetError
from stylecli.media import riff
from stylecli.media.channels import USUAL, from_vorbis
from stylecli.media.safe_open import mute

BLOCK = 2**18
"""Samples that are read at once: of a damaged file, those before the damage are kept."""

JUNK = 2**20
"""Bytes before its first frame within which an MP3 begins."""

_KBPS = {
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of layer III, by version: 3 for MPEG 1, 2 and 0 for its halves."""


class _Bytes(BytesIO):
    """Goes where damaged files send it, as far as it reaches: errors in libsndfile's callbacks are printed."""

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self.tell(), 2: len(self.getbuffer())}[whence]
        return super().seek(min(max(base + offset, 0), 2**62))


RATES = (1_000, 768_000)
"""Samples a second of what can be read: below is no sound, above no recorder; and either is a bomb when resampled."""

MOST_CHANNELS = 32
MOST_SAMPLES = 2**27
"""Of all channels, 512 MB: 23 minutes in stereo at 48 kHz. Silence is packed a thousandfold, so files cannot tell."""


class UnfitSoundError(Exception):
    """A sound beyond what is read; says which limit."""


def check_sound(rate: int, channels: int, frames: int, most: int | None = None) -> None:
    """Holds what a header says, or what was decoded so far, to the limits.

    Raises:
        UnfitSoundError: Beyond one of them.
        OverBudgetError: The samples would take more than `most` bytes.
    """
    Budget(sys.maxsize if most is None else most).take(4 * frames * channels, "its decoded samples")
    if not RATES[0] <= rate <= RATES[1]:
        raise UnfitSoundError(f"{rate:,} samples a second, not {RATES[0]:,} to {RATES[1]:,}")
    if not 0 < channels <= MOST_CHANNELS:
        raise UnfitSoundError(f"{channels:,} channels, not 1 to {MOST_CHANNELS}")
    if frames * channels > MOST_SAMPLES:
        raise UnfitSoundError(f"longer than {MOST_SAMPLES // channels / rate / 60:.0f} minutes at {rate:,} Hz")


@dataclass(frozen=True)
class Decoded:
    """What a file holds.

    Attributes:
        samples: [T, C] float32, channels in the order of WAV's mask.
        rate: Samples a second.
        subtype: libsndfile's name of how they are stored.
        tags: By name.
        mask: Of the channels, 0 for the usual one.
        notes: What the user should know.
    """

    samples: np.ndarray
    rate: int
    subtype: str
    tags: dict[str, str]
    mask: int
    notes: tuple[str, ...]


def decode(data: bytes, most: int | None = None) -> Decoded:
    """Any sound, whose samples take `most` bytes: they are asked for before it is decoded.

    Raises:
        OverBudgetError: They take more.
        Exception: Of any kind, for what is none, or damaged from its beginning.
    """
    notes = []
    if riff.is_wav(data):
        data, note = riff.mended(data)
        notes += [note] * bool(note)
    try:
        return _by_libsndfile(data, notes, most)
    except (UnfitSoundError, OverBudgetError):
        raise
    except Exception:
        if (frames := _frames_of_mp3(data)) is not None:
            skipped, data = frames
            return _by_libsndfile(data, [*notes, f"{skipped:,} bytes before its first frame skipped"], most)
        if not _for_ffmpeg(data):
            raise
        return _by_ffmpeg(data, notes, most)


def _by_libsndfile(data: bytes, notes: list[str], most: int | None) -> Decoded:
    import soundfile

    with mute(), soundfile.SoundFile(_Bytes(data)) as file:
        blocks, wrong, read = [], None, 0
        told = file.frames if file.frames < 2**40 else 0
        # Headers of other formats are wrong where they were written to a pipe: they may ask, but not be refused.
        check_sound(file.samplerate, file.channels, told if data[:4] == b"fLaC" else 0)
        packed = data[:4] in {b"fLaC", b"OggS"} or file.format == "MP3"
        check_sound(file.samplerate, file.channels, told if packed else min(told, 2 * len(data) // file.channels), most)
        try:
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
                read += len(block)
                check_sound(file.samplerate, file.channels, read, most)
        except soundfile.SoundFileError as error:
            wrong = error
            blocks = blocks or _until_damage(data, most)
            if not blocks:
                raise
        samples = np.concatenate(blocks) if blocks else np.zeros((0, file.channels), np.float32)
        whole = max(file.frames, _frames_of_aiff(data))
        vorbis = file.format == "OGG" and file.subtype in {"VORBIS", "OPUS"}
        cut = wrong or whole - len(samples) > 2 * 1152 or (vorbis and not _has_last_page(data))
        if cut and not notes:
            of = f" of {whole / file.samplerate:.2f}" if whole > len(samples) else ""
            notes = [f"cut short: {len(samples) / file.samplerate:.2f}{of} s are there"]
        tags = {**file.copy_metadata(), **riff.tags_of(data)}
        mask = riff.mask_of(data) if riff.is_wav(data) else _mask_of_flac(data)
        if vorbis:
            samples, mask = from_vorbis(samples), USUAL.get(samples.shape[1], 0)
        return Decoded(samples, file.samplerate, file.subtype, tags, mask, tuple(notes))


def _until_damage(data: bytes, most: int | None) -> list[np.ndarray]:
    """What can be read before it fails, in ever smaller blocks."""
    import soundfile

    blocks, at, size = [], 0, BLOCK // 2
    while size:
        with soundfile.SoundFile(_Bytes(data)) as file:
            try:
                file.seek(at)
                while len(block := file.read(size, dtype="float32", always_2d=True)):
                    blocks.append(block)
                    at += len(block)
                    check_sound(file.samplerate, file.channels, at, most)
            except soundfile.SoundFileError:
                size //= 2
            else:
                break
    return blocks


def _for_ffmpeg(data: bytes) -> bool:
    """Whether these bytes begin a container of FFmpeg's: MP4, ADTS, Matroska, Ogg, ASF, or CAF."""
    adts = data[:1] == b"\xff" and data[1:2] in {b"\xf0", b"\xf1", b"\xf8", b"\xf9"}
    return adts or data[4:8] == b"ftyp" or data[:4] in {b"\x1aE\xdf\xa3", b"OggS", b"\x30\x26\xb2\x75", b"caff"}


def _by_ffmpeg(data: bytes, notes: list[str], most: int | None) -> Decoded:
    import av

    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        rate, layout, blocks = stream.rate, stream.layout, []
        channels, read = len(layout.channels), 0
        length = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        check_sound(rate, channels, 0)
        check_sound(rate, channels, int(length * rate), most)
        mask = sum(_bit(channel.name) for channel in layout.channels)
        planes = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        try:
            for frame in itertools.chain(container.decode(stream), [None]):
                blocks += [each.to_ndarray().T for each in planes.resample(frame)]
                read += frame.samples if frame else 0
                check_sound(rate, channels, read, most)
        except av.FFmpegError:
            if not blocks:
                raise
            notes = [f"cut short: {sum(map(len, blocks)) / rate:.2f} s are there"]
        samples = np.concatenate(blocks).astype(np.float32)
        if data[:4] == b"OggS" and not _has_last_page(data):
            notes = [f"cut short: {len(samples) / rate:.2f} s are there"]
        elif not notes and length - len(samples) / rate > 0.1:
            notes = [f"cut short: {len(samples) / rate:.2f} of {length:.2f} s are there"]
        tags = {
            {"track": "tracknumber"}.get(key.lower(), key.lower()): value for key, value in container.metadata.items()
        }
        known = {"title", "artist", "album", "date", "genre", "comment", "copyright", "tracknumber"}
        whole = stream.codec_context.name in {"alac", "flac", "wavpack", "ape", "tta"} and stream.format.bits > 16
        kept = {key: value for key, value in tags.items() if key in known}
        return Decoded(samples, rate, "PCM_24" if whole else "LOSSY", kept, mask, tuple(notes))


def _bit(name: str) -> int:
    names = ["FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"]
    return 1 << names.index(name) if name in names else 0


def _frames_of_mp3(data: bytes) -> tuple[int, bytes] | None:
    """How many bytes lie before the first frame, and tags and frames alone; None where nothing or no frame does."""
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) > at + 10:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
        at += 10 + size + 10 * bool(data[at + 5] & 0x10)
    start = at
    while (start := data.find(b"\xff", start, at + JUNK)) >= 0:
        length = _frame(data, start)
        if length and _frame(data, start + length):
            return (start - at, data[:at] + data[start:]) if start > at else None
        start += 1
    return None


def _frame(data: bytes, at: int) -> int:
    """Bytes of the frame of layer III that begins there, 0 for none."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, speed = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate == 3 or speed in (0, 15):
        return 0
    hertz = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    kbps = _KBPS[3 if version == 3 else 2][speed - 1]
    return (144 if version == 3 else 72) * 1000 * kbps // hertz + (head[2] >> 1 & 1)


def _frames_of_aiff(data: bytes) -> int:
    at = data.find(b"COMM", 0, 4096) if data[:4] == b"FORM" else -1
    return int.from_bytes(data[at + 10 : at + 14], "big") if at > 0 else 0


def _has_last_page(data: bytes) -> bool:
    """Whether the last page of an Ogg file says that it is the last."""
    at = data.rfind(b"OggS", max(0, len(data) - 2**17))
    return at >= 0 and len(data) > at + 5 and bool(data[at + 5] & 4)


def _mask_of_flac(data: bytes) -> int:
    if data[:4] != b"fLaC":
        return 0
    found = re.search(rb"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x([0-9A-Fa-f]{1,8})", data[: 2**16], re.IGNORECASE)
    return int(found[1], 16) if found else 0


def flac_with_mask(data: bytes, mask: int) -> bytes:
    """A FLAC file whose comments tell the mask of its channels."""
    at, last = 4, 0
    while not last and at + 4 <= len(data):
        kind, last = data[at] & 0x7F, data[at] & 0x80
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if kind == 4:
            body = data[at + 4 : at + 4 + size]
            (vendor,) = struct.unpack("<I", body[:4])
            (count,) = struct.unpack("<I", body[4 + vendor : 8 + vendor])
            line = f"WAVEFORMATEXTENSIBLE_CHANNEL_MASK={mask:#06X}".replace("0X", "0x").encode()
            body = (
                body[: 4 + vendor]
                + struct.pack("<I", count + 1)
                + body[8 + vendor :]
                + struct.pack("<I", len(line))
                + line
            )
            return data[:at] + bytes([data[at]]) + len(body).to_bytes(3, "big") + body + data[at + 4 + size :]
        at += 4 + size
    return data
