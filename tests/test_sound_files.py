"""Sound files of every make: order of channels, headers that were never finished, junk, cuts, FFmpeg's kinds."""

import contextlib
import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch

from stylecli.errors import InputError, OutputError
from stylecli.media import riff
from stylecli.media.audio import read_sound, write_sound
from stylecli.media.channels import USUAL

RATE = 48000
PITCHES = (200, 300, 400, 60, 500, 600, 700, 800)
T = np.arange(RATE) / RATE
WAVES = np.stack([0.2 * np.sin(2 * np.pi * pitch * T) for pitch in PITCHES], axis=1).astype(np.float32)
"""A tone for each channel, in the order of WAV."""

FL, FR, FC, LFE, A, B, C, D = range(8)
VORBIS = {
    3: (FL, FC, FR),
    4: (0, 1, 2, 3),
    5: (0, 2, 1, 3, 4),
    6: (FL, FC, FR, A, B, LFE),
    7: (FL, FC, FR, 5, 6, 4, LFE),
    8: (FL, FC, FR, 6, 7, 4, 5, LFE),
}
"""Places of WAV's channels in a Vorbis file (Vorbis I, 4.3.9)."""


def encoded(samples: np.ndarray, format: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=format, subtype=subtype)
    return file.getvalue()


def pitches(samples: np.ndarray, rate: int = RATE) -> list[int]:
    spectrum = np.abs(np.fft.rfft(samples, axis=0))
    return [round(float(peak)) for peak in spectrum.argmax(0) * rate / len(samples)]


@pytest.mark.parametrize("count", range(3, 9))
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_channels_of_ogg_are_read_and_written_in_its_own_order(count: int, subtype: str, tmp_path: Path) -> None:
    wanted = list(PITCHES[:count])
    if subtype == "VORBIS":
        data = encoded(WAVES[:, VORBIS[count]], "OGG", subtype)
    else:
        # Full bandwidth is not there for channels of low rate, so each has its own pitch within 800 Hz.
        data = encoded(WAVES[:, VORBIS[count]], "OGG", subtype)
        in_file = pitches(soundfile.read(io.BytesIO(data))[0])
        wanted = [in_file[VORBIS[count].index(place)] for place in range(count)]
    sound = read_sound(data)
    assert pitches(sound.samples.T.numpy()) == wanted
    assert sound.mask == USUAL[count]
    for format in ("wav", "flac"):
        write_sound(sound.samples, tmp_path / f"a.{format}", RATE, format=format, mask=sound.mask)
        assert pitches(soundfile.read(tmp_path / f"a.{format}")[0]) == wanted
    assert riff.mask_of((tmp_path / "a.wav").read_bytes()) == USUAL[count]
    write_sound(read_sound(tmp_path / "a.flac").samples, tmp_path / "a.ogg", RATE, format="ogg")
    assert pitches(soundfile.read(tmp_path / "a.ogg")[0]) == [wanted[place] for place in VORBIS[count]]


@pytest.mark.parametrize("format", ["wav", "flac"])
@pytest.mark.parametrize(("count", "mask"), [(4, 0x107), (6, 0x60F), (2, 0x30), (7, 0x13F)])
def test_an_unusual_mask_goes_along(format: str, count: int, mask: int, tmp_path: Path) -> None:
    write_sound(torch.from_numpy(WAVES[:, :count].T.copy()), tmp_path / "a", RATE, format=format, mask=mask)
    sound = read_sound(tmp_path / "a")
    assert sound.mask == mask
    assert pitches(sound.samples.T.numpy()) == list(PITCHES[:count])


def test_sides_and_backs_stand_in_for_each_other_in_ogg_and_nothing_else_does(tmp_path: Path) -> None:
    samples = torch.from_numpy(WAVES.T.copy())
    assert write_sound(samples[:6], tmp_path / "a.ogg", RATE, format="ogg", mask=0x60F) == ()
    assert pitches(soundfile.read(tmp_path / "a.ogg")[0]) == [PITCHES[place] for place in VORBIS[6]]
    # FL FR FC LFE BL BR BC to FL FC FR SL SR BC LFE
    assert write_sound(samples[:7], tmp_path / "b.ogg", RATE, format="ogg", mask=0x13F) == ()
    assert pitches(soundfile.read(tmp_path / "b.ogg")[0]) == [PITCHES[place] for place in (0, 2, 1, 4, 5, 6, 3)]
    (note,) = write_sound(samples[:4], tmp_path / "c.ogg", RATE, format="ogg", mask=0x107)
    assert "0x107" in note


WAV = encoded(WAVES[:, :2], "WAV", "PCM_16")


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("outer", [0, 0xFFFFFFFF])
def test_headers_that_were_never_finished(size: int, outer: int) -> None:
    data = WAV[:4] + struct.pack("<I", outer) + WAV[8:40] + struct.pack("<I", size) + WAV[44:] + b"\0"
    sound = read_sound(data)
    assert sound.samples.shape == (2, RATE)
    assert np.abs(sound.samples.T.numpy() - WAVES[:, :2]).max() < 1e-4
    assert sound.notes == ("its header was never finished: read to the end of the file",)


