"""Settings of `gatys`, optimisation style transfer (Gatys, Ecker, Bethge 2016)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stylecli.errors import UsageError
from stylecli.settings.fields import Settings, option
from stylecli.settings.gatys_recipes import GATYS_RECIPES
from stylecli.settings.shared import colors

STYLE_LOSSES = (
    "gram",
    "moments",
    "wasserstein",
    "mmd-linear",
    "mmd-poly",
    "mmd-gaussian",
    "correlations",
    "neighbors",
    "earth-mover",
)
INITS = ("adain", "content", "noise", "style-stats")
ADAIN = "adain"
"""The start, and the network that makes it."""
NEURAL_STYLE = GATYS_RECIPES["neural-style"].source


@dataclass(frozen=True)
class GatysSettings(Settings):
    """Every option of `gatys`; the defaults are tuned for the embedded encoder.

    `recipe` names a reference implementation; `presets` holds what differs there, and whoever builds settings from
    options lets those given by the user win over the preset.
    """

    weights: str = option("encoder", "feature network: a name of `stylecli weights list`, or a file")
    recipe: str = option(
        "stylecli", "start from the settings of a reference implementation", choices=tuple(GATYS_RECIPES)
    )
    size: int | None = option(
        None,
        "short side of the result, or `own`: that of the content, which is the default but for some recipes",
        unit="px",
        minimum=1,
        empty="own",
    )
    seed: int = option(0, "seed of all randomness", minimum=0, maximum=2**63 - 1, sweep=True)

    style_weight: float = option(1.0, "weight of the style loss", minimum=0, sweep=True, panel="Look")
    content_weight: float = option(0.12, "weight of the content loss", minimum=0, sweep=True, panel="Look")
    strokes_weight: float = option(
        0.3,
        "weight of the strokes: correlations of features, which are blind to color and contrast",
        minimum=0,
        sweep=True,
        panel="Look",
        before=0.0,
    )
    tv_weight: float = option(
        0.01, "weight of the total variation: smoother pictures", minimum=0, sweep=True, panel="Look"
    )
    style_size: int | None = option(
        None, "short side of the style pictures; default: that of the result", unit="px", minimum=1, panel="Look"
    )
    style_scale: float = option(
        1.0, "size of the style's features against the content's", minimum=0.05, sweep=True, panel="Look"
    )
    preserve_color: str = colors()
    style_loss: str = option("gram", "how styles are compared", choices=STYLE_LOSSES, sweep=True, panel="Losses")
    style_layers: str = option(
        "relu1_1,relu1_2,relu2_1,relu2_2,relu3_1,relu3_2,relu3_3,relu4_1,relu4_2,relu5_1",
        "layers of the style, as LAYER or LAYER:WEIGHT, with commas",
        panel="Losses",
    )
    strokes_layers: str = option("relu2_1,relu3_1,relu4_1,relu5_1", "layers of the strokes, likewise", panel="Losses")
    content_layers: str = option("relu4_1", "layers of the content, likewise", panel="Losses")
    scaling: str = option(
        "relative",
        "how losses are scaled: relative to their target, or as means: of Gram matrices over channels, or as they are",
        choices=("relative", "channels", "mean"),
        panel="Losses",
    )
    normalize_weights: bool = option(
        False, "divide each weight by its target's largest extent", source=NEURAL_STYLE, panel="Losses"
    )
    normalize_gradients: bool = option(
        False, "multiply each gradient by its weight once more", source=NEURAL_STYLE, panel="Losses"
    )
    pooling: str = option("max", "pooling of the network", choices=("max", "average", "l2"), panel="Losses")
    pool_scale: float | None = option(
        None,
        "factor on pooled activations; default: 1, and with --recipe wasserstein 2 for average, 0.78 for l2",
        panel="Losses",
    )
    pixels: str = option(
        "auto",
        "pixel scale of weights that do not tell it",
        choices=("auto", "caffe", "torchvision"),
        panel="Losses",
    )
    first_padding: str | None = option(
        None, "border of the first convolution", choices=("zeros", "reflect", "replicate"), panel="Losses"
    )

    optimizer: str = option("lbfgs", "how to descend", choices=("lbfgs", "adam"), panel="Optimisation")
    steps: int = option(36, "steps at the final size", minimum=1, sweep=True, panel="Optimisation")
    coarse_steps: int | None = option(
        None, "steps at every smaller size; default: those of the final size", minimum=1, panel="Optimisation"
    )
    first_steps: int | None = option(
        None, "steps at the smallest size; default: those of the smaller sizes", minimum=1, panel="Optimisation"
    )
    min_size: int | None = option(
        256,
        "short side of the coarsest of the sizes; 0 for the final size alone",
        unit="px",
        minimum=0,
        panel="Optimisation",
    )
    learning_rate: float = option(1.0, "step size: 1 for lbfgs, about 0.02 for adam", minimum=0, panel="Optimisation")
    history: int = option(10, "steps that lbfgs remembers", minimum=1, panel="Optimisation")
    average: float = option(
        0.0,
        "decay of the averaged picture, the result; 0 takes the last one",
        minimum=0,
        maximum=1,
        panel="Optimisation",
    )
    init: str = option(
        ADAIN,
        "start: the picture of `adain`, content, noise, style-stats, or a picture file",
        panel="Optimisation",
    )
    save_every: int = option(0, "also write the picture every N steps", unit="N", minimum=0, panel="Optimisation")

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        name: known.options for name, known in GATYS_RECIPES.items()
    }

    def short_side(self) -> int | None:
        """See `Settings`: references resize by rules of their own."""
        return self.size if self.recipe == "stylecli" else None

    def pictures(self) -> dict[str, str]:
        """Pictures named by options, by role: the start, where `init` is a file."""
        return {} if self.init in INITS else {"init": self.init}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("style_layers", "strokes_layers", "content_layers"):
            parse_layers(getattr(self, name), "--" + name.replace("_", "-"))


def parse_layers(text: str, name: str = "layers") -> dict[str, float]:
    """`relu1_1,relu2_1:0.5` to `{"relu1_1": 1.0, "relu2_1": 0.5}`; empty text is no layer.

    Raises:
        UsageError: A weight is not a number, is negative, or a layer comes twice.
    """
    layers: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        layer, _, weight = part.partition(":")
        try:
            value = float(weight or 1)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf") or layer in layers:
            raise UsageError(f"{name}: cannot use {part!r}", "write LAYER or LAYER:WEIGHT once each, as relu3_1:0.5")
        layers[layer] = value
    return layers


@dataclass(frozen=True)
class Refined(Settings):
    """Steps of optimization that go on from the network's picture."""

    refine: int = option(
        0,
        "then as many steps of gatys, from the network's picture: nearer to the style, and slower",
        unit="steps",
        minimum=0,
        sweep=True,
        panel="Look",
    )
