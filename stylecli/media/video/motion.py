"""What moved from one frame to the next, and where the frame before shows what is seen now.

Optical flow is DIS (Kroeger et al. 2016, arXiv 1603.03590) in both directions. The frame before is trusted where

    |w + v(x + w)|^2 < 0.01 (|w|^2 + |v|^2) + 0.5       w: from this frame to the one before, v: back; Sundaram 2010

and where, moved by w, it looks as this one does: what is uncovered, what changes its light, and what is new shows no
trail. A cut is where hardly anything of a frame is found in the one before.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from stylecli.errors import UsageError

SIDE = 448
"""Short side in pixels at which flow is computed: finer motions than half a pixel of it come from no camera."""

CUT = 0.3
"""Share of trusted pixels below which there is a cut."""

LOOKS = 12.0
"""Levels of difference at which a pixel is trusted a third."""

AROUND = 0.04
"""Deviation of what counts as around a pixel, in parts of the short side."""

Cv = Any


@cache
def opencv() -> Cv:
    """OpenCV, which computes flow.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        hint = "pip install 'stylecli[video]', or --steady 0 for each frame by itself"
        raise UsageError("--steady: needs OpenCV, which is not installed", hint) from error
    cv2.setNumThreads(1)
    return cv2


@dataclass(frozen=True)
class Motion:
    """From a frame to the one before.

    Attributes:
        flow: [h, w, 2] in pixels of its own size.
        trust: [h, w] float32 in [0, 1].
        cut: The frame before shows another scene.
    """

    flow: np.ndarray
    trust: np.ndarray
    cut: bool


def between(before: np.ndarray, now: np.ndarray) -> Motion:
    """What moved between two frames [H, W, 3] uint8 of one size."""
    cv2 = opencv()
    height, width = now.shape[:2]
    scale = min(1.0, SIDE / min(height, width))
    size = max(round(width * scale), 16), max(round(height * scale), 16)
    small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (before, now)]
    grays = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in small]
    flow, back = _flow(grays[1], grays[0]), _flow(grays[0], grays[1])
    there = grid(size[1], size[0]) + flow
    returned = flow + cv2.remap(back, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lengths = (flow**2).sum(2) + (cv2.remap(back, there, None, cv2.INTER_LINEAR) ** 2).sum(2)
    consistent = (returned**2).sum(2) < 0.01 * lengths + 0.5
    inside = ((there >= -0.5) & (there <= pair([size[0] - 0.5, size[1] - 0.5]))).all(2)
    seen = cv2.remap(small[0], there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    apart = cv2.GaussianBlur(np.abs(seen.astype(np.float32) - small[1]).max(2), (0, 0), 1.0)
    alike = np.exp(-((apart / LOOKS) ** 2))
    trust = (consistent & inside).astype(np.float32)
    # What is next to an occlusion belongs to it: flow is smooth there, motion is not.
    trust = cv2.GaussianBlur(cv2.erode(trust, np.ones((3, 3), np.uint8)), (0, 0), 0.8) * alike
    trust = trust.astype(np.float32)
    return Motion(flow, trust, bool(trust.mean() < CUT))


def _flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    cv2 = opencv()
    made: np.ndarray = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(first, second, None)
    return made


def pair(values: list[float]) -> np.ndarray:
    """Across and down, as flow has them."""
    return np.array(values, np.float32)


@cache
def grid(height: int, width: int) -> np.ndarray:
    """The place of each pixel, [H, W, 2]."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def shifted(before: np.ndarray | None, motion: Motion) -> np.ndarray:
    """How far what is seen has come since it was first seen [h, w, 2], in parts of the frame's width and height.

    What is seen for the first time goes with what is around it.

    Args:
        before: The same of the frame before, None where that was the first.
        motion: From this frame to the one before.
    """
    cv2 = opencv()
    height, width = motion.trust.shape
    step = motion.flow / pair([width, height])
    if before is not None:
        there = grid(height, width) + motion.flow
        step += cv2.remap(before, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    trust = motion.trust[..., None]
    around = cv2.GaussianBlur(np.dstack([step * trust, trust]), (0, 0), AROUND * min(height, width))
    return np.asarray(step * trust + (1 - trust) * around[..., :2] / (around[..., 2:] + 1e-4), np.float32)
