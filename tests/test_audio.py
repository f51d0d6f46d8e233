"""Style transfer for sound: through the command, and on samples."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import Result
from PIL import Image

from stylecli import api
from stylecli.backends.audio import Audio, frames_for
from stylecli.device import resolve
from stylecli.losses.sound import GramDistance
from stylecli.media.audio import CEILING, Sound, fit, read_sound, resample, write_sound
from stylecli.media.spectrograms import Frames, griffin_lim, spectral_convergence
from stylecli.method import Request
from stylecli.nets.patch_kernels import ArcCosine, PatchDots
from stylecli.nets.random_conv import Limit, RandomConv
from stylecli.optimise.lbfgs import BoundedLBFGS
from stylecli.optimise.sound import Box, Lead, SoundObjective, ahead, descend
from stylecli.settings.audio import AudioSettings

CPU = ("--device", "cpu")
FEW = ("--steps", "6", "--wave-steps", "6", "--phase-steps", "6", *CPU)
RATE = 8000


def tone(seconds: float = 1.0, *, rate: int = RATE, pitch: float = 440.0, channels: int = 1) -> torch.Tensor:
    """A tone that swells, quieter in each further channel."""
    t = torch.arange(int(seconds * rate)) / rate
    wave = 0.3 * torch.sin(2 * math.pi * pitch * t) * (0.6 + 0.4 * torch.sin(2 * math.pi * 1.5 * t))
    return torch.stack([wave / (1 + channel) for channel in range(channels)])


def crackle(seconds: float = 1.0, *, rate: int = RATE) -> torch.Tensor:
    """Noise in bursts."""
    noise = torch.randn(1, int(seconds * rate), generator=torch.Generator().manual_seed(1))
    return 0.2 * noise * (torch.sin(40 * torch.arange(noise.shape[1]) / rate) > 0)


@pytest.fixture
def sound(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sound: `sound("c.wav", tone())`."""

    def make(name: str, samples: torch.Tensor, *, rate: int = RATE, subtype: str | None = None) -> Path:
        soundfile.write(tmp_path / name, samples.T.numpy(), rate, subtype=subtype)
        return tmp_path / name

    return make


# Files


@pytest.mark.parametrize(
    ("format", "bits", "near"),
    [("wav", "16", 4e-5), ("wav", "24", 2e-7), ("wav", "32f", 0), ("flac", "24", 2e-7), ("ogg", "16", 0.1),
     ("mp3", "16", 0.1)],
)  # fmt: skip
def test_what_is_written_is_read(format: str, bits: str, near: float, tmp_path: Path):
    samples, tags = tone(rate=44100, channels=2), {"title": "T", "date": "1999", "comment": "mine"}
    # Longer than what libsndfile takes in a WAV.
    settings = json.dumps({"path": "x" * 20000})
    notes = write_sound(samples, tmp_path / "a", 44100, format=format, bits=bits, tags=tags, settings=settings)
    read = read_sound(tmp_path / "a")
    assert notes == ()
    assert read.rate == 44100
    assert read.tags == tags
    assert read.samples.shape == samples.shape
    assert (read.samples - samples).abs().max() <= near
    assert read.bits == bits
    from stylecli.media.stored_settings import read_settings

    assert read_settings(tmp_path / "a") == settings


@pytest.mark.parametrize("clip", ["limit", "rescale"])
def test_peaks_stay_below_full_scale(clip: str):
    loud = tone(channels=2)
    loud[:, 1300:1400] *= 5
    made, note = fit(loud, clip)
    assert made.abs().max() <= CEILING + 1e-5
    assert note
    quiet = slice(3000, 6000)
    assert torch.allclose(made[:, quiet], loud[:, quiet], atol=1e-6) == (clip == "limit")
    # Both channels by the same factor.
    assert torch.allclose(made[0], 2 * made[1], atol=1e-6)
    assert fit(loud, "none")[0] is loud


def test_resampling_keeps_a_tone():
    made = resample(tone(rate=RATE), RATE, 44100)
    assert made.shape == (1, 44100)
    assert (made - tone(rate=44100))[:, 2000:-2000].abs().max() < 1e-3


