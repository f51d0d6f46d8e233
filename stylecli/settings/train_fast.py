"""Settings of `train fast`: a transformation net, or one more style for a net."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.training import Stroked


@dataclass(frozen=True)
class TrainFastSettings(Stroked):
    """Every option of `train fast`."""

    style: tuple[str, ...] = option(
        (), "style pictures, or folders of them; each file's name names a style", unit="file"
    )
    content: tuple[str, ...] = option((), "folders of pictures to paint, with all below them", unit="folder")
    from_scratch: bool = option(False, "train a whole net instead of adding a style to one")
    network: str = option(
        "transformer",
        "a whole net's kind: the image transformation net, or Ulyanov's with noise at every scale, of one style",
        choices=("transformer", "texture-net"),
    )
    start: str = option("", "weights that a whole net starts from, a name or a file; default: random ones")
    recipe: str = option("stylecli", "start from the settings of a reference", choices=("stylecli", "johnson"))
    weights: str = option("fast", "the net that gets the style, a name or a file; it stays as it is")
    output: str = option("runs/fast", "folder for snapshots, losses and weights", unit="folder")
    catalog: str = option("", "CSV with columns file, title, artist, year: what is told of the styles", unit="csv")
    steps: int | None = option(None, "steps in all; default 10000 for a net, 400 for an added style", minimum=1)
    crop: int = option(256, "side of the crops", unit="px", minimum=64)
    zoom: float = option(2.0, "how far small crops are enlarged, so that details come at many sizes", minimum=1)
    batch: int | None = option(None, "crops a step; default 8 for a net, 4 for an added style", minimum=1)
    learning_rate: float | None = option(
        None, "peak of Adam's rate, which falls to zero along a cosine; default 1e-3, or 3e-2 to add a style", minimum=0
    )
    style_size: int = option(512, "short side of the style pictures, if they are larger", unit="px", minimum=64)
    style_scales: tuple[float, ...] = option(
        (1.0,),
        "sizes at which each style is learned, with commas, such as 0.5,1,2 for `fast --style-scale`; without 1 for "
        "styles that the net has",
    )

    style_weight: float | None = option(
        None, "weight of the style; default 14 for a net, 30 for an added style", minimum=0, panel="Losses"
    )
    content_weight: float = option(6.0, "weight of the content", minimum=0, panel="Losses")
    pixel_weight: float = option(5.0, "weight of giving the picture back where alpha is low", minimum=0, panel="Losses")
    tv_weight: float = option(0.0, "weight of the total variation: smoother pictures", minimum=0, panel="Losses")
    style_layers: tuple[str, ...] = option(
        ("relu1_1", "relu2_1", "relu3_1", "relu4_1"), "layers of the style, with commas", unit="layers", panel="Losses"
    )
    content_layer: str = option("relu4_1", "layer of the content", panel="Losses")
    scaling: str = option(
        "relative", "losses relative to their targets, or as means", choices=("relative", "mean"), panel="Losses"
    )

    widths: tuple[int, ...] = option((48, 96, 128), "channels on the way down, with commas", panel="Network")
    blocks: tuple[int, ...] = option(
        (4, 2), "residual blocks at the smallest size, then at each on the way up", panel="Network"
    )
    stem: int = option(2, "stride of the first convolution", minimum=1, maximum=2, panel="Network")
    norm: str = option("instance", "statistics of the norms", choices=("instance", "batch"), panel="Network")
    colors: bool = option(True, "norm the output too, so that its colors are the style's", panel="Network")
    noise: bool = option(
        True, "give the net noise beside the photo, where strokes in flat areas begin", panel="Network"
    )
    identity: bool = option(True, "hold the photo as a style, for --alpha", panel="Network")
    scales: tuple[int, ...] = option(
        (48, 48, 48, 32, 16), "channels of a texture-net at each scale, the coarsest first", panel="Network"
    )

    presets: ClassVar[dict[str, Mapping[str, object]]] = {
        "stylecli": {},
        "johnson": {
            "teacher": "vgg16",
            "batch": 4,
            "zoom": 1.0,
            "style_layers": ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
            "content_layer": "relu2_2",
            "scaling": "mean",
            "strokes_weight": 0.0,
            "style_weight": 1e10,
            "content_weight": 1e5,
            "widths": (32, 64, 128),
            "blocks": (5,),
            "stem": 1,
            "colors": False,
            "noise": False,
            "identity": False,
        },
    }

    def __post_init__(self) -> None:
        for name, what in (("style", "a picture"), ("content", "a folder of pictures")):
            if not getattr(self, name):
                raise UsageError(f"--{name}: missing", f"give {what}, or several")
        if not all(0.05 <= scale <= 20 for scale in self.style_scales) or not self.style_scales:
            raise UsageError("--style-scales: numbers from 0.05 to 20", "such as 0.5,1,2")
        if self.network == "texture-net" and self.style_scales != (1.0,):
            raise UsageError("--style-scales: a texture-net knows one size", "leave it out")
        if self.network == "texture-net" and not self.from_scratch:
            raise UsageError("--network texture-net: trained as a whole", "add --from-scratch")
        if not (1 <= len(self.scales) <= 8 and all(0 < width <= 512 for width in self.scales)):
            raise UsageError("--scales: 1 to 8 numbers from 1 to 512", "such as 48,48,48,32,16")
