"""Tensors of a foreign file, each taken once: what is left over in the end is an error, and so is what is missing."""

from collections.abc import Mapping

import torch
from torch import Tensor

from stylecli.errors import WeightsError


class ConsumedState:
    """A state dict that is used up.

    Args:
        tensors: By name.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.left = dict(tensors)

    def __contains__(self, name: str) -> bool:
        return name in self.left

    def take(self, name: str) -> Tensor:
        """The tensor in float32.

        Raises:
            WeightsError: There is none.
        """
        if name not in self.left:
            raise WeightsError(f"{name} is missing", "the file is incomplete, or of another version")
        return self.left.pop(name).float()

    def layer(self, name: str, scale: float = 1.0, bias: float = 1.0) -> tuple[Tensor, Tensor]:
        """(weight, bias) of a layer, times these factors."""
        return self.take(f"{name}.weight") * scale, self.take(f"{name}.bias") * bias

    def filters(self, taps: tuple[float, ...]) -> None:
        """Takes what is left that is a fixed filter: 2-d, or the same for every channel.

        Raises:
            WeightsError: A filter of other proportions than `taps`.
        """
        wanted = torch.outer(torch.tensor(taps), torch.tensor(taps))
        for name in [name for name in self.left if name.endswith(FILTERS)]:
            found = self.take(name)
            if found.shape[-2:] != wanted.shape or not torch.allclose(
                found / found.sum((-2, -1), keepdim=True), wanted / wanted.sum(), atol=1e-4
            ):
                raise WeightsError(f"{name} is not the filter {' '.join(f'{tap:g}' for tap in taps)}")

    def finish(self) -> None:
        """Holds that nothing is left.

        Raises:
            WeightsError: A tensor that belongs to no layer.
        """
        if self.left:
            more = f" (and {len(self.left) - 1} more)" if len(self.left) > 1 else ""
            raise WeightsError(f"{next(iter(self.left))[:120]} belongs to no layer{more}")


FILTERS = ("blur.kernel", "upsample.kernel", "resample_filter", ".weight_flip", ".2.weight", ".conv1.1.weight")