# Spectrograms


def test_the_inverse_transform_inverts():
    frames, wave = Frames(512, 128), crackle()
    assert torch.allclose(frames.istft(frames.stft(wave), wave.shape[1]), wave, atol=1e-5)


def test_momentum_and_a_good_start_help():
    frames, wave = Frames(512, 128), tone() + 0.1 * crackle()
    wanted = frames.stft(wave).abs()
    noise = torch.polar(torch.ones_like(wanted), 6.28 * torch.rand(wanted.shape, generator=torch.Generator()))
    far = lambda start, momentum: spectral_convergence(
        frames, griffin_lim(frames, wanted, start, iterations=30, momentum=momentum, length=wave.shape[1]), wanted
    )
    assert far(noise, 0.99) < far(noise, 0.0)
    assert far(frames.stft(wave), 0.99) < 1e-4


def test_what_is_loud_moves_far():
    frames, generator = Frames(256, 128), torch.Generator().manual_seed(0)
    amplitude = torch.rand(1, 33, 129, generator=generator, dtype=torch.double) ** 4 * 100 + 0.1
    x, y = torch.randn(2, 1, 4096, generator=generator, dtype=torch.double)
    assert torch.allclose((x * frames.louder(y, amplitude)).sum(), (y * frames.louder(x, amplitude)).sum())
    assert (x * frames.louder(x, amplitude)).sum() > 0
    # A sum of squares, each frequency divided by its loudness: by the metric as easy as a plain one.
    loud = torch.logspace(-1, 1, 129, dtype=torch.double).expand(1, 33, -1)
    loss = lambda wave: {"all": (frames.transformed(wave) / loud).abs().square().sum()}
    found = []
    for metric in (None, lambda wave: frames.louder(wave, loud.square())):
        box = Box(torch.full((), -9.0), torch.full((), 9.0), 5.0, metric)
        found.append(descend(loss, x, 24, box=box).losses["all"])
    assert found[1] < 0.1 * found[0]


# The network without filters


def test_the_limit_is_that_of_many_filters():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 12, 20, generator=generator)
    filters = 200_000
    drawn, limit = RandomConv.drawn(20, filters, 3, generator), Limit(20, 3, filters)
    for ours, theirs in (
        (limit.products(limit.see(x), limit.see(y)), drawn.products(drawn.see(x), drawn.see(y))),
        (limit.distance(limit.see(x), limit.see(y)), drawn.distance(drawn.see(x), drawn.see(y))),
    ):
        assert torch.allclose(ours.float(), theirs, rtol=0.03)


def test_the_kernel_has_the_right_slopes():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(4, 1, generator=generator).double() + 1, torch.rand(1, 5, generator=generator).double() + 1
    dots = a * b * (torch.rand(4, 5, generator=generator).double() * 1.6 - 0.8)
    assert torch.autograd.gradcheck(ArcCosine.apply, [each.requires_grad_() for each in (dots, a, b)])


@pytest.mark.parametrize("same", [True, False])
def test_squares_are_those_of_the_products(same: bool):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(rows, 20, generator=generator, dtype=torch.double) for rows in (130, 70))
    limit, of_y, x = Limit(20, 5), Limit(20, 5).see(y), x.requires_grad_()
    found = []
    for squares in (lambda a, b: limit.squares(a, b)[0], lambda a, b: limit.products(a, b).square().sum()):
        seen = limit.see(x)
        total = squares(seen, seen if same else of_y)
        found.append((total.detach(), torch.autograd.grad(total, x)[0]))
    assert torch.allclose(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1])


