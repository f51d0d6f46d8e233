"""What an any-style network knows of contents and styles, and the arithmetic that moves one towards the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from stylecli.nets import onednn

Modulation = Sequence[tuple[Tensor, Tensor]]
"""(gamma, beta) of each modulated layer of a decoder, [N, C, 1, 1] or a map."""


class Target(NamedTuple):
    """Mean [N, C, 1, 1] that a level gets, and spread: deviations [N, C, 1, 1] or a covariance [N, C, C]."""

    mean: Tensor
    spread: Tensor


@dataclass(frozen=True)
class Style:
    """What a style picture becomes.

    Attributes:
        targets: One a level of the encoder, and one of the colors for networks that finish with them.
        modulation: (gamma, beta) of each modulated layer of the decoder, [N, C, 1, 1]; empty where there is none.
        kept: What a decoder made of it, by strength: it need not be made again for the next content.
    """

    targets: tuple[Target, ...]
    modulation: tuple[tuple[Tensor, Tensor], ...] = ()
    kept: dict[float, "Decoding"] = field(default_factory=dict)


@dataclass
class Decoding:
    """(gamma, beta) of each layer at some strength, and what the decoder folded of them, by layer."""

    modulation: Modulation
    folded: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)


class Changes(NamedTuple):
    """What a content's features and colors are to become.

    Attributes:
        levels: (gain, shift) of each style at each level, see `moved`; what `affine` makes of it where that is all.
        colors: What the result's colors get, of each style.
    """

    levels: Sequence[Sequence[tuple[Tensor, Tensor]]]
    colors: Sequence[Target]


class Seen(NamedTuple):
    """A content on its way.

    Attributes:
        features: One a level.
        presence: By subsampling, how much of each style there is.
        asked: Features by name, whose moments over the whole content are needed.
        shares: Presence by the same names, for masks.
        rgb: The content.
        noise: [N, 1, H, W] with mean 0 and deviation 1, for networks that see noise.
        size: Its height and width before `fit`.
    """

    features: tuple[Tensor, ...]
    presence: Mapping[int, Sequence[Tensor | float]]
    asked: Mapping[str, Tensor]
    shares: Mapping[str, Tensor] | None
    rgb: Tensor
    noise: Tensor | None
    size: tuple[int, int]

    def present(self) -> list[Tensor | float]:
        """How much of each style there is in each pixel of the result."""
        return cut(self.presence[1], self.size)


def mix(styles: Sequence[Style], shares: Sequence[float]) -> Style:
    """One style of several; `shares` sum to one. AdaIN is linear in its target, so this is the mixture of AdaINs."""
    if len(styles) == 1:
        return styles[0]
    return Style(
        tuple(Target(*mixed([style.targets[i] for style in styles], shares)) for i in range(len(styles[0].targets))),
        tuple(mixed([style.modulation[i] for style in styles], shares) for i in range(len(styles[0].modulation))),
    )


def mixed(pairs: Sequence[tuple[Tensor, Tensor]], shares: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The sum of both parts of `pairs`, each times its share."""
    return summed([pair[0] for pair in pairs], shares), summed([pair[1] for pair in pairs], shares)


def summed(parts: Sequence[Tensor], factors: Sequence[Tensor | float]) -> Tensor:
    """`sum_k factors_k parts_k`."""
    return torch.stack([part * factor for part, factor in zip(parts, factors, strict=True)]).sum(0)


def moved(
    x: Tensor, changes: Sequence[tuple[Tensor, Tensor]], presence: Sequence[Tensor | float], alpha: Tensor | float
) -> Tensor:
    """`x + alpha sum_k presence_k (gain_k x + shift_k)` for `changes` of (gain, shift)."""
    gain, shift = changes[0]
    if gain.ndim == 4:
        parts = [there * torch.addcmul(shift, gain, x) for (gain, shift), there in zip(changes, presence, strict=True)]
        return x + alpha * torch.stack(parts).sum(0)
    n, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n, -1, channels)
    sum_of = rows
    for (gain, shift), there in zip(changes, presence, strict=True):
        share = (
            alpha * there if not isinstance(there, Tensor) else (alpha * there).permute(0, 2, 3, 1).reshape(n, -1, 1)
        )
        sum_of = sum_of + share * torch.baddbmm(shift[:, :, :, 0].mT, rows, gain.mT)
    return sum_of.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def affine(gain: Tensor, shift: Tensor, alpha: Tensor | float) -> tuple[Tensor, Tensor]:
    """(M [N, C, C], b [N, 1, C]) with M x + b = x + alpha (gain x + shift)."""
    strength = alpha.reshape(-1, 1, 1) if isinstance(alpha, Tensor) else alpha
    matrix = torch.eye(gain.shape[-1], dtype=gain.dtype, device=gain.device) + strength * gain
    return matrix, strength * shift[:, :, :, 0].mT


def applied(x: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """M x + b of every pixel: one product, with nothing of the size of the features beside it."""
    n, channels, height, width = x.shape
    if n == 1 and onednn.usable(x, matrix, offset):
        return onednn.mapped(x, matrix[0], offset[0, 0])
    rows = torch.baddbmm(offset, x.permute(0, 2, 3, 1).reshape(n, -1, channels), matrix.mT)
    return rows.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def cut(presence: Sequence[Tensor | float], size: tuple[int, int]) -> list[Tensor | float]:
    """Maps without what lies beyond a content of that height and width; numbers as they are."""
    return [each[:, :, : size[0], : size[1]] if isinstance(each, Tensor) else each for each in presence]


def moments_name(level: int | str, style: int) -> str:
    """What moments of the content at a level, or of its colors, are called where `style` is."""
    return f"level {level}, style {style}"
