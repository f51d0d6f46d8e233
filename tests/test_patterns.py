"""Nothing periodic: what the embedded `fast` paints where a photo is one color."""

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from stylecli import api
from stylecli.backends.fast import styles

SIDE = 128
PERIOD = 8
"""The net's own: what it paints of a constant repeats so often, unless something else breaks that."""


def half_flat() -> Tensor:
    """[3, 320, 256]: a slow gradient like a sky above, textures below, without which the norms have nothing to do."""
    sky = torch.linspace(0.55, 0.7, 320)[:, None].expand(320, 256) * torch.tensor([0.8, 0.95, 1.1])[:, None, None]
    random = Generator().manual_seed(3)
    coarse, fine = (
        F.interpolate(torch.rand(1, 3, *size, generator=random), (320, 256), mode="bilinear")[0]
        for size in ((20, 16), (80, 64))
    )
    return torch.cat([sky[:, :160], (0.6 * coarse + 0.4 * fine)[:, 160:]], 1).clamp(0, 1)


def repeated(picture: Tensor) -> float:
    """The share of the energy above low frequencies that repeats with the net's period, 0 to 1; about 0.1 by chance."""
    y = picture.mean(0)[8 : 8 + SIDE, 64 : 64 + SIDE]
    window = torch.hann_window(SIDE)
    power = torch.fft.fft2((y - y.mean()) * window * window[:, None]).abs().square()
    place = torch.fft.fftfreq(SIDE, 1 / SIDE)
    radius = place[:, None].square() + place.square()
    off = (place + SIDE // PERIOD // 2).remainder(SIDE // PERIOD) - SIDE // PERIOD // 2
    near = (off.abs() <= 1)[:, None] & (off.abs() <= 1)
    high = radius >= (0.75 * SIDE / PERIOD) ** 2
    return float(power[near & high].sum() / power[high].sum())


def test_a_pattern_is_seen() -> None:
    random = Generator().manual_seed(0)
    noise = torch.randn(3, 320, 256, generator=random)
    pattern = torch.randn(3, PERIOD, PERIOD, generator=random).repeat(1, 40, 32)
    assert repeated(noise) < 0.15
    assert repeated(pattern) > 0.9
    assert repeated(pattern + noise) > 0.4


@pytest.mark.parametrize("style", [each["name"] for each in styles("fast")])
def test_a_sky_repeats_nothing(style: str) -> None:
    # Of the embedded net before there was noise, and of published ones, 0.7 to 0.98.
    assert repeated(api.fast(half_flat(), style=style, device="cpu", threads=1)) < 0.3
