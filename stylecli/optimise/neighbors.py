"""Nearest-neighbor matching: every place of the picture looks like the one place of the style that is most like it.

Zhang et al. 2022, "ARF", arXiv 2206.06360, eq. 4; Kolkin et al. 2022, "Neural neighbor style transfer", arXiv
2203.13215, section 3:

    loss = mean_i (1 - cos(F_i(x) - mean F(x), F_j(i)(s) - mean F(s))),   j(i) = argmax_j of the same cosine

and with `both` ways the relaxed earth mover's distance of Kolkin, Salavon, Shakhnarovich 2019, "STROTSS", arXiv
1904.12785, eq. 8, by which no part of the style is left out:

    loss = max(that, mean_j (1 - cos(F_i(j)(x) - mean F(x), F_j(s) - mean F(s)))),   i(j) = argmax_i

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
HALF = 0.5
"""Of a mask, above which a place may be the nearest one to a candidate."""

CHUNK = 4096
"""Places of the picture that are compared with all candidates at once: memory does not grow with the picture."""


class Neighbors:
    """The loss above, for `Term`.

    Args:
        styles: For each style its features [1, C, H, W] at every layer, shallow to deep.
        shares: How many of the candidates each style gives.
        mask: [1, H, W] in [0, 1]: where the loss counts; None for everywhere.
        both: Each candidate is also held against the place of the picture that is most like it.
    """

    def __init__(
        self,
        styles: Sequence[Sequence[Tensor]],
        shares: Sequence[float],
        mask: Tensor | None = None,
        *,
        both: bool = False,
    ) -> None:
        self.mask, self.both, self.calls = mask, both, 0
        self.matches: Tensor | None = None
        self.places: Tensor | None = None
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
        weights: Tensor | None = None
        if self.mask is not None:
            weights = F.adaptive_avg_pool2d(self.mask[None].to(rows), self._shape(features)).flatten()
        if self.matches is None or self.calls % REMATCH == 0 or len(self.matches) != len(rows):
            self._match(rows.detach(), mean, weights)
        self.calls += 1
        cosines: Tensor = _Cosine.apply(rows, mean, self.candidates[self.matches])
        if weights is None:
            loss = 1 - cosines.mean()
        else:
            loss = 1 - (cosines * weights).sum() / weights.sum().clamp_min(1e-12)
        if self.places is None:
            return loss
        back: Tensor = _Cosine.apply(rows[self.places], mean, self.candidates)
        return torch.maximum(loss, 1 - back.mean())

    def _match(self, rows: Tensor, mean: Tensor, weights: Tensor | None) -> None:
        """Finds the nearest of `rows` [P, D], whose `weights` [P] say where they count, and of the candidates."""
        # How long a row is makes no difference to which candidate is the nearest, but to which row is.
        off = self.candidates @ mean
        lengths = (rows - mean).norm(dim=1).clamp_min(1e-12)[:, None] if self.both else None
        parts, best, places = [], torch.full_like(off, -torch.inf), torch.zeros_like(off, dtype=torch.long)
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            cosines = rows[chunk] @ self.candidates.T - off
            parts.append(cosines.argmax(1))
            if lengths is None:
                continue
            cosines /= lengths[chunk]
            if weights is not None:
                cosines.masked_fill_(weights[chunk, None] < HALF, -torch.inf)
            found, where = cosines.max(0)
            places = torch.where(found > best, where + start, places)
            best = torch.maximum(best, found)
        self.matches = torch.cat(parts)
        self.places = places if self.both else None

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
