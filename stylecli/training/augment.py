"""What makes a network see more than its pictures: optimisation visits noise, odd colors and hard contrast."""

import torch
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
