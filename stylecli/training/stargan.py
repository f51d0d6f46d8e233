"""`train stargan`: StarGAN v2 (Choi et al. 2020, arXiv 1912.01865, section 3.2), on latent codes and on references.

    D        adversarial + r1_weight / 2 |dD(x) / dx|^2, on a translation by a latent code, then by a reference
    G, F, E  adversarial + style_weight |E_y(g) - s| - diversity_weight |g - G(x, s')| + cycle_weight |G(g, E(x)) - x|
             with g = G(x, s) and s, s' = F_y(z), F_y(z');  then G alone, with s, s' of two references of the domain

|.| is the mean absolute difference. The weight of diversity falls to zero along a line, by the number of the step: a
resumed training goes on where it was, unlike the authors' code, which begins at the full weight again.

Beside the paper: with `painting_weight` what is made of a reference has its Gram matrices, and more (see
`training.stargan_painting`); the style encoder then learns from references too. A linear map learns to tell the domain
from what the heads of the style encoder see, without changing that, so that a file can say which domain a reference is
of.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from stylecli.checkpoints.layouts.stargan import stored_config
from stylecli.checkpoints.load import converted, fill, load
from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.store import resolve
from stylecli.device import Device, sent
from stylecli.errors import WeightsError
from stylecli.media.grids import table
from stylecli.nets.face_masks import masks_of
from stylecli.nets.fan import FAN
from stylecli.nets.stargan import StarGAN, StarGANDiscriminator
from stylecli.nets.stargan_generator import StarGANConfig
from stylecli.progress import Listener
from stylecli.settings.train_stargan import TrainStarganSettings
from stylecli.training.augment import augment
from stylecli.training.data import ahead
from stylecli.training.domains import DomainPictures
from stylecli.training.loop import Schedule, train
from stylecli.training.recipes import recipe
from stylecli.training.stargan_painting import Painting
from stylecli.training.stargan_terms import Critic, Masks, discriminator_terms, generator_terms

WEIGHT_DECAY = 1e-4
MAPPING_RATE = 0.01
"""The mapping network learns slower."""

GUESS_RATE = 10.0

GRAIN = 0.1
"""Of contents in [-1, 1], so that flat areas get no pattern that repeats."""

CROWD = 16
"""References of one domain, of which drawn styles learn how those of references are distributed."""

WAYS = ("latent", "reference")
SHOWN = 6
"""Domains on a sample at most."""


@dataclass(frozen=True)
class Batch:
    """What a step needs.

    Attributes:
        real: Contents [N, 3, size, size] in [-1, 1].
        own: Their domains [N].
        references: Two of each target domain, [2, N, 3, size, size].
        target: The domains to go to [N].
        z: Two latent codes for each, [2, N, latent_dim].
        crowd: For the first steps of painting, many of the first target domain, [M, 3, size, size].
        random: Where further randomness comes from.
    """

    real: Tensor
    own: Tensor
    references: Tensor
    target: Tensor
    z: Tensor
    crowd: Tensor | None
    random: Generator


class Players(nn.Module):
    """All that is trained."""

    def __init__(self, config: StarGANConfig) -> None:
        super().__init__()
        self.net, self.critic = StarGAN(config), StarGANDiscriminator(config)


def run(settings: TrainStarganSettings, device: Device, listener: Listener) -> Path:
    """Train in `settings.output`; the path of the averaged weights is returned. Errors are those of `StarganTask`."""
    schedule = Schedule(
        settings.steps,
        settings.learning_rate,
        warmup=1,
        decay=settings.average,
        every=settings.every,
        betas=(0.0, 0.99),
        constant=True,
    )
    return train(StarganTask(settings, device), schedule, Path(settings.output), listener)


class StarganTask:
    """For `training.loop.train`.

    Raises:
        InputError: No pictures, one domain, or a domain of one picture.
        WeightsError: Weights to start from of another shape, no landmarks for masks, or no teacher.
    """

    def __init__(self, settings: TrainStarganSettings, device: Device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.half = settings, device.torch, device.autocast
        start = converted(path := resolve(settings.start), "stargan", StarGANConfig) if settings.start else None
        config = start[0] if start else None
        self.data = DomainPictures(settings.content, config.size if config else int(settings.size))
        names = self.data.names
        if config and config.domains != len(names):
            raise WeightsError(f"{settings.start}: of {config.domains} domains, {len(names)} folders are given")
        config = replace(
            config
            or StarGANConfig(
                self.data.size,
                len(names),
                settings.channels,
                settings.most_channels,
                settings.style_dim,
                settings.latent_dim,
                settings.hidden,
                settings.hpf,
                colors=settings.colors,
                frame=self.data.size // 8 if (own := settings.colors and not settings.hpf) else 0,
                grain=GRAIN if own else 0.0,
            ),
            fan=False,
            guess=True,
            labels=names,
        )
        players = Players(config)
        for module in players.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if start:
            fresh = players.net.state_dict()
            state = {name: value for name, value in start[1].items() if not name.startswith("fan.")}
            guess = {name: value for name, value in fresh.items() if name.startswith("encoder.guess.")}
            fill(players.net, {**guess, **state}, str(path))
            players.net.requires_grad_(True)
        self.model = players.to(memory_format=torch.channels_last).to(self.device)
        self.config = config
        # Frozen, and no part of what is averaged.
        self.fan: FAN | None = load(resolve(settings.fan), "fan", FAN) if config.hpf else None
        if self.fan:
            self.fan.to(memory_format=torch.channels_last).to(self.device)
        self.painting: Painting | None = None
        if settings.painting_weight:
            self.painting = Painting(settings, self.data, device)

    def groups(self) -> dict[str, list[dict[str, object]]]:
        """Parameters by who learns them, and how fast."""
        net, guess = self.model.net, self.model.net.encoder.guess
        assert guess
        heads = [*net.encoder.shared.parameters(), *net.encoder.unshared.parameters()]

        def group(parameters: Iterable[Tensor], factor: float = 1.0) -> dict[str, object]:
            return {"params": list(parameters), "factor": factor, "weight_decay": WEIGHT_DECAY}

        return {
            "discriminator": [group(self.model.critic.parameters())],
            "guess": [group(guess.parameters(), GUESS_RATE)],
            "mapping": [group(net.mapping.parameters())],
            "generator": [
                group(net.generator.parameters()),
                group(heads),
                group(net.mapping.parameters(), MAPPING_RATE),
            ],
        }

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Seeded by the step, one prepared while the one before is used."""
        return ahead(self._batch, first, last)

    def _batch(self, step: int) -> Batch:
        random, count = Generator().manual_seed(self.settings.seed * 1_000_003 + step), self.settings.batch
        own, target = (self.data.domains(count, random) for _ in range(2))
        real, one, other = (self.data.draw(domains, random) for domains in (own, target, target))
        z = torch.randn(2, count, self.config.latent_dim, generator=random)
        paints = self.painting and step <= self.settings.painting_steps
        crowd = self.data.draw(target[:1].expand(CROWD), random) if paints else None
        return Batch(real, own, torch.stack([one, other]), target, z, crowd, random)

    def phases(self, batch: Batch, step: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The discriminator twice, the guess, all others with latent codes, the generator with references."""
        s, net, random = self.settings, self.model.net, batch.random
        own, target, z = (sent(x, self.device) for x in (batch.own, batch.target, batch.z))
        real = sent(batch.real, self.device, torch.channels_last)
        references = [sent(x, self.device, torch.channels_last) for x in batch.references]
        critic: Critic = self.model.critic
        if s.augment == "differentiable":
            critic = lambda x, domain: self.model.critic(augment(x, random), domain)
        if self.config.grain:
            net.generator.seed = int(torch.randint(2**31, (), generator=random))
        # A step that ended in the middle left some of them frozen.
        self.model.requires_grad_(True)
        masks = self._masks(real)
        if self.painting and batch.crowd is not None:
            crowd = sent(batch.crowd, self.device, torch.channels_last)
            yield "mapping", {"mapping": self.painting.drawn(net, crowd, target[0], random)}
            yield from self.painting.phases(net, real, own, references[0], target, masks)
            return
        with torch.no_grad(), self.half():
            content = net.generator.encoded(real, masks)
            seen = net.encoder.features(references[0])
            styles = [net.mapping(z[0], target), net.encoder.styled(seen, target)]
            fakes = [net.generator.decoded(content, style) for style in styles]
        penalized = s.r1_weight > 0 and step % s.r1_every == 0
        for name, fake in zip(WAYS, fakes, strict=True):
            with self.half():
                terms = discriminator_terms(critic, real, own, fake, target, penalized=penalized)
            yield "discriminator", _weighted(f"d_{name}", terms, {"reg": s.r1_weight * s.r1_every})
        yield "guess", {"guess": F.cross_entropy(net.encoder.guessed(seen), target)}
        self.model.critic.requires_grad_(False)
        done = (step - 1) / (s.diversity_steps or s.steps)
        weights = {
            "sty": s.style_weight,
            "ds": -s.diversity_weight * max(0.0, 1 - done),
            "cyc": s.cycle_weight,
        }
        given = lambda x: masks if x is real else self._masks(x)
        for name in WAYS:
            if name == "reference":
                net.encoder.requires_grad_(self.painting is not None)
                net.mapping.requires_grad_(False)
            with self.half():
                one, other = (
                    (net.mapping(each, target) for each in z)
                    if name == "latent"
                    else (net.encoder(each, target) for each in references)
                )
                fixed = name == "reference"
                terms, fake = generator_terms(net, critic, real, own, target, one, other, given, fixed=fixed)
            if name == "reference" and self.painting:
                terms |= self.painting.losses(fake, references[0], real, target)
            yield "generator", _weighted(f"g_{name}", terms, weights)

    def _masks(self, pictures: Tensor) -> Masks:
        if self.fan is None:
            return None
        with torch.no_grad():
            return masks_of(self.fan(pictures))

    @torch.inference_mode()
    def sheet(self, averaged: nn.Module) -> Tensor:
        """Contents across, references down, always the same ones."""
        assert isinstance(averaged, Players)
        net, domains = averaged.net, torch.arange(min(self.config.domains, SHOWN), device=self.device)
        contents, references = (
            torch.stack([self.data.middle(domain, index) for domain in domains.tolist()]).to(self.device)
            for index in (0, 1)
        )
        content = net.generator.encoded(contents, self._masks(contents))
        styles = net.encoder(references, domains)
        rows = [net.generator.decoded(content, style.expand(len(contents), -1)) for style in styles]
        shown: Callable[[Tensor], Tensor] = lambda x: x.float().add(1).div(2).clamp(0, 1).cpu()
        body = [[shown(one), *shown(row)] for one, row in zip(references, rows, strict=True)]
        return table([[None, *shown(contents)], *body])

    def export(self, averaged: nn.Module, path: Path, row: Mapping[str, float]) -> None:
        """The averaged networks but for the discriminator, with a sample that proves them."""
        assert isinstance(averaged, Players)
        net = copy.deepcopy(averaged.net)
        net.config, net.fan = replace(self.config, fan=self.fan is not None), self.fan
        save_network(
            net,
            path,
            network="stargan",
            config=stored_config(net.config),
            about={
                "title": f"StarGAN v2, {self.config.size} px: {', '.join(self.config.labels)}",
                "commands": ["stargan"],
                "paper": "arXiv 1912.01865",
                "licence": self.settings.licence,
                "data": self.settings.data,
                "pictures": self.data.count,
                "recipe": recipe("train stargan", self.settings),
                "losses": row,
            },
        )


def _weighted(prefix: str, terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, Tensor]:
    return {f"{prefix}_{name}": weights.get(name, 1.0) * value for name, value in terms.items()}
