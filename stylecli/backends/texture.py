"""More of a material: a picture whose feature statistics are those of an exemplar, from noise.

Gatys, Ecker, Bethge 2015, "Texture synthesis using convolutional neural networks", arXiv 1505.07376:

    x* = argmin_x  sum_l w_l |G_l(x) - G_l(exemplar)|^2 / |G_l(exemplar)|^2,   G_l = F_l F_l^T / (H W)

F_l features at layer l. Coarse to fine, and each size looked at in several octaves (Snelgrove 2017): else nothing
larger than the network's view keeps its shape. At the end each channel gets the exemplar's distribution of values.

Differs from the paper (leongatys/DeepTextures@289dfe6): losses are relative to their targets; pixels stay in [0, 1],
not in the exemplar's range; histograms are matched by rank, not in 100 bins. `--recipe deeptextures` has the paper's
layers, weights and pooling. Seamless textures are periodic everywhere: in convolutions, octaves and resizing.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.store import resolve, sha256
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.media import color
from stylecli.media.resize import resize, resize_seamless, short_side
from stylecli.method import Method, Request, Result, Traits
from stylecli.nets.vgg import check_fits, subsampling
from stylecli.nets.winograd import kept_bytes
from stylecli.optimise.descent import Average, Descent, Path, descend
from stylecli.optimise.objective import Objective, bytes_per_pixel
from stylecli.optimise.octaves import Octaves, halved
from stylecli.optimise.style_terms import Matching, style_terms
from stylecli.progress import Step
from stylecli.settings.gatys import parse_layers
from stylecli.settings.texture import TextureSettings

PERIOD = 16
"""Sides of seamless textures while they are made: what pooling divides, so that it wraps around too."""


class Textures(Method[TextureSettings, Tensor]):
    """A loaded feature network, ready for any number of runs with the same network and layers."""

    traits = Traits(content="optional", styles="optional", transparent=False)

    def __init__(self, settings: TextureSettings, device: Device) -> None:
        self.device = device
        self.layers = parse_layers(settings.style_layers)
        name = settings.weights or "encoder"
        path = resolve(name)
        self.weights = {name: sha256(path)}
        nets = [
            load_vgg(path, self.layers, pixels=settings.pixels, pooling=settings.pooling, padding=padding)
            for padding in (None, "circular")[: 1 + settings.seamless]
        ]
        # An exemplar has borders; a seamless picture has none.
        self.exemplars, *_, self.pictures = [
            net.to(device.torch).to(memory_format=torch.channels_last) for net in (nets[0], nets[-1])
        ]

    def run(self, request: Request[TextureSettings, Tensor]) -> Result:
        """See `Method`: the content is the exemplar, the styles are the exemplars where there are several.

        `request.pictures` has `guide_1`, ... one for each exemplar: where in the result it goes.

        Raises:
            UsageError: No exemplar, another number of guides, or too small a size for the deepest layer.
        """
        exemplars = list(request.styles) or [each for each in [request.content] if each is not None]
        guides = [picture for role, picture in request.pictures.items() if role.startswith("guide_")]
        if not exemplars:
            raise UsageError("EXEMPLAR: missing", "a picture of the material")
        if guides and len(guides) != len(exemplars):
            raise UsageError(f"--guide: {len(guides)} for {len(exemplars)} exemplars", "one for each, in their order")
        shares = list(request.shares or []) if request.styles else [1.0]
        run = _Run(self, request, exemplars, shares or [1.0] * len(exemplars), guides)
        interrupted = False
        try:
            run.all_scales()
        except KeyboardInterrupt:
            interrupted = True
        image = run.result(matched=request.settings.histogram)
        return Result(image, losses=run.losses, interrupted=interrupted)

    def objective(
        self,
        exemplars: Sequence[Tensor],
        shares: Sequence[float],
        settings: TextureSettings,
        guides: Sequence[Tensor] | None = None,
        shape: tuple[int, int] | None = None,
    ) -> Octaves:
        """How far a picture is from exemplars [1, 3, h, w] mixed by `shares`; guides [1, H, W] are the picture's size.

        `shape` is that size, where it may be less than that of the exemplars.

        Raises:
            UsageError: An exemplar is too small for the deepest layer.
        """
        objectives = []
        matching = Matching(settings.style_loss, settings.scaling)
        for octave in range(settings.octaves):
            if octave:
                sides = [side for each in exemplars for side in each.shape[2:]]
                if min(sides + [side // 2 ** (octave - 1) for side in shape or ()]) < 4 * PERIOD:
                    break
                exemplars = [halved(each) for each in exemplars]
            with torch.no_grad():
                features = [self.exemplars(each, self.layers) for each in exemplars]
                terms = style_terms(self.exemplars, features, shares, self.layers, 1.0, matching, guides)
            objectives.append(Objective(self.pictures, terms, dtype=self.device.dtype))
        return Octaves(objectives, "circular" if settings.seamless else "reflect")


def build(settings: TextureSettings, device: Device) -> Method[TextureSettings, Tensor]:
    """The backend for `settings`: opens the weights.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
        UsageError: A layer or a texture that there is not.
    """
    if settings.method == "net":
        from stylecli.backends.texture_net import Generator

        return Generator(settings, device)
    return Textures(settings, device)


@dataclass
class _Run:
    method: Textures
    request: Request[TextureSettings, Tensor]
    exemplars: Sequence[Tensor]
    shares: Sequence[float]
    guides: Sequence[Tensor]

    def __post_init__(self) -> None:
        s = self.settings = self.request.settings
        if s.size:
            self.exemplars = [resize(each, short_side(each.shape[1], each.shape[2], s.size)) for each in self.exemplars]
        self.final = s.shape or (self.exemplars[0].shape[1], self.exemplars[0].shape[2])
        net, layers = self.method.exemplars, self.method.layers
        for each in self.exemplars:
            check_fits(
                each.shape[1:], net, layers, "exemplar", "--size {} enlarges it; or name shallower --style-layers"
            )
        check_fits(
            self.final, net, layers, "--out-size", "both sides from {} pixels on, or name shallower --style-layers"
        )
        short = min(min(each.shape[1:]) for each in self.exemplars)
        least, count = max(PERIOD, 2 * subsampling(self.method.layers)), 1
        while s.min_size and short / 2**count >= s.min_size and min(self.final) / 2**count >= least:
            count += 1
        self.scales = [2**octave for octave in reversed(range(count))]
        self.start, self.done, self.losses = time.monotonic(), 0, dict[str, float]()
        self.picture: Tensor | None = None
        self.path: Path | None = None
        height, width = self._shape(1)
        needed = height * width * bytes_per_pixel(self.method.pictures, self.method.layers, history=s.history)
        needed += kept_bytes(self.method.pictures)
        self.method.device.check_memory(round(needed), f"{width}x{height}", "a smaller --out-size")

    def all_scales(self) -> None:
        device = self.method.device.torch
        for scale in self.scales:
            shape = self._shape(scale)
            small = [
                resize(each, (max(each.shape[1] // scale, 1), max(each.shape[2] // scale, 1)))[None].to(device)
                for each in self.exemplars
            ]
            guides = [resize(each.mean(0, keepdim=True), shape, filter="box").to(device) for each in self.guides]
            objective = self.method.objective(small, self.shares, self.settings, guides or None, shape)
            start = self._noise(shape) if self.path is None else self._resized(self.path.result, shape).clamp(0, 1)
            start = start.contiguous()
            self.path = Path(start.clone(), Average.starting_at(0.0, start))
            self.label = f"{shape[1]}x{shape[0]}"
            descent = Descent("lbfgs", self.settings.steps, history=self.settings.history, clamp=True)
            descend(objective, self.path, descent, self._watch)

    def result(self, *, matched: bool) -> Tensor:
        """[3, H, W] in [0, 1], at the size that was asked for."""
        picture = self.path.result if self.path else self._noise(self._shape(1))
        image = self._resized(picture, self.final)[0].clamp(0, 1).cpu()
        return color.histogram(image, torch.cat(self._colors(), 1)[:, None]) if matched else image

    def _shape(self, scale: int) -> tuple[int, int]:
        if not self.settings.seamless:
            return max(self.final[0] // scale, 1), max(self.final[1] // scale, 1)
        height, width = (max(round(side / scale / PERIOD), 1) * PERIOD for side in self.final)
        return height, width

    def _noise(self, shape: tuple[int, int]) -> Tensor:
        """Independent pixels with the mean and deviation of each channel of the exemplars, [1, 3, H, W]."""
        drawn = torch.randn(3, *shape, generator=self.method.device.generator(self.settings.seed))
        if self.guides:
            places = [resize(each.mean(0, keepdim=True), shape, filter="box") for each in self.guides]
        else:
            places = [torch.ones(1, *shape)]
        noise = torch.zeros_like(drawn)
        for place, rows in zip(places, self._colors() if self.guides else [torch.cat(self._colors(), 1)], strict=True):
            noise += place * (drawn * rows.std(1)[:, None, None] + rows.mean(1)[:, None, None])
        noise /= torch.stack(places).sum(0).clamp_min(1e-3)
        return noise.clamp(0, 1)[None].to(self.method.device.torch)

    def _colors(self) -> list[Tensor]:
        """Pixels of each exemplar, as many as its share of the result, [3, N]."""
        areas = [float(guide.mean()) for guide in self.guides] or [1.0] * len(self.exemplars)
        shares = [share * area for share, area in zip(self.shares, areas, strict=True)]
        rows = [each.flatten(1) for each in self.exemplars]
        wanted = [max(round(share / (max(shares) or 1.0) * rows[0].shape[1]), 1) for share in shares]
        return [
            r[:, torch.linspace(0, r.shape[1] - 1, n).long()] if len(rows) > 1 else r
            for r, n in zip(rows, wanted, strict=True)
        ]

    def _resized(self, picture: Tensor, shape: tuple[int, int]) -> Tensor:
        """[1, 3, H, W] at another size; around its edges where it is seamless."""
        return (
            resize_seamless(picture, shape) if self.settings.seamless else F.interpolate(picture, shape, mode="bicubic")
        )

    def _watch(self, step: int, picture: Tensor, losses: Mapping[str, float], gradient: Tensor) -> None:
        self.losses = dict(losses)
        self.done += 1
        total = self.settings.steps * len(self.scales)
        self.request.listener(Step(self.done, total, time.monotonic() - self.start, sum(losses.values()), self.label))
        if self.request.snapshot and self.settings.save_every and self.done % self.settings.save_every == 0:
            self.request.snapshot(self.done, picture[0].clamp(0, 1).cpu())
