"""Reading and writing sound of any rate and number of channels, in the order of channels that each format has.

What does not fit into full scale is limited, made quieter as a whole, or left to clip. Tags are carried over; the
settings that made a file stand behind `stylecli:` in its comment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from stylecli.budget import OverBudgetError
from stylecli.errors import InputError, MemoryLimitError, OutputError
from stylecli.files import atomic_write, output_error, read_bytes
from stylecli.media import riff
from stylecli.media.channels import USUAL, to_vorbis
from stylecli.media.sound_files import MOST_SAMPLES, UnfitSoundError, decode, flac_with_mask
from stylecli.media.stored_settings import IN_COMMENT, read_settings

CEILING = 10 ** (-0.1 / 20)
"""Highest peak that is written: 0.1 dB below full scale, for lossy decoders overshoot."""

LOUDEST = 1e6
LONGEST_TAG = 10_000
"""Characters; writers of other formats refuse longer ones."""

RATES = {"ogg": (1, 200_000)}
"""Samples a second that an encoder can be given; beyond these it ends the process."""

FULL = 0.999
"""Samples at or above this are taken for clipped where two or more stand in a row."""

_READABLE = "WAV, FLAC, OGG, Opus, MP3, AIFF, M4A and AAC can be read"
_FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}
_SUBTYPES = {"16": "PCM_16", "24": "PCM_24", "32f": "FLOAT"}


@dataclass(frozen=True)
class Sound:
    """A recording.

    Attributes:
        samples: [C, T] float32, full scale is 1.
        rate: Samples a second.
        bits: `16`, `24` or `32f`: the least depth that holds what was read.
        tags: Title, artist and so on, the comment without settings of ours.
        notes: What the user should know.
        mask: Which loudspeakers its channels are for, as WAV tells it; 0 for the usual ones of their number.
    """

    samples: Tensor
    rate: int
    bits: str = "16"
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    mask: int = 0


def read_sound(source: str | Path | bytes, *, name: str | None = None, most: int | None = None) -> Sound:
    """Decodes a file or its bytes; NaN and infinite samples become silence, with a note.

    Args:
        source: A path, or the bytes of a file.
        name: What errors call it; by default its path.
        most: Bytes that its samples may take, which are asked for before it is decoded.

    Raises:
        InputError: Missing, not sound, damaged, or without samples.
        MemoryLimitError: More than `most`.
    """
    name = name or (str(source) if not isinstance(source, bytes) else "<bytes>")
    data = read_bytes(source, name)
    try:
        decoded = decode(data, most)
    except UnfitSoundError as error:
        raise InputError(f"{name}: {error}", "resample or cut it, or mix it down first") from error
    except OverBudgetError as error:
        hint = "cut it or mix it down first, or allow more with --max-memory"
        raise MemoryLimitError(f"{name}: {error}", hint) from error
    except Exception as error:  # any: FFmpeg and libsndfile have their own kinds
        raise InputError(f"{name}: not sound, or damaged", _READABLE) from error
    samples = decoded.samples
    if not len(samples):
        raise InputError(f"{name}: no samples in it", "record or copy it again")
    notes = [*decoded.notes]
    # Full scale is 1: what lies a million times beyond it is damage, and has no square.
    bad = ~(np.abs(samples) < LOUDEST)
    if bad.any():
        samples[bad] = 0
        notes.append(f"{int(bad.sum()):,} samples are no numbers, or beyond all loudness: taken as silence")
    floats = decoded.subtype in ("FLOAT", "DOUBLE")
    full = np.abs(samples) >= FULL
    # Floats have no full scale: what goes beyond it was not cut off there.
    beyond = floats and bool((np.abs(samples) > 1).any())
    if (runs := int((full[1:] & full[:-1]).sum())) and not beyond:
        notes.append(f"clipped: {runs:,} samples at full scale in a row")
    bits = "32f" if floats else "24" if decoded.subtype in ("PCM_24", "PCM_32") else "16"
    tags = dict(decoded.tags)
    tags["comment"] = tags.get("comment", "").partition(IN_COMMENT)[0].rstrip("\n")
    kept = {key: value[:LONGEST_TAG] for key, value in tags.items() if value and key != "software"}
    notes += [f"its {key} cut to {LONGEST_TAG:,} characters" for key in kept if len(tags[key]) > LONGEST_TAG]
    planes = torch.from_numpy(np.ascontiguousarray(samples.T))
    return Sound(planes, decoded.rate, bits, kept, tuple(notes), decoded.mask)


def resample(samples: Tensor, rate: int, wanted: int) -> Tensor:
    """`samples` [C, T] at another rate; silence, and single samples, stay what they are."""
    if rate == wanted:
        return samples
    if samples.numel() / rate * wanted > MOST_SAMPLES:
        raise InputError(f"a sound of {samples.shape[1] / rate:,.0f} s would take {wanted:,} Hz", "cut it first")
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
    mask: int = 0,
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
        mask: As `Sound.mask`.

    Raises:
        OutputError: It cannot be written, or the format has no such rate or number of channels.
    """
    # Floats hold any peak.
    fitted, note = (samples, "") if format == "wav" and bits == "32f" else fit(samples, clip)
    data, order = _encoded(fitted, rate, format, bits, {**(tags or {})}, settings, str(destination), mask)
    left_out = ""
    if settings and read_settings(data) != settings:
        # What else is carried may hide them, or pass for them.
        data, order = _encoded(fitted, rate, format, bits, {}, settings, str(destination), mask)
        left_out = "tags of the content left out: they do not go together with the settings"
        if read_settings(data) != settings:
            raise OutputError(f"{destination}: {format} does not hold the settings that made it", "write a .wav")
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
    return tuple(filter(None, [note, order, left_out]))


def _encoded(
    samples: Tensor, rate: int, format: str, bits: str, tags: dict[str, str], settings: str | None, name: str, mask: int
) -> tuple[bytes, str]:
    """The file, and a note on the order of its channels."""
    import soundfile

    subtype = {"ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}.get(format) or _SUBTYPES[
        "24" if format == "flac" and bits == "32f" else bits
    ]
    comment = "\n".join(filter(None, (tags.pop("comment", ""), settings and IN_COMMENT + settings)))
    everything = {**tags, **({"comment": comment} if comment else {})}
    count, frames, note = samples.shape[0], samples.T.numpy(), ""
    if format == "ogg":
        frames, note = to_vorbis(frames, mask)
    unusual = mask and mask != USUAL.get(count)
    extensible = format == "wav" and (count > 2 or unusual)
    low, high = RATES.get(format, (1, rate))
    if not low <= rate <= high:
        raise OutputError(f"{name}: {format} cannot hold {rate} Hz", "write a .wav")
    buffer = BytesIO()
    kind = "WAVEX" if extensible else _FORMATS[format]
    try:
        with soundfile.SoundFile(buffer, "w", rate, count, subtype=subtype, format=kind) as file:
            for key, value in everything.items() if format != "wav" else ():
                setattr(file, key, value)
            # Vorbis' encoder overflows its stack on one long block.
            for start in range(0, len(frames), 2**16):
                file.write(np.ascontiguousarray(frames[start : start + 2**16]))
    except (soundfile.SoundFileError, ValueError) as error:
        what = f"{count} channels at {rate} Hz"
        raise OutputError(f"{name}: {format} cannot hold {what}", "write a .wav") from error
    data = buffer.getvalue()
    if extensible:
        data = riff.with_mask(data, mask, count)
    if format == "flac" and unusual:
        data = flac_with_mask(data, mask)
    return riff.with_tags(data, everything) if format == "wav" else data, note
