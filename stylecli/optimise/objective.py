"""What a picture is optimised for: weighted losses on features of one network, and on the pixels themselves."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from stylecli.nets.vgg import VGG, positions

PASS_BYTES = 13
"""Peak memory of a forward and backward pass, in bytes for each kept feature value; measured, as those below."""

CONTENT_BYTES = 32
"""Beside that, for each value at a layer of the content, once it is mapped."""

MASK_BYTES, NEIGHBOR_BYTES = 9, 30
"""Likewise for each value at a layer of the style: for each mask, and where features are matched one by one."""


class Term(NamedTuple):
    """One weighted loss.

    Attributes:
        name: `style relu3_1`, `content relu4_1`, `tv`.
        weight: Factor on the loss.
        loss: From the features at `layer`, those of all where it names several, or from the picture when it is None.
        layer: A tap of the network, or several.
        gradient_weight: One more factor, on the gradient alone.
        fixed: As in `evaluation.Goal`.
    """

    name: str
    weight: float
    loss: Callable[[Any], Tensor]
    layer: str | tuple[str, ...] | None = None
    gradient_weight: float = 1.0
    fixed: bool = True


def bytes_per_pixel(
    net: VGG,
    looks: Collection[str],
    content: Collection[str] = (),
    *,
    history: int,
    masks: int = 0,
    matched: bool = False,
) -> float:
    """Memory that a descent holds at its peak, for each pixel of the picture.

    Args:
        net: The network that it looks through.
        looks: Layers of the styles.
        content: Layers of the content.
        history: Steps that L-BFGS remembers.
        masks: How many there are.
        matched: Features are matched one by one.
    """
    passes = PASS_BYTES * net.values_per_pixel([*looks, *content])
    held = CONTENT_BYTES * sum(net.mapped_width(layer) * positions(layer) for layer in content)
    seen = sum(net.width(layer) * positions(layer) for layer in looks)
    return passes + held + (MASK_BYTES * masks + NEIGHBOR_BYTES * matched) * seen + 24 * history


class Objective:
    """The sum of `terms` at a picture.

    Args:
        net: A frozen feature network.
        terms: What to add up.
        preprocessed: Pictures come in the network's own pixel scale instead of RGB in [0, 1].
        dtype: Number type of the network; losses are always taken in the picture's.
    """

    def __init__(
        self, net: VGG, terms: Sequence[Term], *, preprocessed: bool = False, dtype: torch.dtype = torch.float32
    ) -> None:
        self.net, self.terms, self.preprocessed, self.dtype = net, terms, preprocessed, dtype
        self.layers = {
            layer for term in terms for layer in ((term.layer,) if isinstance(term.layer, str) else term.layer or ())
        }
        self.fixed = all(term.fixed for term in terms)

    def __call__(self, picture: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(total, weighted losses by name) at `picture` [1, 3, H, W]; the total is differentiable."""
        with torch.autocast(picture.device.type, self.dtype, enabled=self.dtype != torch.float32):
            features = self.net(picture, self.layers, preprocessed=self.preprocessed) if self.layers else {}
        parts = {}
        for term in self.terms:
            if isinstance(term.layer, tuple):
                parts[term.name] = term.weight * term.loss([features[layer].to(picture.dtype) for layer in term.layer])
                continue
            # Moments of half precision features would drown in rounding.
            x = features[term.layer].to(picture.dtype) if term.layer is not None else picture
            if term.gradient_weight != 1:
                x = _ScaleGradient.apply(x, term.gradient_weight)
            parts[term.name] = term.weight * term.loss(x)
        return torch.stack(list(parts.values())).sum(), parts


class _Scaled(Protocol):
    factor: float


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Scaled, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: _Scaled, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.factor, None
