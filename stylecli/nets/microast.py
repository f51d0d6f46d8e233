"""MicroAST: two small encoders, and a decoder whose filters the style scales.

Wang, Zhao, Zuo, Li, Chen, Xing, Lu 2023, "MicroAST: Towards super-fast ultra-resolution arbitrary style transfer",
arXiv 2211.15313. Features f1, f2 lie at a quarter of the picture, before and after the last block of an encoder.

    x   = f2(c) + alpha (AdaIN(f2(c), f2(s)) - f2(c))
    x   = R(x; w2, b2),   x += alpha (AdaIN(x, f1(s)) - x),   x = R(x; w1, b1),   out = up(x)
    R   : v = relu(w conv1(x) + b x),   x + w conv2(v) + b v
    w, b: means over space of depthwise convolutions of f1(s), f2(s), one number a channel

Differs from the paper, as EndyWon/MicroAST's published model does: the bias multiplies what goes into a convolution.
alpha moves features alone; so 0 is not quite the content. Differs from the reference: its result is cut to the size of
the content, where the reference gives the next multiple of 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.any_style import AnyStyle
from stylecli.nets.segments import Ask, Segment, measured, moments
from stylecli.nets.style_changes import Changes, Decoding, Seen, Style

STRIDE = 4
SMALLEST = 5
"""Pixels a side that a reflected border of 4 takes."""


@dataclass(frozen=True)
class MicroASTConfig:
    """The shape of the network.

    Attributes:
        width: Channels after the first convolution; twice and four times as many after the next ones.
    """

    width: int = 16


class Residual(nn.Module):
    """Two 3x3 convolutions around which the channels pass."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(channels, channels, 3), _conv(channels, channels, 3)

    def forward(self, x: Tensor, weight: Tensor | float = 1.0, bias: Tensor | float = 0.0) -> Tensor:
        """[N, C, H, W] to the same; `weight` and `bias` [N, C, 1, 1] or maps."""
        v = F.relu(weight * self.conv1(x) + bias * x)
        made: Tensor = x + weight * self.conv2(v) + bias * v
        return made


