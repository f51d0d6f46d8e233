"""Optimisation style transfer: a picture with the features of the content and the feature statistics of the styles.

Gatys, Ecker, Bethge 2016, "Image style transfer using convolutional neural networks", CVPR.

    x* = argmin_x  content_weight * sum_l c_l |N(f_l(x)) - N(f_l(content))|^2 / |N(f_l(content))|^2
                 + style_weight   * sum_l s_l D(S(f_l(x)), S(f_l(style))) / D(0, S(f_l(style)))
                 + strokes_weight * sum_l |P_l(x) - P_l(style)|^2 / |P_l(style)|^2
                 + tv_weight      * TV(x)

f_l features at layer l, S their moments over space, D a distance of `losses/style.py`, N zero mean and unit deviation a
channel, P_l correlations of the channels over space: Gram matrices are mostly color and contrast, correlations tell
which forms go together. Coarse to fine: each size starts from the enlarged result of the one before, as crowsonkb's
tool does, and from what of its start was too fine for it. The start is the picture that `adain` makes in one pass: it
keeps more of the content than a descent from the content itself that comes as near to the style.

Differs from the paper: losses are relative to their targets, so that weights mean the same for every network, layer and
picture; the content is compared without its channels' means and deviations, which belong to the style. `--recipe`
brings back what each reference implementation does instead; see `settings/gatys_recipes.py`.

A frame of a clip starts from the result before, moved along, where that shows what is seen, at the final size alone;
and there it is held to it (Ruder, Dosovitskiy, Brox 2016, arXiv 1604.08610, equation 7):

    + STEADY * mean(seen (x - before)^2)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from stylecli.backends.coarse_to_fine import CoarseToFine, Look
from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.store import resolve, sha256
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.media import color
from stylecli.method import Method, Request, Result, Traits
from stylecli.settings.adain import AdainSettings
from stylecli.settings.gatys import ADAIN, GatysSettings, parse_layers
from stylecli.settings.gatys_recipes import GATYS_RECIPES


class Gatys(Method[GatysSettings, Tensor]):
    """A loaded feature network, ready for any number of runs with settings of the same network and layers."""

    traits = Traits(masks=True, carried=True)

    def __init__(self, settings: GatysSettings, device: Device) -> None:
        self.style_layers = parse_layers(settings.style_layers)
        self.strokes_layers = parse_layers(settings.strokes_layers)
        self.content_layers = parse_layers(settings.content_layers)
        self.device = device
        self.recipe = GATYS_RECIPES[settings.recipe]
        path = resolve(settings.weights)
        self.weights = {settings.weights: sha256(path)}
        load = partial(
            load_vgg,
            path,
            pixels=settings.pixels,
            pooling=settings.pooling,
            pool_scale=_pool_scale(settings),
            first_padding=settings.first_padding,
        )
        layers = [*self.style_layers, *self.content_layers]
        try:
            self.net = load([*layers, *self.strokes_layers])
        except UsageError:
            if settings.strokes_weight:
                raise
            # Other jobs may ask for strokes, this one does not: a network that ends above them will do.
            self.net = load(layers)
        # Weights in the layout of the features spare a reordering at every convolution.
        self.net = self.net.to(device.torch).to(memory_format=torch.channels_last)

    def weights_for(self, settings: GatysSettings) -> Mapping[str, str]:
        """See `Method`."""
        return {**self.weights, **({ADAIN: sha256(resolve(ADAIN))} if settings.init == ADAIN else {})}

    def adain(self) -> Method[AdainSettings, Tensor]:
        """The network that makes starts; opened for each, for it would take memory from the descent."""
        # It refines its own pictures by this very method.
        from stylecli.backends import adain

        return adain.build(AdainSettings(), self.device)

    def run(self, request: Request[GatysSettings, Tensor]) -> Result:
        """See `Method`; `request.pictures` has `init` where the settings name a file."""
        settings, styles = request.settings, request.styles
        if match := color.MATCHINGS.get(settings.preserve_color):
            styles = [match(style, request.main) for style in styles]
        return self.descended(request, styles)

    def descended(
        self, request: Request[GatysSettings, Tensor], styles: Sequence[Tensor | Look], ratio: float = math.sqrt(2)
    ) -> Result:
        """The result for styles that are pictures, or what is known of some; each size is `ratio` times the last."""
        run = CoarseToFine(self, request, styles, ratio)
        try:
            run.all_scales()
        except KeyboardInterrupt:
            return replace(run.result(), interrupted=True)
        return run.result()


def _pool_scale(settings: GatysSettings) -> float:
    if settings.pool_scale is not None:
        return settings.pool_scale
    return GATYS_RECIPES[settings.recipe].pool_scales.get(settings.pooling, 1.0)


def build(settings: GatysSettings, device: Device) -> Gatys:
    """The backend for `settings`: opens the weights.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
        UsageError: A layer that the network does not have.
    """
    return Gatys(settings, device)
