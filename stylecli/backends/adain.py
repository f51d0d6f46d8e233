"""Any style in one pass: AdaIN (Huang, Belongie 2017, arXiv 1703.06868), for pictures of any size.

    t = alpha AdaIN(f(c), f(s)) + (1 - alpha) f(c),   out = decoder(t)

The networks are in `nets.adain`, `nets.microast` and `nets.msgnet` (published ones) and `nets.transport` (the embedded
one). A style is encoded once a run, a content once for all its styles and alphas. What does not fit into memory goes
through in tiles, with the same result.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from stylecli.backends.last_content import LastContent
from stylecli.backends.refine import Refiner
from stylecli.backends.tiling import as_floats, as_stored, in_tiles, tile_side
from stylecli.checkpoints.load import build as open_weights
from stylecli.checkpoints.load import load_vgg
from stylecli.checkpoints.registry import ENTRIES
from stylecli.checkpoints.store import resolve, sha256
from stylecli.device import Device, fetched
from stylecli.errors import MemoryLimitError, WeightsError
from stylecli.media import color
from stylecli.media.resize import resize, resize_8bit, short_side
from stylecli.media.spool import Whole
from stylecli.media.tiles import output_size, whole
from stylecli.method import Method, Request, Result, Rows, Traits
from stylecli.nets.adain import DEEPEST, AdaIN, MirrorDecoder
from stylecli.nets.any_style import AnyStyle
from stylecli.nets.noise import Noisy
from stylecli.nets.segments import Moments, recalled
from stylecli.nets.style_changes import Decoding, Seen, Style, mix
from stylecli.nets.transport import Transport
from stylecli.nets.two_parts import drawing, seeing, values_per_pixel
from stylecli.nets.vgg import VGG
from stylecli.past import Past, Recall
from stylecli.progress import Listener
from stylecli.settings.adain import AdainSettings

LARGEST_STYLE = 1024
"""Short side in pixels beyond which a style is made smaller: strokes of thousands of pixels look like none."""

KEPT = 2**30
"""Bytes for the features of a picture that goes through in tiles: 28 megapixels in the embedded network."""

PROBE = 64
ALIKE = 0.4
"""Correlation of grays: 0.84 with a published decoder of WCT, 0 to 0.18 where its features come in another order."""

ENOUGH = 2**22
"""Pixels that are enough to know the colors of a content by."""


@dataclass
class _Content:
    """What was computed of a content.

    Attributes:
        own: [3, H, W]: the picture itself, sized.
        x: [1, 3 + K, H, W]: sized, with noise where the network sees it, and masks behind the colors; in tiles noise is
            made where they are.
        side: Of a tile; None where it goes through whole.
        twice: Tiles are encoded twice, for there is no room to keep what all of them become.
        seen: Its features and their moments, where it went through whole.
        memory: Its statistics, where it went through in tiles.
        features: See `nets.two_parts`.
    """

    own: Tensor
    x: Tensor | Noisy
    side: int | None
    twice: bool
    seen: tuple[Seen, Mapping[str, Moments]] | None = None
    memory: dict[str, Moments] = field(default_factory=dict)
    features: Tensor | None = None


class Adain(Method[AdainSettings, Tensor]):
    """A loaded any-style network, ready for any number of pictures."""

    traits = Traits(masks=True, levels=True, short=True)
    notes: tuple[str, ...] = ()

    def __init__(self, settings: AdainSettings, device: Device) -> None:
        self.device = device.one_pass()
        path = resolve(settings.weights)
        self.weights = {settings.weights: sha256(path)}
        network, _, net = open_weights(path)
        if isinstance(net, MirrorDecoder):
            vgg = resolve(settings.vgg)
            self.weights[settings.vgg] = sha256(vgg)
            net = _paired(load_vgg(vgg, [DEEPEST]), net, settings)
            if self.weights[settings.weights] != ENTRIES["adain-decoder"].sha256 and not _gives_back(net):
                why = f"gives back no picture from what {settings.vgg} sees in it"
                self.notes = (f"{settings.weights}: {why}: SANet's decoder has this shape too, or name its --vgg",)
        if not isinstance(net, AnyStyle):
            raise WeightsError(f"{settings.weights}: holds a {network}, not an any-style network", "--weights adain")
        self.net = net.to(device.torch).to(memory_format=torch.channels_last)
        # What a style is folded into stays as it is.
        self.device.halved(self.net.get_submodule("vgg") if isinstance(self.net, Transport) else self.net)
        self.styles: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self.contents: LastContent[_Content] = LastContent()
        self.refiner = Refiner(device)

    def weights_for(self, settings: AdainSettings) -> Mapping[str, str]:
        """See `Method`."""
        return {**self.weights, **self.refiner.weights(settings.refine)}

    @torch.inference_mode()
    def run(self, request: Request[AdainSettings, Tensor]) -> Result:
        """See `Method`; a result of levels where the content is."""
        settings, styles = request.settings, request.styles
        seen = self._content(request.main, request.masks, settings, request.past)
        described = [self._style(style, seen.x.shape, seen.own, settings) for style in styles]
        if request.masks is None:
            described = [mix(described, request.weights)]
        with self.device.autocast():
            recall = request.past.recall if request.past else None
            image = self._painted(seen, described, settings.alpha, request.listener, recall)
        shown = [self._shown(style, seen.x.shape, seen.own, settings) for style in styles] if settings.refine else ()
        refined = replace(request, content=seen.own)
        steps, jobs = settings.refine, self.device.jobs
        made, size, scale = Result(image, notes=self.notes), settings.style_size, settings.style_scale
        result = self.refiner.refined(made, refined, shown, steps, jobs, settings.alpha, size, scale)
        if settings.preserve_color == "luminance":
            return replace(result, image=color.luminance(seen.own, result.picture))
        return result

    def _painted(
        self, content: _Content, styles: Sequence[Style], alpha: float, listener: Listener, recall: Recall | None
    ) -> Tensor:
        if content.side is not None:
            return self._in_tiles(content, content.side, styles, alpha, listener, recall)
        assert isinstance(content.x, Tensor)
        if content.seen is None:
            seen = self.net.see(as_floats(content.x, self.device))
            content.seen = seen, recalled(recall)(seen.asked, seen.shares, self.net.full)
        seen, own = content.seen
        changes = self.net.changes(seen, own, styles, alpha)
        image = self.net.finish(
            self.net.render(seen, changes, styles, alpha), changes.colors, seen.present(), recalled(recall)
        )
        return fetched(as_stored(image.float(), like=content.x)[0])

    def _in_tiles(
        self,
        content: _Content,
        side: int,
        styles: Sequence[Style],
        alpha: float,
        listener: Listener,
        recall: Recall | None,
    ) -> Tensor:
        x, (channels, height, width), like = content.x, content.x.shape[1:], content.own
        # What was measured of the content is kept; of the result, it ends with the result.
        memory = {0: content.memory}
        if content.twice:
            segments = self.net.segments(styles, alpha)
            made = in_tiles(segments, x, side, self.device, listener, memory, like=like, recall=recall)
            return whole(made, output_size(segments, x.shape))[0, :, :height, :width]
        if content.features is None:
            kept = torch.float16 if like.dtype == torch.uint8 else like.dtype
            parts = [seeing(self.net, kept)]
            seen = in_tiles(parts, x, side, self.device, listener, memory, like=like, kept=kept, recall=recall)
            content.features = whole(seen, output_size(parts, x.shape))
        segments = drawing(self.net, content.memory, styles, alpha, channels, (height, width))
        side //= max(self.net.levels)
        made = in_tiles(segments, content.features, side, self.device, listener, like=like, recall=recall)
        return whole(made, (height, width))[0]

    def by_rows(self, settings: AdainSettings) -> bool:
        """See `Method`."""
        plain = not (settings.size or settings.crop or settings.refine) and settings.preserve_color == "none"
        return plain and settings.recipe == "stylecli"

    @torch.inference_mode()
    def rows(self, request: Request[AdainSettings, Tensor], content: Rows) -> Iterator[Tensor]:
        """See `Method`."""
        settings, shape, device, like = request.settings, content.shape, self.device, torch.empty(0, dtype=torch.uint8)
        height, width = shape[2:]
        side = tile_side(device, height * width, self.net.bytes_per_pixel, self.net.reach) or max(height, width)
        styles = [mix([self._style(each, shape, like, settings) for each in request.styles], request.weights)]
        x = Noisy(content) if self.net.noisy else content
        with device.autocast():
            segments = self.net.segments(styles, settings.alpha)
            for band in in_tiles(segments, x, side, device, request.listener, like=like):
                yield band[:, :, :, :width]

    def _tiling(self, x: Tensor) -> tuple[int | None, bool]:
        """How long a tile of `x` is, and whether each is encoded twice."""
        net, pixels = self.net, x.shape[1] * x.shape[2]
        side = tile_side(self.device, pixels, net.bytes_per_pixel, net.reach)
        if side is None or not net.sight or self.device.torch.type != "cpu":
            return side, True
        kept = values_per_pixel(net, len(x) + net.noisy) * (2 if x.dtype == torch.uint8 else 4)
        if pixels * kept > min(KEPT, self.device.free_memory() // 2) // self.device.jobs:
            return side, True
        try:
            beside = tile_side(self.device, pixels, net.bytes_per_pixel, net.reach, held=kept)
        except MemoryLimitError:
            return side, True
        return (beside, False) if beside and beside > side // 2 else (side, True)

    def _content(
        self, pixels: Tensor, masks: Sequence[Tensor] | None, settings: AdainSettings, past: Past | None
    ) -> _Content:
        def make() -> _Content:
            x = self._sized(pixels, settings.size, settings)
            if masks:
                together = torch.cat([self._sized(mask, settings.size, settings).to(torch.float32) for mask in masks])
                x = torch.cat([x, together.mul(255).round().byte() if x.dtype == torch.uint8 else together])
            shift = past.shift if past and not settings.crop else None
            side, twice = self._tiling(x)
            if side and self.net.noisy and not masks and shift is None:
                return _Content(x, Noisy(Whole(x[None])), side, twice)
            return _Content(x[:3], self.net.prepared(x[None], shift=shift), side, twice)

        key = (settings.size, settings.crop, settings.recipe, self.device.tight, [*map(id, masks or ())])
        return self.contents.of(pixels, key, make)

    def _style(self, pixels: Tensor, shape: Sequence[int], content: Tensor, settings: AdainSettings) -> Style:
        recolor = settings.preserve_color in color.MATCHINGS
        key = (settings.style_size, settings.style_scale, settings.crop, settings.recipe, min(shape[2:]))
        known = self.styles.setdefault(pixels, {})
        if key in known and not recolor:
            style: Style = known[key]
            return style
        shown = as_floats(self._shown(pixels, shape, content, settings)[None], self.device)
        with self.device.autocast(self.device.torch.type == "cuda"):
            described = self.net.style(shown)
        if not recolor:
            known[key] = described
        return described

    def _shown(self, pixels: Tensor, shape: Sequence[int], content: Tensor, settings: AdainSettings) -> Tensor:
        """The style picture as it is shown to a `content` of this `shape` [1, C, H, W]: [3, h, w] in [0, 1]."""
        wanted = round((settings.style_size or min(*shape[2:], LARGEST_STYLE)) * settings.style_scale)
        wanted = max(wanted if settings.style_size else min(wanted, *pixels.shape[1:]), 1)
        sized = as_floats(self._sized(pixels, wanted, settings)[None], Device(torch.device("cpu")))[0]
        match = color.MATCHINGS.get(settings.preserve_color)
        if match is None:
            return sized
        every = max(1, int((shape[2] * shape[3] / ENOUGH) ** 0.5))
        seen = as_floats(content[None, :3, ::every, ::every], Device(torch.device("cpu")))[0]
        return match(sized, seen)

    def _sized(self, pixels: Tensor, size: int | None, settings: AdainSettings) -> Tensor:
        """[C, H, W] with a short side of `size`, cut to the central square where that is asked for."""
        if size is not None:
            published = settings.recipe == "pytorch-adain"
            height, width = pixels.shape[1:]
            shape = short_side(height, width, size, "truncate" if published else "round")
            if shape != (height, width):
                pixels = resize_8bit(pixels, shape, filter="bilinear") if published else resize(pixels, shape)
        if settings.crop:
            height, width = pixels.shape[1:]
            side = min(height, width)
            # torchvision's CenterCrop rounds half to even.
            top, left = round((height - side) / 2), round((width - side) / 2)
            pixels = pixels[:, top : top + side, left : left + side]
        return pixels


def build(settings: AdainSettings, device: Device) -> Adain:
    """The backend for `settings`: opens the weights.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
    """
    return Adain(settings, device)


@torch.inference_mode()
def _gives_back(net: AdaIN) -> bool:
    """Whether the decoder makes of a picture's own features anything like the picture, as AdaIN's loss trains it to.

    SANet's, of the same names and shapes, takes features that a convolution has mixed. One that was hardly trained
    gives nothing back either, hence no file is refused for it.
    """
    blots = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shown = F.interpolate(blots, size=(PROBE, PROBE), mode="bilinear")
    gray = torch.cat([shown, net.decode(net.encode(shown), Decoding([]))]).mean(1).flatten(1)
    return bool(torch.corrcoef(gray)[0, 1] > ALIKE)


def _paired(vgg: VGG, decoder: MirrorDecoder, settings: AdainSettings) -> AdaIN:
    built = (*vgg.config.widths[:3], vgg.config.widths[3][:1])
    if built != decoder.widths:
        raise WeightsError(
            f"{settings.weights}: a decoder for {decoder.widths[-1][0]} channels, {settings.vgg} gives others",
            "name its encoder with --vgg",
        )
    return AdaIN(vgg, decoder).eval()
