"""StyleGAN 1 and 2: what the commands of `stylegan` make of seeds, saved latents and photos.

Karras, Laine, Aila 2019 (arXiv 1812.04948), Karras et al. 2020 (arXiv 1912.04958).

    truncation  w' = mean + psi (w - mean), on the layers before the cutoff
    mixing      w of a row, with the w of a column in some layers
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Generator as Random
from torch import Tensor

from stylecli.backends.generator import OpenGenerator, seeded
from stylecli.checkpoints.load import load, load_vgg
from stylecli.checkpoints.store import known, resolve
from stylecli.device import Device
from stylecli.errors import WeightsError
from stylecli.losses.generators import feature_distance, filtered_mean, middle, slerp
from stylecli.media import grids
from stylecli.media.resize import resize
from stylecli.method import Request, Result, Traits
from stylecli.nets.vgg import LPIPS, LPIPS_LAYERS, VGG
from stylecli.optimise.projection import Search, project
from stylecli.progress import Listener, Step
from stylecli.settings import lists
from stylecli.settings import stylegan as options

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_1", "relu5_1")
"""What the distance of pictures looks at: near LPIPS' own choice, with what the small encoder maps."""

PUBLIC = ("vgg16", "lpips-vgg")
"""LPIPS: its network, and its weights."""

LONGEST = 256
"""Pictures are compared at this size at most, as the authors' code does."""


def build(settings: options.Generator, device: Device) -> "StyleGAN":
    """The generator that `settings` name, opened.

    Raises:
        WeightsError: Missing, or no StyleGAN.
        UsageError: A file that does not tell its size, or tells another.
    """
    return StyleGAN(settings, device)


