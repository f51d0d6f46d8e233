"""Distances between what two sounds do, from inner products of their features (`nets.random_conv.Bank`).

With features F [N, filters], ||F^T F / N - S^T S / M||^2 = sum((F F^T)^2) / N^2 - 2 sum((F S^T)^2) / (N M) +
sum((S S^T)^2) / M^2: products of frames replace Gram matrices of filters.
"""

from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

from stylecli.nets.random_conv import Along, Bank, Seen


class GramDistance:
    """The squared distance of the Gram matrix of features from a mixture of Gram matrices.

    Args:
        bank: The network.
        targets: (share, what `bank` sees) of each recording in the mixture; shares have a sum of 1.
        frames: Frames that Gram matrices are divided by, more than features where the original is followed; by default
            as many as there are features.
    """

    def __init__(self, bank: Bank, targets: Sequence[tuple[float, Seen]], extra: int = 0) -> None:
        self.bank, self.extra = bank, extra
        self.targets = [(share, seen) for share, seen in targets if share]
        self.size = sum(
            (
                a * b * self._mean(x, y)
                for i, (a, x) in enumerate(self.targets)
                for j, (b, y) in enumerate(self.targets)
            ),
            torch.zeros(()),
        )
        """The squared norm of the target, which is the distance of silence."""

    def __call__(self, seen: Seen) -> Tensor:
        """The distance of what is seen."""
        across = [share * self._mean(seen, target) for share, target in self.targets]
        return self._mean(seen, seen) - 2 * torch.stack(across).sum() + self.size

    def along(self, turned: Along) -> "GramDistance":
        """The same distance of frames that move along few directions."""
        made = copy(self)
        made.bank, made.targets = turned, [(share, turned.aim(seen)) for share, seen in self.targets]
        return made

    def _mean(self, a: Seen, b: Seen) -> Tensor:
        total, n, m = self.bank.squares(a, b)
        return total / ((n + self.extra) * (m + self.extra))
