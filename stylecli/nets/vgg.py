"""VGG feature networks, taps by name (`relu4_2`), truncated to the deepest layer that is asked for.

Simonyan, Zisserman 2014, "Very deep convolutional networks for large-scale image recognition", arXiv 1409.1556.

    x0 = preprocess @ rgb + preprocess_bias                         rgb in [0, 1]
    convB_J = W_BJ * pad(x) + b_BJ,   reluB_J = max(convB_J, 0),    poolB = 2x2 pooling of the block's last relu
    mapped(reluB_J) = max(M_BJ @ reluB_J + m_BJ, 0)                 small encoders only: to VGG-19's own channels

The linear maps are those of Collaborative Distillation (Wang et al. 2020, arXiv 2003.08436). A Gram matrix in the
teacher's channels follows from the small one without ever making the wide features; see `losses/gram.py`.

Where references differ: torchvision and Caffe pad with zeros and floor the pooled size; `vgg_normalised.pth` (Huang,
Belongie 2017) pads by reflection and rounds it up; crowsonkb/style-transfer-pytorch@e7e2c71 pads the first convolution
by replication and multiplies average pooling by 2 and L2 pooling by 0.78. All are options here.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.errors import UsageError
from stylecli.nets.subpixel import pooled
from stylecli.nets.winograd import Conv2d

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions a block."""


@dataclass(frozen=True)
class VGGConfig:
    """The shape of a VGG, read off a checkpoint.

    Attributes:
        widths: Output channels of each convolution, block by block.
        padding: `zeros` or `reflect`, for every convolution.
        ceil_mode: Pooling rounds odd sizes up instead of down.
        maps: Layer name to the number of channels its linear map gives; empty for a real VGG.
    """

    widths: tuple[tuple[int, ...], ...]
    padding: str = "zeros"
    ceil_mode: bool = False
    maps: tuple[tuple[str, int], ...] = ()

    def names(self) -> list[str]:
        """Every tap, shallow to deep: `conv1_1 relu1_1 conv1_2 relu1_2 pool1 ...`."""
        names = []
        for block, widths in enumerate(self.widths, 1):
            for index in range(1, len(widths) + 1):
                names += [f"conv{block}_{index}", f"relu{block}_{index}"]
            names.append(f"pool{block}")
        return names


