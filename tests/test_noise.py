"""The noise that a network gets beside a photo."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stylecli.nets.noise import PERIODS, noise_like


@given(st.integers(1, 70), st.integers(1, 600), st.integers(0, 5))
@settings(deadline=None, max_examples=25)
def test_it_fits_and_is_the_same_in_every_type(height: int, width: int, seed: int) -> None:
    floats = noise_like(torch.zeros(2, 3, height, width), seed)
    levels = noise_like(torch.zeros(2, 3, height, width, dtype=torch.uint8), seed)
    assert floats.shape == (2, 1, height, width)
    assert torch.equal(floats, levels.float() / 255)
    assert torch.equal(floats[1], noise_like(torch.zeros(1, 3, height, width), seed + 1)[0])


def test_rows_are_cut_nowhere() -> None:
    """Made in bands of rows, it is smooth across them."""
    noise = noise_like(torch.zeros(1, 3, 1100, 64))[0, 0]
    steps = noise.diff(dim=0).abs().mean(1)
    assert steps.max() < 3 * steps.mean()


def test_it_repeats_nowhere_and_has_every_octave() -> None:
    noise = noise_like(torch.zeros(1, 3, 1024, 1024))[0, 0] - 0.5
    assert abs(float(noise.mean())) < 0.02
    assert 0.15 < float(noise.std()) < 0.25
    spectrum = torch.fft.rfft2(noise).abs().square()
    again = torch.fft.irfft2(spectrum)
    again = again / again[0, 0]
    assert float(again[64:960, 64:960].abs().max()) < 0.15
    radius = (torch.fft.fftfreq(1024)[:, None].square() + torch.fft.rfftfreq(1024).square()).sqrt()
    octaves = [spectrum[(radius > 0.35 / p) & (radius < 0.7 / p)].sum() / spectrum.sum() for p in PERIODS]
    assert min(octaves) > 0.05
