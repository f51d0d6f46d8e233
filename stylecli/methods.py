"""Methods and trainings by their names: settings, backend and training of each lie in files of that name."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from stylecli.errors import UsageError
from stylecli.settings.fields import Settings
from stylecli.settings.training import Training

if TYPE_CHECKING:
    from stylecli.device import Device
    from stylecli.method import Method, TrainingRun


def settings_of(method: str) -> type[Settings]:
    """The settings dataclass of a method: `settings/adain.py` has `AdainSettings`, in any case of letters.

    A method of two words, such as `stylegan mix`, is a command of the first one's: `StyleganMixSettings`.

    Raises:
        UsageError: No such method.
    """
    return _settings(method.partition(" ")[0], method)


def settings_of_training(network: str) -> type[Training]:
    """The settings dataclass of a training: `settings/train_adain.py` has `TrainAdainSettings`.

    Raises:
        UsageError: No such training.
    """
    found = _settings(f"train_{network}", f"train {network}")
    assert issubclass(found, Training)
    return found


def _settings(module: str, name: str) -> type[Settings]:
    found = module.isidentifier() and find_spec(f"stylecli.settings.{module}")
    members = vars(import_module(f"stylecli.settings.{module}")) if found else {}
    wanted = f"{name.replace('_', '').replace(' ', '')}settings"
    for key, each in members.items():
        if key.lower() == wanted and issubclass(each, Settings):
            made: type[Settings] = each
            return made
    raise UsageError(f"{name}: no such method", "was it made by a newer version?")


@contextmanager
def loading() -> Iterator[None]:
    """Lets PyTorch be loaded without a search for garbage, which takes a seventh of that time and finds none.

    What was loaded is not searched later either. Only for a process of our own: it is about all of its objects.
    """
    first = "torch" not in sys.modules and gc.isenabled()
    if first:
        gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
            gc.enable()


def opened(method: str, settings: Settings, device: "Device") -> "Method[Settings, object]":
    """The method that these settings describe, with its weights open.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
    """
    module = import_module(f"stylecli.backends.{method.partition(' ')[0]}")
    built: Method[Settings, object] = module.build(settings, device)
    return built


def training(network: str) -> "TrainingRun[Training]":
    """What trains a network of that name: `run` of `training/adain.py`."""
    found: TrainingRun[Training] = import_module(f"stylecli.training.{network}").run
    return found
