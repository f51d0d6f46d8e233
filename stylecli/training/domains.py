"""Pictures by domain: squares at random places and scales, each domain as often as the others; which one looks like.

`domain_classifier` is a logistic regression on means and deviations of a judge's features. It learns from real pictures
before a training begins, and is not changed by it.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from stylecli.errors import InputError
from stylecli.training.square_dataset import squares, window

ROOM = 1.12
"""How much larger pictures are kept: the smallest crop, of 0.8 of a square, then is not enlarged."""

SMALLEST = 0.8**0.5
"""Side of the smallest crop, as in the authors' code."""


class DomainPictures:
    """All pictures below some folders, in memory.

    Attributes:
        names: Of the domains, sorted by code point as in the authors' code.
        count: Of the pictures.

    Raises:
        InputError: Fewer than two domains, or one of a single picture.
    """

    def __init__(self, folders: tuple[str, ...], size: int) -> None:
        self.squares = squares([Path(folder) for folder in folders], round(size * ROOM), by_folder=True, mirror=False)
        self.names, self.count, self.size = self.squares.names, len(self.squares.pictures), size
        classes = torch.tensor(self.squares.classes)
        self.members = [(classes == domain).nonzero().flatten() for domain in range(len(self.names))]
        if len(self.names) < 2:
            raise InputError(f"{folders[0]}: one domain, {self.names[0]}", "StarGAN takes a folder for each of several")
        for name, members in zip(self.names, self.members, strict=True):
            if len(members) < 2:
                raise InputError(f"{name}: a domain of one picture", "hundreds of each domain are enough to begin with")

    def domains(self, count: int, random: Generator) -> Tensor:
        """[count], drawn evenly."""
        return torch.randint(len(self.names), (count,), generator=random)

    def draw(self, domains: Tensor, random: Generator) -> Tensor:
        """A picture of each of `domains` [N]: [N, 3, size, size] in [-1, 1]."""
        return torch.stack([self._one(self.members[domain], random) for domain in domains.tolist()])

    def middle(self, domain: int, index: int) -> Tensor:
        """The middle square of a picture of a domain, [3, size, size] in [-1, 1]."""
        members = self.members[domain]
        picture = self.squares.pictures[int(members[index % len(members)])]
        return self._cut(picture, min(picture.shape[1:]), 0.5, 0.5)

    def _one(self, members: Tensor, random: Generator) -> Tensor:
        picture = self.squares.pictures[int(members[torch.randint(len(members), (), generator=random)])]
        zoomed, scale, down, across, turned = torch.rand(5, generator=random).tolist()
        side = min(picture.shape[1:])
        if zoomed < 0.5:
            side = round(side * (SMALLEST + (1 - SMALLEST) * scale))
        made = self._cut(picture, side, down, across)
        return made.flip(2) if turned < 0.5 else made

    def _cut(self, picture: Tensor, side: int, down: float, across: float) -> Tensor:
        crop = window(picture, side, down, across)[None].float().div(127.5).sub(1)
        size = (self.size, self.size)
        return F.interpolate(crop, size, mode="bilinear", align_corners=False, antialias=True)[0]


RIDGE = 20.0
"""Half of the weight of the squared weights, beside the sum over pictures."""
ITERATIONS = 100


def domain_classifier(moments: Tensor, domains: Tensor, count: int) -> nn.Linear:
    """From `moments` [N, D] of pictures of `domains` [N], each below `count`: [N, D] to logits [N, count]."""
    mean, deviation = moments.mean(0), moments.std(0).clamp_min(1e-6)
    scaled = (moments - mean) / deviation
    weight, bias = moments.new_zeros(count, moments.shape[1]), moments.new_zeros(count)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(parameters, max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(scaled @ weight.T + bias, domains) + RIDGE / len(scaled) * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    told = nn.Linear(moments.shape[1], count).to(moments).requires_grad_(False)
    told.weight.data = weight.detach() / deviation
    told.bias.data = bias.detach() - told.weight @ mean
    return told
