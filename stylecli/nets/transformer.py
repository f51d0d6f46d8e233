"""The image transformation net: a picture painted in one pass, many styles in one net.

Johnson, Alahi, Fei-Fei 2016, "Perceptual losses", arXiv 1603.08155; instance norm: Ulyanov, Vedaldi, Lempitsky 2016,
arXiv 1607.08022; a pair (gamma, beta) for each style and layer: Dumoulin, Shlens, Kudlur 2017, arXiv 1610.07629.

    norm(x) = gamma (x - mu(x)) / sqrt(var(x) + epsilon) + beta     gamma, beta = sum_s mix_s (gamma_s, beta_s)
    down    relu(norm(conv(x))), each with stride 2 but the first, 9x9, whose stride is `stem`
    block   x + norm(conv(relu(norm(conv(x)))))
    up      relu(norm(conv(nearest x2 of x)))
    out     conv 9x9, to RGB; with `colors` a norm behind it
    result  mix_0 x + (1 - mix_0) out                               style 0 is `identity`, where there is one

Instance norm forgets the mean and the contrast of a photo, so no (gamma, beta) alone can give it back. Hence the last
line: the photo's share falls as the identity's does, and alpha = 0 is the photo itself, exactly. The way between is no
cross-fade: (gamma, beta) of the identity are learned so that what is added to the photo's share makes a picture that
is painted that much, with the content's edges where they were.

Differs from the paper, as pytorch/examples@77f55b9 (neural_style/transformer_net.py) does: reflection at each
convolution in place of 40 pixels around the picture, so blocks crop nothing; nearest x2 and a convolution in place of a
transposed one (Odena et al. 2016: no checkerboard); `out` is linear, in 0..255. `tensorflow` is what the models of
lengstrom/fast-style-transfer are (reiinakano/fast-style-transfer-deeplearnjs@bd3a048, src/net.ts): SAME padding with
zeros, transposed convolutions, epsilon 1e-3, no ReLU but a norm and 150 tanh + 127.5 after `out`.

With `noise` the net sees a fourth channel, see `nets/noise.py`.

How the convolutions on the way up are computed is in `nets/subpixel.py`.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.errors import UsageError
from stylecli.nets.bands import active, convolved, framed, large, relu, scaled
from stylecli.nets.noise import noise_like
from stylecli.nets.reduced import branch, pays
from stylecli.nets.segments import Ask, Segment, measured
from stylecli.nets.subpixel import beside, paired, phases
from stylecli.nets.transformer_config import Layer, TransformerConfig


class Norm(nn.Module):
    """(gamma, beta) [S, C] of S styles; of a batch norm also the running statistics."""

    def __init__(self, channels: int, config: TransformerConfig) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(len(config.styles), channels))
        self.beta = nn.Parameter(torch.zeros(len(config.styles), channels))
        if config.norm == "batch":
            self.register_buffer("mean", torch.zeros(channels))
            self.register_buffer("variance", torch.ones(channels))

    def mixed(self, mix: Tensor) -> tuple[Tensor, Tensor]:
        """gamma and beta [N, C, 1, 1] of mixtures [N, S]."""
        gamma, beta = ((mix[:, :, None] * rows).sum(1)[:, :, None, None] for rows in (self.gamma, self.beta))
        return gamma, beta


class TransformerNet(nn.Module):
    """See the module; pictures are [N, 3, H, W], RGB in [0, 1], of any size."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.plan = {layer.name: layer for layer in config.layers()}
        self.convs = nn.ModuleDict({layer.name: _conv(layer, config) for layer in self.plan.values()})
        self.norms = nn.ModuleDict({name: Norm(one.out, config) for name, one in self.plan.items() if one.normed})
        count = len(config.styles) - config.identity
        for layer, channels in config.looks:
            self.register_buffer(f"look_mean_{layer}", torch.zeros(count, channels))
            self.register_buffer(f"look_second_{layer}", torch.zeros(count, channels, channels))

    def forward(self, rgb: Tensor, mix: Tensor | None = None, ask: Ask = measured) -> Tensor:
        """`rgb` painted, not clamped; up to `shrink` - 1 pixels larger where there is no identity.

        Args:
            rgb: [N, 3, H, W], or with noise of the caller's behind the colors [N, 4, H, W].
            mix: Share of each style, [N, S] or [1, S], summing to 1; even when left out.
            ask: Who measures the features.

        Raises:
            UsageError: A side is shorter than `smallest`.
        """
        mix = self.even(rgb) if mix is None else mix
        return self.finish(rgb, self.painted(rgb if rgb.shape[1] == 4 else self.seen(rgb), mix, ask), mix)

    def painted(self, seen: Tensor, mix: Tensor, ask: Ask = measured) -> Tensor:
        """What was `seen` through all of the `segments`."""
        # What went into a part should go as soon as that part is through with it: nothing here keeps it.
        held, segments = [seen], self.segments(mix, (seen.shape[2], seen.shape[3]))
        del seen
        for segment in segments:
            held.append(segment.run(held.pop(), ask))
        return held.pop()

    def seen(self, rgb: Tensor, shift: Tensor | None = None) -> Tensor:
        """What goes into the first of the `segments`: `rgb` [N, 3, H, W], floats or uint8, and noise if wanted."""
        return torch.cat([rgb, noise_like(rgb, shift=shift)], 1) if self.config.noise else rgb

    def even(self, like: Tensor) -> Tensor:
        """All styles to equal shares, [1, S]."""
        count = len(self.config.styles)
        return like.new_full((1, count), 1 / count)

    def look(self, mix: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """What lies beside the net of the pictures of its styles, in a mixture [1, S] whose shares need not sum to one.

        Returns:
            By layer of the encoder, mean [C] and second moments [C, C] of its features.
        """
        shares = mix[0, int(self.config.identity) :]
        shares = shares / shares.sum()
        found = {}
        for layer, _ in self.config.looks:
            mean, second = (self.get_buffer(f"look_{part}_{layer}") for part in ("mean", "second"))
            found[layer] = (shares @ mean, torch.einsum("s,scd->cd", shares, second))
        return found

    def finish(self, rgb: Tensor, painted: Tensor, mix: Tensor) -> Tensor:
        """The photo's share mixed in; pixel by pixel, so that it holds for tiles too."""
        if not self.config.identity:
            return painted
        share = mix[:, 0, None, None, None]
        return torch.lerp(painted[:, :, : rgb.shape[2], : rgb.shape[3]].to(rgb), rgb[:, :3], share.to(rgb))

    def segments(self, mix: Tensor, size: tuple[int, int], kept: torch.dtype | None = None) -> tuple[Segment, ...]:
        """The net in parts: all the way down, each block, all the way up.

        Args:
            mix: As in `forward`.
            size: Height and width of the whole picture; where SAME padding begins depends on them.
            kept: Type of the features between the parts; None for as they come.

        Raises:
            UsageError: A side is shorter than `smallest`.
        """
        config = self.config
        if min(size) < config.smallest:
            raise UsageError(
                f"{size[1]}x{size[0]}: too small for this network", f"{config.smallest} pixels a side at least"
            )
        layers = list(self.plan.values())
        down = [layer for layer in layers if layer.name.startswith("down")]
        blocks = [layer.name[:-1] for layer in layers if layer.name.startswith("block0") and layer.name.endswith("a")]
        up = [layer for layer in layers if not layer.name.startswith(("down", "block0"))]
        return (
            self._down(down, mix, size, kept),
            *(Segment(partial(self._block, name, mix=mix, kept=kept), reach=2) for name in blocks),
            self._up(up, mix),
        )

    @property
    def reach(self) -> int:
        """How far a tile's parts see, in pixels of the picture; an upper bound."""
        first, *_, last = self.segments(self.even(torch.zeros(())), (2**10, 2**10))
        return max(first.reach, 2 * self.config.shrink, last.reach * self.config.shrink)

    @property
    def bytes_per_pixel(self) -> float:
        """Peak memory of a pass for each pixel of the picture; measured."""
        config, device = self.config, next(self.parameters()).device
        # On a CPU most of it goes through in bands.
        held = 14 if config.tensorflow or device.type != "cpu" else 5.5 if config.norm == "instance" else 8
        return 20 + held * config.widths[0] / config.stem**2

    @property
    def held_per_pixel(self) -> float:
        """Bytes for what goes into one of the parts and comes out of it, in half precision, for each pixel."""
        return 2 * 2 * self.config.widths[-1] / self.config.shrink**2

    def _down(self, layers: list[Layer], mix: Tensor, size: tuple[int, int], kept: torch.dtype | None) -> Segment:
        shrink = self.config.shrink
        reach, stride = 0, 1
        for layer in layers:
            reach += layer.size // 2 * stride
            stride *= layer.stride

        def run(x: Tensor, ask: Ask) -> Tensor:
            x, (height, width) = x if self.config.pixels == 1 else x * self.config.pixels, size
            framed = False
            for layer, after in zip(layers, (*layers[1:], None), strict=True):
                x = self._convolved(layer, x, (height % 2, width % 2), framed=framed)
                x, framed = self._active(layer.name, x, mix, ask, after.size // 2 if after else 0)
                height, width = ((side + layer.stride - 1) // layer.stride for side in (height, width))
            return x.to(kept or x.dtype)

        return Segment(run, reach, shrink, (1, shrink), lambda extent: -(-extent // shrink))

    def _block(self, name: str, x: Tensor, ask: Ask, *, mix: Tensor, kept: torch.dtype | None = None) -> Tensor:
        x = x if kept is None else x.float()
        if self.config.pixels == 1 and pays(x):
            parts = [f"{name}{part}" for part in "ab"]
            weights = [self.convs.get_parameter(f"{part}.weight") for part in parts]
            x = branch(x, weights, [partial(self._gain, part, mix=mix, ask=ask) for part in parts])
            return x.to(kept or x.dtype)
        y, framed = self._active(f"{name}a", self._convolved(self.plan[f"{name}a"], x), mix, ask, 1)
        y = self._norm(f"{name}b", self._convolved(self.plan[f"{name}b"], y, framed=framed), mix, ask)
        y = y + x if torch.is_grad_enabled() else y.add_(x)
        return y.to(kept or y.dtype)

    def _up(self, layers: list[Layer], mix: Tensor) -> Segment:
        # Counted in pixels of the result, then rounded up to those of the input.
        fine, shrink = 1, self.config.shrink
        reach = 0
        for layer in reversed(layers):
            reach += layer.size // 2 * fine
            fine *= 2 if layer.enlarge else 1

        def run(x: Tensor, ask: Ask) -> Tensor:
            x, framed = x.float() if x.dtype == torch.float16 else x, False
            for layer, after in zip(layers, (*layers[1:], None), strict=True):
                if layer.name.startswith("block"):
                    x = self._block(layer.name[:-1], x, ask, mix=mix) if layer.name.endswith("a") else x
                    continue
                x = self._enlarged(layer, x) if layer.enlarge else self._convolved(layer, x, framed=framed)
                if after:
                    border = after.size // 2 if after.name == "out" and not after.enlarge else 0
                    x, framed = self._active(layer.name, x, mix, ask, border)
                elif layer.normed:
                    x = self._norm(layer.name, x, mix, ask)
            return (torch.tanh(x) * 150 + 127.5) / 255 if self.config.tensorflow else x / self.config.pixels

        return Segment(run, -(-reach // shrink) + 1, 1, (shrink, 1), lambda extent: extent * shrink)

    def _norm(self, name: str, x: Tensor, mix: Tensor, ask: Ask) -> Tensor:
        if self.config.norm == "batch":
            norm, epsilon = self.norms[name], self.config.epsilon
            mean, variance = norm.mean, norm.variance
            x = F.batch_norm(x, mean, variance, None, None, self.training, 0.1, epsilon)  # type: ignore[arg-type]
            return scaled(x, *norm.mixed(mix))  # type: ignore[operator]
        return scaled(x, *self._gain(name, x, mix, ask))

    def _gain(self, name: str, x: Tensor, mix: Tensor, ask: Ask) -> tuple[Tensor, Tensor]:
        """(factor, summand) of an instance norm."""
        gamma, beta = self.norms[name].mixed(mix)  # type: ignore[operator]
        own = ask({name: x})[name]
        scale = gamma * (own.covariance + self.config.epsilon).rsqrt()
        return scale, beta - own.mean * scale

    def _active(self, name: str, x: Tensor, mix: Tensor, ask: Ask, border: int) -> tuple[Tensor, bool]:
        """(norm and ReLU of `x`, whether the `border` that the next convolution reflects is around it already)."""
        plain = self.config.tensorflow or self.config.norm == "batch" or torch.is_grad_enabled() or not x.is_cpu
        if plain or not 0 < border < min(x.shape[2:]):
            return relu(self._norm(name, x, mix, ask)), False
        if large(x):
            return active(x, *self._gain(name, x, mix, ask)), False
        return framed(x, border, self._gain(name, x, mix, ask)), True

    def _convolved(self, layer: Layer, x: Tensor, odd: tuple[int, int] = (1, 1), *, framed: bool = False) -> Tensor:
        """The convolution of `layer`.

        Args:
            layer: Of the plan.
            x: Its features.
            odd: Whether the whole picture's height and width are.
            framed: Its borders are around them already.
        """
        conv, half = self.convs[layer.name], layer.size // 2
        weight, bias, stride = conv.weight, conv.bias, layer.stride
        assert isinstance(weight, Tensor)
        assert bias is None or isinstance(bias, Tensor)
        if layer.name == "out" or not self.config.tensorflow:
            border, mode = 0 if framed else half, "constant" if self.config.tensorflow else "reflect"
            if layer.name == "out":
                return convolved(x, *paired(weight, bias), 2, border=border, mode=mode, phased=0)
            return convolved(x, weight, bias, stride, border=border, mode=mode)
        if stride == 1:
            return F.conv2d(x, weight, bias, padding=half)
        # SAME: an even side needs one line of zeros less, the first one. Cut off, not left out: ONNX can follow that.
        top, left = odd
        return F.conv2d(F.pad(x, (1, 1, 1, 1))[:, :, 1 - top :, 1 - left :], weight, bias, stride)

    def _enlarged(self, layer: Layer, x: Tensor) -> Tensor:
        conv = self.convs[layer.name]
        if self.config.tensorflow:
            height, width = x.shape[2:]
            y = F.conv_transpose2d(x, conv.weight, conv.bias, stride=2)  # type: ignore[arg-type]
            return y[:, :, : 2 * height, : 2 * width]
        weight, bias = phases(conv.weight, conv.bias)  # type: ignore[arg-type]
        taps, pixels = weight.shape[-1], 1
        if layer.name == "out" and taps % 2 and x.is_cpu and not torch.is_grad_enabled():
            (weight, bias), pixels = beside(weight, bias), 2
        # One reflected pixel of the enlarged picture is its border pixel again: replication of the small one.
        return convolved(x, weight, bias, border=taps // 2, mode="replicate", phased=1 - taps % 2, pixels=pixels)


def _conv(layer: Layer, config: TransformerConfig) -> nn.Conv2d | nn.ConvTranspose2d:
    if config.tensorflow and layer.enlarge:
        return nn.ConvTranspose2d(layer.channels, layer.out, layer.size, 2, bias=False)
    return nn.Conv2d(layer.channels, layer.out, layer.size, layer.stride, bias=not config.tensorflow)
