"""One pass of a stylization net by Ulyanov et al. 2016: a picture in the one style that the net has learned.

Every scale of the pyramid gets the picture, averaged down, and fresh noise (DmitryUlyanov/texture_nets@b2097ec,
models/pyramid.lua). Sides are mirrored up to what the pyramid divides, and cut back; the reference resizes instead.
"""

import torch
from torch import Tensor

from stylecli.backends.tiling import as_floats, as_stored
from stylecli.checkpoints import store
from stylecli.checkpoints.load import load
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.media import color
from stylecli.media.resize import resize, short_side
from stylecli.method import Method, Request, Result, Traits
from stylecli.nets.texture_net import TextureNet, beside, caffe_to_rgb
from stylecli.settings.fast import FastSettings


class FastTexture(Method[FastSettings, Tensor]):
    """A loaded net, ready for any number of runs."""

    traits = Traits(styles="none", short=True)

    def __init__(self, settings: FastSettings, device: Device) -> None:
        path = store.resolve(settings.weights)
        self.device, self.name = device, settings.weights
        self.weights = {settings.weights: store.sha256(path)}
        net: TextureNet = load(path, "texture-net")
        if not net.config.content:
            raise UsageError(
                f"{self.name}: draws textures, it paints no pictures", f"stylecli texture --method net --weights {path}"
            )
        self.net = net.to(device.torch).to(memory_format=torch.channels_last)
        self.check(settings)

    def check(self, settings: FastSettings) -> None:
        """Refuses what needs a net of several styles.

        Raises:
            UsageError: A style, or an alpha other than 1.
        """
        if settings.style:
            raise UsageError(f"--style {settings.style[0]}: {self.name} knows one style", "leave out --style")
        if settings.alpha != 1:
            raise UsageError(f"--alpha {settings.alpha:g}: {self.name} paints in full", "leave out --alpha")

    @torch.inference_mode()
    def run(self, request: Request[FastSettings, Tensor]) -> Result:
        """See `Method`.

        Raises:
            UsageError: As `check`.
            MemoryLimitError: It does not fit.
        """
        settings, content = request.settings, request.main
        self.check(settings)
        if settings.size:
            content = resize(content, short_side(content.shape[1], content.shape[2], settings.size))
        (height, width), config = content.shape[1:], self.net.config
        self.device.check_memory(
            round(height * width * config.bytes_per_pixel), f"{width}x{height}", "give a smaller --size"
        )
        with self.device.autocast():
            drawn = self.net(beside(config, as_floats(content[None], self.device), 0))[0].float()
        drawn = caffe_to_rgb(drawn) if config.caffe else drawn
        image = as_stored(drawn[:, :height, :width], like=content).cpu()
        return Result(color.preserved(image, content, settings.preserve_color))
