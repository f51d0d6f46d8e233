"""What LPIPS has learned beside its VGG-16: how much each channel counts (Zhang et al. 2018, arXiv 1801.03924)."""

import torch
from torch import Tensor, nn

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


class LPIPS(nn.Module):
    """A weight for each channel of each of `LAYERS`; `losses.perceptual_path_length.feature_distance` takes them."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = zip(LAYERS, widths, strict=True)
        self.layers = nn.ParameterDict({layer: nn.Parameter(torch.ones(width)) for layer, width in pairs})

    def forward(self) -> dict[str, Tensor]:
        """By layer, [C] each."""
        return dict(self.layers.items())
