"""The mapping network of StyleGAN 1 and 2 (arXiv 1812.04948, section 2): z, and perhaps a class, to w.

    w = f_n(... f_1([z / rms(z), e_c / rms(e_c)])),   f(x) = lrelu_0.2(W x + b),   e_c = the embedding of class c

Weights are the effective ones: the learning-rate multiplier, the equalized scale and the gain of the activation, which
implementations apply when they run, are multiplied in when a file is read (`checkpoints.layouts.stylegan1`); a leaky
ReLU lets a positive factor through.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


def normalized(x: Tensor) -> Tensor:
    """`x` [N, D] with a second moment of 1 in each row."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class StyleMapping(nn.Module):
    """z [N, z_dim] to w [N, widths[-1]].

    Args:
        z_dim: Width of z.
        widths: Outputs of each layer.
        classes: How many; 0 for an unconditional network.
        embedding: Width of a class's embedding.
    """

    def __init__(self, z_dim: int, widths: Sequence[int], classes: int = 0, embedding: int = 0) -> None:
        super().__init__()
        self.embed = nn.Linear(classes, embedding) if classes else None
        inputs = [z_dim + embedding, *widths]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(inputs, widths, strict=False))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """`label` [N] holds the class of each row, for conditional networks."""
        x = normalized(z)
        if self.embed is not None:
            assert label is not None
            one_hot = F.one_hot(label, self.embed.in_features).to(x)
            x = torch.cat([x, normalized(self.embed(one_hot))], 1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
        return x
