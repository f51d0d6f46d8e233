"""Settings of `adain`, any style in one pass (Huang, Belongie 2017)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from stylecli.settings.fields import option
from stylecli.settings.gatys import Refined
from stylecli.settings.shared import colors


@dataclass(frozen=True)
class AdainSettings(Refined):
    """Every option of `adain`; `recipe` names a reference implementation, `presets` holds what differs there."""

    alpha: float = option(
        1.0, "strength of the style; 0 is the content itself", minimum=0, maximum=1, sweep=True, panel="Look"
    )
    size: int | None = option(
        None,
        "short side of the result, or `own`: that of the content, which is the default but for some recipes",
        unit="px",
        minimum=1,
        empty="own",
    )
    style_size: int | None = option(
        None,
        "short side of the style pictures: larger means larger strokes; default: that of the result, at most 1024 and "
        "at most its own",
        unit="px",
        minimum=1,
        panel="Look",
    )
    style_scale: float = option(
        1.0, "size of the style's features against the content's", minimum=0.05, sweep=True, panel="Look"
    )
    preserve_color: str = colors()
    crop: bool = option(False, "cut contents and styles to their central square", panel="Look")
    weights: str = option("adain", "any-style network: a name of `stylecli weights list`, a file, or MicroAST's folder")
    vgg: str = option(
        "vgg19-normalized", "encoder of a decoder that comes alone, as that of pytorch-AdaIN: a name, or a file"
    )
    recipe: str = option(
        "stylecli", "start from the settings of a reference implementation", choices=("stylecli", "pytorch-adain")
    )

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "stylecli": {},
        "pytorch-adain": {"size": 512, "style_size": 512, "weights": "adain-decoder"},
    }

    def short_side(self) -> int | None:
        """See `Settings`: references resize by rules of their own."""
        return self.size if self.recipe == "stylecli" else None

    def result_side(self) -> int | None:
        """See `Settings`."""
        return self.size

    def scaled(self, scale: float) -> "AdainSettings":
        """See `Settings`."""
        return replace(self, size=None, style_size=self.style_size and max(1, round(self.style_size * scale)))
