"""What this machine can do at most: the matrix-product peak that every benchmark is held against."""

import time

import torch


def matrix_product_peak(size: int = 2048, seconds: float = 2.0) -> float:
    """GFLOP/s of a float32 product of two square matrices; the best of many."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (time.perf_counter() - start) / 1e9)
    return best
