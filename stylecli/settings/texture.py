"""Settings of `texture`: more of a material, by optimization (Gatys 2015) or by a generator (Ulyanov 2016)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stylecli.errors import UsageError
from stylecli.settings.fields import Settings, option
from stylecli.settings.gatys import STYLE_LOSSES, parse_layers
from stylecli.settings.shared import Contents

LARGEST = 2**16
"""Pixels a side."""


@dataclass(frozen=True)
class TextureSettings(Settings):
    """Every option of `texture`."""

    method: str = option("gatys", "optimize pixels, or let a trained generator draw", choices=("gatys", "net"))
    style: str = option("", "net: a texture of `texture --list`", unit="texture")
    weights: str = option(
        "", "gatys: feature network (default encoder); net: a generator, in place of --style", unit="weights"
    )
    recipe: str = option(
        "stylecli", "start from the settings of a reference implementation", choices=("stylecli", "deeptextures")
    )
    out_size: str = option("", "size of the result; default: the exemplar's, for a net 512x512", unit="WxH")
    size: int | None = option(None, "short side of the exemplar; default: its own", unit="px", minimum=1)
    seed: int = option(0, "another seed is another piece", minimum=0, maximum=2**63 - 1, sweep=True)
    seamless: bool = option(False, "opposite edges meet, so that the result tiles")
    guide: tuple[str, ...] = option(
        (), "where an exemplar goes in the result (white: there), one for each in the same order", unit="file"
    )

    style_loss: str = option("gram", "how textures are compared", choices=STYLE_LOSSES, sweep=True, panel="Losses")
    style_layers: str = option(
        "relu1_1,relu1_2,relu2_1,relu2_2,relu3_1,relu3_2,relu4_1,relu5_1",
        "layers, as LAYER or LAYER:WEIGHT, with commas",
        panel="Losses",
    )
    scaling: str = option(
        "relative", "losses relative to their targets, or as they are", choices=("relative", "mean"), panel="Losses"
    )
    pooling: str = option("max", "pooling of the network", choices=("max", "average", "l2"), panel="Losses")
    pixels: str = option(
        "auto", "pixel scale of weights that do not tell it", choices=("auto", "caffe", "torchvision"), panel="Losses"
    )
    octaves: int = option(
        2, "sizes at which every picture is looked at, each half the one before", minimum=1, panel="Losses"
    )
    histogram: bool = option(True, "give the result the exemplar's colors exactly, at the end", panel="Losses")

    steps: int = option(100, "steps at every size", minimum=1, sweep=True, panel="Optimisation")
    min_size: int = option(
        64, "short side of the exemplar at the coarsest size; 0 for one size alone", minimum=0, panel="Optimisation"
    )
    history: int = option(20, "steps that L-BFGS remembers", minimum=1, panel="Optimisation")
    save_every: int = option(0, "also write the picture every N steps", unit="N", minimum=0, panel="Optimisation")

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "stylecli": {},
        # leongatys/DeepTextures@289dfe6: 1e9 / 4 N^2 for N channels.
        "deeptextures": {
            "style_layers": "relu1_1:61035.15625,pool1:61035.15625,pool2:15258.7890625,pool3:3814.697265625,"
            "pool4:953.67431640625",
            "scaling": "mean",
            "pooling": "average",
            "pixels": "caffe",
            "octaves": 1,
            "min_size": 0,
            "steps": 2000,
        },
    }

    def short_side(self) -> int | None:
        """See `Settings`: references resize by rules of their own."""
        return self.size if self.recipe == "stylecli" else None

    def pictures(self) -> dict[str, str]:
        """Pictures named by options, by role."""
        return {f"guide_{index}": path for index, path in enumerate(self.guide, 1)}

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width of the result, None where none was asked for.

        Raises:
            UsageError: No size, or none that can be made.
        """
        if not self.out_size:
            return None
        found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", self.out_size, re.IGNORECASE | re.ASCII)
        if not found or not all(1 <= int(side) <= LARGEST for side in found.groups()):
            raise UsageError(f"--out-size {self.out_size[:40]}: not a size", "WIDTHxHEIGHT in pixels, such as 1024x768")
        return int(found[2]), int(found[1])

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.shape
        if not parse_layers(self.style_layers, "--style-layers"):
            raise UsageError("--style-layers: empty", "such as relu1_1,relu2_1,relu3_1")
        if self.method == "net" and self.guide:
            raise UsageError("--guide: a net knows one texture", "leave out --method net")


@dataclass(frozen=True)
class Exemplars(Contents):
    """What there is to be more of; nothing for a generator."""

    blend: bool = option(
        False, "mix all exemplars into one texture, `a.jpg:0.3 b.jpg:0.7`; --guide does so too", panel="Inputs"
    )
    list: bool = option(False, "show the textures that generators are there for, and do nothing else")

    def __post_init__(self) -> None:
        """A generator needs none."""
