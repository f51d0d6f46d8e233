"""What trainings of painting networks measure with: Gram matrices, correlations and features of fixed networks."""

from typing import NamedTuple

import torch
from torch import Tensor

from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.store import resolve
from stylecli.device import Device
from stylecli.losses.content import normalized
from stylecli.losses.statistics import correlations, mean_and_second
from stylecli.nets.vgg import VGG

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
Taps = dict[str, tuple[VGG, Tensor]]


class Measured(NamedTuple):
    """What losses compare of N pictures.

    Attributes:
        grams: Second moments of features at each of the judge's layers, [N, C, C].
        strokes: Correlations of features at each of its layers of strokes, [N, C, C].
        deep: Features at its deepest layer, [N, C, H, W].
    """

    grams: list[Tensor]
    strokes: list[Tensor]
    deep: Tensor


class TeacherFeatures:
    """The networks that losses look through, frozen.

    Args:
        teacher: Name or file of a VGG of any dialect.
        deep_teacher: The one for layers from relu4_1 on; the teacher itself where it is empty.
        pixels: Pixel scale of a teacher that does not tell it.
        device: Where to compute, and in what type.
        layers: Whose Gram matrices are taken.
        deepest: Whose features are taken.
        strokes: Layers whose correlations are taken.

    Raises:
        WeightsError: A teacher is missing or of another family.
        UsageError: A layer that it does not have.
    """

    def __init__(
        self,
        teacher: str,
        deep_teacher: str,
        pixels: str,
        device: Device,
        layers: tuple[str, ...] = LAYERS,
        deepest: str = LAYERS[-1],
        strokes: tuple[str, ...] = (),
    ) -> None:
        self.layers, self.deepest, self.strokes = layers, deepest, strokes
        self.dtype = device.training().dtype
        self.nets: list[tuple[VGG, list[str]]] = []
        shallow, deep = resolve(teacher), resolve(deep_teacher or teacher)
        wanted = list(dict.fromkeys([*layers, deepest, *strokes]))
        below = [layer for layer in wanted if shallow == deep or layer < "relu4"]
        for path, theirs in ((shallow, below), (deep, [layer for layer in wanted if layer not in below])):
            if theirs:
                net = load_vgg(path, theirs, pixels=pixels).to(device.torch, self.dtype)
                for conv in net.convs.values():
                    conv.to(memory_format=torch.channels_last)
                self.nets.append((net, theirs))

    def measure(self, rgb: Tensor) -> Measured:
        """What losses compare of `rgb` [N, 3, H, W] in [0, 1]."""
        return self._measured(self._taps(rgb))

    def measure_with_moments(self, rgb: Tensor) -> tuple[Measured, Tensor]:
        """As `measure`, and means and deviations over space of all features that it took, [N, D]."""
        taps = self._taps(rgb)
        return self._measured(taps), _moments(taps)

    def moments(self, rgb: Tensor) -> Tensor:
        """The last of `measure_with_moments` alone."""
        return _moments(self._taps(rgb))

    def grams_and_points(
        self, rgb: Tensor, count: int, generator: torch.Generator
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Gram matrices at `layers`, and features there of at most `count` random positions, [N, C, P]."""
        taps, points = self._taps(rgb), []
        for layer in self.layers:
            net, x = taps[layer]
            some = sampled(x.flatten(2), count, generator)[..., None]
            points.append(net.mapped({layer: some})[layer][..., 0].float())
        return self._measured(taps).grams, points

    def _taps(self, rgb: Tensor) -> Taps:
        typed = rgb.to(self.dtype, memory_format=torch.channels_last)
        return {layer: (net, x) for net, theirs in self.nets for layer, x in net(typed, theirs).items()}

    def _measured(self, taps: Taps) -> Measured:
        seconds: dict[str, Tensor] = {}
        strokes: dict[str, Tensor] = {}
        for layer, (net, x) in taps.items():
            linear = net.linear_map(layer)
            if layer == self.deepest or layer in self.strokes:
                x, linear = net.mapped({layer: x})[layer], None
            if layer == self.deepest:
                deep = x
            # The Gram matrix of a linear map follows from the small one; wide features are never made.
            if layer in self.layers or layer in self.strokes:
                mean, seconds[layer] = _seen(x, linear)
            if layer in self.strokes:
                strokes[layer] = correlations(mean, seconds[layer])
        return Measured([seconds[layer] for layer in self.layers], [strokes[layer] for layer in self.strokes], deep)

    def floors(self, styles: Tensor) -> list[float]:
        """For `unlike`, a layer each: a tenth of what `styles` have on average.

        A black picture has next to no Gram matrix: relative to itself alone, it would outweigh all others.
        """
        with torch.no_grad():
            return [0.1 * float(squared(each).mean()) for each in self.measure(styles).grams]

    def deep(self, rgb: Tensor) -> Tensor:
        """Features of `rgb` at `deepest`."""
        net = next(net for net, theirs in self.nets if self.deepest in theirs)
        typed = rgb.to(self.dtype, memory_format=torch.channels_last)
        return net.mapped(net(typed, [self.deepest]))[self.deepest]


def _moments(taps: Taps) -> Tensor:
    rows = [x.float().flatten(2) for _, x in taps.values()]
    return torch.cat([part for x in rows for part in (x.mean(2), x.std(2, correction=0))], 1)


def _seen(x: Tensor, linear: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Mean [N, D] and second moments [N, D, D] over space of `x` [N, C, H, W], or of `matrix x + bias`; float32."""
    mean, second = (part.float() for part in mean_and_second(x))
    if linear is None:
        return mean, second
    matrix, bias = (part.float() for part in linear)
    shift = mean @ matrix.T
    cross = shift[:, :, None] * bias
    return shift + bias, matrix @ second @ matrix.T + cross + cross.mT + bias[:, None] * bias


def sampled(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most `count` of the last axis of `x`, at random."""
    if x.shape[-1] <= count:
        return x
    return x[..., torch.randperm(x.shape[-1], generator=generator)[:count].to(x.device)]


def squared(x: Tensor) -> Tensor:
    """Sum of squares of each sample, [N]."""
    return x.float().square().flatten(1).sum(1)


def unlike(given: Tensor, wanted: Tensor, floor: float = 0.0) -> Tensor:
    """log(1 + |given - wanted|^2 / (|wanted|^2 + floor)) of each Gram matrix, [N].

    The logarithm keeps a hopeless start from throwing the rest off; near zero it changes nothing.
    """
    return (squared(given - wanted) / (squared(wanted) + floor)).log1p()


def strokes_apart(given: list[Tensor], wanted: list[Tensor], photos: list[Tensor]) -> Tensor:
    """Mean over layers of |given - wanted|^2 of correlations, relative to what photographs have there; [N].

    Args:
        given: [N, C, C] a layer.
        wanted: Likewise.
        photos: What photographs have at each layer: one number, or one each, [N].
    """
    layers = zip(given, wanted, photos, strict=True)
    return torch.stack([squared(now - goal) / photo for now, goal, photo in layers]).mean(0)


def shift(deep: Tensor, own: Tensor) -> Tensor:
    """How far features `deep` are from those of the content, relative to them, whatever their means and contrasts."""
    goal = normalized(own.float())
    return squared(normalized(deep.float()) - goal) / squared(goal)


def visible(raw: Tensor) -> tuple[Tensor, Tensor]:
    """What is written of a network's output, and a loss: nothing else calls a color back that left the range."""
    written = raw.float().clamp(0, 1)
    return written, 5 * (raw.float() - written).abs().mean()
