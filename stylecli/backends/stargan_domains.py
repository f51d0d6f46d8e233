"""Domains of StarGAN v2: what they are called, and which one a picture is of."""

import threading
from pathlib import Path

import torch
from torch import Tensor

from stylecli.checkpoints.store import known
from stylecli.errors import InputError, UsageError
from stylecli.nets.stargan import StarGAN
from stylecli.settings.stargan import Named
from stylecli.settings.values import nearest


def labels(settings: Named, path: Path) -> dict[str, object]:
    """Names of domains that the file itself may not have, as options of its loader: said, beside it, or registered.

    Raises:
        InputError: The text beside it cannot be read.
    """
    beside = path.with_name(f"{path.name}.domains")
    if settings.domains:
        return {"labels": settings.domains}
    if beside.is_file():
        try:
            words = beside.read_text("utf-8-sig").replace(",", "\n").split("\n")
        except (OSError, ValueError) as error:
            raise InputError(f"{beside}: cannot be read", "names of domains in UTF-8, a line each") from error
        return {"labels": [word.strip() for word in words if word.strip()]}
    entry = known().get(settings.weights)
    return dict(entry.entry.options) if entry and entry.entry else {}


class Domains:
    """The domains of a network.

    Attributes:
        names: In their order; numbers where they have none.
    """

    def __init__(self, net: StarGAN) -> None:
        self.net = net
        self.names = net.config.labels or tuple(map(str, range(net.config.domains)))
        self.told = threading.local()

    @property
    def notes(self) -> list[str]:
        """What was guessed of the pictures of a run, in this thread."""
        notes: list[str] = self.told.__dict__.setdefault("notes", [])
        return notes

    def named(self, word: str, option: str) -> int:
        """The domain of that name or number.

        Raises:
            UsageError: None, or the network has no such domain.
        """
        if not word:
            raise UsageError(f"{option}: missing", f"one of {', '.join(self.names[:20])}")
        if (found := self._place(word)) is not None:
            return found
        if word.isdecimal() and int(word) < len(self.names):
            return int(word)
        raise UsageError(f"{option} {word[:40]}: not a domain of this network", nearest(word, self.names[:20]))

    def of(self, picture: Tensor, said: str, option: str, path: str) -> Tensor:
        """The domain [1] of a picture [1, 3, size, size] in [-1, 1]: as said, its folder's name, or guessed.

        A network of ours guesses by a linear map of the style encoder's features. Of other files, that domain is taken
        with whose style the generator gives the picture back best: that is what its cycle loss trained.

        Raises:
            UsageError: As `named`.
        """
        # What came through a pipe or as a tensor lies in no folder.
        folder = Path(path).absolute().parent.name if Path(path).is_file() and self.net.config.labels else ""
        if said:
            found = self.named(said, option)
        elif len(self.names) == 1:
            found = 0
        elif (known := self._place(folder)) is not None:
            found = known
        else:
            found = self._guessed(picture)
            self.notes.append(f"{path}: recognized as {self.names[found]}; {option} names another domain")
        return torch.tensor([found], device=picture.device)

    def _place(self, name: str) -> int | None:
        """Where a name stands, in any case of letters where that is clear."""
        same = [place for place, each in enumerate(self.names) if each.casefold() == name.casefold()]
        return self.names.index(name) if name in self.names else same[0] if len(same) == 1 else None

    def _guessed(self, picture: Tensor) -> int:
        if self.net.config.guess:
            return int(self.net.encoder.guessed(self.net.encoder.features(picture)).argmax())
        every = torch.arange(len(self.names), device=picture.device)
        styles = self.net.encoder(picture.expand(len(every), -1, -1, -1), every)
        content = self.net.generator.encoded(picture, self.net.masks(picture))
        lost = [float((self.net.generator.decoded(content, s[None]) - picture).abs().mean()) for s in styles]
        return lost.index(min(lost))
