"""Faces turned upright and brought to one place and size by their landmarks, as StarGAN v2 does for CelebA-HQ.

    M = the similarity that takes landmarks to where a mean face has them
    angle   of  (eye - eye) - turned (mouth - eyes)          (Karras et al. 2017, arXiv 1710.10196, appendix C)
    scale   mean over pupils and corners of the mouth of |mean face - its center| / |face - its center|

Around the picture lies its mirror image, more blurred the farther out. Resampled with Lanczos windows of 8 x 8.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from stylecli.arrays import read_arrays
from stylecli.errors import InputError

SIDE = 256
"""The frame of mean faces, in pixels."""

EYES = ([*range(60, 68), 96], [*range(68, 76), 97])
MOUTH = (76, 82)
ANCHORS = (96, 97, *MOUTH)
"""Landmarks that give the scale: pupils and corners of the mouth."""


_MEAN = "an .npz with `mean` of shape [98, 2]"


@dataclass(frozen=True)
class MeanFace:
    """What is known of a mean face in a frame of 256 px: its center [2] as x, y, and how far `ANCHORS` are from it."""

    center: np.ndarray
    distances: np.ndarray


CELEBA = MeanFace(np.array([128.0, 153.6]), np.hypot([32.0, 32.0, 25.6, 25.6], 32.0))
"""Where the formula for the cut of CelebA-HQ puts them; the authors' `celeba_lm_mean.npz` is measured."""


def read_mean_face(path: str) -> MeanFace:
    """A file such as `celeba_lm_mean.npz`: `mean` [98, 2].

    Raises:
        InputError: It cannot be read, or holds something else.
    """
    try:
        points = read_arrays(path, _MEAN)["mean"].astype(np.float64).reshape(98, 2)
    except (InputError, ValueError, KeyError, TypeError) as error:
        why = f": {error.message.removeprefix(f'{path}: ')}" if isinstance(error, InputError) else ""
        raise InputError(f"{path}: no mean face{why}", _MEAN) from error
    return _described(points)


def similarity(points: np.ndarray, face: MeanFace, size: int) -> np.ndarray:
    """The matrix [3, 3] from pixels of a picture to those of the aligned one.

    Args:
        points: Landmarks [98, 2] as x, y.
        face: Where they should be.
        size: Of the aligned picture.
    """
    left, right = (points[list(eye)].mean(0) for eye in EYES)
    down = points[list(MOUTH)].mean(0) - (left + right) / 2
    across = right - left + [down[1], -down[0]]
    cosine, sine = across / np.hypot(*across)
    own = _described(points)
    # The authors' code multiplies by size // 256, which is 0 below 256 px.
    scale = float(np.mean(face.distances / own.distances)) * size / SIDE
    turn = scale * np.array([[cosine, sine], [-sine, cosine]])
    return np.block([[turn, (face.center * size / SIDE - turn @ own.center)[:, None]], [np.zeros((1, 2)), 1]])


def aligned(picture: Tensor, points: Tensor, face: MeanFace = CELEBA) -> Tensor:
    """`picture` [3, size, size] in [0, 1] with its face, whose landmarks are `points` [98, 2], where `face` has it."""
    size = picture.shape[1]
    levels = (picture * 2 - 1).mul(0.5).add(0.5).mul(255).byte().permute(1, 2, 0).double().numpy()
    border = size // 2
    wide = np.pad(levels, ((border, border), (border, border), (0, 0)), "reflect")
    half = wide.reshape(size, 2, size, 2, 3).mean((1, 3))
    blurred = _doubled(_doubled(gaussian_filter(half, (size // 100, size // 100, 0), mode="nearest"), 0), 1)
    inwards = np.minimum(np.arange(2 * size), np.arange(2 * size)[::-1]) / border
    sharp = np.minimum.outer(inwards.clip(0, 1), inwards.clip(0, 1))[..., None] ** 4
    matrix = similarity(points.double().numpy() + border, face, size)
    made = _warped(blurred + (wide - blurred) * sharp, matrix, size)
    return torch.from_numpy(np.floor(made.clip(0, 255) + 0.5)).permute(2, 0, 1).float().div(255)


def _described(points: np.ndarray) -> MeanFace:
    center = points.mean(0)
    # Landmarks that are all one point have no scale.
    return MeanFace(center, np.linalg.norm(points[list(ANCHORS)] - center, axis=1).clip(1e-6))


def _doubled(picture: np.ndarray, axis: int) -> np.ndarray:
    """Twice as long along an axis, bilinear."""
    x = np.moveaxis(picture, axis, 0)
    before, behind = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
    both = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * behind], 1)
    return np.moveaxis(both.reshape(-1, *x.shape[1:]), 0, axis)


def _warped(picture: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The upper left [size, size] of `picture` [H, W, 3] under `matrix`, black beyond the border.

    Places are rounded to 1/32 of a pixel, as OpenCV does.
    """
    y, x = np.mgrid[:size, :size]
    source = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(matrix).T
    places = np.rint(source[..., :2].clip(-1e6, 1e6) * 32).astype(int)
    columns, rows = (places >> 5)[..., 0] - 3, (places >> 5)[..., 1] - 3
    t = (places & 31)[..., None] / 32 + 3 - np.arange(8)
    taps = np.sinc(t) * np.sinc(t / 4)
    taps /= taps.sum(-1, keepdims=True)
    made = np.zeros((size, size, 3))
    height, width = picture.shape[:2]
    for down in range(8):
        for across in range(8):
            row, column = rows + down, columns + across
            there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            share = taps[..., 1, down] * taps[..., 0, across] * there
            made += share[..., None] * picture[row.clip(0, height - 1), column.clip(0, width - 1)]
    return made
