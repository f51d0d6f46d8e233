"""`train adain`: an any-style network, the embedded kind or the published one (`training.adain_published`).

The losses of the embedded kind say what a stylization is for, in features of a fixed network F, at every alpha:

    style    alpha^2 times the mean over relu1_1 to relu4_1 of log(1 + |G(o) - G(s)|^2 / |G(s)|^2),  G = F F^T / (h w)
    strokes  alpha^2 times the mean over relu2_1 to relu5_1 of |P(o) - P(s)|^2 / |P(c) - P(s)|^2, P the correlations of
             features, blind to color and contrast; below the line, the mean over pairs
    content  |N(o) - N(c)|^2 / |N(c)|^2,  N = relu4_1 with each channel at zero mean and unit deviation
    pixels   1 - alpha times the mean of |o - c|
    range    mean distance of o from [0, 1]

so that at alpha = 0 the decoder learns the picture itself, and the way between is learned too.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from stylecli.checkpoints.load import converted, fill, load_vgg
from stylecli.checkpoints.store import resolve
from stylecli.device import Device, sent
from stylecli.nets.transport import Transport, TransportConfig
from stylecli.progress import Listener
from stylecli.settings.train_adain import TrainAdainSettings
from stylecli.training.adain_published import PublishedTask
from stylecli.training.any_style import AnyStyleTask
from stylecli.training.loop import Schedule, train
from stylecli.training.pairs import Pairs
from stylecli.training.teacher_features import TeacherFeatures, shift, squared, strokes_apart, unlike, visible


def run(settings: TrainAdainSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of the tasks."""
    task = PublishedTask(settings, device) if settings.network == "published" else AdainTask(settings, device)
    schedule = Schedule(
        settings.steps, settings.learning_rate, decay=0.995, every=settings.every, clip=3.0, patience=settings.patience
    )
    return train(task, schedule, Path(settings.output), listener)


FAINT = 0.02
"""Deviation of the first weights that noise gets."""


class AdainTask(AnyStyleTask):
    """The embedded kind, for `training.loop.train`.

    Raises:
        WeightsError: A teacher is missing or of another family.
        InputError: No pictures.
    """

    network = "transport"
    title = "small any-style network"

    def __init__(self, settings: TrainAdainSettings, device: Device) -> None:
        super().__init__(settings, device)
        self.judge = TeacherFeatures(
            settings.teacher, settings.deep_teacher, settings.pixels, device, strokes=settings.strokes_layers
        )
        self.model = self._network().to(memory_format=torch.channels_last).to(self.device)
        some = torch.cat([self.source.style(-1), self.source.style(-2)])
        self.floors = self.judge.floors(some.to(self.device))
        photos = torch.cat([self.source.content(-1), self.source.content(-2)])
        with torch.no_grad():
            both = [self.judge.measure(each.to(self.device)).strokes for each in (photos, some)]
        self.photos = [squared(photo - style).mean() for photo, style in zip(*both, strict=True)]

    def _network(self) -> Transport:
        encoder = load_vgg(resolve("encoder"), ["relu4_1"])
        widths = (*encoder.config.widths[:3], encoder.config.widths[3][:1])
        net = Transport(TransportConfig(replace(encoder.config, widths=widths, maps=()), noise=self.settings.noise))
        wanted = net.vgg.state_dict()
        net.vgg.load_state_dict({name: value for name, value in encoder.state_dict().items() if name in wanted})
        net.vgg.requires_grad_(False)
        # The decoder is what is learned.
        net.blends = False
        for name, module in net.decoder.named_children():
            assert isinstance(module, nn.Conv2d)
            assert module.bias is not None
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            module.bias.data.zero_()
            if name.endswith("b"):
                module.weight.data.mul_(0.3)
            if name.endswith("skip") and net.noisy:
                module.weight.data[:, -1:].normal_(std=FAINT)
            if name == "conv1":
                module.bias.data.fill_(0.5)
                module.weight.data.mul_(0.1)
        nn.init.normal_(net.hidden.weight)
        nn.init.normal_(net.heads.weight, std=0.1)
        net.heads.bias.data.zero_()
        with torch.inference_mode():
            some = (self.source.style(-step) for step in range(1, 1 + 256 // self.settings.batch))
            codes = torch.cat([net.code(crops) for crops in some])
        net.code_mean.copy_(codes.mean(0))
        net.code_deviation.copy_(codes.std(0) + 1e-3)
        if self.settings.start:
            path = resolve(self.settings.start)
            fill(net, _grown(converted(path, "transport", TransportConfig)[1], net), str(path))
            net.vgg.requires_grad_(False)
        return net

    def config(self, averaged: nn.Module) -> dict[str, object]:
        """Nothing: its tensors tell it."""
        return {}

    def batches(self, first: int, last: int) -> Iterator[Pairs]:
        """Seeded pairs at all strengths."""
        return self.source.batches(first, last, strengths=True)

    def measured(self, model: nn.Module, batch: Pairs) -> dict[str, Tensor]:
        """Style, strokes, content, pixels and range, each with its weight."""
        content, style = (sent(x, self.device, torch.channels_last) for x in (batch.content, batch.style))
        alpha = sent(batch.alpha, self.device)
        with self.half():
            raw = model(content, style, alpha, batch.seed)
        strength = alpha.flatten()
        output, outside = visible(raw)
        seen = strength > 0
        with torch.no_grad():
            wanted = self.judge.measure(style[seen])
            own = self.judge.deep(content[seen])
        given = self.judge.measure(output[seen])
        looks = torch.stack(list(map(unlike, given.grams, wanted.grams, self.floors)))
        strokes = strokes_apart(given.strokes, wanted.strokes, self.photos)
        n, s, squares = len(content), self.settings, strength[seen].square()
        return {
            "style": s.style_weight * (looks.mean(0) * squares).sum() / n,
            "strokes": s.strokes_weight * (strokes * squares).sum() / n,
            "content": s.content_weight * shift(given.deep, own).sum() / n,
            "pixels": s.pixel_weight * ((raw.float() - content).abs().mean((1, 2, 3)) * (1 - strength)).sum() / n,
            "range": outside,
        }


def _grown(state: dict[str, Tensor], net: Transport) -> dict[str, Tensor]:
    """`state` for `net`, with its own weights of noise where the network of `state` saw none."""
    own = {name: value for name, value in net.state_dict().items() if name.startswith(("decoder.", "grain"))}
    grown = {name: value for name, value in own.items() if name not in state}
    for name, value in state.items():
        if name in own and value.ndim == 4 and value.shape[1] + 1 == own[name].shape[1]:
            value = torch.cat([value, own[name][:, -1:]], 1)
        grown[name] = value
    return grown
