"""The layout of richzhang/PerceptualSimilarity: a 1x1 convolution without bias for each layer (`v0.1/vgg.pth`)."""

from torch import Tensor

from stylecli.checkpoints.layouts.format import Options
from stylecli.nets.lpips import LAYERS


def linear(tensors: dict[str, Tensor], config: Options) -> tuple[tuple[int, ...], dict[str, Tensor]]:
    """`lin0.model.1.weight` [1, C, 1, 1] and so on."""
    found = {f"layers.{layer}": tensors[f"lin{index}.model.1.weight"].flatten() for index, layer in enumerate(LAYERS)}
    return tuple(len(each) for each in found.values()), found
