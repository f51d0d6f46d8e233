"""`train adain --network published`: the decoder of AdaIN for a fixed encoder f, with the losses of the paper.

Huang, Belongie 2017, arXiv 1703.06868, section 5:

    t       = AdaIN(f(c), f(s)),  o = g(t)                                                   f up to relu4_1, frozen
    content = |f(o) - t|^2                                                                   eq. 12
    style   = sum over relu1_1, 2_1, 3_1, 4_1 of |mu(o) - mu(s)|^2 + |sd(o) - sd(s)|^2       eq. 13

Squares are means over their elements, as in naoto0804/pytorch-AdaIN@47950d0 (there the weights are 1 and 10).
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.checkpoints.layouts.any_style import build
from stylecli.checkpoints.layouts.networks import NETWORKS
from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.store import resolve
from stylecli.device import Device, sent
from stylecli.nets.adain import DEEPEST, AdaIN
from stylecli.nets.segments import moments
from stylecli.settings.train_adain import TrainAdainSettings
from stylecli.training.any_style import AnyStyleTask
from stylecli.training.pairs import Pairs
from stylecli.training.teacher_features import LAYERS


class PublishedTask(AnyStyleTask):
    """The published kind, for `training.loop.train`.

    Raises:
        WeightsError: The encoder is missing or of another family.
        InputError: No pictures.
    """

    network = "adain"
    title = "AdaIN"

    def __init__(self, settings: TrainAdainSettings, device: Device) -> None:
        super().__init__(settings, device)
        vgg = load_vgg(resolve(settings.teacher), [DEEPEST], pixels=settings.pixels)
        self.model: AdaIN = build(vgg.config).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        wanted = self.model.vgg.state_dict()
        self.model.vgg.load_state_dict({name: value for name, value in vgg.state_dict().items() if name in wanted})
        self.model.vgg.requires_grad_(False)

    def config(self, averaged: nn.Module) -> dict[str, object]:
        """That of its encoder."""
        assert isinstance(averaged, AdaIN)
        return NETWORKS["adain"].stored(averaged.vgg.config)

    def batches(self, first: int, last: int) -> Iterator[Pairs]:
        """Seeded pairs at full strength."""
        return self.source.batches(first, last, strengths=False)

    def measured(self, net: nn.Module, batch: Pairs) -> dict[str, Tensor]:
        """Content and style, each with its weight."""
        content, style = (sent(x, self.device, torch.channels_last) for x in (batch.content, batch.style))
        assert isinstance(net, AdaIN)
        with torch.no_grad():
            seen = net.see(content)
            own, wanted = net.target(moments(seen.features[0])), net.style(style).targets[0]
            t = (seen.features[0] - own.mean) * (wanted.spread / own.spread) + wanted.mean
            targets = [net.target(moments(x)) for x in net.vgg(style, LAYERS).values()]
        taps = net.vgg(net.decoder(t), LAYERS)
        given = [net.target(moments(x)) for x in taps.values()]
        distances = [
            F.mse_loss(a.mean, b.mean) + F.mse_loss(a.spread, b.spread) for a, b in zip(given, targets, strict=True)
        ]
        return {
            "content": self.settings.content_weight * F.mse_loss(taps[DEEPEST], t),
            "style": self.settings.style_weight * torch.stack(distances).sum(),
        }