class StyleGAN(OpenGenerator[options.Generator]):
    """An open generator and its commands; see `build` for errors."""

    traits = Traits(content="none", styles="none", threads=False)

    def run(self, request: Request[options.Generator, Tensor]) -> Result:
        """See `Method`: what the settings' command makes; `request.pictures` has the `photo` of `project`.

        Raises:
            UsageError: A class, layer or cutoff that the network does not have.
            InputError: Latents or noise of another network.
            MemoryLimitError: A batch does not fit.
        """
        settings, listener = request.settings, request.listener
        self.notes = []
        self.check(settings)
        if isinstance(settings, options.StyleganSampleSettings):
            result = self._sample(settings, listener)
        elif isinstance(settings, options.StyleganTruncateSettings):
            result = self._truncate(settings, listener)
        elif isinstance(settings, options.StyleganMixSettings):
            result = self._mix(settings, listener)
        elif isinstance(settings, options.StyleganInterpolateSettings):
            result = self._interpolate(settings, listener)
        elif isinstance(settings, options.StyleganProjectSettings):
            result = self._project(settings, listener, request.pictures["photo"])
        else:
            assert isinstance(settings, options.StyleganPplSettings)
            result = self._path_length(settings, listener)
        latents = None if result.latents is None else result.latents.cpu()
        return replace(result, latents=latents, notes=tuple(self.notes))

    def _sample(self, settings: options.StyleganSampleSettings, listener: Listener) -> Result:
        psis, chosen = settings.psi, self.classes(settings)
        found = [each for label in chosen or (None,) for each in self.latents(settings.seeds, "--seeds", label)]
        ws = torch.stack([each.w for each in found])
        ws = torch.cat([self.truncated(ws, psi, settings) for psi in psis])
        made = self.pictures(ws, [each.seed for each in found] * len(psis), settings, listener)
        if len(made) == 1 and not settings.grid:
            return Result(made[0], pictures=made, latents=ws)
        if len(psis) > 1:
            rows, labels = _rows(made, len(found)), [f"psi {psi:g}" for psi in psis]
            image = _sheet(rows, labels, [each.name for each in found])
        else:
            wide = settings.columns or (len(found) // len(chosen) if len(chosen) > 1 else round(len(found) ** 0.5))
            names = [self._name(label) for label in chosen] if len(chosen) > 1 and not settings.columns else []
            image = _sheet(_rows(made, wide), names)
        return Result(image, pictures=made, latents=ws)

    def _name(self, label: int) -> str:
        labels = self.net.config.labels
        return labels[label] if labels else f"class {label}"

    def _truncate(self, settings: options.StyleganTruncateSettings, listener: Listener) -> Result:
        psis = settings.psi
        found = self.latents(settings.seeds, "--seeds", self.one_class(settings))
        ws = torch.cat([self.truncated(each.w[None], psi, settings) for each in found for psi in psis])
        made = self.pictures(ws, [each.seed for each in found for _ in psis], settings, listener)
        names = [each.name for each in found] if len(found) > 1 else []
        image = _sheet(_rows(made, len(psis)), names, [f"psi {psi:g}" for psi in psis])
        return Result(image, pictures=made, latents=ws)

    def _mix(self, settings: options.StyleganMixSettings, listener: Listener) -> Result:
        """Figure 3 of Karras et al. 2019: sources at the left and on top, mixed pictures between."""
        psi, label = settings.psi, self.one_class(settings)
        mixed = list(lists.layers(settings.layers, self.net.pixels))
        rows, columns = (
            self.latents(text, name, label)
            for text, name in ((settings.rows, "--rows"), (settings.columns, "--columns"))
        )
        given, taken = (
            self.truncated(torch.stack([each.w for each in some]), psi, settings) for some in (rows, columns)
        )
        ws = given[:, None].repeat(1, len(columns), 1, 1)
        ws[:, :, mixed] = taken[None, :, mixed].expand(len(rows), -1, -1, -1)
        ws = ws.flatten(0, 1)
        # Rows of a file of noise go with the columns, as in rosinality's style mixing.
        from_file = settings.noise not in options.NOISES
        seeds = [index if from_file else each.seed for _ in rows for index, each in enumerate(columns)]
        if settings.plain:
            made = self.pictures(ws, seeds, settings, listener)
            return Result(_sheet(_rows(made, len(columns))), pictures=made, latents=ws)
        numbers = [index if from_file else each.seed for some in (columns, rows) for index, each in enumerate(some)]
        made = self.pictures(torch.cat([taken, given, ws]), [*numbers, *seeds], settings, listener)
        top, left, made = made.split([len(columns), len(rows), len(ws)])
        body = [[one, *row] for one, row in zip(left, _rows(made, len(columns)), strict=True)]
        names = ["", *(each.name for each in rows)], ["", *(each.name for each in columns)]
        return Result(_sheet([[torch.ones(3, 1, 1), *top], *body], *names), pictures=made, latents=ws)

    def _leg(self, a: Tensor, class_a: int, b: Tensor, class_b: int, ts: Tensor) -> Tensor:
        """w [T, w_dim] on the way from z `a` [1, z_dim] to `b` along the sphere, `ts` [T, 1] in [0, 1).

        Between two classes there is no way in z: what each makes of a z is mixed in w, so that seeds at both ends are
        those of `sample`.
        """
        way = slerp(a, b, ts)
        first = self.mapped(way, [class_a] * len(way))
        if class_a == class_b:
            return first
        return torch.lerp(first, self.mapped(way, [class_b] * len(way)), ts.to(first))

    def _interpolate(self, settings: options.StyleganInterpolateSettings, listener: Listener) -> Result:
        psi, label = settings.psi, self.one_class(settings)
        wanted, layers = lists.sources(settings.seeds, "--seeds"), len(self.net.pixels)
        ts = torch.arange(settings.steps)[:, None] / settings.steps
        if settings.space == "z":
            numbers = [seed for seed in wanted if isinstance(seed, int)]
            stops = [(seeded(seed, self.net), self.label(seed, label)) for seed in numbers]
            legs = zip(stops, [*stops[1:], stops[0]], strict=True)
            ws = torch.cat([self._leg(*here, *there, ts) for here, there in legs])[:, None].expand(-1, layers, -1)
        else:
            given = [each.w for each in self.latents(settings.seeds, "--seeds", label)]
            steps = ts[:, :, None].to(self.device.torch)
            ws = torch.cat([a + (b - a) * steps for a, b in zip(given, [*given[1:], given[0]], strict=True)])
        ws = self.truncated(ws, psi, settings)

        def frames() -> Iterator[Tensor]:
            start = time.monotonic()
            # A clip whose noise jumps would flicker: random noise is that of one seed.
            for first in range(0, len(ws), settings.batch):
                part = ws[first : first + settings.batch]
                yield from self.pictures(part, [0] * len(part), settings)
                listener(Step(first + len(part), len(ws), time.monotonic() - start))

        return Result(latents=ws, frames=frames(), seconds=settings.seconds / settings.steps)

    def _project(self, settings: options.StyleganProjectSettings, listener: Listener, photo: Tensor) -> Result:
        shape = self.net.config.shape(self.net.size)
        whole = min(extent / side for extent, side in zip(photo.shape[1:], shape, strict=True))
        tall, wide = (round(whole * side) for side in shape)
        top, left = ((extent - side) // 2 for extent, side in zip(photo.shape[1:], (tall, wide), strict=True))
        target = resize(photo[:, top : top + tall, left : left + wide], shape)
        target = target[None].to(self.device.torch)
        features = self._compared(settings.encoder)
        with torch.no_grad():
            wanted = features(target)
            spread = torch.stack([self.drawn(seed) for seed in range(64)])
        label, center = self.one_class(settings), self.center(settings)
        if label is not None:
            center = torch.stack([self.drawn(seed, label) for seed in range(256)]).mean(0).expand_as(center)
        noises = self.noises(settings, [settings.seed])
        # Tensors of inference mode cannot take part in a search.
        center, noises = center.clone(), noises and [noise.clone() for noise in noises]
        search = Search(
            settings.steps, settings.learning_rate, settings.pixel_weight, settings.center_weight, settings.seed
        )
        ws, losses, stopped = project(
            lambda ws: self.net.synthesize(ws, noises).add(1).div(2),
            target,
            lambda picture: feature_distance(features(picture), wanted).sum(),
            center,
            float((spread - center[0]).square().mean().sqrt()),
            search,
            listener,
        )
        made = self.pictures(ws, [settings.seed], settings)
        return Result(made[0], pictures=made, latents=ws, losses=losses, interrupted=stopped)

    def _compared(self, encoder: str, layers: tuple[str, ...] = LAYERS) -> Callable[[Tensor], dict[str, Tensor]]:
        """Features of pictures [N, 3, H, W] in [0, 1], shrunk to `LONGEST`."""
        vgg: VGG = load_vgg(resolve(encoder), layers).to(self.device.torch)

        def features(pictures: Tensor) -> dict[str, Tensor]:
            factor = pictures.shape[-1] // LONGEST
            small = F.avg_pool2d(pictures, factor) if factor > 1 else pictures
            made: dict[str, Tensor] = vgg(small.contiguous(memory_format=torch.channels_last), layers)
            return made

        return features

    def _distance(self, settings: options.StyleganPplSettings) -> Callable[[Tensor, Tensor], Tensor]:
        """How far apart pictures [N, 3, H, W] in [0, 1] look, [N]; by LPIPS where its weights are there."""
        encoder, weights = settings.encoder, settings.lpips
        if not (encoder or weights) and all(known()[name].path.is_file() for name in PUBLIC):
            encoder, weights = PUBLIC
        encoder = encoder or "encoder"
        if not weights:
            self.note(f"distances by {encoder}, not by LPIPS: compare only with numbers of the same kind")
            features = self._compared(encoder)
            return lambda a, b: feature_distance(features(a), features(b))
        channels = load(resolve(weights), "lpips", LPIPS).to(self.device.torch)()
        features = self._compared(encoder, LPIPS_LAYERS)
        found = {
            layer: x.shape[1] for layer, x in features(torch.zeros(1, 3, 32, 32, device=self.device.torch)).items()
        }
        if wrong := next((layer for layer in found if len(channels[layer]) != found[layer]), None):
            raise WeightsError(
                f"{weights}: weighs {len(channels[wrong])} channels of {wrong}, {encoder} has {found[wrong]}",
                "vgg.pth of LPIPS belongs to --encoder vgg16",
            )
        return lambda a, b: feature_distance(features(a), features(b), channels)

    def _path_length(self, settings: options.StyleganPplSettings, listener: Listener) -> Result:
        distance, random = self._distance(settings), Random().manual_seed(settings.seed)
        values: list[Tensor] = []
        start, label, layers = time.monotonic(), self.one_class(settings), len(self.net.pixels)
        for done in range(0, settings.samples, settings.batch):
            count = min(settings.batch, settings.samples - done)
            ends = torch.randn(2, count, self.net.config.z_dim, generator=random)
            ts = torch.rand(count, 1, generator=random) * (not settings.ends)
            # The same class at both ends: a path between classes measures something else.
            drawn = torch.randint(max(self.net.config.classes, 1), (count,), generator=random).tolist()
            kinds = drawn if label is None else [label] * count
            if settings.space == "z":
                pair = [self.mapped(slerp(ends[0], ends[1], t), kinds) for t in (ts, ts + settings.epsilon)]
            else:
                a, b = (self.mapped(z, kinds) for z in ends)
                pair = [a + (b - a) * t.to(a) for t in (ts, ts + settings.epsilon)]
            ws = torch.cat(pair)[:, None].expand(-1, layers, -1)
            # One noise for the whole batch: it must not move between the two pictures of a pair.
            seeds = [int(torch.randint(2**31, (), generator=random))]
            noises = self.noises(settings, seeds)
            shown = self.draw(ws, noises)
            with torch.inference_mode():
                one, other = (middle(x) if settings.crop else x for x in shown.chunk(2))
                values.append(distance(one, other).cpu() / settings.epsilon**2)
            listener(Step(done + count, settings.samples, time.monotonic() - start))
        return Result(losses={"ppl": filtered_mean(torch.cat(values))})


def _sheet(
    rows: Sequence[Sequence[Tensor]], row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()
) -> Tensor:
    """All at their full size, uint8 [3, H, W]."""
    return grids.sheet(rows, row_labels, column_labels, cell=rows[-1][0].shape[-1])


def _rows(pictures: Tensor, count: int) -> list[list[Tensor]]:
    return [list(pictures[first : first + count]) for first in range(0, len(pictures), count)]
