"""Nearest-neighbor matching: every place of the picture looks like the one place of the style that is most like it.

Zhang et al. 2022, "ARF", arXiv 2206.06360, eq. 4; Kolkin et al. 2022, "Neural neighbor style transfer", arXiv
2203.13215, section 3:

    loss = mean_i (1 - cos(F_i(x) - mean F(x), F_j(i)(s) - mean F(s))),   j(i) = argmax_j of the same cosine

F are hypercolumns: features of all layers at one place, each layer at unit power. Where Gram matrices average over all
of the style, a match copies from one place of it, so that lines stay lines. Differs from both papers: j(i) is found
again every `REMATCH` evaluations, and among at most `CANDIDATES` places of the style, so that time stays linear in the
picture's size.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from stylecli.device import Context

REMATCH = 10
CANDIDATES = 4096
CHUNK = 4096
"""Places of the picture that are compared with all candidates at once: memory does not grow with the picture."""


class Neighbors:
    """The loss above, for `Term`.

    Args:
        styles: For each style its features [1, C, H, W] at every layer, shallow to deep.
        shares: How many of the candidates each style gives.
        mask: [1, H, W] in [0, 1]: where the loss counts; None for everywhere.
    """

    def __init__(self, styles: Sequence[Sequence[Tensor]], shares: Sequence[float], mask: Tensor | None = None) -> None:
        self.mask, self.calls = mask, 0
        self.matches: Tensor | None = None
        powers = [torch.stack([x.square().mean() for x in layer]).mean() for layer in zip(*styles, strict=True)]
        self.scales = [
            float((power * x.shape[1]).clamp_min(1e-12).rsqrt()) for power, x in zip(powers, styles[0], strict=True)
        ]
        random = Generator().manual_seed(0)
        chosen = []
        for features, share in zip(styles, shares, strict=True):
            rows = self._columns(features)
            count = max(1, round(CANDIDATES * share / sum(shares)))
            some = torch.randperm(len(rows), generator=random)[:count].to(rows.device)
            chosen.append(F.normalize(rows[some] - rows.mean(0)))
        self.candidates = torch.cat(chosen)

    def __call__(self, features: Sequence[Tensor]) -> Tensor:
        """The loss of a picture whose features at every layer are given."""
        rows = self._columns(features)
        mean = rows.detach().mean(0)
        if self.matches is None or self.calls % REMATCH == 0 or len(self.matches) != len(rows):
            with torch.no_grad():
                # How long a row is makes no difference to which candidate is the nearest.
                off = self.candidates @ mean
                parts = [(part @ self.candidates.T - off).argmax(1) for part in rows.split(CHUNK)]
                self.matches = torch.cat(parts)
        self.calls += 1
        apart: Tensor = 1 - _Cosine.apply(rows, mean, self.candidates[self.matches])
        if self.mask is None:
            return apart.mean()
        weights = F.adaptive_avg_pool2d(self.mask[None].to(rows), self._shape(features)).flatten()
        return (apart * weights).sum() / weights.sum().clamp_min(1e-12)

    def _columns(self, features: Sequence[Tensor]) -> Tensor:
        """Hypercolumns [P, D] at the places of the second block's pooled features."""
        shape = self._shape(features)
        sized = []
        for x, scale in zip(features, self.scales, strict=True):
            if x.shape[2] > shape[0]:
                x = F.adaptive_avg_pool2d(x, shape)
            elif x.shape[2:] != shape:
                x = F.interpolate(x, shape, mode="bilinear", align_corners=False)
            sized.append((x * scale)[0].permute(1, 2, 0).flatten(0, 1))
        return torch.cat(sized, 1)

    @staticmethod
    def _shape(features: Sequence[Tensor]) -> tuple[int, int]:
        """Half of the first layer's height and width."""
        height, width = features[0].shape[2:]
        return max(height // 2, 1), max(width // 2, 1)


class _Cosine(torch.autograd.Function):
    """Cosines [P] of `rows` less their `mean` [D] with unit vectors of as many rows, which are not learned."""

    @staticmethod
    def forward(ctx: Context, rows: Tensor, mean: Tensor, units: Tensor) -> Tensor:
        """The cosines."""
        centered = rows - mean
        length = torch.linalg.vector_norm(centered, dim=1).clamp_min(1e-12)
        cosine: Tensor = torch.linalg.vecdot(centered, units) / length
        ctx.save_for_backward(centered, units, length, cosine)
        return cosine

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, None, None]:
        """By the rows: (unit - cosine row / length) / length."""
        centered, units, length, cosine = ctx.saved_tensors
        share = (grads[0] / length)[:, None]
        return (units * share).addcmul_(centered, -share * (cosine / length)[:, None]), None, None
