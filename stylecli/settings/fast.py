"""Settings of `fast`: one pass of a net that knows its styles by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.gatys import Refined
from stylecli.settings.shared import Contents, colors


@dataclass(frozen=True)
class FastSettings(Refined):
    """Every option of `fast`."""

    weights: str = option("fast", "the net: a name of `stylecli weights list`, or a file")
    style: tuple[str, ...] = option(
        (),
        "a style of the net, see --list-styles; with commas a mixture: a:0.3,b:0.7",
        unit="name",
        sweep=True,
        panel="Look",
    )
    alpha: float = option(
        1.0,
        "strength: 0 is the photo, 1 the full style",
        source="needs the net's identity style",
        minimum=0,
        maximum=1,
        sweep=True,
        panel="Look",
    )
    style_scale: float = option(
        1.0,
        "size of the strokes, where the net learned its styles at several, see --list-styles",
        minimum=0.05,
        sweep=True,
        panel="Look",
    )
    size: int | None = option(None, "short side of the result; default: that of the content", unit="px", minimum=1)
    preserve_color: str = colors()
    recipe: str = option(
        "reference",
        "nets of other repositories: what those write (sizes rounded up to what fits the net, levels truncated), "
        "or as our own (the content's size, levels rounded)",
        choices=("reference", "stylecli"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.style, str):  # one name, from Python
            object.__setattr__(self, "style", (self.style,))
        _ = self._weights()

    def short_side(self) -> int | None:
        """See `Settings`: references resize by rules of their own."""
        return self.size if self.recipe == "stylecli" else None

    def result_side(self) -> int | None:
        """See `Settings`."""
        return self.size

    def scaled(self, scale: float) -> "FastSettings":
        """See `Settings`."""
        return replace(self, size=None)

    @property
    def shares(self) -> dict[str, float]:
        """Each style's share in the mixture, summing to 1; empty when no style is named.

        Raises:
            UsageError: All weights are 0.
        """
        weights = self._weights()
        total = sum(weights.values())
        if weights and not total:
            raise UsageError("--style: all weights of the mixture are 0")
        return {name: weight / total for name, weight in weights.items()}

    def _weights(self) -> dict[str, float]:
        weights: dict[str, float] = {}
        for word in self.style:
            name, _, said = word.partition(":")
            try:
                weight = float(said or 1)
            except ValueError:
                weight = -1.0
            if not name or name in weights or not 0 <= weight <= 1e9:
                raise UsageError(f"--style {word}: cannot be used", "write NAME or NAME:WEIGHT, each name once")
            weights[name] = weight
        return weights


@dataclass(frozen=True)
class FastContents(Contents):
    """The pictures to work on, unless only the styles are asked for."""

    list_styles: bool = option(False, "show the styles of the net, and do nothing else")
    preview: bool = option(False, "with --list-styles: a little picture in each, on a terminal")

    def __post_init__(self) -> None:
        """Refuses an empty list."""
        if not self.list_styles:
            super().__post_init__()


@dataclass(frozen=True)
class Blending:
    """What several `--style` mean."""

    blend: bool = option(False, "mix all styles into one; `--style a:0.3 --style b:0.7`", panel="Look")

    def arranged(self, grid: Sequence[FastSettings]) -> tuple[FastSettings, ...]:
        """The jobs' settings: as they are, or with all styles in one mixture.

        Raises:
            UsageError: A weight without a mixture.
        """
        if self.blend:
            words = tuple(dict.fromkeys(word for one in grid for word in one.style))
            return tuple(dict.fromkeys(replace(one, style=words) for one in grid))
        if any(len(one.style) == 1 and ":" in one.style[0] for one in grid):
            raise UsageError("--style: a weight says how much of a mixture", "add --blend")
        return tuple(grid)
