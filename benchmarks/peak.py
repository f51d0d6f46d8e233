"""What this machine can do at most: the peak that every benchmark is held against."""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def peak(seconds: float = 2.0) -> float:
    """GFLOP/s in float32, the best of many: of a product of matrices, or of a convolution, for each has a library.

    MKL, which multiplies matrices, leaves half of AVX-512 idle on AMD's processors; oneDNN does not.
    """
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    x, weight = (
        torch.randn(shape).contiguous(memory_format=torch.channels_last)
        for shape in ((1, 256, 66, 66), (256, 256, 3, 3))
    )
    ways: list[tuple[float, Callable[[], Tensor]]] = [
        (2 * 2048**3, lambda: a @ b),
        (2 * 64 * 64 * weight.numel(), lambda: F.conv2d(x, weight)),
    ]
    best = 0.0
    with torch.inference_mode():
        for work, run in ways:
            end = time.perf_counter() + seconds / 2
            while time.perf_counter() < end:
                start = time.perf_counter()
                run()
                best = max(best, work / (time.perf_counter() - start) / 1e9)
    return best
