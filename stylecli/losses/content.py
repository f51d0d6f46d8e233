"""Distances between the contents of two feature maps [1, C, H, W]."""

from torch import Tensor


def squared_error(now: Tensor, target: Tensor) -> Tensor:
    """Mean squared error; Gatys, Ecker, Bethge 2016, eq. 1, with a mean where the paper has half a sum."""
    return (now - target).square().mean()


def normalized(features: Tensor) -> Tensor:
    """`features` with zero mean and unit deviation in each channel: what is where, whatever its color and contrast."""
    mean = features.mean((2, 3), keepdim=True)
    return (features - mean) / (features.std((2, 3), keepdim=True, correction=0) + 1e-5)
