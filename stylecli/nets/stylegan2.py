"""StyleGAN 2's generator (Karras et al. 2020, arXiv 1912.04958), with skip connections of RGB.

    layer   y = lrelu_0.2(demodulated convolution(x) + strength * noise + bias) * sqrt(2), clamped if it was trained so
    conv    W'_oik = s_i W_oik / sqrt(sum_ik (s_i W_oik)^2 + 1e-8),  s = A w + a    (`affine`; section 2.2)
    rgb     W'_oi = s_i W_oi, no demodulation; rgb = double(rgb) + W' x + bias, clamped before it is added

Layer 0 works at 4 px on a learned constant; an odd layer doubles the size (a transposed convolution of stride 2, then
the filter 1 3 3 1), the even one behind it keeps it. The w of index i feeds layer i; the RGB behind layer 2k takes
index 2k + 1, which it shares with the next doubling layer. There are 2 log2(size) - 2 of them.

Two equal ways to modulate, and each layer takes the cheaper one: where pixels are few, the activations of a whole batch
are scaled before and after one shared convolution; where they are many, every picture gets weights of its own and runs
alone, which also keeps the memory of a batch at that of a picture. Neither needs grouped convolutions. The gain
sqrt(2) is multiplied into weights, noise and bias, for a leaky ReLU lets a positive factor through.

Effective weights are stored, see `nets.style_mapping`; RGB weights hold their 1 / sqrt(inputs).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.style_generator import StyleConfig, StyleGenerator
from stylecli.nets.style_mapping import SLOPE
from stylecli.nets.upfirdn import SMOOTH, double, smooth

GAIN = math.sqrt(2)


@dataclass(frozen=True)
class StyleGAN2Config(StyleConfig):
    """The shape of a generator: what `StyleConfig` has, and

    Attributes:
        clamp: Bound of activations and of RGB; None for none.
    """

    clamp: float | None = None


class Modulated(nn.Module):
    """A convolution whose inputs are scaled by a style: weight [out, in, k, k], w [N, w_dim]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, w_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.affine = nn.Linear(w_dim, inputs)

    def _modulated(self, x: Tensor, style: Tensor, gains: Tensor | None, bias: Tensor) -> Tensor:
        """Convolution of `x` [N, in, H, W] times `style` [N, in], times `gains` [N, out], plus `bias` [out]."""
        if len(x) == 1 and x.numel() > self.weight.numel():
            weight = self.weight * style[0, :, None, None]
            return self._convolve(x, weight if gains is None else weight * gains[0][:, None, None, None], bias)
        x = x * style[:, :, None, None]
        if gains is None:
            return self._convolve(x, self.weight, bias)
        return torch.addcmul(bias[:, None, None], self._convolve(x, self.weight, None), gains[:, :, None, None])

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


class StyledLayer(Modulated):
    """Modulated convolution, noise, bias, activation; doubles the size in layers of odd `index`."""

    def __init__(self, config: StyleGAN2Config, index: int) -> None:
        block = (index + 1) // 2
        self.up, self.size, self.clamp = index % 2 == 1, 4 * 2**block, config.clamp
        super().__init__(config.widths[block - self.up], config.widths[block], 3, config.mapping[-1])
        self.strength = nn.Parameter(torch.empty(()))
        self.register_buffer("energy", None, persistent=False)
        self.energy: Tensor | None

    def squares(self) -> Tensor:
        """Sum of squares of each input's kernel, [out, in]."""
        return self.weight.square().sum((2, 3))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """`x` [N, in, H, W] to [N, out, H', W']; `noise` [1 or N, 1, H', W'], None for none."""
        style = self.affine(w)
        energy = self.squares() if self.energy is None else self.energy
        gains = GAIN * (style.square() @ energy.mT + 1e-8).rsqrt()
        x = self._modulated(x, style, gains, self.bias * GAIN)
        if noise is not None:
            x = x.add_(noise * (self.strength * GAIN))
        x = F.leaky_relu_(x, SLOPE)
        return x if self.clamp is None else _clamped(x, self.clamp)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not self.up:
            return super()._convolve(x, weight, bias)
        return smooth(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), SMOOTH, 1, gain=4, bias=bias)


class RGB(Modulated):
    """Features to colors: the style scales, nothing is demodulated."""

    def __init__(self, config: StyleConfig, block: int, clamp: float | None = None) -> None:
        super().__init__(config.widths[block], 3, 1, config.mapping[-1])
        self.clamp = clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """`x` [N, in, H, W] to [N, 3, H, W]."""
        rgb = self._modulated(x, self.affine(w), None, self.bias)
        return rgb if self.clamp is None else _clamped(rgb, self.clamp)


class StyleGAN2(StyleGenerator):
    """The generator of `config`."""

    def __init__(self, config: StyleGAN2Config) -> None:
        count = 2 * len(config.widths) - 1
        sizes = [4 * 2 ** ((index + 1) // 2) for index in range(count)]
        super().__init__(config, (*sizes, sizes[-1]), sizes, sizes)
        self.layers = nn.ModuleList(StyledLayer(config, index) for index in range(count))
        self.rgbs = nn.ModuleList(RGB(config, block, config.clamp) for block in range(len(config.widths)))

    def run(
        self, x: Tensor, rgb: Tensor | None, ws: Tensor, noises: Sequence[Tensor] | None, indices: range
    ) -> tuple[Tensor, Tensor | None]:
        """See `StyleGenerator`."""
        for index in indices:
            x = self.layers[index](x, ws[:, index], noises and noises[index])
            if index % 2 == 0:
                new = self.rgbs[index // 2](x, ws[:, index + 1])
                rgb = new if rgb is None else double(rgb).add_(new)
        return x, rgb

    def freeze(self) -> "StyleGAN2":
        """See `StyleGenerator`."""
        super().freeze()
        for layer in self.layers:
            assert isinstance(layer, StyledLayer)
            layer.energy = layer.squares()
        return self


def _clamped(x: Tensor, bound: float) -> Tensor:
    # In place where no gradient needs what was there: a quarter of the time.
    return x.clamp(-bound, bound) if x.requires_grad else x.clamp_(-bound, bound)
