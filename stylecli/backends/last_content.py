"""What was computed of a content is kept for its other styles and strengths."""

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from torch import Tensor

T = TypeVar("T")


class LastContent(Generic[T]):
    """What was made of the content that came last, to each thread."""

    def __init__(self) -> None:
        self.threads = threading.local()

    def of(self, pixels: Tensor, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives for the picture `pixels` and the settings in `key`, made once while these stay the same."""
        known = self.threads.__dict__
        if "made" not in known or known["pixels"]() is not pixels or known["key"] != key:
            known.update(pixels=weakref.ref(pixels), key=key, made=make())
        made: T = known["made"]
        return made