def test_few_directions_lead_most_of_the_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stylecli.optimise.sound.DIRECTIONS", 40)
    frames = Frames(256, 64)
    content, style = (frames.log_magnitudes(wave, 8.0) for wave in (tone() + 0.01 * crackle(), crackle()))
    objective = SoundObjective([Limit(129, 11)], content, [(1.0, style)], 1.0, 0.01)
    top = torch.stack([content.amax(0), style.amax(0)]).amax(0)
    box = Box(torch.zeros(()), top, float(top.max()))
    loss = lambda x: float(sum(objective(x).values()))
    made = ahead(objective, content, box, 60)
    full = descend(objective, content, 60, box=box)
    assert made.x.min() >= 0
    assert (made.x <= top).all()
    gained = (loss(content) - loss(made.x)) / (loss(content) - sum(full.losses.values()))
    assert gained > 0.8
    assert made.scales == sorted(made.scales)
    # A descent that knows how steep it is there loses no update to a first move that is too large.
    known = descend(objective, made.x, 2, box=replace(box, scale=made.scales[0]))
    assert sum(known.losses.values()) < loss(made.x)
    # Filters that were drawn see more than inner products.
    drawn = SoundObjective([RandomConv.drawn(129, 16, 11, torch.Generator())], content, [(1.0, style)], 1.0, 0.01)
    assert ahead(drawn, content, box, 5).x is content


@pytest.mark.parametrize("rhythm", [0, 1])
def test_losses_along_few_directions_are_those_of_the_frames(rhythm: int):
    generator = torch.Generator().manual_seed(0)
    start, content, style = (torch.rand(n, 30, generator=generator, dtype=torch.double) for n in (40, 40, 50))
    objective = SoundObjective([Limit(30, 5)], content, [(0.6, style), (0.4, content)], 1.0, 0.1, rhythm)
    turn = torch.linalg.qr(torch.randn(30, 4, generator=generator, dtype=torch.double))[0]
    moved = (start @ turn + torch.rand(40, 4, generator=generator, dtype=torch.double)).requires_grad_()
    found = []
    for loss in (objective.along(start, turn), lambda z: objective(start + (z - start @ turn) @ turn.T)):
        parts = loss(moved)
        found.append((*parts.values(), torch.autograd.grad(sum(parts.values()), moved)[0]))
    assert all(torch.allclose(a, b) for a, b in zip(*found, strict=True))


def test_a_descent_goes_on_from_where_its_lead_ends():
    goal, near = torch.tensor([3.0, -2.0, 1.0]), torch.tensor([3.0, -2.0, 0.0])
    asked = []

    def loss(x: torch.Tensor) -> dict[str, torch.Tensor]:
        asked.append(x.detach().clone())
        return {"far": (x - goal).square().sum()}

    room = torch.tensor(9.0)
    box = Box(-room, room, 100.0)
    lead = Lead(lambda x: {"near": (x - near).square().sum()}, 6)
    made = descend(loss, torch.zeros(3), 3, box=box, lead=lead)
    assert torch.allclose(asked[0], near, atol=1e-2)
    assert torch.allclose(made.x, goal, atol=1e-2)
    assert list(made.losses) == ["far"]


@pytest.mark.parametrize("frames", [9, 300])
def test_products_of_patches_are_those_of_unfolded_frames(frames: int):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(n, 7, generator=generator, dtype=torch.float64).requires_grad_() for n in (frames, 5))
    patches = lambda each: each.unfold(0, 3, 1).flatten(1)
    for other in (None, y):
        factor = torch.rand(frames - 2, frames - 2 if other is None else 3, generator=generator, dtype=torch.float64)
        ours, plain = PatchDots.apply(x, other, 3), patches(x) @ patches(x if other is None else other).T
        assert torch.allclose(ours, plain)
        asked = (x,) if other is None else (x, other)
        slopes = [torch.autograd.grad((each * factor).sum(), asked) for each in (ours, plain)]
        assert all(torch.allclose(a, b) for a, b in zip(*slopes, strict=True))


