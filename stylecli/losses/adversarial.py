"""Losses of a generator against a discriminator, on its logits [N]; means over the batch."""

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
