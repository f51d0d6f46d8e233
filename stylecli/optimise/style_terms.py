"""Style and content terms of an objective, from settings shared by everything that matches features."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.losses import content, distributions
from stylecli.losses.statistics import Statistics, mapped, mix, statistics
from stylecli.losses.style import DISTANCES, root_of, size_of, wasserstein
from stylecli.nets.vgg import VGG
from stylecli.optimise.neighbors import Neighbors
from stylecli.optimise.objective import Term

MATCHED = ("neighbors", "earth-mover")
"""Losses that hold places against places."""

MMD_SAMPLES = 1024
"""Positions compared all with all by the Gaussian kernel."""

MMD_BYTES = 14 * MMD_SAMPLES**2
"""Memory that the kernels of a layer hold at the peak, whatever the picture's size."""


@dataclass(frozen=True)
class Matching:
    """How features are compared.

    Attributes:
        style_loss: A name of `losses.style.DISTANCES`, or `mmd-gaussian`.
        scaling: `relative` (to the target; layer weights sum to one), `channels` or `mean`.
        normalize_weights: Divide each weight by its target's largest extent (neural-style).
        normalize_gradients: Multiply each gradient by its weight once more (neural-style).
    """

    style_loss: str = "gram"
    scaling: str = "relative"
    normalize_weights: bool = False
    normalize_gradients: bool = False

    def term(self, name: str, weight: float, loss: Callable[[Tensor], Tensor], layer: str, extent: int) -> Term:
        """A term whose weight follows these rules."""
        if self.normalize_weights:
            weight /= extent
        return Term(name, weight, loss, layer, weight if self.normalize_gradients else 1.0)


def style_terms(
    net: VGG,
    styles: Sequence[Mapping[str, Tensor | Statistics]],
    blend: Sequence[float],
    layers: Mapping[str, float],
    weight: float,
    matching: Matching,
    masks: Sequence[Tensor] | None = None,
    name: str = "style",
) -> list[Term]:
    """One term a layer (and region) that pulls towards the styles.

    Args:
        net: The network whose linear maps apply.
        styles: Features of each style picture by layer, or their moments.
        blend: A weight for each style.
        layers: Layer to its weight.
        weight: Of the whole style loss.
        matching: How to compare.
        masks: One a style, [1, H, W] in [0, 1]: its style works there alone. None mixes styles everywhere.
        name: What the terms are called.
    """
    total = sum(layers.values()) if matching.scaling == "relative" else 1.0
    terms = []
    if matching.style_loss in MATCHED:
        # Colors and grain are no matter of places: block 1 goes on by its Gram matrices.
        deep = tuple(layer for layer in layers if not layer.startswith("relu1"))
        terms = _neighbor_terms(styles, blend, deep, weight, masks, both=matching.style_loss == "earth-mover")
        layers = {layer: share for layer, share in layers.items() if layer not in deep}
        matching = replace(matching, style_loss="gram")
    for layer, share in layers.items():
        features = [style[layer] for style in styles]
        strength = weight * share / (total or 1.0)
        extent = net.width(layer)
        if masks is None:
            loss = _StyleLoss(net, layer, features, blend, matching, None)
            terms.append(matching.term(f"{name} {layer}", strength, loss, layer, extent))
            continue
        # Strengths follow the areas, so that a small region is not pushed harder than a large one.
        cover = sum(float(mask.mean()) for mask in masks) or 1.0
        for index, (feature, mask, amount) in enumerate(zip(features, masks, blend, strict=True)):
            loss = _StyleLoss(net, layer, [feature], [1.0], matching, mask)
            part = strength * amount * float(mask.mean()) / cover * len(masks)
            terms.append(matching.term(f"{name} {layer} in mask {index + 1}", part, loss, layer, extent))
    return terms


