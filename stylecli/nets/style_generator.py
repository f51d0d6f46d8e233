"""What StyleGAN 1 and 2 share: a mapping network, a constant, layers fed by a w each, noise, and how a batch runs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from stylecli.nets.style_mapping import StyleMapping

ALONE = 64
"""From this size on, a batch on a CPU runs picture by picture: no slower, and in the memory of one."""


@dataclass(frozen=True)
class StyleConfig:
    """The shape of a generator, as far as both kinds have it.

    Attributes:
        widths: Channels at 4, 8, 16, ... px.
        mapping: Outputs of the layers of the mapping network; the last is the width of w.
        z_dim: Width of z.
        classes: How many a conditional network knows, 0 for none.
        embedding: Width of a class's embedding.
        labels: Names of the classes, where they are known.
        noises: The constant noise is stored.
        average: The mean w is stored.
        across: Columns of the constant: 4 for squares, 2 for pictures half as wide as high.
    """

    widths: tuple[int, ...]
    mapping: tuple[int, ...] = (512,) * 8
    z_dim: int = 512
    classes: int = 0
    embedding: int = 0
    labels: tuple[str, ...] = ()
    noises: bool = True
    average: bool = True
    across: int = 4

    @property
    def size(self) -> int:
        """Height of the picture, and width where it is square."""
        return int(2 ** (len(self.widths) + 1))

    def shape(self, height: int) -> tuple[int, int]:
        """Height and width of features that are `height` pixels high."""
        return height, height * self.across // 4


class StyleGenerator(nn.Module, ABC):
    """A generator: `mapping` gives w, `synthesize` pictures.

    Attributes:
        config: Its shape.
        size: Height of its pictures; `config.shape` tells the width.
        w_dim: Width of w.
        pixels: For each index of w, the size at which it works.
        layer_sizes: The size of each layer's output.
        noise_sizes: Height of each noise that `synthesize` takes.
        w_avg: The mean w [w_dim], None where the file has none.
    """

    w_avg: Tensor | None

    def __init__(
        self, config: StyleConfig, pixels: Sequence[int], layer_sizes: Sequence[int], noise_sizes: Sequence[int]
    ) -> None:
        super().__init__()
        self.config = config
        self.size, self.w_dim = config.size, config.mapping[-1]
        self.pixels, self.layer_sizes, self.noise_sizes = tuple(pixels), tuple(layer_sizes), tuple(noise_sizes)
        self.mapping = StyleMapping(config.z_dim, config.mapping, config.classes, config.embedding)
        self.const = nn.Parameter(torch.empty(config.widths[0], *config.shape(4)))
        self.register_buffer("w_avg", torch.zeros(self.w_dim) if config.average else None)
        for index, size in enumerate(self.noise_sizes):
            self.register_buffer(f"noise_{index}", torch.zeros(config.shape(size)) if config.noises else None)

    def noises(self) -> list[Tensor] | None:
        """The stored noise, [1, 1, H, W] each; None where the file has none."""
        if not self.config.noises:
            return None
        return [getattr(self, f"noise_{index}")[None, None] for index in range(len(self.noise_sizes))]

    @staticmethod
    def draw_noise(shape: tuple[int, ...], generator: Generator) -> Tensor:
        """Fresh noise of the kind that the network was trained with, here normal."""
        return torch.randn(shape, generator=generator)

    def synthesize(self, ws: Tensor, noises: Sequence[Tensor] | None) -> Tensor:
        """Pictures [N, 3, size, size], nominally in [-1, 1] and not clamped.

        Args:
            ws: [N, len(pixels), w_dim].
            noises: [1 or N, 1, H, W] for each of `noise_sizes`; None for none.
        """
        x = self.const.expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        sizes = self.layer_sizes
        together = len(ws) == 1 or ws.device.type != "cpu" or torch.is_grad_enabled()
        shared = len(sizes) if together else sum(size < ALONE for size in sizes)
        x, rgb = self.run(x, None, ws, noises, range(shared))
        if shared < len(sizes):
            rest = range(shared, len(sizes))
            done = []
            for n in range(len(ws)):
                part = None if rgb is None else rgb[n : n + 1]
                own = noises and [noise if len(noise) == 1 else noise[n : n + 1] for noise in noises]
                done.append(self.run(x[n : n + 1], part, ws[n : n + 1], own, rest)[1])
            rgb = torch.cat([each for each in done if each is not None])
        assert rgb is not None
        return rgb

    @abstractmethod
    def run(
        self, x: Tensor, rgb: Tensor | None, ws: Tensor, noises: Sequence[Tensor] | None, indices: range
    ) -> tuple[Tensor, Tensor | None]:
        """(features, RGB so far) behind the layers of `indices`."""

    def freeze(self) -> "StyleGenerator":
        """For use, not training: no gradients, memory laid out for convolutions, constant work done once."""
        for module in self.modules():
            if isinstance(weight := getattr(module, "weight", None), Tensor) and weight.ndim == 4:
                module.weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        return self.eval().requires_grad_(False)
