"""How weights were learned, as their files tell it."""

from dataclasses import asdict
from pathlib import Path

from stylecli.settings.training import Training

PATHS = {
    "catalog",
    "content",
    "deep_teacher",
    "encoder",
    "exemplar",
    "fan",
    "output",
    "start",
    "style",
    "teacher",
    "validation",
    "weights",
}
"""Settings that name files and folders."""


def recipe(command: str, settings: Training) -> dict[str, object]:
    """The command and its settings; files and folders by their names alone, without where they lay."""
    return {
        "command": command,
        **{key: _named(value) if key in PATHS else value for key, value in asdict(settings).items()},
    }


def _named(value: str | list[str] | tuple[str, ...]) -> str | list[str]:
    return Path(value).name if isinstance(value, str) else [Path(word).name for word in value]
