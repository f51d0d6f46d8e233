"""Batches for any-style networks: a content, a style and a strength each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Generator, Tensor, rand

from stylecli.training.data import Crops, find_pictures


@dataclass(frozen=True)
class Pairs:
    """Contents and styles [N, 3, H, W] in [0, 1], alpha [N, 1, 1, 1]."""

    content: Tensor
    style: Tensor
    alpha: Tensor


class PairSource:
    """Endless seeded pairs: a step's batch depends on the seed and the step alone.

    Raises:
        InputError: No pictures below a folder.
    """

    def __init__(self, content: tuple[str, ...], style: tuple[str, ...], size: int, batch: int, seed: int) -> None:
        self.content, self.style = (
            Crops(tuple(find_pictures([Path(folder) for folder in folders])), size, batch, each, zoom=1.5)
            for folders, each in ((content, seed), (style, seed + 1))
        )
        self.seed = seed

    def batches(self, first: int, last: int, *, strengths: bool) -> Iterator[Pairs]:
        """Steps `first` to `last`; with `strengths` half the alphas are 1, the others anywhere, one of them 0."""
        both = zip(self.content.ahead(first, last), self.style.ahead(first, last), strict=True)
        for step, (content, style) in enumerate(both, first):
            alpha = rand(len(content), generator=Generator().manual_seed(self.seed + step))
            alpha[: (len(alpha) + 1) // 2 if strengths else None] = 1
            if strengths:
                alpha[-1] = 0
            yield Pairs(content, style, alpha[:, None, None, None])
