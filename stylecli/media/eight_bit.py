"""Resizing as the references do it: Pillow on 8-bit pictures, rounding after each of its two passes."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylecli.media.resize import Filter, check_longest


def resize_8bit(pixels: Tensor, size: tuple[int, int], *, filter: Filter) -> Tensor:
    """[3, H, W] in [0, 1], quantized to 8 bits, resized to (height, width), as float [3, *size] in [0, 1]."""
    if pixels.shape[1:] == size:
        return pixels
    check_longest(pixels, size)
    image = Image.fromarray(pixels.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy())
    resized = image.resize((size[1], size[0]), Image.Resampling[filter.upper()])
    return torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1).float().div(255).to(pixels.device)
