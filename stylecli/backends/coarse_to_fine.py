"""One descent of `gatys`, at one size after the other; see `backends/gatys.py` for what is minimised."""

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.device import wide
from stylecli.losses.content import absolute, nine_point
from stylecli.losses.statistics import Statistics
from stylecli.media import color
from stylecli.media.resize import long_side, resize, resize_8bit, short_side
from stylecli.method import Request, Result
from stylecli.nets.vgg import VGG, check_fits
from stylecli.nets.winograd import kept_bytes
from stylecli.optimise.descent import Average, Descent, Path, descend
from stylecli.optimise.objective import Objective, Term, bytes_per_pixel
from stylecli.optimise.style_terms import MATCHED, MMD_BYTES, Matching, content_terms, style_terms
from stylecli.progress import Step
from stylecli.settings.adain import AdainSettings
from stylecli.settings.gatys import ADAIN, GatysSettings

if TYPE_CHECKING:
    from stylecli.backends.gatys import Gatys

STEADY = 10.0
"""Weight of what differs from the frame before: squares of colors are a hundredth of what relative losses are."""

Look = Mapping[str, Statistics]
"""What is known of a style: moments of features, by layer."""


@dataclass
class CoarseToFine:
    """A request on its way through the sizes, each `ratio` times the one before."""

    method: "Gatys"
    request: Request[GatysSettings, Tensor]
    styles: Sequence[Tensor | Look]
    ratio: float

    def __post_init__(self) -> None:
        self.settings, self.content = self.request.settings, self.request.main
        self.recipe = self.method.recipe
        self.net = self.method.net
        self.start = time.monotonic()
        past = self.request.past
        self.before = past.picture if past and past.seen is not None else None
        self.seen = past.seen if past else None
        self.sizes = self._sizes()
        self.steps = [self._steps(index) for index in range(len(self.sizes))]
        self.done = 0
        self.path: Path | None = None
        self.losses: dict[str, float] = {}
        self.last: Tensor | None = None
        self.generator = self.method.device.generator(self.settings.seed)
        self.strokes = self.method.strokes_layers if self.settings.strokes_weight else {}
        self.looks = [*dict.fromkeys([*self.method.style_layers, *self.strokes])]
        height, width = self._shape(self.content, self.sizes[-1])
        needed = bytes_per_pixel(
            self.net,
            self.looks,
            self.method.content_layers,
            history=self.settings.history,
            masks=len(self.request.masks or ()),
            matched=self.settings.style_loss in MATCHED,
        )
        needed *= height * width
        needed += MMD_BYTES * len(self.method.style_layers) * (self.settings.style_loss == "mmd-gaussian")
        needed += kept_bytes(self.net)
        self.method.device.check_memory(round(needed), f"{width}x{height}", "give a smaller --size")

    def all_scales(self) -> None:
        """Descends at every size; what is there after Ctrl-C is in `result`."""
        for size, steps in zip(self.sizes, self.steps, strict=True):
            content = self._sized(self.content, size)
            objective = self._objective(self.net, content, size)
            exact = None
            if self.recipe.network_space and self.settings.optimizer == "lbfgs":
                far = wide(content)
                exact = self._objective(copy.deepcopy(self.net).to(far.device).double(), far, size)
            self.path = self._path(content)
            self.label = f"{size} px"
            descent = Descent(
                self.settings.optimizer,
                steps,
                self.settings.learning_rate,
                self.settings.history,
                self.recipe.betas,
                self.settings.average,
                clamp=not self.recipe.network_space,
            )
            descend(objective, self.path, descent, self._watch, exact)

    def result(self) -> Result:
        """The picture so far, of the final size."""
        picture = self._rgb(self.path.result) if self.path else self._sized(self.content, self.sizes[-1])
        if self.recipe.evaluated and self.last is not None:
            picture = self._rgb(self.last)
        height, width = self._shape(self.content, self.sizes[-1])
        if picture.shape[2:] != (height, width):  # interrupted at a coarser size
            picture = F.interpolate(picture, (height, width), mode="bicubic")
        image = picture[0].clamp(0, 1).cpu()
        if self.settings.preserve_color == "luminance":
            image = color.luminance(self._sized(self.content, self.sizes[-1])[0].cpu(), image)
        return Result(image, losses=self.losses)

    def _sizes(self) -> list[int]:
        shape = self.content.shape[1:]
        final = self.settings.size or (max(shape) if self.recipe.long_side else min(shape))
        sizes = [final]
        if self.settings.min_size and self.before is None:
            while (coarser := round(final / self.ratio ** len(sizes))) >= self.settings.min_size:
                sizes.append(coarser)
        return sizes[::-1]

    def _steps(self, index: int) -> int:
        if index == len(self.sizes) - 1 and len(self.sizes) > 1:
            return self.settings.steps
        coarse = self.settings.coarse_steps or self.settings.steps
        if index == 0 and (len(self.sizes) > 1 or self.settings.first_steps):
            return self.settings.first_steps or coarse
        return coarse if len(self.sizes) > 1 else self.settings.steps

    def _sized(self, picture: Tensor, size: int) -> Tensor:
        """[3, H, W] to [1, 3, h, w] on the device, by the recipe's filter."""
        return self._shaped(picture, self._shape(picture, size))

    def _shape(self, picture: Tensor, size: int) -> tuple[int, int]:
        sides = long_side if self.recipe.long_side else short_side
        height, width = picture.shape[1:]
        return sides(height, width, size, "truncate" if self.recipe.network_space else "round")

    def _shaped(self, picture: Tensor, shape: tuple[int, int]) -> Tensor:
        if self.recipe.resample:
            sized = resize_8bit(picture, shape, filter=self.recipe.resample)
        else:
            sized = resize(picture, shape)
        return sized[None].to(self.method.device.torch, memory_format=torch.channels_last)

    def _style_size(self, style: Tensor, size: int) -> int:
        wanted = self.settings.style_size or self.sizes[-1]
        scaled = wanted * self.settings.style_scale * size / self.sizes[-1]
        side = max if self.recipe.long_side else min
        if self.recipe.network_space:  # the references enlarge and truncate
            return int(scaled)
        return round(scaled) if self.settings.style_size else min(round(scaled), side(style.shape[1:]))

    @torch.no_grad()
    def _objective(self, net: VGG, content: Tensor, size: int) -> Objective:
        settings, method = self.settings, self.method
        matching = Matching(
            settings.style_loss,
            settings.scaling,
            settings.normalize_weights,
            settings.normalize_gradients,
        )
        masks = self._masks(content)
        layers = (*method.content_layers, *self.looks)
        coarse = size < self.sizes[-1]
        check_fits(content.shape[2:], net, layers, "content", "--min-size {}" if coarse else "--size {} enlarges it")
        styles: list[Mapping[str, Tensor | Statistics]] = []
        for style in self.styles:
            if not isinstance(style, Tensor):
                styles.append(style)
                continue
            sized = self._sized(style, self._style_size(style, size)).to(content)
            check_fits(sized.shape[2:], net, self.looks, "style", "--style-size {} enlarges it", size / self.sizes[-1])
            styles.append(net(sized, self.looks))
        terms = content_terms(
            net, net(content, method.content_layers), method.content_layers, settings.content_weight, matching
        )
        shares = list(self.request.shares or [1.0] * len(self.styles))
        terms += style_terms(net, styles, shares, method.style_layers, settings.style_weight, matching, masks)
        matching = Matching("correlations")
        terms += style_terms(
            net, styles, shares, self.strokes, settings.strokes_weight, matching, masks, name="strokes"
        )
        if self.before is not None:
            before, seen = self._carried(content)
            terms.append(Term("steady", STEADY, lambda x: (seen * (self._rgb(x) - before).square()).mean()))
        if settings.tv_weight:
            variation = nine_point if self.recipe.nine_point else absolute
            terms.append(Term("tv", settings.tv_weight, variation))
        dtype = self.method.device.dtype if content.dtype == torch.float32 else torch.float32
        return Objective(net, terms, preprocessed=self.recipe.network_space, dtype=dtype)

    def _path(self, content: Tensor) -> Path:
        before = self.path
        detail = self.recipe.detail and self.settings.init not in ("noise", "style-stats")
        if before is None:
            start = self.began = self._start(content)
        else:
            found = before.result - self.began if detail else before.result
            start = F.interpolate(found, content.shape[2:], mode="bicubic")
            if detail:
                # What was too fine for the size before is there from the start.
                self.began = self._start(content)
                start = self.began + start
            if not self.recipe.network_space:
                start = start.clamp(0, 1)
        start = start.contiguous()
        path = Path(start.clone(), Average.starting_at(self.settings.average, start))
        if before is not None and before.momenta:
            path.momenta = _enlarged(before.momenta, content.shape[2:])
        return path

    def _start(self, content: Tensor) -> Tensor:
        start = self._own_start(content)
        if self.before is None:
            return start
        mixed = torch.lerp(self._rgb(start), *self._carried(content))
        return self.net.to_pixels(mixed) if self.recipe.network_space else mixed

    def _own_start(self, content: Tensor) -> Tensor:
        kind, network = self.settings.init, self.recipe.network_space
        shape = content.shape
        if kind == "content":
            start = content
        elif kind == "noise":
            noise = torch.randn(shape, generator=self.generator).to(content)
            return noise * 0.001 if network else noise * 0.25 + 0.5
        elif kind == "style-stats":
            moments = [
                torch.stack([each.mean((1, 2)), each.std((1, 2))]) for each in self.styles if isinstance(each, Tensor)
            ]
            mean, deviation = torch.stack(moments).mean(0).to(content)[:, None, :, None, None]
            start = torch.randn(shape, generator=self.generator).to(content) * deviation + mean
        else:
            picture = self.painted if kind == ADAIN else self.request.pictures["init"]
            start = self._shaped(picture, (shape[2], shape[3]))
        return self.net.to_pixels(start) if network else start

    @cached_property
    def painted(self) -> Tensor:
        """The picture of `adain`, of the final size."""
        styles = [style for style in self.styles if isinstance(style, Tensor)]
        shown = AdainSettings(style_size=self.settings.style_size, style_scale=self.settings.style_scale)
        content = self._sized(self.content, self.sizes[-1])[0].cpu()
        asked = Request(shown, content, styles, self.request.shares, self._masks(content))
        # What a network makes in inference mode cannot be differentiated.
        return self.method.adain()(asked).picture.clone()

    def _carried(self, content: Tensor) -> tuple[Tensor, Tensor]:
        """The result before, and where it shows what is seen, of the size of the content."""
        assert self.before is not None
        assert self.seen is not None
        size = (content.shape[2], content.shape[3])
        return resize(self.before, size)[None].to(content), resize(self.seen, size, filter="box")[None].to(content)

    def _masks(self, content: Tensor) -> list[Tensor] | None:
        """Those of the request, [1, H, W] as the content [..., H, W]."""
        size = (content.shape[-2], content.shape[-1])
        masks = self.request.masks
        return None if masks is None else [resize(mask, size, filter="box").to(content) for mask in masks]

    def _rgb(self, picture: Tensor) -> Tensor:
        return self.net.to_rgb(picture) if self.recipe.network_space else picture

    def _watch(self, step: int, picture: Tensor, losses: dict[str, float], gradient: Tensor) -> None:
        self.losses = losses
        if self.recipe.evaluated:
            self.last = picture.clone()
        self.done += 1
        seconds = time.monotonic() - self.start
        self.request.listener(Step(self.done, sum(self.steps), seconds, sum(losses.values()), self.label))
        if self.request.snapshot and self.settings.save_every and self.done % self.settings.save_every == 0:
            self.request.snapshot(self.done, self._rgb(picture)[0].clamp(0, 1).cpu())


def _enlarged(momenta: dict[str, Tensor], size: Sequence[int]) -> dict[str, Tensor]:
    """Adam's state for a finer picture, as crowsonkb/style-transfer-pytorch@e7e2c71 carries it over."""
    mean = F.interpolate(momenta["exp_avg"], tuple(size), mode="bicubic")
    square = F.interpolate(momenta["exp_avg_sq"], tuple(size), mode="bilinear").relu_()
    return {**momenta, "exp_avg": mean, "exp_avg_sq": square}