class VGG(nn.Module):
    """A VGG up to `deepest`; nothing above that is built, so nothing above it is loaded or computed.

    Args:
        config: Widths and borders.
        deepest: Name of the last tap; None for all.
        pooling: `max`, `average` or `l2`.
        pool_scale: Factor on the pooled activations.
        first_padding: Border of conv1_1 alone; None for that of the config.
    """

    preprocess: Tensor
    preprocess_bias: Tensor

    def __init__(
        self,
        config: VGGConfig,
        deepest: str | None = None,
        *,
        pooling: str = "max",
        pool_scale: float = 1.0,
        first_padding: str | None = None,
    ) -> None:
        super().__init__()
        names = config.names()
        self.config = config
        self.names = names[: names.index(check_layer(deepest, names)) + 1] if deepest else names
        self.pooling, self.pool_scale = pooling, pool_scale
        # On the meta device `torch.eye` would import the compiler, a second of start-up.
        self.register_buffer("preprocess", torch.zeros(3, 3).fill_diagonal_(1))
        self.register_buffer("preprocess_bias", torch.zeros(3))
        self.convs = nn.ModuleDict()
        channels = 3
        for block, widths in enumerate(config.widths, 1):
            for index, width in enumerate(widths, 1):
                name = f"conv{block}_{index}"
                if name in self.names:
                    mode = (first_padding or config.padding) if not self.convs else config.padding
                    self.convs[name] = Conv2d(channels, width, 3, padding=1, padding_mode=mode)  # type: ignore[arg-type]
                channels = width
        self.maps = nn.ModuleDict(
            {layer: nn.Conv2d(self.width(layer), wide, 1) for layer, wide in config.maps if layer in self.names}
        )

    def width(self, layer: str) -> int:
        """Channels at `layer`."""
        block, _, index = layer.lstrip("convrelup").partition("_")
        return self.config.widths[int(block) - 1][int(index) - 1 if index else -1]

    def forward(self, rgb: Tensor, layers: Iterable[str], *, preprocessed: bool = False) -> dict[str, Tensor]:
        """Features of `rgb` [N, 3, H, W] in [0, 1] at `layers`, each [N, C, H', W']; see `walk`."""
        return dict(self.walk(rgb, layers, preprocessed=preprocessed))

    def walk(self, rgb: Tensor, layers: Iterable[str], *, preprocessed: bool = False) -> Iterator[tuple[str, Tensor]]:
        """Features of `rgb` [N, 3, H, W] in [0, 1] at `layers`, each [N, C, H', W'], as the network gets there.

        Args:
            rgb: The pictures, or what `to_pixels` made of them when `preprocessed`.
            layers: Names of taps.
            preprocessed: Leave out the change of pixel scale.

        Raises:
            UsageError: The picture is too small for the deepest layer.
        """
        wanted = set(layers)
        last = max((self.names.index(check_layer(layer, self.names)) for layer in wanted), default=-1)
        x = rgb if preprocessed else self.to_pixels(rgb)
        for name in self.names[: last + 1]:
            if name in wanted and name.startswith("conv"):
                x = self.convs[name](x)
            elif name.startswith("conv"):
                x = self.convs[name].active(x)  # type: ignore[operator]
            elif name.startswith("relu"):
                x = F.relu(x) if name.replace("relu", "conv") in wanted else x
            else:
                x = self._pool(x, name)
            if name in wanted:
                yield name, x

    def to_pixels(self, rgb: Tensor) -> Tensor:
        """RGB in [0, 1] to the pixel scale that the network was trained on, [N, 3, H, W]."""
        return F.conv2d(rgb, self.preprocess[:, :, None, None], self.preprocess_bias)

    def to_rgb(self, pixels: Tensor) -> Tensor:
        """The inverse of `to_pixels`; not clamped."""
        inverse = torch.linalg.inv(self.preprocess.cpu().double()).to(pixels)
        return F.conv2d(pixels - self.preprocess_bias.to(pixels.device)[:, None, None], inverse[:, :, None, None])

    def mapped(self, taps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Small features `taps` taken to the teacher's channels; a layer without a map stays as it is."""
        return {layer: F.relu(self.maps[layer](x)) if layer in self.maps else x for layer, x in taps.items()}

    def values_per_pixel(self, layers: Iterable[str] = ()) -> float:
        """Features kept for a backward pass from `layers`, by default from the last one, for each pixel of the picture.

        One value for every ReLU output.
        """
        last = max((self.names.index(layer) for layer in layers), default=len(self.names))
        relus = [name for name in self.names[: last + 1] if name.startswith("relu")]
        return sum(self.width(name) * positions(name) for name in relus)

    def mapped_width(self, layer: str) -> int:
        """Channels at `layer` once it is mapped."""
        return dict(self.config.maps).get(layer) or self.width(layer)

    def linear_map(self, layer: str) -> tuple[Tensor, Tensor] | None:
        """(matrix [D, C], bias [D]) that takes `layer` to the teacher's channels, where there is one."""
        if layer not in self.maps:
            return None
        state = self.maps[layer].state_dict()
        return state["weight"][:, :, 0, 0], state["bias"]

    def _pool(self, x: Tensor, name: str) -> Tensor:
        ceil = self.config.ceil_mode
        if min(x.shape[2:]) < (1 if ceil else 2):
            h, w = x.shape[2:]
            raise UsageError(
                f"picture too small for {name}: {w}x{h} features are left", "a larger picture, or shallower layers"
            )
        if self.pooling in ("max", "average"):
            x = pooled(x, self.pooling, ceil=ceil)
        else:
            x = F.avg_pool2d(x.square(), 2, ceil_mode=ceil).mul(4).clamp_min(1e-12).sqrt()
        return x if self.pool_scale == 1 else x * self.pool_scale


def check_layer(layer: str, names: Sequence[str]) -> str:
    """`layer` itself when it is one of `names`.

    Raises:
        UsageError: It is not; the nearest names are offered.
    """
    if layer in names:
        return layer
    from difflib import get_close_matches

    near = get_close_matches(layer, names, 3, 0.5) or [name for name in names if name.startswith("relu")]
    raise UsageError(f"layer {layer}: not in this network", f"did you mean {', '.join(near)}?")


def deepest_of(layers: Iterable[str]) -> str:
    """The deepest of `layers` (`pool3` lies below `conv4_1`)."""

    def depth(layer: str) -> tuple[int, int, int]:
        kind = layer[:4]
        block, _, index = layer[4:].partition("_")
        return int(block), int(index) if index else 99, ("conv", "relu", "pool").index(kind)

    return max(layers, key=depth)


def positions(layer: str) -> float:
    """How many places there are at a convolution or ReLU, such as relu3_1, for each pixel of the picture."""
    return 0.25 ** (int(layer[4]) - 1)


def subsampling(layers: Iterable[str]) -> int:
    """How many pixels of the picture, along a side, a feature of the deepest of `layers` stands for."""
    deepest = deepest_of(layers)
    return 1 << int(deepest[4]) - (not deepest.startswith("pool"))


def check_fits(size: Sequence[int], net: VGG, layers: Iterable[str], what: str, mend: str, scale: float = 1) -> None:
    """Refuses a picture of (height, width) of which nothing is left at the deepest of `layers`.

    Raises:
        UsageError: `what`, its size and the least one; `mend` is formatted with that one, before it was made smaller
            by `scale`.
    """
    layers = list(layers)
    least = 1 if net.config.ceil_mode else subsampling(layers)
    if min(size) < least:
        raise UsageError(
            f"{what}: {size[1]}x{size[0]} is too small for {deepest_of(layers)}: {least} pixels a side at least",
            mend.format(math.ceil(least / scale)),
        )


LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


class LPIPS(nn.Module):
    """How much each channel of `LPIPS_LAYERS` counts (Zhang et al. 2018, arXiv 1801.03924), learned beside a VGG-16.

    `losses.generators.feature_distance` takes them.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = zip(LPIPS_LAYERS, widths, strict=True)
        self.layers = nn.ParameterDict({layer: nn.Parameter(torch.ones(width)) for layer, width in pairs})

    def forward(self) -> dict[str, Tensor]:
        """By layer, [C] each."""
        return dict(self.layers.items())
