"""Losses of a generator against its discriminator, and what says how good it is.

Logits are [N]; losses are means over the batch.

Perceptual path length (Karras et al. 2019, arXiv 1812.04948, section 4.1): how far pictures move for a step of w.

    l = E[ d(g(lerp(w0, w1, t)), g(lerp(w0, w1, t + eps))) / eps^2 ]

The mean leaves out values below the 1st and above the 99th percentile, as the authors' code does.

Fréchet distance of two sets of features as Gaussians (Heusel et al. 2017, arXiv 1706.08500, section 2):

    d^2 = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def generator_loss(fake: Tensor) -> Tensor:
    """Non-saturating: -log sigmoid(D(g)) (Goodfellow et al. 2014, arXiv 1406.2661)."""
    return F.softplus(-fake).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-log sigmoid(D(x)) - log(1 - sigmoid(D(g)))."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def gradient_penalty(logits: Tensor, pictures: Tensor) -> Tensor:
    """R1: the mean of |dD/dx|^2 at real pictures [N, ...] (Mescheder, Geiger, Nowozin 2018, arXiv 1801.04406)."""
    (slope,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


def path_lengths(pictures: Tensor, ws: Tensor, directions: Tensor) -> Tensor:
    """|J^T y| of each picture (Karras et al. 2020, arXiv 1912.04958, section 3.2), [N].

    Args:
        pictures: g(w), [N, 3, H, W].
        ws: [N, layers, w_dim].
        directions: y, standard normal like `pictures`.

    Returns:
        The root of the mean over layers of the squared length in w, as the authors' code has it; y is divided by the
        root of the number of pixels.
    """
    noise = directions / (pictures.shape[2] * pictures.shape[3]) ** 0.5
    (slope,) = torch.autograd.grad((pictures * noise).sum(), ws, create_graph=True)
    return slope.square().sum(2).mean(1).sqrt()


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
        weights: For each layer how much its channels count, [C], see `nets.vgg.LPIPS`; all the same without them.
    """
    total = torch.zeros(())
    for name, x in a.items():
        one, other = (f / (f.square().sum(1, keepdim=True) + 1e-10).sqrt() for f in (x, b[name]))
        apart = (one - other).square()
        apart = apart if weights is None else apart * weights[name][:, None, None]
        total = total.to(x) + apart.sum(1).mean((1, 2))
    return total


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """d^2 of features `a` [N, D] and `b` [M, D], in float64."""
    a, b = a.cpu().double(), b.cpu().double()
    first, second = torch.cov(a.T), torch.cov(b.T)
    # tr (C1 C2)^1/2 = tr (R C2 R)^1/2 with R = C1^1/2, which is symmetric.
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + first.trace() + second.trace() - 2 * mixed)
