"""The losses of StarGAN v2 (Choi et al. 2020, arXiv 1912.01865, section 3.2), each without its weight."""

from collections.abc import Callable

import torch
from torch import Tensor

from stylecli.losses.generators import generator_loss, gradient_penalty
from stylecli.nets.stargan import StarGAN

Masks = tuple[Tensor, Tensor] | None
Critic = Callable[[Tensor, Tensor], Tensor]


def discriminator_terms(
    critic: Critic, real: Tensor, own: Tensor, fake: Tensor, target: Tensor, *, penalized: bool
) -> dict[str, Tensor]:
    """`real`, `fake` and, if `penalized`, `reg` (half of R1), without weights; `fake` comes without a graph."""
    real = real.detach().requires_grad_(penalized)
    half = torch.is_autocast_enabled(real.device.type)
    # Squares of gradients of single pixels are too small for half precision.
    with torch.autocast(real.device.type, enabled=half and not penalized):
        logits = critic(real, own)
    terms = {"real": generator_loss(logits), "fake": generator_loss(-critic(fake, target))}
    return {**terms, "reg": gradient_penalty(logits, real) / 2} if penalized else terms


def generator_terms(
    net: StarGAN,
    critic: Critic,
    real: Tensor,
    own: Tensor,
    target: Tensor,
    style: Tensor,
    other: Tensor,
    masked: Callable[[Tensor], Masks],
    *,
    fixed: bool = False,
) -> tuple[dict[str, Tensor], Tensor]:
    """`adv`, `sty`, `ds` and `cyc`, without weights, and what was made.

    Args:
        net: Generator and style encoder.
        critic: The discriminator, perhaps behind an augmentation.
        real: Contents [N, 3, size, size] in [-1, 1].
        own: Their domains.
        target: The domains to go to.
        style: Styles there, [N, style_dim].
        other: Others there.
        masked: Pictures to their masks.
        fixed: `style` is held fixed: else the encoder would learn to say the same of everything.
    """
    content = net.generator.encoded(real, masked(real))
    fake = net.generator.decoded(content, style)
    with torch.no_grad():
        unlike = net.generator.decoded(content, other)
    back = net.generator(fake, net.encoder(real, own), masked(fake.detach()))
    wanted = style.detach() if fixed else style
    terms = {
        "adv": generator_loss(critic(fake, target)),
        "sty": (net.encoder(fake, target) - wanted).abs().mean(),
        "ds": (fake - unlike).abs().mean(),
        "cyc": (back - real).abs().mean(),
    }
    return terms, fake