def _neighbor_terms(
    styles: Sequence[Mapping[str, Tensor | Statistics]],
    blend: Sequence[float],
    layers: tuple[str, ...],
    weight: float,
    masks: Sequence[Tensor] | None,
    *,
    both: bool,
) -> list[Term]:
    if not layers:
        return []
    features = [[x for layer in layers if isinstance(x := style[layer], Tensor)] for style in styles]
    if masks is None:
        return [Term("style neighbors", weight, Neighbors(features, blend, both=both), layers, fixed=False)]
    cover = sum(float(mask.mean()) for mask in masks) or 1.0
    return [
        Term(
            f"style neighbors in mask {index + 1}",
            weight * amount * float(mask.mean()) / cover * len(masks),
            Neighbors([features[index]], [1.0], mask, both=both),
            layers,
            fixed=False,
        )
        for index, (mask, amount) in enumerate(zip(masks, blend, strict=True))
    ]


class _StyleLoss:
    def __init__(
        self,
        net: VGG,
        layer: str,
        features: Sequence[Tensor | Statistics],
        blend: Sequence[float],
        matching: Matching,
        mask: Tensor | None,
    ) -> None:
        self.name, self.mask = matching.style_loss, mask
        self.weights: Tensor | None = None
        # The root of a covariance costs the cube of its size, and needs no common scale of channels.
        self.map = None if self.name == "wasserstein" else net.linear_map(layer)
        normal = [amount / sum(blend) for amount in blend]
        if self.name == "mmd-gaussian":
            # Moments alone do not say where features lie.
            whole = [feature for feature in features if isinstance(feature, Tensor)]
            parts = [distributions.samples(feature, None, MMD_SAMPLES) for feature in whole]
            weights = [part.weights * amount for part, amount in zip(parts, normal, strict=True)]
            self.samples = distributions.Samples(torch.cat([part.points for part in parts]), torch.cat(weights))
            self.scale: float | Tensor = 1.0
            return
        self.target = mix([self._moments(feature, None) for feature in features], normal)
        self.scale = self._scale(matching.scaling, len(self.target.mean))
        self.distance = DISTANCES[self.name]
        if self.name == "wasserstein":
            self.distance = partial(wasserstein, root=root_of(self.target))

    def _moments(self, features: Tensor | Statistics, weights: Tensor | None) -> Statistics:
        found = statistics(features, weights) if isinstance(features, Tensor) else features
        return mapped(found, *self.map) if self.map else found

    def _scale(self, scaling: str, channels: int) -> float | Tensor:
        if scaling == "relative":
            return 1 / size_of(self.name, self.target).clamp_min(1e-12)
        return channels**-4.0 if scaling == "channels" else 1.0

    def __call__(self, features: Tensor) -> Tensor:
        if self.mask is not None and (self.weights is None or self.weights.shape[2:] != features.shape[2:]):
            shrunk = F.adaptive_avg_pool2d(self.mask[None].to(features), (features.shape[2], features.shape[3]))
            self.weights = shrunk / shrunk.sum().clamp_min(1e-12)
        if self.name == "mmd-gaussian":
            return distributions.gaussian(distributions.samples(features, self.weights, MMD_SAMPLES), self.samples)
        return self.distance(self._moments(features, self.weights), self.target) * self.scale


def content_terms(
    net: VGG, features: Mapping[str, Tensor], layers: Mapping[str, float], weight: float, matching: Matching
) -> list[Term]:
    """One term a layer that holds on to the content whose `features` [1, C, H, W] are given."""
    total = sum(layers.values()) if matching.scaling == "relative" else 1.0
    terms = []
    for layer, share in layers.items():
        make = relative_content if matching.scaling == "relative" else _squared_error
        loss = make(features[layer], _to_teacher(net, layer))
        terms.append(
            matching.term(f"content {layer}", weight * share / (total or 1.0), loss, layer, max(features[layer].shape))
        )
    return terms


def _to_teacher(net: VGG, layer: str) -> Callable[[Tensor], Tensor]:
    return lambda features: net.mapped({layer: features})[layer]


def relative_content(target: Tensor, mapped: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Squared error of channel-normalized mapped features against `target` [1, C, H, W], relative to their power."""
    goal = content.normalized(mapped(target))
    power = goal.square().sum().clamp_min(1e-12)
    return lambda features: (content.normalized(mapped(features)) - goal).square().sum() / power


def _squared_error(target: Tensor, mapped: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    goal = mapped(target)
    return lambda features: content.squared_error(mapped(features), goal)
