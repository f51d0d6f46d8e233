"""Keeping the colors of the content: three ways, as functions of pictures [3, H, W] float32 in [0, 1].

`luminance` recolors the result; `histogram` and `coral` recolor the style before the transfer (Gatys et al. 2017,
Controlling Perceptual Factors in Neural Style Transfer, section 5: luminance-only transfer and color matching).
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecli.media.images import quantize

# Rows give Y, Cb, Cr of JPEG (JFIF 1.02: full range, BT.601), without the offset of Cb and Cr.
_TO_YCBCR = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]], dtype=torch.float64
)


def luminance(content: Tensor, stylized: Tensor, *, exact: bool | None = None) -> Tensor:
    """The brightness of the stylized picture (Y) with the colors of the content (Cb, Cr).

    Args:
        content: [3, H, W] in [0, 1], or uint8 unless `exact`.
        stylized: [3, H, W]; clamped to [0, 1]. Or uint8, which the result is then too.
        exact: Compute in floats, as 16-bit outputs need; by default where the content is not made of 8-bit levels.
            Else Pillow's 8-bit integers are used like in `-original_colors` of ProGamerGov/neural-style-pt@7251405;
            they round down, by one level on average.

    Returns:
        [3, H, W] in [0, 1], or the range of the content where that is wider; what a channel cannot hold is clamped.
    """
    if exact is None:
        exact = content.is_floating_point() and bool((content * 255 - (content * 255).round()).abs().max() > 1e-3)
    if exact:
        to_ycbcr = _TO_YCBCR.to(content.device)
        low, high = min(0.0, float(content.min())), max(1.0, float(content.max()))
        brightness = to_ycbcr[:1] @ stylized.double().clamp(low, high).flatten(1)
        ycbcr = torch.cat([brightness, to_ycbcr[1:] @ content.double().flatten(1)])
        made: Tensor = (torch.linalg.inv(to_ycbcr) @ ycbcr).clamp_(low, high).to(stylized).reshape(stylized.shape)
        return made
    bands = [Image.fromarray(quantize(picture, 8)).convert("YCbCr").split() for picture in (stylized, content)]
    merged = Image.merge("YCbCr", (bands[0][0], *bands[1][1:])).convert("RGB")
    levels = torch.from_numpy(np.array(merged)).permute(2, 0, 1).to(stylized)
    return levels if stylized.dtype == torch.uint8 else levels.div_(255)


def histogram(source: Tensor, target: Tensor) -> Tensor:
    """The source with, in each channel, the distribution of values that the target has.

    A value at quantile q of the source becomes the target's value at quantile q (equal values share their middle
    quantile, so flat areas stay flat), linear between neighbors. A constant channel becomes the target's median.

    Args:
        source: [3, H, W]: the style to recolor, or a result.
        target: [3, H', W']: the content.

    Returns:
        [3, H, W] within the target's range.
    """
    return torch.stack([_matched(one, other) for one, other in zip(source, target, strict=True)])


def coral(style: Tensor, content: Tensor) -> Tensor:
    """The style with the mean and covariance of the content's colors (CORAL, Sun et al. 2016).

    With Z the standardized pixels (unbiased deviation): Z' = (Zc Zc^T + I)^(1/2) (Zs Zs^T + I)^(-1/2) Zs, then the
    content's deviation and mean. As in naoto0804/pytorch-AdaIN@47950d0, the identity is added to sums, not averages.

    Args:
        style: [3, H, W].
        content: [3, H', W'].

    Returns:
        [3, H, W], not clamped: extreme colors leave [0, 1].
    """
    z_style, _, _ = _standardized(style)
    z_content, mean, deviation = _standardized(content)
    moved = _power(_covariance(z_content), 0.5) @ _power(_covariance(z_style), -0.5) @ z_style
    return (moved * deviation + mean).to(style).reshape(style.shape)


MATCHINGS = {"histogram": histogram, "coral": coral}
"""Ways to give a picture the colors of another, by the choice of `--preserve-color`."""


def preserved(result: Tensor, content: Tensor, how: str) -> Tensor:
    """A finished result with the colors of its content.

    Args:
        result: [3, H, W] in [0, 1], or uint8; not smaller than the content.
        content: [3, H, W], likewise.
        how: A choice of `--preserve-color`.

    Returns:
        As `result` where `how` is none; else of the content's size, and in [0, 1] where colors are matched.
    """
    if how == "none":
        return result
    result = result[:, : content.shape[1], : content.shape[2]]
    if how == "luminance":
        return luminance(content, result)
    result, content = (x.float().div(255) if x.dtype == torch.uint8 else x for x in (result, content))
    return MATCHINGS[how](result, content).clamp(0, 1)


def _matched(source: Tensor, target: Tensor) -> Tensor:
    _, where, counts = source.flatten().unique(return_inverse=True, return_counts=True)
    values, target_counts = target.flatten().unique(return_counts=True)
    at, known = _middle_quantiles(counts), _middle_quantiles(target_counts)
    right = torch.searchsorted(known, at).clamp_(0, len(known) - 1)
    left = (right - 1).clamp_(min=0)
    share = ((at - known[left]) / (known[right] - known[left]).clamp_(min=1e-12)).clamp_(0, 1)
    return torch.lerp(values[left].double(), values[right].double(), share)[where].to(source).reshape(source.shape)


def _middle_quantiles(counts: Tensor) -> Tensor:
    return (counts.cumsum(0) - counts / 2).double() / counts.sum()


def _standardized(picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    pixels = picture.double().flatten(1)
    mean = pixels.mean(dim=1, keepdim=True)
    deviation = pixels.std(dim=1, keepdim=True, correction=min(1, pixels.shape[1] - 1))
    # A constant channel has nothing to scale; dividing rounding errors by each other would make noise of it.
    return (pixels - mean) / torch.where(deviation > 1e-9, deviation, 1.0), mean, deviation


def _covariance(z: Tensor) -> Tensor:
    return z @ z.T + torch.eye(len(z), dtype=z.dtype, device=z.device)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    made: Tensor = vectors * values.clamp(min=1e-12).pow(exponent) @ vectors.T
    return made
