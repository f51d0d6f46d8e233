"""Containers by their bytes: tensors and metadata out of safetensors and PyTorch files."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor


@dataclass(frozen=True)
class Contents:
    """What a file holds."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)


def read_tensors(path: Path) -> Contents:
    """Every tensor in `path`."""
    if Path(path).suffix == ".safetensors":
        with safe_open(str(path), "pt") as file:
            return Contents({k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {})
    return Contents(torch.load(path, map_location="cpu", weights_only=True))
