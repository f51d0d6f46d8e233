"""One pass of an image transformation net: a picture in a style, or a mixture of styles, that the net has learned.

Johnson et al. 2016, Ulyanov et al. 2016, Dumoulin et al. 2017; see `nets/transformer.py`.

    (gamma, beta) = (1 - alpha) (gamma, beta)_identity + alpha sum_s share_s (gamma, beta)_s
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from stylecli.backends.coarse_to_fine import Look
from stylecli.backends.refine import Refiner
from stylecli.backends.tiling import as_floats, as_stored, in_tiles, tile_side
from stylecli.checkpoints import store
from stylecli.checkpoints.header import rows_of, styles_of
from stylecli.checkpoints.load import converted, load, network_of
from stylecli.device import Device, fetched
from stylecli.errors import UsageError
from stylecli.losses.statistics import Statistics
from stylecli.media import color
from stylecli.media.resize import resize, short_side
from stylecli.media.spool import Whole
from stylecli.media.tiles import IN_MEMORY, output_size, whole
from stylecli.method import Method, Request, Result, Rows, Traits
from stylecli.nets.noise import Noisy
from stylecli.nets.reduced import reduced
from stylecli.nets.segments import recalled
from stylecli.nets.transformer import TransformerNet
from stylecli.nets.transformer_config import IDENTITY, TransformerConfig
from stylecli.past import Past
from stylecli.progress import Listener
from stylecli.settings.fast import FastSettings
from stylecli.settings.gatys import parse_layers
from stylecli.settings.values import nearest

WHOLE = 2**31
"""Bytes on a CPU where no limit is set: in tiles, every norm's statistics take a pass of their own."""

TILE = 96 * 2**20
"""Bytes for a tile: a larger one is not faster."""

ROWS = 256


