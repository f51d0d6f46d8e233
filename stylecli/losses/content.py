"""Distances between the contents of two feature maps [1, C, H, W], and how rough a picture [1, 3, H, W] is."""

import torch.nn.functional as F
from torch import Tensor


def squared_error(now: Tensor, target: Tensor) -> Tensor:
    """Mean squared error; Gatys, Ecker, Bethge 2016, eq. 1, with a mean where the paper has half a sum."""
    return (now - target).square().mean()


def normalized(features: Tensor) -> Tensor:
    """`features` with zero mean and unit deviation in each channel: what is where, whatever its color and contrast."""
    mean = features.mean((2, 3), keepdim=True)
    return (features - mean) / (features.std((2, 3), keepdim=True, correction=0) + 1e-5)


def absolute(picture: Tensor) -> Tensor:
    """Sum of absolute differences of neighbors; ProGamerGov/neural-style-pt@7251405."""
    return picture.diff(dim=2).abs().sum() + picture.diff(dim=3).abs().sum()


def nine_point(picture: Tensor) -> Tensor:
    """Mean squared differences along x, y and both diagonals; crowsonkb/style-transfer-pytorch@e7e2c71."""
    p = F.pad(picture, (1, 1, 1, 1), "replicate")
    inner = p[..., 1:-1, 1:-1]
    straight = (p[..., 1:-1, 2:] - inner).square().mean() + (p[..., 2:, 1:-1] - inner).square().mean()
    down, up = p[..., 1:, 1:] - p[..., :-1, :-1], p[..., 1:, :-1] - p[..., :-1, 1:]
    return 2 * (straight / 3 + (down.square().mean() + up.square().mean()) / 12)