def test_log_magnitudes_and_griffin_lim_are_those_of_pytorch():
    frames = Frames(64, 16)
    wave = torch.randn(2, 500, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    window = torch.hann_window(64, dtype=torch.float64)
    spectrum = torch.stft(wave, 64, 16, window=window, pad_mode="constant", return_complex=True)
    ours, plain = frames.log_magnitudes(wave, 0.7), (spectrum.abs() * 0.7).log1p().flatten(0, 1).T
    assert torch.allclose(ours, plain)
    factor = torch.rand(plain.shape, dtype=torch.float64)
    slopes = [torch.autograd.grad((each * factor).sum(), wave, retain_graph=True)[0] for each in (ours, plain)]
    assert torch.allclose(*slopes)
    amplitude, start = spectrum.abs().detach(), torch.roll(spectrum.detach(), 3, 2)
    for length in (None, 500):
        found = frames.istft(amplitude * start.sgn(), length)
        for _ in range(2):
            turned = torch.stft(found, 64, 16, window=window, pad_mode="constant", return_complex=True).sgn()
            found = frames.istft(amplitude * turned, length)
        assert torch.allclose(griffin_lim(frames, amplitude, start, iterations=3, momentum=0, length=length), found)


def test_slopes_are_finite_at_the_target_and_in_silence():
    limit = Limit(6, 3)
    for x in (torch.rand(8, 6), torch.zeros(8, 6)):
        moved = x.clone().requires_grad_()
        a, b = limit.see(moved), limit.see(x)
        (limit.distance(a, b).sum() + GramDistance(limit, [(1.0, b)])(a)).backward()
        assert moved.grad is not None
        assert moved.grad.abs().max() < 1e-2


def test_the_distance_is_that_of_gram_matrices():
    generator = torch.Generator().manual_seed(0)
    bank = RandomConv.drawn(5, 7, 3, generator)
    x, y, z = (bank.see(torch.randn(n, 5, generator=generator)) for n in (9, 12, 15))
    gram = lambda seen: seen[0].T @ seen[0] / len(seen[0])
    wanted = (gram(x) - 0.3 * gram(y) - 0.7 * gram(z)).square().sum()
    assert torch.allclose(GramDistance(bank, [(0.3, y), (0.7, z)])(x), wanted, rtol=1e-4)


# The method


def distances(made: torch.Tensor, content: torch.Tensor, style: torch.Tensor) -> tuple[float, float]:
    """(style, content) distances in a drawn bank of its own."""
    frames = frames_for(RATE)
    bank = RandomConv.drawn(frames.n_fft // 2 + 1, 256, 11, torch.Generator().manual_seed(7))
    f, c, s = (bank(frames.stft(each).abs().log1p()[0].T) for each in (made, content, style))
    return float((f.T @ f / len(f) - s.T @ s / len(s)).norm()), float((f - c).norm())


def test_alpha_goes_from_content_to_style():
    content, style = Sound(tone(2), RATE), Sound(crackle(2), RATE)
    found = [
        distances(api.audio(content, style, alpha=alpha, device="cpu").samples, content.samples, style.samples)
        for alpha in (0.0, 0.3, 0.6, 1.0)
    ]
    styles, contents = zip(*found, strict=True)
    assert sorted(styles, reverse=True) == list(styles)
    assert sorted(contents) == list(contents)
    assert contents[0] < 0.05 * contents[-1]


SPARSE = {
    "tone": tone(),
    "clicks": 0.8 * (torch.arange(RATE) % 3000 == 500).float()[None],
    "noise": crackle(),
    "mostly silence": torch.nn.functional.pad(tone(0.3), (0, RATE - int(0.3 * RATE))),
}


@pytest.mark.parametrize("style", SPARSE)
@pytest.mark.parametrize("content", SPARSE)
def test_levels_stay_between_content_and_style(content: str, style: str):
    level = lambda wave: float(wave.square().mean().sqrt())
    lowest, highest = sorted(level(SPARSE[each]) for each in (content, style))
    for alpha in (0.5, 1.0):
        made = api.audio(Sound(SPARSE[content], RATE), Sound(SPARSE[style], RATE), alpha=alpha, device="cpu").samples
        assert made.isfinite().all()
        assert made.abs().max() <= CEILING
        assert lowest / 3 < level(made) < 1.5 * highest


def test_no_strength_is_the_content():
    content = Sound(tone(channels=2), RATE)
    made = api.audio(content, Sound(crackle(), RATE), alpha=0.0, device="cpu")
    assert torch.equal(made.samples, content.samples)
    assert set(made.losses.values()) == {0.0}


def test_losses_are_those_of_what_is_heard():
    content, style = tone() + 0.1 * crackle(), crackle()
    made = api.audio(Sound(content, RATE), Sound(style, RATE), content_weight=0.01, device="cpu")
    frames = frames_for(RATE)
    limit = Limit(frames.n_fft // 2 + 1, 11)
    heard, wanted = (
        limit.see((frames.stft(each).abs() * 2048 / frames.n_fft).log1p()[0].T) for each in (made.samples, style)
    )
    assert made.losses["style"] == pytest.approx(float(GramDistance(limit, [(1.0, wanted)])(heard)), rel=1e-3)
    amplitude = frames.stft(made.samples).abs()
    noise = torch.polar(torch.ones_like(amplitude), 6.28 * torch.rand(amplitude.shape, generator=torch.Generator()))
    plain = griffin_lim(frames, amplitude, noise, iterations=500, momentum=0, length=RATE)
    assert made.losses["spectral convergence"] < 0.5 * spectral_convergence(frames, plain, amplitude)


def test_a_texture_forgets_the_content():
    style = Sound(crackle(2), RATE)
    options = {"content_weight": 0.0, "device": "cpu"}
    made = [api.audio(Sound(tone(2, pitch=pitch), RATE), style, **options).samples for pitch in (200, 900)]
    assert torch.equal(*made)
    before, after = (distances(each, made[0], style.samples)[0] for each in (tone(2), made[0]))
    assert after < 0.2 * before


def test_a_bank_of_filters_does_much_the_same():
    content, style = Sound(tone(), RATE), Sound(crackle(), RATE)
    few = {"steps": 30, "wave_steps": 20, "device": "cpu"}
    many = api.audio(content, style, **few).samples
    drawn = [api.audio(content, style, filters=256, ensemble=2, seed=seed, **few).samples for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    start, *ends = (distances(each, content.samples, style.samples)[0] for each in (content.samples, many, drawn[0]))
    assert max(ends) < 0.6 * start


def test_drawn_filters_hear_what_has_no_high_frequencies():
    low = lambda wave: resample(resample(wave, RATE, RATE // 2), RATE // 2, RATE)
    few = {"steps": 1, "wave_steps": 1, "phase_steps": 1, "filters": 16, "device": "cpu"}
    made = api.audio(Sound(low(tone()), RATE), Sound(low(crackle()), RATE), **few)
    assert made.samples.abs().max() > 0.01


def test_rhythm_compares_slower_patterns():
    slow = crackle(4) * (torch.sin(6 * torch.arange(4 * RATE) / RATE) > 0)
    content, style = Sound(0.1 * crackle(4), RATE), Sound(slow, RATE)
    frames = frames_for(RATE)
    coarse = lambda wave: torch.nn.functional.avg_pool1d(frames.stft(wave).abs().log1p()[0], 16).T
    limit = Limit(frames.n_fft // 2 + 1, 5)
    distance = GramDistance(limit, [(1.0, limit.see(coarse(slow)))])
    options = {"kernel": 5, "steps": 20, "wave_steps": 10, "device": "cpu"}
    far = [float(distance(limit.see(coarse(api.audio(content, style, rhythm=n, **options).samples)))) for n in (0, 2)]
    assert far[1] < 0.8 * far[0]


def test_a_blend_of_one_style_is_that_style():
    content, style = Sound(tone(), RATE), Sound(crackle(), RATE)
    few = {"steps": 1, "wave_steps": 0, "phase_steps": 5, "device": "cpu"}
    alone = api.audio(content, style, **few).samples
    assert torch.allclose(api.audio(content, [style, style], shares=[1, 3], **few).samples, alone, atol=1e-3)


def test_stereo_is_kept():
    made = api.audio(Sound(tone(channels=2), RATE), Sound(crackle(), RATE), alpha=0.2, device="cpu").samples
    assert made.shape == (2, RATE)
    # The content's second channel has half the first one's amplitude.
    levels = made.square().mean(1).sqrt()
    assert levels[1] < 0.9 * levels[0]


def test_no_seam_is_heard():
    content = Sound(tone(9), RATE)
    made = api.audio(content, Sound(crackle(3), RATE), chunk=2.0, overlap=0.5, device="cpu").samples
    assert made.shape == content.samples.shape
    spectrum = Frames(512, 128).stft(made).abs()[0]
    energy, flux = spectrum.square().sum(0).log(), (spectrum[:, 1:] - spectrum[:, :-1]).relu().sum(0)
    size = (9 + 4 * 0.5) / 5
    joins = [int((index * (size - 0.5)) * RATE / 128) for index in range(1, 5)]
    jumps = (made[0, 1:] - made[0, :-1]).abs()
    for join in joins:
        assert jumps[128 * (join - 1) : 128 * (join + 1)].max() < jumps.max()
    for curve in (energy[5:-5], flux[5:-5]):
        smooth = curve.unfold(0, 31, 1).mean(1)
        at = torch.stack([smooth[join - 5 - 15] for join in joins])
        assert ((at - smooth.mean()).abs() < 2 * smooth.std()).all()


def test_ctrl_c_keeps_what_there_is():
    calls = []

    def stop(step: object) -> None:
        calls.append(step)
        if len(calls) == 3:
            raise KeyboardInterrupt

    settings = AudioSettings()
    content = Sound(tone(), RATE)
    result = Audio(resolve("cpu"))(Request(settings, content, [Sound(crackle(), RATE)], listener=stop))
    assert result.interrupted
    assert len(calls) == 3
    assert result.sound.shape == content.samples.shape
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        api.audio(content, Sound(crackle(), RATE), listener=stop, device="cpu")


def test_ctrl_c_counts_before_the_first_update_that_is_told(monkeypatch: pytest.MonkeyPatch):
    calls, step = [], BoundedLBFGS.step

    def stop(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 5:
            raise KeyboardInterrupt
        step(*given)

    monkeypatch.setattr(BoundedLBFGS, "step", stop)
    settings, content = AudioSettings(), Sound(tone(channels=2), RATE)
    result = Audio(resolve("cpu"))(Request(settings, content, [Sound(crackle(), RATE)]))
    assert result.interrupted
    assert len(calls) == 5
    assert result.sound.shape == content.samples.shape


# The command


def test_a_sweep_its_record_and_its_replay(cli: Callable[..., Result], sound: Callable[..., Path]):
    sound("c.flac", tone(channels=2), subtype="PCM_24"), sound("s.wav", crackle())
    words = ["audio", "c.flac", "--style", "s.wav", "--alpha", "0:1:2", *FEW]
    done = cli(*words, "--report", "report.png")
    assert done.stdout.split() == ["c_audio_s_alpha0.flac", "c_audio_s_alpha1.flac"], done.stderr
    info = soundfile.info("c_audio_s_alpha1.flac")
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (RATE, 2, RATE, "PCM_24")
    for name in ("report.png", "report_2.png"):
        with Image.open(name) as report:
            assert report.size[1] > 3 * 200
    assert cli("replay", "c_audio_s_alpha1.flac").exit_code == 0
    assert Path("c_audio_s_alpha1_replay.flac").read_bytes() == Path("c_audio_s_alpha1.flac").read_bytes()
    assert cli(*words, "--skip-existing").stderr.count("skipped") == 2


def test_pipes_folders_and_formats(cli: Callable[..., Result], sound: Callable[..., Path], tmp_path: Path):
    (tmp_path / "in/deep").mkdir(parents=True)
    sound("s.wav", crackle())
    piped = sound("in/a.wav", tone())
    sound("in/deep/b.flac", tone())
    done = cli("audio", "-", "--style", "s.wav", "--format", "flac", "-o", "-", *FEW, stdin=piped.read_bytes())
    assert done.binary[:4] == b"fLaC", done.stderr
    done = cli("audio", "in", "-r", "--style", "s.wav", "--format", "ogg", "-o", "out/", *FEW)
    assert done.stdout.split() == ["out/a_audio_s.ogg", "out/deep/b_audio_s.ogg"], done.stderr
    done = cli("audio", "in/a.wav", "--style", "s.wav", "-o", "x.mp3", "--bits", "24", *FEW)
    assert done.exit_code == 2
    assert "does not hold 24 bits" in done.stderr
    assert cli("audio", "in/a.wav", "--style", "s.wav", "-o", "x.png", *FEW).exit_code == 2


@pytest.mark.parametrize(
    ("samples", "rate", "subtype"),
    [
        (torch.zeros(1, 4000), RATE, None),
        (torch.full((1, 1), 0.5), RATE, None),
        (tone(0.5), RATE, "PCM_U8"),
        (tone(0.2, rate=192_000), 192_000, None),
        (tone(0.5).mul(9).clamp(-1, 1), RATE, None),
        (torch.where(tone(0.5) > 0.2, math.nan, tone(0.5)), RATE, "FLOAT"),
        (torch.where(tone(0.5) > 0.2, -math.inf, tone(0.5)), RATE, "FLOAT"),
    ],
    ids=["silence", "one sample", "8 bits", "192 kHz", "clipped", "nan", "inf"],
)
def test_strange_contents(
    cli: Callable[..., Result], sound: Callable[..., Path], samples: torch.Tensor, rate: int, subtype: str | None
):
    sound("c.wav", samples, rate=rate, subtype=subtype), sound("s.wav", crackle())
    done = cli("audio", "c.wav", "--style", "s.wav", "-o", "out.wav", *FEW)
    assert done.exit_code == 0, done.stderr
    made, written_rate = soundfile.read("out.wav", always_2d=True)
    assert made.shape == (samples.shape[1], 1)
    assert written_rate == rate
    assert np.isfinite(made).all()
    assert np.abs(made).max() < 1
    assert made.any() == bool(samples.any())
    if subtype == "FLOAT":
        assert "no numbers" in done.stderr
    if samples.abs().max() >= 1:
        assert "clipped" in done.stderr or subtype == "FLOAT"


@pytest.mark.parametrize("samples", [torch.zeros(1, 4000), torch.full((1, 1), 0.5)], ids=["silence", "one sample"])
def test_strange_styles(cli: Callable[..., Result], sound: Callable[..., Path], samples: torch.Tensor):
    sound("c.wav", tone()), sound("s.wav", samples)
    done = cli("audio", "c.wav", "--style", "s.wav", "-o", "out.wav", *FEW)
    assert done.exit_code == 0, done.stderr
    assert np.isfinite(soundfile.read("out.wav")[0]).all()
    assert ("silent" in done.stderr) == (not samples.any())


@pytest.mark.parametrize("data", [b"these are words", b"", b"RIFF\x10\0\0\0WAVE", b"\0\0\0\x18ftypmp42" + b"\0" * 99])
def test_what_is_not_sound(data: bytes, cli: Callable[..., Result], sound: Callable[..., Path], tmp_path: Path):
    sound("s.wav", crackle())
    (tmp_path / "c.wav").write_bytes(data)
    done = cli("audio", "c.wav", "--style", "s.wav", *FEW)
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert lines[1].startswith("c.wav: ")
    assert lines[2].startswith("hint: ")
    assert len(lines) == 3


def test_the_recipe_of_the_original(cli: Callable[..., Result], sound: Callable[..., Path]):
    sound("c.wav", tone(rate=22050, channels=2), rate=22050), sound("s.wav", crackle())
    few = ("--filters", "32", "--steps", "3", "--phase-steps", "3", *CPU, "--json")
    done = cli("audio", "c.wav", "--style", "s.wav", "--recipe", "ulyanov", *few)
    said = json.loads(done.stdout)["settings"]
    assert (said["wave_steps"], said["momentum"], said["content_weight"], said["kernel"]) == (0, 0, 0.01, 11)
    made = soundfile.read("c_audio_s.wav")[0]
    assert np.array_equal(made[:, 0], made[:, 1])  # the original is mono
