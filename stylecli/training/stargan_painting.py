"""What `train stargan` may learn from the looks of references, beside the paper's losses: `training.painting_losses`.

The first steps may do without the discriminator, which then meets a generator that paints already:

    G, E  painting_weight style(g, r) + content_weight content(g, x) + range(g)   with g = G(x, E_y(r))
          + domain_weight cross_entropy(g taken for, y)   see `training.domain_classifier`
          + cycle_weight |G(x, E_y(x)) - x|   on a quarter of the pictures, which are references of their own
    F     sliced_wasserstein(F_y(z), E_y(r)) over many z and r of one domain: drawn styles are as those of references
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from stylecli.device import Device
from stylecli.losses.distributions import directions, sliced_wasserstein
from stylecli.nets.stargan import StarGAN
from stylecli.settings.train_stargan import TrainStarganSettings
from stylecli.training.domains import DomainPictures, domain_classifier
from stylecli.training.stargan_terms import Masks
from stylecli.training.teacher_features import TeacherFeatures, shift, unlike, visible

DIRECTIONS = 128
REAL = 300
"""Of each domain, to learn to tell it."""


class Painting:
    """Losses of what is made of references.

    Args:
        settings: Weights of the losses, and the networks that they look through.
        data: Real pictures.
        device: Where to compute.

    Raises:
        WeightsError: A teacher is missing or of another family.
    """

    def __init__(self, settings: TrainStarganSettings, data: DomainPictures, device: Device) -> None:
        self.settings, self.half = settings, device.autocast
        self.judge = TeacherFeatures(settings.teacher, settings.deep_teacher, settings.pixels, device)
        random, names = Generator().manual_seed(settings.seed), len(data.names)
        some = data.draw(torch.arange(4 * names) % names, random)
        self.floors = self.judge.floors(_shown(some.to(device.torch)))
        self.classifier: nn.Linear | None = None
        if settings.domain_weight:
            domains = torch.arange(REAL * names) % names
            drawn = [self.judge.moments(_shown(data.draw(part, random).to(device.torch))) for part in domains.split(32)]
            self.classifier = domain_classifier(torch.cat(drawn), domains.to(device.torch), names)

    def losses(self, fake: Tensor, reference: Tensor, content: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Weighted `style`, `content`, `range` and `domain` of what was made, all pictures in [-1, 1]."""
        seen, outside = visible(_shown(fake.float()))
        with torch.no_grad():
            wanted, own = self.judge.measure(_shown(reference)).grams, self.judge.deep(_shown(content))
        made, moments = self.judge.measure_with_moments(seen)
        style = torch.stack(list(map(unlike, made.grams, wanted, self.floors)))
        terms = {
            "style": self.settings.painting_weight * style.mean(),
            "content": self.settings.content_weight * shift(made.deep, own).mean(),
            "range": outside,
        }
        if self.classifier:
            terms["domain"] = self.settings.domain_weight * F.cross_entropy(self.classifier(moments), target)
        return terms

    def drawn(self, net: StarGAN, crowd: Tensor, domain: Tensor, random: Generator) -> Tensor:
        """How far styles of latent codes are from those of `crowd` [N, 3, size, size], all of `domain` []."""
        domains = domain.expand(len(crowd))
        with torch.no_grad(), self.half():
            wanted = net.encoder(crowd, domains)
        z = torch.randn(len(crowd), net.config.latent_dim, generator=random).to(crowd)
        along = directions(DIRECTIONS, wanted.shape[1], random).to(crowd)
        return sliced_wasserstein(net.mapping(z, domains).T[None], wanted.T, along).mean()

    def phases(
        self, net: StarGAN, real: Tensor, own: Tensor, reference: Tensor, target: Tensor, masks: Masks
    ) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """A step without the discriminator, as `StarganTask.phases`."""
        some = len(real) // 4
        reference, target = (torch.cat([a[:some], b[some:]]) for a, b in ((real, reference), (own, target)))
        with self.half():
            seen = net.encoder.features(reference)
            fake = net.generator(real, net.encoder.styled(seen, target), masks)
        yield "guess", {"guess": F.cross_entropy(net.encoder.guessed(seen.detach()), target)}
        terms = self.losses(fake, reference, real, target)
        if some:
            terms["itself"] = self.settings.cycle_weight * (fake[:some] - real[:some]).abs().mean()
        yield "generator", {f"g_reference_{name}": value for name, value in terms.items()}


def _shown(pictures: Tensor) -> Tensor:
    return pictures.add(1).div(2)
