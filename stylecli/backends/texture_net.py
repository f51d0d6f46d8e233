"""A texture in one pass of a generator, of any size, seamless, in tiles where it is large (Ulyanov et al. 2016).

Noise is a function of seed and place (`nets.texture_net.noise`), so a tile is drawn with what lies around it and cut
back: tiles meet exactly. That needs a local net. Nets with instance norms, as the published ones, take the statistics
of the whole picture where it is drawn at once, as published; in tiles, those of a sample.
"""

from time import monotonic

import torch
from torch import Tensor

from stylecli.backends.tiling import tile_side
from stylecli.checkpoints import store
from stylecli.checkpoints.header import TEXTURE, textures
from stylecli.checkpoints.load import load
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.media.resize import resize_seamless
from stylecli.method import Method, Request, Result, Traits
from stylecli.nets.texture_net import TextureNet, caffe_to_rgb, calibrated, noise, sizes
from stylecli.progress import Listener, Step
from stylecli.settings.texture import TextureSettings
from stylecli.settings.values import nearest

DEFAULT = (512, 512)
SAMPLE = 512
"""Side of what statistics are taken from."""


class Generator(Method[TextureSettings, Tensor]):
    """A loaded generator, ready for any number of runs."""

    traits = Traits(content="none", styles="none", short=True)

    def __init__(self, settings: TextureSettings, device: Device) -> None:
        if settings.style and settings.weights:
            raise UsageError("--style and --weights: one of the two")
        names = [row["name"] for row in textures()]
        if not (settings.style or settings.weights):
            raise UsageError("--style: missing", f"one of {', '.join(names)}" if names else "or --weights FILE")
        if settings.style and settings.style not in names:
            raise UsageError(
                f"--style {settings.style}: no such texture", nearest(settings.style, names) if names else ""
            )
        name = settings.weights or TEXTURE + settings.style
        path = store.resolve(name)
        self.device, self.weights = device.one_pass(), {name: store.sha256(path)}
        net = load(path, "texture-net", TextureNet)
        if net.config.content:
            raise UsageError(
                f"{name}: paints pictures, it draws no textures", f"stylecli fast photo.jpg --weights {path}"
            )
        self.net = net.to(device.torch).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(self, request: Request[TextureSettings, Tensor]) -> Result:
        """See `Method`; uint8 where it was drawn in tiles.

        Raises:
            MemoryLimitError: It does not fit, in the smallest tiles either.
        """
        settings, listener = request.settings, request.listener
        config, final = self.net.config, settings.shape or DEFAULT
        shrink = config.shrink
        # What is cut off would tear a seamless texture: it is resized by a few pixels instead.
        rows, columns = (
            max(round(side / shrink), 1) * shrink if settings.seamless else -(-side // shrink) * shrink
            for side in final
        )
        # A GPU keeps more of it at once.
        needed = config.bytes_per_pixel * (1 if self.device.torch.type == "cpu" else 4 / 3)
        side = tile_side(self.device, rows * columns, needed, config.reach)
        notes: tuple[str, ...] = ()
        if side is None:
            image = self._drawn(self.net, settings.seed, (0, 0), (rows, columns), (rows, columns))
        else:
            net = self.net
            if config.norm == "instance":
                net = calibrated(net, self._inputs(settings.seed, (0, 0), (SAMPLE, SAMPLE), (SAMPLE, SAMPLE)))
                notes = ("drawn in tiles, with the statistics of a smaller sample",)
            image = self._in_tiles(net, settings.seed, (rows, columns), max(side // shrink, 1) * shrink, listener)
        if settings.seamless and final != (rows, columns):
            image = resize_seamless(image.float().div(1 if side is None else 255), final).clamp(0, 1)
        return Result(image[:, : final[0], : final[1]], notes=notes)

    def _in_tiles(self, net: TextureNet, seed: int, size: tuple[int, int], side: int, listener: Listener) -> Tensor:
        """uint8 [3, H, W], from tiles of `side`."""
        image = torch.empty(3, *size, dtype=torch.uint8)
        reach, start = net.config.reach, monotonic()
        corners = [(top, left) for top in range(0, size[0], side) for left in range(0, size[1], side)]
        for done, (top, left) in enumerate(corners, 1):
            height, width = min(side, size[0] - top), min(side, size[1] - left)
            outer = (height + 2 * reach, width + 2 * reach)
            drawn = self._drawn(net, seed, (top - reach, left - reach), outer, size)
            core = drawn[:, reach : reach + height, reach : reach + width]
            image[:, top : top + height, left : left + width] = core.mul_(255).add_(0.5).floor_()
            listener(Step(done, len(corners), monotonic() - start, None, "tiles"))
        return image

    def _drawn(
        self, net: TextureNet, seed: int, corner: tuple[int, int], size: tuple[int, int], period: tuple[int, int]
    ) -> Tensor:
        """[3, H, W] in [0, 1]."""
        inputs = self._inputs(seed, corner, size, period)
        with self.device.autocast():
            drawn = net(inputs)[0].float()
        if net.config.caffe:
            drawn = caffe_to_rgb(drawn)
        made: Tensor = drawn.clamp_(0, 1).cpu()
        return made

    def _inputs(
        self, seed: int, corner: tuple[int, int], size: tuple[int, int], period: tuple[int, int]
    ) -> list[Tensor]:
        """Noise at every scale for a part of the texture; all are multiples of `shrink`."""
        config = self.net.config
        corners, shapes, periods = (sizes(config, *pair) for pair in (corner, size, period))
        count = len(config.widths)
        return [
            # Scales must not share their noise: a seed for each.
            noise((config.channels, *shape), seed * count + scale, place, every).to(self.device.torch)
            for scale, (place, shape, every) in enumerate(zip(corners, shapes, periods, strict=True))
        ]
