"""Networks that paint any picture in the style of any other: what all of them share.

    AdaIN(x, y) = sd(y) (x - mu(x)) / sd(x) + mu(y)                      Huang, Belongie 2017, arXiv 1703.06868, eq. 8
    t           = x + alpha sum_k m_k (AdaIN(x, y_k) - x)                eq. 14, for several styles (eq. 15) and masks
    out         = decode(t)                                              or, see `blends`, x + alpha (decode(t) - x)

m_k is how much of style k there is: a number for mixtures (they sum to one), a map for masks; mu(x) and sd(x) are then
those of the region, as in the authors' Torch code. Where no style is, the content stays as it is.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.device import together
from stylecli.nets.noise import DEVIATION, noise_like
from stylecli.nets.segments import Ask, Moments, Segment, measured, moments
from stylecli.nets.style_changes import (
    Changes,
    Decoding,
    Modulation,
    Seen,
    Style,
    Target,
    affine,
    applied,
    cut,
    moments_name,
    moved,
    summed,
)

STRENGTHS = 8
"""At which a style's decoder is kept."""


class AnyStyle(nn.Module):
    """An encoder with AdaIN at its levels and a decoder; pictures are [N, 3, H, W], RGB in [0, 1], of any size.

    Attributes:
        levels: Subsampling of each level of the encoder.
        modulated: Subsampling of each modulated layer of the decoder.
        reach: How far an output pixel sees, in pixels; a multiple of the deepest subsampling.
        sight: How much of it is the encoder's, and what is left the decoder's; 0 where the two cannot be cut apart.
        blends: Weak styles are mixed with the content itself, which alpha = 0 is.
        full: Spread is a covariance.
        noisy: The content gets `grain` of noise, which strokes begin with in flat areas, and the decoder sees noise,
            see `nets.noise`; the latter by alpha.
        finishes: The moments of the result's colors become those on the way from the content's to the style's.
        bytes_per_pixel: Peak memory of `paint` in float32 for each pixel of the content; measured.
        correction: 1 for unbiased variances, as in the reference; 0 for biased ones.
        epsilon: Added to variances; what varies less than its root is not stretched further.
    """

    levels: tuple[int, ...]
    modulated: tuple[int, ...] = ()
    reach: int
    sight = 0
    bytes_per_pixel: float
    correction = 0
    epsilon = 1e-5
    blends = False
    full = False
    noisy = False
    grain: Tensor
    finishes = False

    @abstractmethod
    def encode(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Features at each level, shallow to deep."""

    @abstractmethod
    def decode(self, features: Sequence[Tensor], decoding: Decoding, noise: Tensor | None = None) -> Tensor:
        """RGB, at least as large as the encoded picture, not clamped; `noise` [N, 1, H, W] has its size."""

    def fit(self, x: Tensor) -> Tensor:
        """`x` with what the encoder needs added to the right and below."""
        return x

    def prepared(self, x: Tensor, seed: int = 0, shift: Tensor | None = None) -> Tensor:
        """What `paint` takes of `x` [N, 3 + K, H, W]: with noise behind the colors for networks that see it."""
        return torch.cat([x[:, :3], noise_like(x, seed, shift), x[:, 3:]], 1) if self.noisy else x

    def style(self, rgb: Tensor) -> Style:
        """All that the decoder needs of the style picture `rgb`."""
        return self.described([moments(x.float(), None, self.full) for x in self.encode(self.fit(rgb))])

    def described(self, found: Sequence[Moments], modulation: Modulation = ()) -> Style:
        """A style of the moments of its features at each level, and a modulation."""
        return Style(tuple(self.target(each) for each in self._at_home(found)), tuple(modulation))

    def forward(self, content: Tensor, style: Tensor, alpha: Tensor | float = 1.0, seed: int = 0) -> Tensor:
        """`content` in the style of `style`, not clamped; `alpha` is a number or [N, 1, 1, 1], `seed` that of noise."""
        return self.paint(self.prepared(content, seed), [self.style(style)], alpha)

    def segments(self, styles: Sequence[Style], alpha: float) -> list[Segment]:
        """`paint` for tiles."""

        known: list[Changes] = []

        def draw(x: Tensor, ask: Ask) -> Tensor:
            seen = self.see(x)
            own = ask(seen.asked, seen.shares, self.full)
            if not known:
                known.append(self.changes(seen, own, styles, alpha))
            return self.drawn(seen, known[0], styles, alpha)

        return [Segment(draw, self.reach, max(self.levels)), self.finishing(known)]

    def drawn(self, seen: Seen, changes: Changes, styles: Sequence[Style], alpha: float) -> Tensor:
        """What `render` makes, and behind the colors how much of each style there is, for masks."""
        raw = self.render(seen, changes, styles, alpha)
        return torch.cat([raw, *(there for there in seen.present() if isinstance(there, Tensor))], 1)

    def finishing(self, known: Sequence[Changes]) -> Segment:
        """The last segment: `finish` of what was `drawn`, with the changes that are `known` by then."""

        def finish(x: Tensor, ask: Ask) -> Tensor:
            presence = x[:, 3:].split(1, 1) if x.shape[1] > 3 else (1.0,)
            return self.finish(x[:, :3], known[0].colors, presence, ask)

        return Segment(finish, 0)

    def paint(self, x: Tensor, styles: Sequence[Style], alpha: Tensor | float = 1.0, ask: Ask = measured) -> Tensor:
        """The content in `styles`, not clamped, of its size.

        Args:
            x: `prepared`: [N, 3, H, W], or with a mask for each style behind the colors [N, 3 + K, H, W].
            styles: One without masks (`mix` them before); K with masks.
            alpha: Strength, 0 to 1.
            ask: Who measures the content.
        """
        seen = self.see(x)
        changes = self.changes(seen, ask(seen.asked, seen.shares, self.full), styles, alpha)
        return self.finish(self.render(seen, changes, styles, alpha), changes.colors, seen.present(), ask)

    def see(self, x: Tensor) -> Seen:
        """What is computed of a content once, whatever the styles and alphas; `x` as for `paint`."""
        fitted = self.fit(x)
        parts = self.apart(fitted)
        rgb, centered, _ = parts
        shown = rgb if centered is None else torch.addcmul(rgb, self.grain, centered)
        return self.seen(parts, [each.float() for each in self.encode(shown)], (x.shape[2], x.shape[3]))

    def seen(
        self, parts: tuple[Tensor, Tensor | None, Tensor], features: Sequence[Tensor], size: tuple[int, int]
    ) -> Seen:
        """What `see` gives of `features` of a content, which is `apart` and had `size` before `fit`."""
        rgb, centered, masks = parts
        presence = self._presence(masks)
        named = {
            moments_name(level, k): (feature, there)
            for level, (feature, stride) in enumerate(zip(features, self.levels, strict=True))
            for k, there in enumerate(presence[stride])
        }
        if self.finishes:
            inside = rgb[:, :, : size[0], : size[1]]
            named |= {moments_name("colors", k): (inside, there) for k, there in enumerate(cut(presence[1], size))}
        shares = {name: there for name, (_, there) in named.items() if isinstance(there, Tensor)}
        asked = {name: feature for name, (feature, _) in named.items()}
        return Seen(tuple(features), presence, asked, shares or None, rgb, centered, size)

    def apart(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """Colors, noise with mean 0 and deviation 1, and masks of what is `prepared`."""
        rgb, noise, masks = x.split([3, int(self.noisy), x.shape[1] - 3 - int(self.noisy)], 1)
        return rgb, (noise - 0.5) / DEVIATION if self.noisy else None, masks

    def changes(
        self, seen: Seen, own: Mapping[str, Moments], styles: Sequence[Style], alpha: Tensor | float
    ) -> Changes:
        """What becomes of a content that was `seen`, with moments `own` over all of it, in `styles`."""
        device, at_home = seen.rgb.device, dict(zip(own, self._at_home([*own.values()]), strict=True))
        near = alpha.cpu() if self.full and isinstance(alpha, Tensor) else alpha
        now: Callable[[int | str, int], Target] = lambda part, k: self.target(at_home[moments_name(part, k)])
        made = [
            self._change(now(level, k), style.targets[level])
            for level in range(len(self.levels))
            for k, style in enumerate(styles)
        ]
        if self.full and not seen.shares:
            made = [affine(*change, near) for change in made]
        if self.finishes:
            made += [self.between(now("colors", k), style.targets[-1], near) for k, style in enumerate(styles)]
        back = together([part for pair in made for part in pair], device)
        pairs = list(zip(back[::2], back[1::2], strict=True))
        levels, count = len(self.levels), len(styles)
        return Changes(
            [pairs[count * level : count * (level + 1)] for level in range(levels)],
            [Target(*pair) for pair in pairs[count * levels :]],
        )

    def render(self, seen: Seen, changes: Changes, styles: Sequence[Style], alpha: Tensor | float) -> Tensor:
        """The content that was `seen`, in `styles`; to be finished."""
        whole = self.full and not seen.shares
        painted = [
            applied(x, *some[0]) if whole else moved(x, some, seen.presence[stride], alpha)
            for x, some, stride in zip(seen.features, changes.levels, self.levels, strict=True)
        ]
        height, width = seen.size
        strength = alpha * sum(seen.presence[1])
        full = not isinstance(strength, Tensor) and strength == 1
        noise = seen.noise if seen.noise is None or full else strength * seen.noise
        image = self.decode(painted, self._decoding(seen, styles, alpha), noise)
        if self.blends and not full:
            image = seen.rgb + strength * (image - seen.rgb)
        return image[:, :, :height, :width]

    def finish(
        self,
        image: Tensor,
        colors: Sequence[Target],
        presence: Sequence[Tensor | float],
        ask: Ask = measured,
    ) -> Tensor:
        """`image` [N, 3, H, W] as `render` gave it, with the `colors` of each style; `presence` of each in it."""
        if not self.finishes:
            return image
        # A product in bfloat16 would show in the colors.
        with torch.autocast(image.device.type, enabled=False):
            image = image.float()
            names = [moments_name("result", k) for k in range(len(colors))]
            shares = {name: there for name, there in zip(names, presence, strict=True) if isinstance(there, Tensor)}
            drawn = ask(dict.fromkeys(names, image), shares or None, self.full)
            changes = [
                self._change(self.target(drawn[name]), wanted) for name, wanted in zip(names, colors, strict=True)
            ]
            return moved(image, changes, presence, 1.0) if shares else applied(image, *affine(*changes[0], 1.0))

    def _at_home(self, found: Sequence[Moments]) -> list[Moments]:
        """Moments where they are reckoned with: matrices on the CPU, whose roots no GPU finds as fast."""
        device = torch.device("cpu") if self.full else found[0].mean.device
        parts = together([part for each in found for part in each], device)
        return [Moments(*parts[first : first + 3]) for first in range(0, len(parts), 3)]

    def _decoding(self, seen: Seen, styles: Sequence[Style], alpha: Tensor | float) -> Decoding:
        # Masks make maps of the picture's own.
        kept = {} if torch.is_grad_enabled() or isinstance(alpha, Tensor) or seen.shares else styles[0].kept
        strength = 0.0 if isinstance(alpha, Tensor) else alpha
        if strength in kept:
            return kept[strength]
        if len(kept) == STRENGTHS:
            kept.clear()
        made = Decoding(
            [
                (
                    alpha * summed([style.modulation[layer][0] for style in styles], seen.presence[stride]),
                    alpha * summed([style.modulation[layer][1] for style in styles], seen.presence[stride]),
                )
                for layer, stride in enumerate(self.modulated)
            ]
        )
        return kept.setdefault(strength, made)

    def _change(self, now: Target, wanted: Target) -> tuple[Tensor, Tensor]:
        gain = self.gain(now, wanted)
        center = gain * now.mean if gain.ndim == 4 else (gain @ now.mean[:, :, :, 0])[:, :, :, None]
        return gain, wanted.mean - now.mean - center

    def gain(self, now: Target, wanted: Target) -> Tensor:
        """What the distance from the mean is multiplied by, less 1: per channel [N, C, 1, 1], or a matrix [N, C, C]."""
        return wanted.spread / now.spread - 1

    def target(self, found: Moments) -> Target:
        """What `gain` compares, of measured moments."""
        unbiased = found.positions / (found.positions - self.correction).clamp_min(1)
        return Target(found.mean, (found.covariance * unbiased + self.epsilon).sqrt())

    def between(self, now: Target, wanted: Target, alpha: Tensor | float) -> Target:
        """What `now` has become when it has gone `alpha` of the way: as features that are moved."""
        gain = (alpha[:, 0] if isinstance(alpha, Tensor) else alpha) * self.gain(now, wanted)
        moved = torch.eye(gain.shape[-1], dtype=gain.dtype, device=gain.device) + gain
        return Target(now.mean + alpha * (wanted.mean - now.mean), moved @ now.spread @ moved)

    def _presence(self, masks: Tensor) -> dict[int, Sequence[Tensor | float]]:
        """How much of each style there is, by subsampling."""
        strides = {1, *self.levels, *self.modulated}
        if not masks.shape[1]:
            return dict.fromkeys(strides, (1.0,))
        masks = masks / masks.sum(1, keepdim=True).clamp_min(1)
        return {s: F.avg_pool2d(masks, s, ceil_mode=True, count_include_pad=False).split(1, 1) for s in strides}