class MicroAST(AnyStyle):
    """See the module."""

    levels = (STRIDE,)
    correction = 1
    bytes_per_pixel = 520.0
    reach = 32
    """4 + 1 + 2 pixels on the way down, 4 a convolution of the two blocks there and of the first one behind them."""

    def __init__(self, config: MicroASTConfig) -> None:
        super().__init__()
        wide, self.config = 4 * config.width, config
        self.content_encoder, self.style_encoder = _encoder(config.width), _encoder(config.width)
        self.weights, self.biases = (nn.ModuleList([_conv(wide, wide, 3, 1, wide) for _ in "12"]) for _ in "wb")
        self.blocks = nn.ModuleList([Residual(wide), Residual(wide)])
        self.up = _decoder(config.width)

    def fit(self, x: Tensor) -> Tensor:
        """Continued by its border to what can be reflected."""
        below, right = (max(SMALLEST - extent, 0) for extent in x.shape[2:])
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def encode(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """f2 of a content."""
        return (self.content_encoder(rgb),)

    def style(self, rgb: Tensor) -> Style:
        """Moments of f2 and f1, and (w, b) that go with them."""
        shallow = self.style_encoder[:-1](self.fit(rgb))
        features = (self.style_encoder[-1](shallow), shallow)
        heads = zip(reversed(self.weights), reversed(self.biases), features, strict=True)
        pairs = [(w(x).mean((2, 3), keepdim=True), b(x).mean((2, 3), keepdim=True)) for w, b, x in heads]
        return self.described([moments(x.float()) for x in features], pairs)

    def decode(self, features: Sequence[Tensor], decoding: Decoding, noise: Tensor | None = None) -> Tensor:
        """RGB of what comes from the last block."""
        made: Tensor = self.up(features[0])
        return made

    def segments(self, styles: Sequence[Style], alpha: float) -> list[Segment]:
        """See `AnyStyle`; cut at the second AdaIN, whose statistics are those of what the first made."""
        known: list[Changes] = []

        def begin(x: Tensor, ask: Ask) -> Tensor:
            seen = self.see(x)
            own = ask(seen.asked, seen.shares)
            if not known:
                known.append(self.changes(seen, own, styles, alpha))
            there = [each for each in seen.presence[STRIDE] if isinstance(each, Tensor)]
            return torch.cat([self._begun(seen, known[0], styles, alpha), *there], 1)

        def end(x: Tensor, ask: Ask) -> Tensor:
            channels = 4 * self.config.width
            presence = x[:, channels:].split(1, 1) if x.shape[1] > channels else (1.0,)
            return self._ended(x[:, :channels], presence, styles, alpha, ask)

        smaller = Segment(begin, self.reach, STRIDE, (1, STRIDE), lambda extent: -(-extent // STRIDE))
        return [smaller, Segment(end, 6, 1, (STRIDE, 1), lambda extent: extent * STRIDE)]

    def render(self, seen: Seen, changes: Changes, styles: Sequence[Style], alpha: Tensor | float) -> Tensor:
        """See `AnyStyle`."""
        image = self._ended(self._begun(seen, changes, styles, alpha), seen.presence[STRIDE], styles, alpha, measured)
        return image[:, :, : seen.size[0], : seen.size[1]]

    def _begun(self, seen: Seen, changes: Changes, styles: Sequence[Style], alpha: Tensor | float) -> Tensor:
        presence = seen.presence[STRIDE]
        return self._block(0, _moved(seen.features[0], changes.levels[0], presence, alpha), styles, presence)

    def _ended(
        self, x: Tensor, presence: Sequence[Tensor | float], styles: Sequence[Style], alpha: Tensor | float, ask: Ask
    ) -> Tensor:
        x = x.float()
        names = [f"begun, style {k}" for k in range(len(styles))]
        shares = {name: there for name, there in zip(names, presence, strict=True) if isinstance(there, Tensor)}
        now = ask(dict.fromkeys(names, x), shares or None)
        changes = [self._change(self.target(now[name]), s.targets[1]) for name, s in zip(names, styles, strict=True)]
        made: Tensor = self.up(self._block(1, _moved(x, changes, presence, alpha), styles, presence))
        return made

    def _block(self, index: int, x: Tensor, styles: Sequence[Style], presence: Sequence[Tensor | float]) -> Tensor:
        weight, bias = (_mixed([style.modulation[index][part] for style in styles], presence) for part in (0, 1))
        made: Tensor = self.blocks[index](x, weight, bias)
        return made


def _mixed(parts: Sequence[Tensor], presence: Sequence[Tensor | float]) -> Tensor:
    return torch.stack([part * there for part, there in zip(parts, presence, strict=True)]).sum(0)


def _moved(
    x: Tensor, changes: Sequence[tuple[Tensor, Tensor]], presence: Sequence[Tensor | float], alpha: Tensor | float
) -> Tensor:
    return x + alpha * _mixed([torch.addcmul(shift, gain, x) for gain, shift in changes], presence)


def _conv(channels: int, out: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, size, stride, size // 2, groups=groups, padding_mode="reflect")


def _encoder(n: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(3, n, 9), nn.ReLU(),
        _conv(n, 2 * n, 3, 2, n), nn.ReLU(), _conv(2 * n, 2 * n, 1), nn.ReLU(),
        _conv(2 * n, 4 * n, 3, 2, 2 * n), nn.ReLU(), _conv(4 * n, 4 * n, 1), nn.ReLU(),
        Residual(4 * n), Residual(4 * n),
    )  # fmt: skip


def _decoder(n: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear"),
        _conv(4 * n, 2 * n, 3, 1, 2 * n), nn.ReLU(), _conv(2 * n, 2 * n, 1), nn.ReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        _conv(2 * n, n, 3, 1, n), nn.ReLU(), _conv(n, n, 1), nn.ReLU(), _conv(n, 3, 9),
    )  # fmt: skip
