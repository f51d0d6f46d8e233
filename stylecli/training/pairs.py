"""Batches for any-style networks: a content, a style and a strength each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Generator, Tensor, rand

from stylecli.device import pinned
from stylecli.training.augment import restyle
from stylecli.training.data import Crops, find_pictures


@dataclass(frozen=True)
class Pairs:
    """Contents and styles [N, 3, H, W] in [0, 1], alpha [N, 1, 1, 1], and a seed of noise."""

    content: Tensor
    style: Tensor
    alpha: Tensor
    seed: int


class PairSource:
    """Endless seeded pairs: a step's batch depends on the seed and the step alone.

    Raises:
        InputError: No pictures below a folder.
    """

    def __init__(self, content: tuple[str, ...], style: tuple[str, ...], size: int, batch: int, seed: int) -> None:
        contents, styles = (tuple(find_pictures([Path(folder) for folder in folders])) for folders in (content, style))
        self.content = Crops(contents, size, batch, seed, zoom=2.0)
        self.style = Crops(styles, size, batch, seed + 1, zoom=2.0, augment=restyle)
        self.seed = seed

    def batches(self, first: int, last: int, *, strengths: bool) -> Iterator[Pairs]:
        """Steps `first` to `last`; with `strengths` a quarter of the alphas are anywhere, the others 1."""
        both = zip(self.content.ahead(first, last), self.style.ahead(first, last), strict=True)
        for step, (content, style) in enumerate(both, first):
            alpha = rand(len(content), generator=Generator().manual_seed(self.seed + step))
            alpha[: len(alpha) - max(len(alpha) // 4, 1) if strengths else None] = 1
            # Pictures of a batch get noise of the seeds that follow.
            yield pinned(Pairs(content, style, alpha[:, None, None, None], len(content) * (self.seed + step)))
