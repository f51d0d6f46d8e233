"""Differentiable augmentation (Zhao et al. 2020, arXiv 2006.10738): real and made pictures change alike, before D.

Their policy `color,translation,cutout`: brightness, saturation and contrast; shifts by up to an eighth of the side; a
square of half the side left out.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def augment(pictures: Tensor, random: Generator) -> Tensor:
    """[N, 3, H, W] in [-1, 1], each changed on its own."""
    n, _, height, width = pictures.shape
    draw = lambda: torch.rand(n, 1, 1, 1, generator=random).to(pictures)
    x = pictures + draw() - 0.5
    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * 2 * draw()
    level = x.mean((1, 2, 3), keepdim=True)
    x = level + (x - level) * (0.5 + draw())
    # Shift and cutout through one index a picture: what comes from beyond the border is 0.
    reach = (height // 8, width // 8)
    padded = F.pad(x, (reach[1], reach[1], reach[0], reach[0]))
    rows = torch.randint(2 * reach[0] + 1, (n,), generator=random)
    columns = torch.randint(2 * reach[1] + 1, (n,), generator=random)
    moved = [
        one[:, r : r + height, c : c + width] for one, r, c in zip(padded, rows.tolist(), columns.tolist(), strict=True)
    ]
    tops = torch.randint(height + 1, (n, 1), generator=random) - height // 4
    lefts = torch.randint(width + 1, (n, 1), generator=random) - width // 4
    y, z = torch.arange(height), torch.arange(width)
    inside = ((y >= tops) & (y < tops + height // 2))[:, :, None] & ((z >= lefts) & (z < lefts + width // 2))[:, None]
    return torch.stack(moved) * (~inside)[:, None].to(pictures)
