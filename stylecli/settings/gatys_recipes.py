"""What the reference implementations of optimisation style transfer do differently from us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_FIVE = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1"


@dataclass(frozen=True)
class Recipe:
    """One implementation.

    Attributes:
        source: Repository and commit, or paper.
        options: Defaults that differ from ours, by field of `GatysSettings`.
        long_side: `--size` is the longer side, as there, with the other one truncated; else the shorter one.
        resample: Filter of the reference on 8-bit pictures; empty for ours, which never rounds.
        network_space: Descend in the network's own pixel scale (matters to L-BFGS, whose first step is not scale-free).
        nine_point: Total variation is the mean nine-point one, else the sum of absolute differences.
        betas: Of Adam.
        evaluated: The result is the last picture whose loss was taken, one update before the last.
        detail: From one size to the next, what was too fine for the one before is added.
        pool_scales: Factor on pooled activations, by the kind of pooling; 1 where there is none.
    """

    source: str
    options: Mapping[str, object] = field(default_factory=dict)
    long_side: bool = False
    resample: Literal["", "bilinear", "bicubic"] = ""
    network_space: bool = False
    nine_point: bool = True
    betas: tuple[float, float] = (0.9, 0.99)
    evaluated: bool = False
    detail: bool = False
    pool_scales: Mapping[str, float] = field(default_factory=dict)


_CAFFE = {
    "scaling": "channels",
    "style_layers": _FIVE,
    "content_layers": "relu4_2",
    "pixels": "caffe",
    "history": 100,
    "min_size": 0,
    "learning_rate": 1.0,
    "strokes_weight": 0.0,
}
GATYS_RECIPES = {
    "stylecli": Recipe("ours", detail=True),
    "neural-style": Recipe(
        "ProGamerGov/neural-style-pt@7251405",
        {
            **_CAFFE,
            "style_weight": 100.0,
            "content_weight": 5.0,
            "tv_weight": 1e-3,
            "steps": 1000,
            "init": "noise",
        },
        long_side=True,
        resample="bilinear",
        network_space=True,
        nine_point=False,
        betas=(0.9, 0.999),
        evaluated=True,
    ),
    "notebook": Recipe(
        "leongatys/PytorchNeuralStyleTransfer@be6c8e2",
        {
            **_CAFFE,
            "style_weight": 1e3,
            "content_weight": 1.0,
            "tv_weight": 0.0,
            "steps": 500,
            "init": "content",
        },
        resample="bilinear",
        network_space=True,
    ),
    "wasserstein": Recipe(
        "crowsonkb/style-transfer-pytorch@e7e2c71",
        {
            "scaling": "mean",
            "style_loss": "wasserstein",
            "style_layers": "relu1_1:256,relu2_1:64,relu3_1:16,relu4_1:4,relu5_1:1",
            "style_weight": 1 / 341,
            "strokes_weight": 0.0,
            "content_layers": "relu4_2",
            "content_weight": 0.015,
            "tv_weight": 2.0,
            "pixels": "torchvision",
            "first_padding": "replicate",
            "optimizer": "adam",
            "learning_rate": 0.02,
            "average": 0.99,
            "steps": 500,
            "first_steps": 1000,
            "min_size": 128,
            "init": "content",
        },
        long_side=True,
        resample="bicubic",
        pool_scales={"average": 2.0, "l2": 0.78},
    ),
}
