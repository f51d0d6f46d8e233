"""StyleGAN 1's generator (Karras, Laine, Aila 2019, arXiv 1812.04948), at its final size without progressive blending.

    layer   x = lrelu_0.2(convolution(x) + weight_c * noise + bias_c),
            then gamma (x - mean) / deviation + beta for each channel
    styles  (gamma, beta) = A w + a    (`affine`; adaptive instance normalization, section 2)

Two layers a size; the first of each size but 4 px doubles it: pixels repeated, convolution, filter 1 2 1. Repeating and
convolving is one transposed convolution of stride 2 whose 4 by 4 kernel sums shifted copies of the 3 by 3 one, which
needs 16 products where the plain way needs 36; the fused upsampling of the original, from 128 px on, is the same.
RGB comes from the last layer alone.

Dialects differ (`StyleGAN1Config`): rosinality/style-based-gan-pytorch adds the bias of a doubling layer before the
filter, so borders differ, and feeds one noise to both layers of a size; genforce/genforce, like the original, adds it
behind the noise, has a noise for each layer, and normalizes with another epsilon. Both become effective weights, see
`nets.style_mapping`; genforce's gamma + 1 goes into the affine bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.nets.style_generator import StyleConfig, StyleGenerator
from stylecli.nets.style_mapping import SLOPE
from stylecli.nets.upfirdn import BINOMIAL, smooth


@dataclass(frozen=True)
class StyleGAN1Config(StyleConfig):
    """The shape of a generator: what `StyleConfig` has, and

    Attributes:
        epsilon: Added to the variance.
        early_bias: A doubling layer adds its bias before the filter.
        shared_noise: Both layers of a size take the same noise.
    """

    epsilon: float = 1e-8
    early_bias: bool = False
    shared_noise: bool = False


class NormalizedLayer(nn.Module):
    """Convolution, noise, bias, activation, normalization, style; layer 0 has no convolution."""

    def __init__(self, config: StyleGAN1Config, index: int) -> None:
        super().__init__()
        outputs, block = config.widths[index // 2], index // 2
        self.up = index % 2 == 0
        self.early, self.epsilon = config.early_bias and self.up, config.epsilon
        inputs = config.widths[block - 1] if self.up else outputs
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3)) if index else None
        self.bias = nn.Parameter(torch.empty(outputs))
        self.noise_weight = nn.Parameter(torch.empty(outputs))
        self.affine = nn.Linear(config.mapping[-1], 2 * outputs)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """`x` [N, in, H, W] to [N, out, H', W']; `noise` [1 or N, 1, H', W'], None for none."""
        if self.weight is None:
            x = x + self.bias[:, None, None]
        elif not self.up:
            x = F.conv2d(x, self.weight, self.bias, padding=1)
        else:
            early, late = (self.bias, None) if self.early else (None, self.bias)
            doubled = F.conv_transpose2d(x, _repeating(self.weight), early, stride=2, padding=1)
            x = smooth(doubled, BINOMIAL, 1, bias=late)
        if noise is not None:
            x = x.addcmul_(noise, self.noise_weight[:, None, None])
        x = F.leaky_relu_(x, SLOPE)
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        gamma, beta = self.affine(w)[:, :, None, None].chunk(2, 1)
        scale = gamma * (variance + self.epsilon).rsqrt()
        return torch.addcmul(beta - mean * scale, x, scale)


class StyleGAN1(StyleGenerator):
    """The generator of `config`."""

    def __init__(self, config: StyleGAN1Config) -> None:
        sizes = [4 * 2 ** (index // 2) for index in range(2 * len(config.widths))]
        super().__init__(config, sizes, sizes, sizes[::2] if config.shared_noise else sizes)
        self.shared_noise = config.shared_noise
        self.layers = nn.ModuleList(NormalizedLayer(config, index) for index in range(len(sizes)))
        self.rgb = nn.Conv2d(config.widths[-1], 3, 1)

    def run(
        self, x: Tensor, rgb: Tensor | None, ws: Tensor, noises: Sequence[Tensor] | None, indices: range
    ) -> tuple[Tensor, Tensor | None]:
        """See `StyleGenerator`."""
        for index in indices:
            x = self.layers[index](x, ws[:, index], noises and noises[index // (2 if self.shared_noise else 1)])
        return x, self.rgb(x) if indices.stop == len(self.layers) else None


def _repeating(weight: Tensor) -> Tensor:
    """The transposed 4 by 4 kernel of stride 2 that repeats pixels and convolves with `weight` [out, in, 3, 3]."""
    flipped = F.pad(weight.flip(2, 3).transpose(0, 1), (1, 1, 1, 1))
    rows = flipped[:, :, 1:] + flipped[:, :, :-1]
    return rows[..., 1:] + rows[..., :-1]
