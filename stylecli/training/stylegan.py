"""`train stylegan`: StyleGAN 2, or 1, from scratch (Karras et al. 2020, arXiv 1912.04958; small data: 2006.06676).

    D  softplus(-D(x)) + softplus(D(g)) + every 16th step R1
    G  softplus(-D(g)) + every 8th step (|J^T y| - a)^2,  a its running mean

Penalties that are due every n-th step weigh n times as much ("lazy", section 3.1 of StyleGAN 2). Equalized learning
rates (Karras et al. 2017, arXiv 1710.10196, section 4.1) become rates of Adam: a weight that would be scaled by c when
it runs is stored with c in it and learns at c times the rate, which is the same for an optimizer that does not feel
the scale of gradients.

Differs from the authors' code: the discriminator and the generator of one step see pictures of the same latents, which
saves a pass; what is adapted to keep few pictures from being learned by heart is differentiable augmentation (arXiv
2006.10738), by the rule of adaptive augmentation: more of it while D is above 0 on more than 80 % of the real pictures.
"""

import copy
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from stylecli.checkpoints.layouts.stylegan2 import stored_config
from stylecli.checkpoints.load import converted, fill, load_vgg
from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.store import resolve
from stylecli.device import Device, sent
from stylecli.files import own
from stylecli.losses.generators import (
    discriminator_loss,
    frechet_distance,
    generator_loss,
    gradient_penalty,
    path_lengths,
)
from stylecli.media.grids import sheet
from stylecli.nets.style_generator import StyleGenerator
from stylecli.nets.stylegan1 import NormalizedLayer, StyleGAN1, StyleGAN1Config
from stylecli.nets.stylegan2 import StyleGAN2, StyleGAN2Config
from stylecli.nets.stylegan_discriminator import StyleGANDiscriminator
from stylecli.progress import Listener
from stylecli.settings.train_stylegan import TrainStyleganSettings
from stylecli.training.augment import augment
from stylecli.training.data import ahead
from stylecli.training.loop import Schedule, train
from stylecli.training.recipes import recipe
from stylecli.training.square_dataset import squares

MAPPING_RATE = 0.01
"""The mapping network learns slower: Karras et al. 2019, appendix C."""

W_DECAY = 0.998
PATH_DECAY = 0.99
SURE = 0.6
"""Mean sign of the discriminator on real pictures above which it knows them by heart (arXiv 2006.06676, section 3)."""

SPAN = 200_000
"""Pictures from no augmentation to all of it."""

MOST = 0.8
"""Share of pictures that are changed in each way at most: above it, changes are learned too (there, section 2.2)."""

ALONE = 500
"""Steps in which a new discriminator learns alone beside a generator that was learned before."""

LAYERS = ("relu3_1", "relu4_1", "relu5_1")
"""Whose means over positions the Fréchet distance compares."""


@dataclass(frozen=True)
class Batch:
    """Real squares [N, 3, size, size] in [-1, 1], a class each, and where randomness comes from."""

    real: Tensor
    label: Tensor
    random: Generator


class Pair(nn.Module):
    """Generator and discriminator, the running mean of path lengths, and how much is augmented."""

    def __init__(self, generator: StyleGenerator, discriminator: StyleGANDiscriminator) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.register_buffer("path_mean", torch.zeros(()))
        self.register_buffer("augmented", torch.zeros(()))
        self.path_mean: Tensor
        self.augmented: Tensor


