"""A result in pieces, in a folder beside it: whole pieces of coded frames, and what the next one goes on from.

A run that was killed leaves the pieces that are whole. Each was coded by an encoder of its own, so a run that goes on
behind them gives the file that one run would have given.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import torch
from safetensors.torch import load, save
from torch import Tensor

from stylecli.files import atomic_write
from stylecli.media.video.codecs import Packet

STATED, STATE = "stated.json", "state.safetensors"


@dataclass
class Segments:
    """The pieces of one result.

    Attributes:
        folder: Where they are.
        made: How many are whole.
        frames: How many frames are in them.
    """

    folder: Path
    made: int = 0
    frames: int = 0

    @classmethod
    def opened(cls, folder: Path, stated: str, *, again: bool) -> "Segments":
        """Those in a folder, where it was `stated` likewise how they are made and `again` is set; else none."""
        found = cls(folder)
        try:
            same = again and (folder / STATED).read_text() == stated
            if same:
                state = _header((folder / STATE).read_bytes())
                found.made, found.frames = int(state["made"]), int(state["frames"])
                same = all(found.path(place).is_file() for place in range(found.made))
        except (OSError, ValueError, KeyError, IndexError):
            same = False
        if not same:
            rmtree(folder, ignore_errors=True)
            found = cls(folder)
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / STATED) as file:
                file.write(stated.encode())
        return found

    def path(self, place: int) -> Path:
        """The file of a piece."""
        return self.folder / f"{place:06}.packets"

    def add(self, packets: Sequence[Packet], frames: int, state: Mapping[str, Tensor]) -> None:
        """Keeps one more piece, and then what the next one goes on from.

        Raises:
            OutputError: It cannot be written.
        """
        heads = [[packet.time, packet.duration, int(packet.key), len(packet.data)] for packet in packets]
        with atomic_write(self.path(self.made)) as file:
            file.write(json.dumps(heads).encode() + b"\n")
            file.writelines(packet.data for packet in packets)
        self.made, self.frames = self.made + 1, self.frames + frames
        self._keep(state)

    def take(self, other: "Segments") -> None:
        """Takes over the pieces of others that go on behind these, and what the next one goes on from."""
        for place in range(other.made):
            other.path(place).replace(self.path(self.made + place))
        self.made, self.frames = self.made + other.made, self.frames + other.frames
        self._keep(other.state())

    def _keep(self, state: Mapping[str, Tensor]) -> None:
        told = {"made": str(self.made), "frames": str(self.frames)}
        with atomic_write(self.folder / STATE) as file:
            file.write(save({"": torch.zeros(0), **{key: each.contiguous() for key, each in state.items()}}, told))

    def state(self) -> dict[str, Tensor]:
        """What was kept with the last piece."""
        return {key: each for key, each in load((self.folder / STATE).read_bytes()).items() if key}

    def times(self) -> list[int]:
        """Of all packets, in their order, in steps."""
        return [head[0] for place in range(self.made) for head in self._heads(place)]

    def packets(self) -> Iterator[Packet]:
        """All of them, in their order."""
        for place in range(self.made):
            with self.path(place).open("rb") as file:
                for time, duration, key, size in json.loads(file.readline()):
                    yield Packet(file.read(size), time, duration, bool(key))

    def remove(self) -> None:
        """Takes the folder away: the result is there."""
        rmtree(self.folder, ignore_errors=True)

    def _heads(self, place: int) -> list[list[int]]:
        with self.path(place).open("rb") as file:
            found: list[list[int]] = json.loads(file.readline())
        return found


def _header(data: bytes) -> dict[str, str]:
    size = int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8 : 8 + size])["__metadata__"]
    return found
