"""No option of `train` does nothing: a training reads each of them, beside what it writes about itself."""

import dataclasses
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_device
from test_device import CPU, USES, Given, given

from stylecli.commands.train import COMMANDS
from stylecli.methods import settings_of_training
from stylecli.settings.values import flag

assert given  # a fixture

READ: dict[str, set[str]] = {}
APART = ("dataclasses", "stylecli.training.recipes", "stylecli.settings.values")
"""What reads all options to copy them, to hold them to their limits, or to write them down."""

SHOWN_ELSEWHERE = {"fast": {"recipe", "scales"}, "stargan": {"fan", "painting_steps"}}
"""What only other settings ask for: tests of the training itself give these."""


def noted(network: str) -> type:
    """The settings of a training, which note what of them is read."""
    kind = settings_of_training(network)
    names = {field.name for field in dataclasses.fields(kind)}
    read = READ.setdefault(network, set())

    class Noted(kind):  # type: ignore[misc, valid-type]
        def __getattribute__(self, name: str) -> Any:
            caller = sys._getframe(1)
            apart = caller.f_code.co_name == "__post_init__" or caller.f_globals["__name__"] in APART
            if name in names and not apart:
                read.add(name)
            return super().__getattribute__(name)

    return Noted


@pytest.mark.parametrize("network", COMMANDS)
def test_every_option_is_read(network: str, given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(test_device, "settings_of_training", noted)
    for index, name in enumerate(name for name in USES if name.split(",")[0].startswith(f"train {network}")):
        USES[name](CPU, replace(given, output=tmp_path / str(index)))
    fields = {field.name for field in dataclasses.fields(settings_of_training(network))}
    elsewhere = SHOWN_ELSEWHERE.get(network, set())
    assert fields - READ[network] == elsewhere
    text = Path(__file__).with_name(f"test_train_{network}.py").read_text()
    assert all(f'"{flag(name)}"' in text or f"{name}=" in text for name in elsewhere)
