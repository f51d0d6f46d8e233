"""Settings of `--live`."""

from dataclasses import dataclass

from stylecli.settings.fields import option


@dataclass(frozen=True)
class Live:
    """Whether the method is played in the terminal."""

    live: bool = option(False, "play with it in the terminal: arrow keys change what is seen, s saves it, q quits")