class Fast(Method[FastSettings, Tensor]):
    """A loaded net, ready for any number of runs."""

    traits = Traits(styles="none", levels=True, short=True)

    def __init__(self, settings: FastSettings, device: Device) -> None:
        path = store.resolve(settings.weights)
        self.device = device.one_pass().rounding()
        self.weights = {settings.weights: store.sha256(path)}
        self.name = settings.weights
        self.refiner = Refiner(device)
        self.net = load(path, "transformer", TransformerNet).to(device.torch).to(memory_format=torch.channels_last)

    def weights_for(self, settings: FastSettings) -> Mapping[str, str]:
        """See `Method`."""
        return {**self.weights, **self.refiner.weights(settings.refine)}

    @torch.inference_mode()
    def run(self, request: Request[FastSettings, Tensor]) -> Result:
        """See `Method`; a result of levels where the content is.

        Raises:
            UsageError: A style that the net does not have, an alpha that it cannot do, or too small a picture.
            MemoryLimitError: It does not fit, in the smallest tiles either.
        """
        settings, content = request.settings, request.main
        mix = self.mix(settings)
        if settings.size:
            height, width = content.shape[1:]
            content = resize(content, short_side(height, width, settings.size))
        with self.device.autocast(), reduced(self.device, request.main):
            ours = settings.recipe == "stylecli"
            image = self._painted(content[None], mix, ours, request.listener, request.past)[0]
        result = Result(image)
        if settings.refine and settings.alpha:
            asked, looks = replace(request, content=content), [self._look(mix)]
            steps, jobs = settings.refine, self.device.jobs
            result = self.refiner.refined(result, asked, looks, steps, jobs, settings.alpha)
        return replace(result, image=color.preserved(result.picture, content, settings.preserve_color))

    def _look(self, mix: Tensor) -> Look:
        """Moments of the encoder's features of the styles' pictures."""
        known = {layer for layer, _ in self.net.config.looks}
        if not known.issuperset(parse_layers(self.refiner.settings.style_layers)):
            raise UsageError(
                f"--refine: {self.name} holds nothing of the pictures of its styles",
                "use a net of `stylecli train fast`, or `stylecli adain --refine` with the picture",
            )
        return {layer: Statistics(*moments) for layer, moments in self.net.look(mix).items()}

    def _painted(self, x: Tensor, mix: Tensor, ours: bool, listener: Listener, past: Past | None) -> Tensor:
        """`x` [1, 3, H, W] painted, in its type; what the net's own repository would write unless it is `ours`."""
        (height, width), net = x.shape[2:], self.net
        ours = ours or net.config.pixels == 1
        side = self._side(height, width, WHOLE)
        shift, recall = (past.shift, past.recall) if past else (None, None)
        if side is None:
            painted = net.painted(as_floats(net.seen(x, shift), self.device), mix, recalled(recall))
        else:
            parts = net.segments(mix, (height, width), torch.float16)
            done = ours and not (net.config.identity and mix[0, 0])
            kept = None if done else torch.float16
            seen = Noisy(Whole(x)) if net.config.noise and shift is None else net.seen(x, shift)
            bands = in_tiles(parts, seen, side, self.device, listener, like=x, kept=kept, recall=recall)
            painted = whole(bands, output_size(parts, x.shape))
            if done:
                return painted[:, :, :height, :width]
        if ours or net.config.identity:
            painted = painted[:, :, :height, :width]
        image = torch.empty(painted.shape, dtype=x.dtype)
        # Every copy from a GPU waits.
        step = painted.shape[2] if side is None and self.device.torch.type != "cpu" else ROWS
        for top in range(0, painted.shape[2], step):
            band = slice(top, top + step)
            rows = painted[:, :, band].float().to(self.device.torch)
            rows = net.finish(as_floats(x[:, :, band], self.device), rows, mix)
            if not ours:
                rows = rows.clamp(0, 1).mul_(255).floor_().div_(255)
            image[:, :, band] = fetched(as_stored(rows, like=x))
        return image

    def _side(self, height: int, width: int, most: int) -> int | None:
        """How long a tile is; None where a picture takes no more than `most` bytes."""
        pixels, net = height * width, self.net
        # What is put into a temporary file is not held.
        held = net.held_per_pixel if pixels * net.held_per_pixel / 2 <= IN_MEMORY else 0
        return tile_side(self.device, pixels, net.bytes_per_pixel, net.reach, whole=most, most=TILE, held=held)

    def by_rows(self, settings: FastSettings) -> bool:
        """See `Method`."""
        plain = not (settings.size or settings.refine) and settings.preserve_color == "none"
        return plain and (settings.recipe == "stylecli" or self.net.config.pixels == 1)

    @torch.inference_mode()
    def rows(self, request: Request[FastSettings, Tensor], content: Rows) -> Iterator[Tensor]:
        """See `Method`."""
        (height, width), net, mix = content.shape[2:], self.net, self.mix(request.settings)
        side, like = self._side(height, width, TILE) or max(height, width), torch.empty(0, dtype=torch.uint8)
        seen = Noisy(content) if net.config.noise else content
        done, top = not (net.config.identity and mix[0, 0]), 0
        kept = None if done else torch.float16
        with self.device.autocast(), reduced(self.device, like):
            parts = net.segments(mix, (height, width), torch.float16)
            for painted in in_tiles(parts, seen, side, self.device, request.listener, like=like, kept=kept):
                band = painted[:, :, : height - top, :width]
                for rows in band.split(ROWS, 2):
                    after = top + rows.shape[2]
                    if done:
                        yield rows
                    else:
                        rgb = as_floats(content.part((top, after), (0, width)), self.device)
                        yield fetched(as_stored(net.finish(rgb, rows.to(self.device.torch).float(), mix), like))
                    top = after

    def mix(self, settings: FastSettings) -> Tensor:
        """Share of each of the net's styles, [1, S].

        Raises:
            UsageError: A style that it does not have, none where there are several, or an alpha without an identity.
        """
        config = self.net.config
        rows = rows_of(config.styles)
        names = [name for name in rows if name != IDENTITY]
        shares = settings.shares or ({names[0]: 1.0} if len(names) == 1 else {})
        if not shares:
            raise UsageError("--style: missing", f"one of {', '.join(names)}")
        for name in shares:
            if name not in rows:
                raise UsageError(f"--style {name}: not a style of {self.name}", nearest(name, names))
        mix = torch.zeros(1, len(config.styles))
        for name, share in shares.items():
            for row, part in _parts(name, rows[name], settings.style_scale).items():
                mix[0, row] = settings.alpha * share * part
        if settings.alpha < 1:
            if not config.identity:
                raise UsageError(
                    f"--alpha {settings.alpha:g}: {self.name} has no identity style, it paints in full or not at all",
                    "leave out --alpha; nets of `stylecli train fast` have one",
                )
            mix[0, 0] += 1 - settings.alpha
        return mix.to(self.device.torch)


def build(settings: FastSettings, device: Device) -> Method[FastSettings, Tensor]:
    """The backend for `settings`: opens the weights.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
        UsageError: As `Fast.mix`.
    """
    path = store.resolve(settings.weights)
    if (network := network_of(path)) in ("texture-net", "feed-forward"):
        from stylecli.backends.one_style import OneStyle

        return OneStyle(settings, device, network)
    built = Fast(settings, device)
    built.mix(settings)
    return built


def styles(weights: str) -> list[dict[str, str]]:
    """Name, title, artist and year of each style of a net.

    Raises:
        WeightsError: It is missing, of another family, or unsafe.
    """
    path = store.resolve(weights)
    config, _ = converted(path, "transformer", TransformerConfig)
    return styles_of(path, list(config.styles)) or []


def _parts(name: str, rows: Mapping[float, int], scale: float) -> dict[int, float]:
    """The share of each row of a style whose strokes are to be `scale` times as large: of the sizes next to it."""
    if not min(rows) <= scale <= max(rows):
        known = f"at {min(rows):g} to {max(rows):g} times their size" if len(rows) > 1 else "at one size"
        raise UsageError(
            f"--style-scale {scale:g}: strokes of {name} were learned {known}",
            "`stylecli train fast --style-scales` learns others, `stylecli adain` can do any",
        )
    below, above = max(one for one in rows if one <= scale), min(one for one in rows if one >= scale)
    way = math.log(scale / below) / math.log(above / below) if above > below else 0.0
    return {rows[below]: 1 - way, rows[above]: way} if way else {rows[below]: 1.0}
