"""StarGAN, the first (Choi et al. 2018, arXiv 1711.09020): a picture with other attributes, by one generator.

    result = G(picture, c)        c: 1 for each attribute that is asked for, 0 for the others

There are no styles, seeds or strengths in it. The generator is convolutional; its published models were trained on
squares of 128 and 256 pixels.
"""

import torch
from torch import Tensor

from stylecli.backends.stargan_domains import labels
from stylecli.checkpoints.load import build
from stylecli.checkpoints.store import resolve, sha256
from stylecli.device import Device, fetched
from stylecli.errors import UsageError, WeightsError
from stylecli.media.fit_square import square
from stylecli.method import Method, Request, Result, Traits
from stylecli.nets.feed_forward import FeedForward
from stylecli.settings.stargan import Named, StarganLatentSettings, Translation
from stylecli.settings.values import nearest

SIDE = 128
"""Of the square that the generator sees, in the authors' own settings."""


class StarganAttributes(Method[Translation, Tensor]):
    """A loaded generator, ready for any number of contents and attributes."""

    traits = Traits(styles="none", short=True)

    def __init__(self, settings: Translation, device: Device) -> None:
        path = resolve(settings.weights)
        self.device, self.name = device.one_pass(), settings.weights
        self.weights = {settings.weights: sha256(path)}
        net = _opened(settings)
        self.names = net.config.labels
        self.net = net.to(device.torch).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(self, request: Request[Translation, Tensor]) -> Result:
        """See `Method`.

        Raises:
            UsageError: What this network has not: references, seeds, strengths, masks, or an attribute of that name.
            MemoryLimitError: It does not fit.
        """
        settings = request.settings
        attributes = self.attributes(settings)
        side = settings.size or SIDE
        needed = round(side**2 * self.net.config.bytes_per_pixel)
        self.device.check_memory(needed, f"{side} px", "a smaller --size")
        shape = square(request.main, side, settings.fit)
        x = shape.pixels[None].to(self.device.torch).contiguous(memory_format=torch.channels_last)
        with self.device.autocast():
            made = self.net(x, attributes)[0, :, :side, :side]
        return Result(shape.back(fetched(made.float().clamp(0, 1))), window=shape.window)

    def attributes(self, settings: Translation) -> Tensor:
        """1 for each attribute of `--domain`, whose names are joined by +, else 0: [1, K].

        Raises:
            UsageError: As `run`.
        """
        if not isinstance(settings, StarganLatentSettings):
            raise UsageError(f"{self.name}: StarGAN v1 takes no references", "stylecli stargan latent --domain NAME")
        for option, said, plain in (
            ("--alpha", settings.alpha, 1.0),
            ("--psi", settings.psi, 1.0),
            ("--seeds", settings.seeds, "0"),
            ("--align", settings.align, False),
        ):
            if said != plain:
                raise UsageError(f"{option}: StarGAN v1 has none", f"leave out {option}")
        made = [0.0] * len(self.names)
        if not settings.domain:
            raise UsageError("--domain: missing", f"some of {', '.join(self.names[:20])}; several as male+young")
        for word in settings.domain.split("+"):
            if word.isdecimal() and int(word) < len(self.names):
                made[int(word)] = 1
            elif word in self.names:
                made[self.names.index(word)] = 1
            else:
                raise UsageError(f"--domain {word[:40]}: no attribute of this network", nearest(word, self.names[:20]))
        return torch.tensor([made], device=self.device.torch)


def names(settings: Named) -> tuple[str, ...]:
    """What the attributes of a network are called, in their order.

    Raises:
        WeightsError: It is missing, or a network without attributes.
    """
    return _opened(settings).config.labels


def _opened(settings: Named) -> FeedForward:
    path = resolve(settings.weights)
    net = build(path, labels(settings, path))[2]
    if not isinstance(net, FeedForward) or not net.config.labels:
        raise WeightsError(f"{settings.weights}: holds a feed-forward net, not StarGAN", "stylecli fast --weights")
    return net
