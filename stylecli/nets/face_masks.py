"""From heatmaps of landmarks to the two masks of StarGAN v2 (Choi et al. 2020, arXiv 1912.01865, appendix A).

The first mask is for the coarsest details and has everything, the second leaves out jaw, eyebrows and mouth. Powers and
shifts of each part are those of the authors' code; the paper does not give them. Shifts roll around the border.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.nets.fan import SIDE

LEAST = 0.1
"""Heat below this counts as none."""

SHAPED = (
    (slice(8, 25), 0, 3),
    (slice(33, 51), -7, 2),
    (slice(55, 60), 8, 4),
    (slice(77, 82), -8, 4),
    (slice(83, 88), 8, 4),
    (slice(88, 96), -2, 3),
)
"""Landmarks, pixels upwards at a size of 256, power: jaw, eyebrows, nostrils, upper, lower and inner lip."""

UNUSED = [*range(8), *range(25, 33), 33, 46, 76, 82]
COARSE = (slice(8, 25), slice(33, 51), slice(76, 96))
"""Jaw, eyebrows, mouth: not in the second mask."""


def masks_of(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Heatmaps [N, 98, 64, 64] to masks [N, 1, 256, 256] in [0, 1], for 32 px and for larger sizes."""
    x = F.interpolate(heat, (SIDE, SIDE), mode="bilinear", align_corners=True)
    x = torch.where(x < LEAST, 0, x)
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    x = (x - low) / (high - low + 1e-6)
    for part, up, power in SHAPED:
        x[:, part] = x[:, part].roll(-up, 2).pow(power)
    x[:, UNUSED] = 0
    x[:, 52:55] = x[:, 52:55].roll(-4, 2)
    eyes = x[:, 60:76]
    x[:, 60:76] = eyes.roll(8, 2).pow(3) + eyes.roll(24, 2)
    whole = x.sum(1, keepdim=True)
    for part in COARSE:
        x[:, part] = 0
    return whole.clamp(0, 1), x.sum(1, keepdim=True).clamp(0, 1)
