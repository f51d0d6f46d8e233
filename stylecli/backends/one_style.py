"""One pass of a net that has learned one style, or one change, and takes the picture whole.

Nets of Ulyanov et al. 2016 (DmitryUlyanov/texture_nets@b2097ec, models/pyramid.lua): every scale of the pyramid gets
the picture, averaged down, and fresh noise. Feed-forward nets of other repositories, see `nets.feed_forward`. Results
have the size of the content: what a net adds to fit its own sizes is cut off, where references resize the picture.
"""

import torch
from torch import Tensor, nn

from stylecli.backends.tiling import as_floats, as_stored
from stylecli.checkpoints import store
from stylecli.checkpoints.load import load
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.media import color
from stylecli.media.resize import resize, short_side
from stylecli.method import Method, Request, Result, Traits
from stylecli.nets.feed_forward import FeedForward
from stylecli.nets.texture_net import TextureNet, beside, caffe_to_rgb
from stylecli.settings.fast import FastSettings


class OneStyle(Method[FastSettings, Tensor]):
    """A loaded net, ready for any number of runs."""

    traits = Traits(styles="none", short=True)

    def __init__(self, settings: FastSettings, device: Device, network: str) -> None:
        path = store.resolve(settings.weights)
        self.device, self.name = device, settings.weights
        self.weights = {settings.weights: store.sha256(path)}
        net = load(path, network, nn.Module)
        assert isinstance(net, TextureNet | FeedForward)
        if isinstance(net, TextureNet) and not net.config.content:
            raise UsageError(
                f"{self.name}: draws textures, it paints no pictures", f"stylecli texture --method net --weights {path}"
            )
        if isinstance(net, FeedForward) and net.config.labels:
            raise UsageError(f"{self.name}: paints attributes", "stylecli stargan latent --domain NAME")
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
            UsageError: As `check`, or too small a picture.
            MemoryLimitError: It does not fit.
        """
        settings, content = request.settings, request.main
        self.check(settings)
        if settings.size:
            content = resize(content, short_side(content.shape[1], content.shape[2], settings.size))
        height, width = content.shape[1:]
        self.device.check_memory(
            round(height * width * self.net.config.bytes_per_pixel), f"{width}x{height}", "give a smaller --size"
        )
        with self.device.autocast():
            drawn = self._drawn(as_floats(content[None], self.device))[0].float()
        image = as_stored(drawn[:, :height, :width], like=content).cpu()
        return Result(color.preserved(image, content, settings.preserve_color))

    def _drawn(self, rgb: Tensor) -> Tensor:
        if isinstance(self.net, FeedForward):
            painted: Tensor = self.net(rgb)
            return painted
        drawn: Tensor = self.net(beside(self.net.config, rgb, 0))
        return caffe_to_rgb(drawn[0].float())[None] if self.net.config.caffe else drawn
