"""One picture looked at in several sizes, so that structures larger than a network's view count too.

Snelgrove 2017, "High-resolution multi-scale neural texture synthesis", SIGGRAPH Asia Technical Briefs: losses on every
octave of a Gaussian pyramid.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.device import constant
from stylecli.optimise.objective import Objective


def halved(x: Tensor, mode: str = "reflect") -> Tensor:
    """`x` [N, C, H, W] blurred by (1, 3, 3, 1) / 8 along each axis and at half the size, odd ones rounded down.

    Args:
        x: Sides of at least 2.
        mode: What lies beyond the border, as `F.pad` says it: `reflect` or `circular`.
    """
    taps = constant((1.0, 3.0, 3.0, 1.0), x.dtype, x.device) / 8
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode), kernel, stride=2, groups=x.shape[1])


class Octaves:
    """The mean of objectives, each on a picture half as large as the one before; called like an `Objective`."""

    def __init__(self, objectives: Sequence[Objective], mode: str) -> None:
        self.objectives, self.mode = objectives, mode
        self.fixed = all(each.fixed for each in objectives)

    def __call__(self, picture: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(total, losses by name) at `picture` [1, 3, H, W]."""
        totals: list[Tensor] = []
        parts: dict[str, Tensor] = {}
        for octave, objective in enumerate(self.objectives):
            picture = halved(picture, self.mode) if octave else picture
            total, found = objective(picture)
            totals.append(total)
            end = f" at 1/{2**octave}" if octave else ""
            parts |= {f"{name}{end}": part / len(self.objectives) for name, part in found.items()}
        return torch.stack(totals).mean(), parts
