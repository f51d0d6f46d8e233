"""Fréchet distance of two sets of features as Gaussians (Heusel et al. 2017, arXiv 1706.08500, section 2).

d^2 = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))
"""

import torch
from torch import Tensor


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """d^2 of features `a` [N, D] and `b` [M, D], in float64."""
    a, b = a.cpu().double(), b.cpu().double()
    first, second = torch.cov(a.T), torch.cov(b.T)
    # tr (C1 C2)^1/2 = tr (R C2 R)^1/2 with R = C1^1/2, which is symmetric.
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + first.trace() + second.trace() - 2 * mixed)
