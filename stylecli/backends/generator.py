"""An open StyleGAN: latents of seeds and files, truncation, noise, pictures in batches.

z of a seed is `numpy.random.RandomState(seed).randn(1, z_dim)`, as in NVlabs' code, so a seed gives the picture it
gives there. rosinality's generate.py averages 4096 w for the mean and draws fresh noise; like NVlabs we take what the
file stores, and where it stores nothing, draw both from fixed seeds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Generator as Random
from torch import Tensor

from stylecli.checkpoints.latents import read_latents, read_noise
from stylecli.checkpoints.load import build as load
from stylecli.checkpoints.store import resolve, sha256
from stylecli.device import Device
from stylecli.errors import UsageError, WeightsError
from stylecli.method import Method
from stylecli.nets.style_generator import StyleGenerator
from stylecli.progress import Listener, Step
from stylecli.settings import lists
from stylecli.settings import stylegan as options

G = TypeVar("G", bound=options.Generator)
DRAWS = 4096
"""Of which the mean w is taken where a file has none."""


@dataclass(frozen=True)
class Latent:
    """One w [layers, w_dim], what to call it, and the seed of its random noise."""

    name: str
    w: Tensor
    seed: int


class OpenGenerator(Method[G, Tensor]):
    """A generator on its device, and all that its commands share; one request at a time.

    Raises:
        WeightsError: Missing, or no StyleGAN.
        UsageError: A file that does not tell its size, or tells another.
    """

    def __init__(self, settings: options.Generator, device: Device) -> None:
        path = resolve(settings.weights)
        self.weights = {settings.weights: sha256(path)}
        _, _, net = load(path, {"size": settings.size or 0})
        if not isinstance(net, StyleGenerator):
            raise WeightsError(f"{path}: no generator", "`stylecli weights show` tells what it is")
        self.net = net.to(device.torch).freeze()
        self.device, self.path = device, path
        self.notes: list[str] = []
        self.weights |= {name: sha256(resolve(name)) for name in settings.networks}

    def check(self, settings: options.Generator) -> None:
        """Holds options to the network.

        Raises:
            UsageError: A cutoff past the last layer.
            MemoryLimitError: A batch does not fit.
        """
        layers, widths = len(self.net.pixels), self.net.config.widths
        if (settings.cutoff or 0) > layers:
            raise UsageError(f"--cutoff {settings.cutoff}: there are {layers} layers")
        for psi in settings.truncations:
            if abs(psi) > 1:
                self.notes.append(f"psi {psi:g}: beyond the range of -1 to 1, colors may break")
        largest = max(width * (4 * 2**block) ** 2 for block, width in enumerate(widths))
        together = settings.batch if self.device.torch.type == "cuda" else 1
        needed = 4 * (4 * largest * together + 6 * self.net.size**2 * settings.batch)
        self.device.check_memory(needed, f"{self.net.size} px", "a smaller --batch needs less")

    def classes(self, settings: options.Generator) -> tuple[int, ...]:
        """The classes that `--class` names; none where it was not given.

        Raises:
            UsageError: Not one of the network's, or the network has none.
        """
        count, names = self.net.config.classes, self.net.config.labels
        if not settings.class_:
            return ()
        if not count:
            raise UsageError(f"--class {settings.class_[:40]}: the network knows no classes", "leave it out")
        found: list[int] = []
        for word in lists.words(settings.class_, "--class"):
            number = names.index(word) if word in names else int(word) if word.isdigit() else count
            if number >= count:
                said = ", ".join(f"{i} {name}" for i, name in enumerate(names[:20])) or f"0 to {count - 1}"
                raise UsageError(f"--class {word[:40]}: not a class of this network", said)
            found.append(number)
        return tuple(found)

    def one_class(self, settings: options.Generator) -> int | None:
        """The class for all pictures, None where none was named.

        Raises:
            UsageError: Several were, or as `classes`.
        """
        chosen = self.classes(settings)
        if len(chosen) > 1:
            raise UsageError(f"--class {settings.class_[:40]}: one class for all", "`stylegan sample` takes several")
        return chosen[0] if chosen else None

    @torch.inference_mode()
    def mapped(self, z: Tensor, labels: Sequence[int]) -> Tensor:
        """z [N, z_dim] and a class each to w [N, w_dim]."""
        label = torch.tensor(labels, device=self.device.torch) if self.net.config.classes else None
        made: Tensor = self.net.mapping(z.to(self.device.torch), label)
        return made

    def drawn(self, seed: int, label: int | None = None) -> Tensor:
        """w [w_dim] of a seed; without a class, that of the seed modulo classes."""
        return self.mapped(seeded(seed, self.net), [self.label(seed, label)])[0]

    def label(self, seed: int, label: int | None) -> int:
        """`label`, else the class of a seed."""
        return seed % max(self.net.config.classes, 1) if label is None else label

    def latents(self, text: str, name: str, label: int | None = None) -> list[Latent]:
        """The latents that a list of seeds and files means, not truncated."""
        layers, found = len(self.net.pixels), []
        for source in lists.sources(text, name):
            if isinstance(source, int):
                found.append(Latent(f"seed {source}", self.drawn(source, label).expand(layers, -1), source))
                continue
            path, row = source
            kind, rows = read_latents(path, self.net, row)
            labels = [self.label(index, label) for index in range(len(rows))]
            ws = self.mapped(rows, labels)[:, None].expand(-1, layers, -1) if kind == "z" else rows
            stem = Path(path).stem
            found += [
                Latent(stem if len(ws) == 1 else f"{stem} {index}", w.to(self.device.torch), index)
                for index, w in enumerate(ws, row or 0)
            ]
        return found

    @cached_property
    def average(self) -> Tensor:
        """The mean w [layers, w_dim]: the file's, else that of `DRAWS` seeded ones."""
        layers = len(self.net.pixels)
        if self.net.w_avg is not None:
            return self.net.w_avg.expand(layers, -1)
        z = torch.from_numpy(np.random.RandomState(0).randn(DRAWS, self.net.config.z_dim)).float()
        labels = [index % max(self.net.config.classes, 1) for index in range(DRAWS)]
        return self.mapped(z, labels).mean(0).expand(layers, -1)

    def center(self, settings: options.Generator) -> Tensor:
        """Where psi 0 is, [layers, w_dim]."""
        if settings.center:
            return torch.stack([each.w for each in self.latents(settings.center, "--center")]).mean(0)
        if self.net.w_avg is None:
            self.note(f"the file has no mean w: that of {DRAWS} draws is taken")
        return self.average

    def truncated(self, ws: Tensor, psi: float, settings: options.Generator) -> Tensor:
        """w [..., layers, w_dim] moved towards the center on the layers before the cutoff."""
        if psi == 1:
            return ws
        center, moved = self.center(settings), ws.clone()
        moved[..., : settings.cutoff, :] = (center + psi * (ws - center))[..., : settings.cutoff, :]
        return moved

    def noises(self, settings: options.Generator, seeds: Sequence[int]) -> list[Tensor] | None:
        """Noise of each size, [1 or N, 1, H, W]."""
        net = self.net
        if settings.noise == "none":
            return None
        if settings.noise not in options.NOISES:
            whole = [noise.to(self.device.torch) for noise in read_noise(settings.noise, net)]
            return [noise if len(noise) == 1 else noise[[seed % len(noise) for seed in seeds]] for noise in whole]
        if settings.noise == "const" and (stored := net.noises()):
            return stored
        if settings.noise == "const":
            self.note("the file has no noise: that of seed 0 is taken")
            seeds = [0]
        generators = [Random().manual_seed(seed) for seed in seeds]
        sizes = [(1, *net.config.shape(size)) for size in net.noise_sizes]
        drawn = [[net.draw_noise(size, each) for size in sizes] for each in generators]
        return [torch.stack(level).to(self.device.torch) for level in zip(*drawn, strict=True)]

    def pictures(
        self, ws: Tensor, seeds: Sequence[int], settings: options.Generator, listener: Listener | None = None
    ) -> Tensor:
        """Pictures [N, 3, H, W] of w [N, layers, w_dim], nominally in [0, 1], not clamped, on the CPU.

        `seeds` choose random noise, or rows of a file of noise.
        """
        done: list[Tensor] = []
        start = time.monotonic()
        batches = range(0, len(ws), settings.batch)
        for number, first in enumerate(batches, 1):
            part = slice(first, first + settings.batch)
            done.append(self.draw(ws[part], self.noises(settings, seeds[part])).cpu())
            if listener:
                listener(Step(number, len(batches), time.monotonic() - start))
        return torch.cat(done)

    def draw(self, ws: Tensor, noises: Sequence[Tensor] | None) -> Tensor:
        """Pictures of w [N, layers, w_dim] on the device, nominally in [0, 1]."""
        with torch.inference_mode(), self.device.autocast():
            return self.net.synthesize(ws, noises).float().add(1).div(2)

    def note(self, text: str) -> None:
        """A remark for the user, said once."""
        if text not in self.notes:
            self.notes.append(text)


def seeded(seed: int, net: StyleGenerator) -> Tensor:
    """z [1, z_dim] of a seed."""
    return torch.from_numpy(np.random.RandomState(seed).randn(1, net.config.z_dim)).float()