def test_a_wav_without_samples_has_none() -> None:
    empty = encoded(WAVES[:0, :2], "WAV", "PCM_16")
    with pytest.raises(InputError, match="no samples in it"):
        read_sound(riff.with_tags(empty, {"title": "T"}))


@pytest.mark.parametrize(
    ("format", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
     ("AIFF", "PCM_16")],
)  # fmt: skip
def test_files_that_were_cut_give_what_is_there_and_say_so(
    format: str, subtype: str, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((4 * RATE, 2))
    data = encoded(noise, format, subtype)
    assert read_sound(data).notes == ()
    sound = read_sound(data[: len(data) // 2])
    assert 0.8 * RATE < sound.samples.shape[1] < 2.6 * RATE
    (note,) = sound.notes
    assert note.startswith("cut short: ")
    assert capfd.readouterr().err == ""


def test_what_lies_before_the_first_frame_of_an_mp3_is_skipped() -> None:
    mp3 = encoded(WAVES[:, :1], "MP3", "MPEG_LAYER_III")
    body = b"TIT2" + struct.pack(">I", 5) + b"\0\0\0Lied"
    tag = b"ID3\x03\0\0" + bytes([0, 0, 0, len(body)]) + body
    whole = read_sound(tag + mp3)
    assert whole.tags["title"] == "Lied"
    for data, skipped in (
        (tag + bytes(4096) + mp3, 4096),
        (bytes(1000) + mp3, 1000),
        (b"\xff\xfb\xff" * 99 + mp3, 297),
    ):
        sound = read_sound(data)
        assert torch.equal(sound.samples, whole.samples)
        if sound.notes:
            assert sound.notes == (f"{skipped:,} bytes before its first frame skipped",)
    assert read_sound(tag + bytes(4096) + mp3).tags == whole.tags
    with pytest.raises(InputError, match="not sound"):
        read_sound(bytes(5000))


@pytest.mark.parametrize(
    ("container", "codec"), [("ipod", "aac"), ("adts", "aac"), ("ogg", "libopus"), ("matroska", "aac")]
)
def test_kinds_of_ffmpeg(container: str, codec: str) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as made:
        stream = made.add_stream(codec, rate=RATE, layout="5.1" if codec == "aac" else "stereo")
        count = 6 if codec == "aac" else 2
        made.metadata["title"] = "Lied"
        packed = np.ascontiguousarray(WAVES[:, :count].reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=stream.layout.name)
        frame.sample_rate = RATE
        resampler = av.AudioResampler(
            format=stream.format, layout=stream.layout, rate=RATE, frame_size=stream.frame_size
        )
        for part in (frame, None):
            for each in resampler.resample(part):
                made.mux(stream.encode(each))
        made.mux(stream.encode(None))
    sound = read_sound(file.getvalue())
    assert sound.rate == RATE
    assert abs(sound.samples.shape[1] - RATE) < 3000
    assert pitches(sound.samples[:, 2000:46000].T.numpy()) == pytest.approx(list(PITCHES[:count]), abs=2)
    assert sound.notes == ()
    if container != "adts":
        assert sound.tags["title"] == "Lied"


def test_floats_beyond_full_scale_are_neither_clipped_nor_limited(tmp_path: Path) -> None:
    loud = np.clip(8 * WAVES[:, :1], -1.5, 1.5)
    sound = read_sound(encoded(loud, "WAV", "FLOAT"))
    assert sound.notes == ()
    assert write_sound(sound.samples, tmp_path / "a.wav", RATE, format="wav", bits="32f") == ()
    assert np.abs(soundfile.read(tmp_path / "a.wav")[0] - loud[:, 0]).max() < 1e-6
    assert "clipped" in read_sound(encoded(np.clip(loud, -1, 1), "WAV", "PCM_16")).notes[0]
    assert "clipped" in read_sound(encoded(np.clip(loud, -1, 1), "WAV", "FLOAT")).notes[0]


def test_damage_that_libsndfile_would_not_survive_or_would_print(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    samples = torch.from_numpy(WAVES[:, :1].T.copy())
    with pytest.raises(OutputError, match="ogg cannot hold 250000 Hz"):
        write_sound(samples, tmp_path / "a.ogg", 250_000, format="ogg")
    loud = read_sound(encoded(np.full((100, 1), 3e38, np.float32), "WAV", "FLOAT"))
    assert loud.samples.abs().max() == 0
    assert loud.notes[0].startswith("100 samples are no numbers")
    named = read_sound(riff.with_tags(WAV, {"title": "A" * 50_000}))
    assert len(named.tags["title"]) == 10_000
    assert named.notes == ("its title cut to 10,000 characters",)
    assert write_sound(named.samples, tmp_path / "a.flac", RATE, format="flac", tags=named.tags) == ()
    aiff = bytearray(encoded(WAVES[:, :1], "AIFF", "PCM_16"))
    random = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(aiff[: random.integers(60, 3000)])
        for place in random.integers(12, 60, 4):
            data[place] = random.integers(256)
        with contextlib.suppress(InputError):
            read_sound(bytes(data))
    assert capfd.readouterr().err == ""
