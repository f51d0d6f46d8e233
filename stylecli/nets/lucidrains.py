"""The generator of lucidrains' stylegan2-pytorch: StyleGAN 2 (arXiv 1912.04958) with one style a size.

    layer   x = lrelu_0.2(demodulated convolution(x) + n_c * noise + bias_c), twice a size; both take the style of that
            size, and so does its RGB
    rgb     rgb = blur(double(rgb)) + W' x

Doubling is bilinear, here of features too; the blur is 1 2 1 with mirrored borders, and missing in the package's
versions before 1.1. There is one noise, uniform in [0, 1] and as large as the picture: each size takes its upper left
corner. (That package lays it out with columns before rows.) Its pictures are in [0, 1]; the last RGB has the shift.

Effective weights are stored, see `nets.style_mapping`: the convolution of the constant is done, styles have their 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from stylecli.nets.style_generator import StyleConfig, StyleGenerator
from stylecli.nets.style_mapping import SLOPE
from stylecli.nets.stylegan2 import RGB, Modulated
from stylecli.nets.upfirdn import BINOMIAL, smooth


@dataclass(frozen=True)
class LucidrainsConfig(StyleConfig):
    """The shape of a generator: what `StyleConfig` has, and

    Attributes:
        blur: Doubled colors are blurred.
    """

    blur: bool = True


class NoisyLayer(Modulated):
    """Demodulated convolution, noise of a strength for each channel, bias, activation."""

    def __init__(self, config: LucidrainsConfig, index: int) -> None:
        block = index // 2
        super().__init__(config.widths[max((index - 1) // 2, 0)], config.widths[block], 3, config.mapping[-1])
        self.noise_weight = nn.Parameter(torch.empty(config.widths[block]))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """`x` [N, in, H, W] to [N, out, H, W]; `noise` [1 or N, 1, H, W], None for none."""
        style = self.affine(w)
        gains = (style.square() @ self.weight.square().sum((2, 3)).mT + 1e-8).rsqrt()
        x = self._modulated(x, style, gains, self.bias)
        if noise is not None:
            x = x.addcmul_(noise, self.noise_weight[:, None, None])
        return F.leaky_relu_(x, SLOPE)


class LucidrainsGenerator(StyleGenerator):
    """The generator of `config`."""

    def __init__(self, config: LucidrainsConfig) -> None:
        sizes = [4 * 2**block for block in range(len(config.widths))]
        super().__init__(config, sizes, [size for size in sizes for _ in range(2)], sizes[-1:])
        self.blur = config.blur
        self.layers = nn.ModuleList(NoisyLayer(config, index) for index in range(2 * len(sizes)))
        self.rgbs = nn.ModuleList(RGB(config, block) for block in range(len(sizes)))

    @staticmethod
    def draw_noise(shape: tuple[int, ...], generator: Generator) -> Tensor:
        """See `StyleGenerator`; uniform in [0, 1)."""
        return torch.rand(shape, generator=generator)

    def run(
        self, x: Tensor, rgb: Tensor | None, ws: Tensor, noises: Sequence[Tensor] | None, indices: range
    ) -> tuple[Tensor, Tensor | None]:
        """See `StyleGenerator`."""
        for index in indices:
            block, second = divmod(index, 2)
            if block and not second:
                x = _doubled(x)
            noise = noises and noises[0][..., : x.shape[2], : x.shape[3]]
            x = self.layers[index](x, ws[:, block], noise)
            if second:
                new = self.rgbs[block](x, ws[:, block])
                rgb = new if rgb is None else self._enlarged(rgb).add_(new)
        return x, rgb

    def _enlarged(self, rgb: Tensor) -> Tensor:
        doubled = _doubled(rgb)
        return smooth(F.pad(doubled, (1, 1, 1, 1), mode="reflect"), BINOMIAL, 0) if self.blur else doubled


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")
