"""Perceptual path length (Karras et al. 2019, arXiv 1812.04948, section 4.1): how far pictures move for a step of w.

    l = E[ d(g(lerp(w0, w1, t)), g(lerp(w0, w1, t + eps))) / eps^2 ]

The mean leaves out values below the 1st and above the 99th percentile, as the authors' code does.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """The way from `a` to `b` [N, D] along the sphere of unit vectors, at `t` [N, 1]."""
    a, b = (x / x.norm(dim=-1, keepdim=True) for x in (a, b))
    dot = (a * b).sum(-1, keepdim=True)
    angle = t * dot.clamp(-1, 1).acos()
    aside = b - dot * a
    aside = aside / aside.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    mixed = a * angle.cos() + aside * angle.sin()
    made: Tensor = mixed / mixed.norm(dim=-1, keepdim=True)
    return made


def middle(pictures: Tensor) -> Tensor:
    """The part of [N, C, H, W] that the authors measure for faces: rows 3/8 to 7/8, columns 2/8 to 6/8."""
    part = pictures.shape[-1] // 8
    return pictures[:, :, 3 * part : 7 * part, 2 * part : 6 * part]


def filtered_mean(values: Tensor) -> float:
    """The mean of `values` [N] between their 1st percentile, rounded down to a value, and their 99th, rounded up."""
    low = values.quantile(0.01, interpolation="lower")
    high = values.quantile(0.99, interpolation="higher")
    return float(values[(values >= low) & (values <= high)].mean())


def feature_distance(a: dict[str, Tensor], b: dict[str, Tensor], weights: Mapping[str, Tensor] | None = None) -> Tensor:
    """How different two pictures look to a network, [N]: LPIPS (Zhang et al. 2018, arXiv 1801.03924).

    The sum over layers of the mean over positions of w |a / |a| - b / |b||^2, with norms over channels.

    Args:
        a: Features by layer, [N, C, H, W].
        b: The same of the other picture.
        weights: For each layer how much its channels count, [C], see `nets.lpips`; all the same where there are none.
    """
    total = torch.zeros(())
    for name, x in a.items():
        one, other = (f / (f.square().sum(1, keepdim=True) + 1e-10).sqrt() for f in (x, b[name]))
        apart = (one - other).square()
        apart = apart if weights is None else apart * weights[name][:, None, None]
        total = total.to(x) + apart.sum(1).mean((1, 2))
    return total