def run(settings: TrainStyleganSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `StyleganTask`."""
    schedule = Schedule(
        settings.steps,
        settings.learning_rate,
        decay=settings.average,
        every=settings.every,
        betas=(0.0, 0.99),
        constant=True,
    )
    return train(StyleganTask(settings, device), schedule, Path(settings.output), listener)


class StyleganTask:
    """For `training.loop.train`.

    Raises:
        InputError: No pictures.
        WeightsError: No encoder to measure with, or weights to start from of another shape.
    """

    def __init__(self, settings: TrainStyleganSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.half = settings, device.torch, device.autocast
        size = int(settings.size)
        wanted = settings.r1_weight
        self.r1_weight = 0.0002 * size**2 / settings.batch if wanted is None else wanted
        folders = [Path(folder) for folder in settings.content]
        self.data = squares(folders, size, by_folder=settings.by_folder, mirror=settings.mirror)
        sides = [4 * 2**block for block in range(int(math.log2(size)) - 1)]
        widths = tuple(min(settings.most_channels, settings.channels * size // side) for side in sides)
        shape: dict[str, Any] = {
            "widths": widths,
            "mapping": (settings.w_dim,) * settings.mapping_layers,
            "z_dim": settings.w_dim,
            "classes": len(self.data.names),
            "embedding": settings.w_dim if self.data.names else 0,
            "labels": self.data.names,
        }
        first = settings.version == "1"
        generator = StyleGAN1(StyleGAN1Config(**shape)) if first else StyleGAN2(StyleGAN2Config(**shape))
        pair = Pair(generator, StyleGANDiscriminator(widths, len(self.data.names)))
        self.scales = {name: _begun(name, parameter) for name, parameter in pair.named_parameters()}
        if isinstance(generator, StyleGAN1):
            # Its styles are gamma, which begins at 1, and beta, at 0.
            for layer in generator.layers:
                assert isinstance(layer, NormalizedLayer)
                layer.affine.bias.data[len(layer.bias) :] = 0
        for name, buffer in pair.generator.named_buffers():
            if name.startswith("noise_"):
                buffer.normal_()
        if settings.start:
            path, kind = resolve(settings.start), StyleGAN1Config if first else StyleGAN2Config
            fill(pair.generator, converted(path, f"stylegan{settings.version}", kind)[1], str(path))
        self.model = pair.to(memory_format=torch.channels_last).to(self.device)
        self.features = load_vgg(resolve(settings.encoder), LAYERS).to(self.device) if settings.samples else None
        self.wanted, self.floor = torch.empty(0), 0.0
        if self.features:
            self.wanted = self._seen(self.data.middles(settings.samples))
            self.floor = frechet_distance(self.wanted[::2], self.wanted[1::2])

    def groups(self) -> dict[str, list[dict[str, object]]]:
        """Parameters of both networks by the scale of their rate."""
        found: dict[str, dict[float, list[Tensor]]] = {"generator": {}, "discriminator": {}}
        for name, parameter in self.model.named_parameters():
            found[name.partition(".")[0]].setdefault(self.scales[name], []).append(parameter)
        return {
            net: [{"params": params, "factor": scale} for scale, params in some.items()] for net, some in found.items()
        }

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Seeded by the step, one prepared while the one before is used."""
        return ahead(self._batch, first, last)

    def _batch(self, step: int) -> Batch:
        random = Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        return Batch(*self.data.draw(self.settings.batch, random), random)

    def phases(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The discriminator, then the generator."""
        s, random, critic = self.settings, batch.random, self.model.discriminator
        label = sent(batch.label, self.device)
        # It was frozen for the generator's part of the step before, which may have ended there.
        critic.requires_grad_(True)
        share = {"none": 0.0, "differentiable": 1.0}.get(s.augment, float(self.model.augmented))
        changed = (lambda x: augment(x, random, share)) if share else (lambda x: x)
        made = self._made(len(label), label, random)[0]
        penalized = self.r1_weight > 0 and step % s.r1_every == 0
        real = changed(sent(batch.real, self.device)).requires_grad_(penalized)
        # Gradients of gradients are too small for half precision.
        with self.half(not penalized):
            logits = critic(real, label)
        if s.augment == "adaptive":
            known = float(logits.detach().sign().mean())
            self.model.augmented.add_(math.copysign(len(label) / SPAN, known - SURE)).clamp_(0, MOST)
        with self.half():
            refused = critic(changed(made.detach()), label)
        losses = {"discriminator": discriminator_loss(logits.float(), refused.float())}
        if penalized:
            losses["r1"] = gradient_penalty(logits, real) * (self.r1_weight / 2 * s.r1_every)
        yield "discriminator", losses
        critic.requires_grad_(False)
        if s.start and step <= ALONE:
            return
        with self.half():
            wanted = critic(changed(made), label)
        losses = {"generator": generator_loss(wanted.float())}
        if s.path_weight > 0 and step % s.path_every == 0:
            half = label[: max(1, len(label) // 2)]
            pictures, ws = self._made(len(half), half, random, exact=True)
            lengths = path_lengths(pictures, ws, torch.randn(pictures.shape, generator=random).to(pictures))
            self.model.path_mean.lerp_(lengths.detach().mean(), 1 - PATH_DECAY)
            losses["path"] = (lengths - self.model.path_mean).square().mean() * (s.path_weight * s.path_every)
        yield "generator", losses

    def _made(self, count: int, label: Tensor, random: Generator, *, exact: bool = False) -> tuple[Tensor, Tensor]:
        """(pictures, w of all layers) of fresh latents, some of two."""
        net: StyleGenerator = self.model.generator
        z = torch.randn(2, count, net.config.z_dim, generator=random).to(self.device)
        first, second = (net.mapping(each, label) for each in z)
        assert net.w_avg is not None
        net.w_avg.lerp_(first.detach().mean(0), 1 - W_DECAY)
        layers = len(net.pixels)
        crossing = torch.randint(1, layers, (count, 1), generator=random)
        crossing[torch.rand(count, 1, generator=random) >= self.settings.mixing] = layers
        kept = (torch.arange(layers) < crossing).to(self.device)
        ws = torch.where(kept[:, :, None], first[:, None], second[:, None])
        noises = [torch.randn(count, 1, side, side, generator=random).to(self.device) for side in net.noise_sizes]
        with self.half(not exact):
            return net.synthesize(ws, noises).float(), ws

    @torch.inference_mode()
    def _seen(self, pictures: Tensor) -> Tensor:
        """Features of pictures [N, 3, H, W] in [0, 1], [N, D]."""
        assert self.features is not None
        seen = [self.features(some.to(self.device), LAYERS) for some in pictures.split(32)]
        return torch.cat([torch.cat([taps[layer].mean((2, 3)) for layer in LAYERS], 1) for taps in seen])

    @torch.inference_mode()
    def _drawn(self, averaged: nn.Module, count: int) -> tuple[StyleGenerator, Tensor]:
        """(the averaged generator, pictures [count, 3, H, W] in [0, 1] of fixed latents)."""
        assert isinstance(averaged, Pair)
        net = copy.deepcopy(averaged.generator).freeze()
        # Only parameters are averaged; the mean w is a running mean already.
        net.load_state_dict(dict(self.model.generator.named_buffers()), strict=False)
        random = Generator().manual_seed(1)
        z = torch.randn(count, net.config.z_dim, generator=random).to(self.device)
        label = torch.arange(count, device=self.device) % max(1, net.config.classes)
        ws = net.mapping(z, label)[:, None].expand(-1, len(net.pixels), -1)
        made = torch.cat([net.synthesize(some, net.noises()) for some in ws.split(16)])
        return net, made.add(1).div(2).clamp(0, 1)

    def sheet(self, averaged: nn.Module) -> Tensor:
        """Thirty-two pictures of fixed latents, uint8."""
        pictures = F.interpolate(self._drawn(averaged, 32)[1], scale_factor=2).cpu()
        return sheet([list(row) for row in pictures.split(8)])

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged generator with a sample that proves it; the Fréchet distance goes to `distances.jsonl`."""
        s = self.settings
        net, pictures = self._drawn(averaged, max(s.samples, 1))
        told = {"step": row["step"]}
        if self.features:
            told |= {"frechet": frechet_distance(self._seen(pictures), self.wanted), "halves": self.floor}
            with open(path.parent / "distances.jsonl", "a", opener=own) as file:
                file.write(json.dumps(told) + "\n")
        save_network(
            net,
            path,
            network=f"stylegan{s.version}",
            config=stored_config(net.config),
            about={
                "title": f"StyleGAN {s.version}, {s.size} px",
                "paper": "arXiv 1912.04958" if s.version == "2" else "arXiv 1812.04948",
                "licence": s.licence,
                "data": s.data,
                "pictures": len(self.data.pictures),
                "recipe": recipe("train stylegan", s),
                "losses": {**row, **told},
            },
        )


@torch.no_grad()
def _begun(name: str, parameter: nn.Parameter) -> float:
    """Gives a parameter its first values; the scale of its learning rate is returned."""
    mapping = MAPPING_RATE * math.sqrt(2) if ".mapping.layers." in name else 1.0
    if parameter.ndim >= 2 and name.endswith("weight"):
        # The noise weights of StyleGAN 1 are 1-d, and begin at 0 like biases.
        scale = 1 / math.sqrt(parameter[0].numel())
        parameter.normal_(std=scale * (math.sqrt(2) if ".mapping.layers." in name else 1.0))
        return scale * mapping
    if name.endswith(".const"):
        parameter.normal_()
    elif name.endswith(".affine.bias"):
        parameter.fill_(1)
    else:
        parameter.zero_()
    return mapping
