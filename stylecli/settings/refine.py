"""The option of methods of one pass whose pictures may be refined by `gatys`."""

from dataclasses import dataclass

from stylecli.settings.fields import Settings, option


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
