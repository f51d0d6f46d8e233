"""Pictures changed at random, so that networks see more than there is.

`widen`: optimisation visits noise, odd colors and hard contrast. `restyle`: styles are to be learned, not paintings.
`augment`: differentiable augmentation (Zhao et al. 2020, arXiv 2006.10738), real and made pictures alike, before D:
their policy `color,translation,cutout`: brightness, saturation and contrast; shifts by up to an eighth of the side; a
square of half the side left out.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def widen(crop: Tensor, generator: Generator) -> Tensor:
    """`crop` [3, H, W] in [0, 1] with, now and then, permuted channels, another gamma and contrast, or noise."""
    chance, amount = torch.rand(4, generator=generator), torch.rand(4, generator=generator)
    if chance[0] < 0.15:
        crop = crop[torch.randperm(3, generator=generator)]
    if chance[1] < 0.3:
        crop = crop.clamp_min(1e-4).pow(0.5 + 1.5 * float(amount[1]))
    if chance[2] < 0.3:
        crop = (crop - 0.5) * (0.5 + float(amount[2])) + 0.5
    if chance[3] < 0.3:
        crop = crop + torch.randn(crop.shape, generator=generator) * (0.1 * float(amount[3]))
    return crop.clamp(0, 1)


def restyle(crop: Tensor, generator: Generator) -> Tensor:
    """Another style from the square `crop` [3, S, S] in [0, 1]: turned, now and then in other colors and contrast."""
    chance, amount = torch.rand(4, generator=generator), torch.rand(4, generator=generator)
    crop = crop.rot90(int(4 * chance[0]), (1, 2))
    if chance[1] < 0.25:
        crop = crop[torch.randperm(3, generator=generator)]
    if chance[2] < 0.3:
        crop = crop.clamp_min(1e-4).pow(0.6 + 0.9 * float(amount[2]))
    if chance[3] < 0.3:
        gray = crop.mean(0, keepdim=True)
        crop = gray + (crop - gray) * (0.3 + 1.2 * float(amount[3]))
    return crop.clamp(0, 1)


def augment(pictures: Tensor, random: Generator, share: float = 1.0) -> Tensor:
    """[N, 3, H, W] in [-1, 1], each changed on its own; each kind of change applies to a `share` of them."""
    n, _, height, width = pictures.shape
    colored, shifted, cut = torch.rand(3, n, generator=random) < share
    # One half changes nothing.
    draw: Callable[[], Tensor] = lambda: (
        torch.rand(n, generator=random).where(colored, torch.tensor(0.5))[:, None, None, None].to(pictures)
    )
    x = pictures + draw() - 0.5
    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * 2 * draw()
    level = x.mean((1, 2, 3), keepdim=True)
    x = level + (x - level) * (0.5 + draw())
    # What comes from beyond the border is 0.
    reach = (height // 8, width // 8)
    padded = F.pad(x, (reach[1], reach[1], reach[0], reach[0]))
    rows, columns = (
        torch.randint(2 * far + 1, (n,), generator=random).where(shifted, torch.tensor(far)).tolist() for far in reach
    )
    moved = [one[:, r : r + height, c : c + width] for one, r, c in zip(padded, rows, columns, strict=True)]
    tops = torch.randint(height + 1, (n, 1), generator=random) - height // 4
    lefts = torch.randint(width + 1, (n, 1), generator=random) - width // 4
    y, z = torch.arange(height), torch.arange(width)
    inside = ((y >= tops) & (y < tops + height // 2))[:, :, None] & ((z >= lefts) & (z < lefts + width // 2))[:, None]
    made: Tensor = torch.stack(moved) * (~(inside & cut[:, None, None]))[:, None].to(pictures)
    return made
