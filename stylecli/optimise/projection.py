"""A picture back to latents: w for each layer, found by Adam (Abdal et al. 2019, arXiv 1904.03189; Karras 2020).

    loss = d(F(g(w + noise)), F(x)) + w_p |g(w) - x|^2 + w_c |w - mean|^2 / deviation^2

The noise on w falls from 5 % of its deviation to none over the first half, as in Karras et al. 2020, appendix D.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from stylecli.progress import Listener, Step

FIRST_NOISE = 0.05


@dataclass(frozen=True)
class Search:
    """How to look.

    Attributes:
        steps: Of Adam.
        learning_rate: Its peak; it rises for a twentieth of the steps and falls to zero over the last quarter.
        pixel_weight: Of the mean squared difference of pixels.
        center_weight: Of the squared distance from the mean w, in deviations.
        seed: Of the noise.
    """

    steps: int
    learning_rate: float
    pixel_weight: float
    center_weight: float
    seed: int

    def rate(self, step: int) -> float:
        """The learning rate at `step`, 0 the first."""
        done = step / self.steps
        fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - done) / 0.25))
        return self.learning_rate * fall * min(1.0, (done + 1 / self.steps) / 0.05)


def project(
    draw: Callable[[Tensor], Tensor],
    target: Tensor,
    distance: Callable[[Tensor], Tensor],
    center: Tensor,
    deviation: float,
    search: Search,
    listener: Listener,
) -> tuple[Tensor, dict[str, float], bool]:
    """The w whose picture is nearest.

    Args:
        draw: w [1, layers, w_dim] to a picture [1, 3, H, W] in [0, 1].
        target: The picture to find.
        distance: How far a picture looks from the target.
        center: The mean w [layers, w_dim], where the search begins.
        deviation: Root mean square distance of w from its mean, in one of its numbers.
        search: How to look.
        listener: Hears of every step.

    Returns:
        (w [1, layers, w_dim], the last losses, whether Ctrl-C ended the search).
    """
    ws = center[None].clone().requires_grad_()
    generator = Generator().manual_seed(search.seed)
    optimizer = torch.optim.Adam([ws], betas=(0.9, 0.999))
    losses: dict[str, float] = {}
    start = time.monotonic()
    try:
        for step in range(search.steps):
            optimizer.param_groups[0]["lr"] = search.rate(step)
            strength = FIRST_NOISE * deviation * max(0.0, 1 - 2 * step / search.steps) ** 2
            noise = torch.randn(ws.shape, generator=generator).to(ws) * strength
            picture = draw(ws + noise)
            terms = {
                "distance": distance(picture),
                "pixels": search.pixel_weight * (picture - target).square().mean(),
                "center": search.center_weight * ((ws - center) / deviation).square().mean(),
            }
            total = torch.stack(list(terms.values())).sum()
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            optimizer.step()
            losses = dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
            listener(Step(step + 1, search.steps, time.monotonic() - start, sum(losses.values())))
    except KeyboardInterrupt:
        return ws.detach(), losses, True
    return ws.detach(), losses, False
