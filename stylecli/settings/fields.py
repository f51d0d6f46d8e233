"""How a settings dataclass says what its options are: the one source of defaults, help, units and sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import ClassVar, TypeVar

from stylecli.settings.values import check

T = TypeVar("T")
S = TypeVar("S", bound="Settings")


@dataclass(frozen=True)
class Settings:
    """What the settings of every method and training share."""

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """By value of a field `recipe`: options that differ from their defaults there."""

    def __post_init__(self) -> None:
        """Refuses values out of range."""
        check(self)

    def short_side(self) -> int | None:
        """The size that contents get by our own rules of resizing, where the settings ask for one."""
        return None

    def result_side(self) -> int | None:
        """The short side of the result by whatever rule, where the settings ask for one."""
        return None

    def keeps_latents(self) -> bool:
        """Whether the latents of a result are written beside it."""
        return False

    def scaled(self: S, scale: float) -> S:
        """The same look for a content that has become `scale` times as large, and is the size of the result now."""
        return self

    @classmethod
    def playable(cls) -> tuple[str, ...]:
        """Options that may change from one result of an open method to the next."""
        return tuple(each.name for each in fields(cls) if each.metadata.get("sweep"))

    def pictures(self) -> Mapping[str, str]:
        """Pictures that options name, by role."""
        return {}

    def files(self) -> Mapping[str, Sequence[str]]:
        """Other files that options name, by role."""
        return {}


def option(
    default: T,
    help: str,
    *,
    unit: str = "",
    source: str = "",
    choices: tuple[str, ...] = (),
    also: Mapping[str, str] = MappingProxyType({}),
    minimum: float | None = None,
    maximum: float | None = None,
    sweep: bool = False,
    panel: str = "",
    empty: str = "",
    before: object = ...,
) -> T:
    """A dataclass field that is also a command-line option (`style_weight` becomes `--style-weight`).

    Args:
        default: Value when the option is left out.
        help: One sentence for `--help`.
        unit: Unit of the value (`px`, `Hz`), shown as the option's placeholder.
        source: Where the default or the formula comes from (paper section, repository).
        choices: The allowed words; empty for free values.
        also: Other names of them, which hints explain.
        minimum: Smallest allowed number, inclusive.
        maximum: Largest allowed number, inclusive.
        sweep: The option may be given several times, or as `first:last:count`, to span a grid of jobs.
        panel: Heading in `--help` under which the option stands.
        empty: The word for no value (None), where a preset may have set one.
        before: What records of before there was the option stand for; left out, the default.
    """
    return field(
        default=default,
        metadata={
            "help": help,
            "unit": unit,
            "source": source,
            "choices": choices,
            "also": also,
            "minimum": minimum,
            "maximum": maximum,
            "sweep": sweep,
            "panel": panel,
            "empty": empty,
            "before": default if before is ... else before,
        },
    )
