"""Methods by their names: settings and backend of each lie in files of that name."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from stylecli.errors import UsageError


def settings_of(method: str) -> type:
    """The settings dataclass of a method: `settings/adain.py` has `AdainSettings`, in any case of letters.

    A method of two words, such as `stylegan mix`, is a command of the first one's: `StyleganMixSettings`.

    Raises:
        UsageError: No such method.
    """
    first = method.partition(" ")[0]
    found = first.isidentifier() and find_spec(f"stylecli.settings.{first}")
    members = vars(import_module(f"stylecli.settings.{first}")) if found else {}
    wanted = f"{method.replace('_', '').replace(' ', '')}settings"
    for name, each in members.items():
        if name.lower() == wanted:
            return each
    raise UsageError(f"{method}: no such method", "was it made by a newer version?")


def build_backend(method: str, settings: Any, device: Any) -> Any:
    """What does jobs of a method such as these settings describe; opens the weights.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
    """
    return import_module(f"stylecli.backends.{method.partition(' ')[0]}").build(settings, device)


def pictures_of(settings: Any) -> dict[str, str]:
    """Files that options name, by the argument of `run` that takes them: a settings class may have `pictures()`."""
    return settings.pictures() if hasattr(settings, "pictures") else {}
