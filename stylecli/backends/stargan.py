"""StarGAN v2 (Choi et al. 2020, arXiv 1912.01865): a content in the style of references, or of seeds, of a domain.

    s = E_y(reference), or F_y(z);   s' = (1 - alpha) E_own(content) + alpha s;   result = G(content, s')

The z of a seed is `numpy.random.RandomState(seed).randn(1, latent_dim)`. Truncation moves a style towards the mean of
the domain's, of 10,000 draws as in the authors' code. A style is computed once a reference; what the generator
does before it meets a style once a content. The generator is convolutional, so contents may be larger than those of
its training; styles are always seen at that size.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from stylecli.backends.last_content import LastContent
from stylecli.backends.refine import Refiner
from stylecli.backends.stargan_domains import Domains, labels
from stylecli.checkpoints.load import build as open_weights
from stylecli.checkpoints.load import load, network_of
from stylecli.checkpoints.store import resolve, sha256
from stylecli.device import Device, fetched
from stylecli.errors import InputError, UsageError, WeightsError
from stylecli.media.faces import CELEBA, aligned, read_mean_face
from stylecli.media.fit_square import Square, square
from stylecli.method import Method, Request, Result, Traits
from stylecli.nets.fan import FAN, SIDE, landmarks
from stylecli.nets.stargan import StarGAN
from stylecli.nets.stargan_generator import Encoded
from stylecli.progress import Listener, Step
from stylecli.settings.stargan import Named, StarganLatentSettings, StarganRefSettings, Translation

DRAWS = 10_000
"""Of which the mean style of a domain is taken."""

SURE = 0.2
"""A face is there where landmarks are on average this warm: 1 is the target of their training."""

SECONDS = 1.0
"""From one reference to the next, in a clip."""


@dataclass
class _Content:
    """What was computed of a content: its square, what networks see of it, and the generator's first half."""

    shape: Square
    x: Tensor
    encoded: Encoded


class Stargan(Method[Translation, Tensor]):
    """Opened networks, ready for any number of contents, references and seeds."""

    def __init__(self, settings: Translation, device: Device) -> None:
        path = resolve(settings.weights)
        self.weights = {settings.weights: sha256(path)}
        network, _, net = open_weights(path, labels(settings, path))
        if not isinstance(net, StarGAN):
            raise WeightsError(f"{settings.weights}: holds a {network}, not StarGAN v2", "--weights stargan-afhq")
        self.masked = bool(net.config.hpf) and not settings.no_masks
        if net.fan is None and (self.masked or settings.align):
            net.fan = self._landmarks(settings)
        self.net, self.device, self.size = net.to(device.torch).freeze(), device.one_pass(), net.config.size
        self.domains = Domains(self.net)
        self.face = read_mean_face(settings.mean_face) if settings.mean_face else CELEBA
        styles: Literal["needed", "none"] = "needed" if isinstance(settings, StarganRefSettings) else "none"
        # A picture that was turned upright has lost the frame that its transparent parts are in.
        self.traits = Traits(styles=styles, short=True, transparent=not settings.align)
        self.styles: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self.contents: LastContent[_Content] = LastContent()
        self.refiner = Refiner(device)
        self.means: dict[int, Tensor] = {}

    def _landmarks(self, settings: Translation) -> FAN:
        why = "--align" if settings.align else f"{settings.weights}: was trained with masks of faces, which"
        try:
            path = resolve(settings.fan)
        except WeightsError as error:
            other = "" if settings.align else "; or --no-masks does without"
            raise WeightsError(f"{why} needs {error.message}", error.hint + other) from error
        self.weights = {**self.weights, settings.fan: sha256(path)}
        return load(path, "fan", FAN)

    def weights_for(self, settings: Translation) -> Mapping[str, str]:
        """See `Method`."""
        steps = settings.refine if isinstance(settings, StarganRefSettings) else 0
        return {**self.weights, **self.refiner.weights(steps)}

    @torch.inference_mode()
    def run(self, request: Request[Translation, Tensor]) -> Result:
        """See `Method`: the styles are the references of `stargan ref`; the name of a folder may tell a domain.

        Raises:
            UsageError: A domain that the network does not have, or none where one is needed; or another size where
                faces are aligned or masked.
            InputError: No face, where one is to be aligned.
            MemoryLimitError: It does not fit.
        """
        settings, content, styles = request.settings, request.main, request.styles
        self.domains.notes.clear()
        side = self._side(settings)
        widest = self.net.config.channels * (side + 2 * self.net.config.frame) ** 2
        hint = "close other programs" if side == self.size else "a smaller --size"
        self.device.check_memory(4 * 6 * widest, f"{side} px", hint)
        seen = self._content(content, side, settings, request.name("content"))
        if isinstance(settings, StarganLatentSettings):
            targets = [self._drawn(settings)]
        else:
            assert isinstance(settings, StarganRefSettings)
            targets = [self._style(each, settings, request.name("style", n)) for n, each in enumerate(styles)]
        if settings.alpha < 1:
            own = self._own(content, seen, settings, request.name("content"))
            targets = [own.lerp(target, settings.alpha) for target in targets]
        if isinstance(settings, StarganRefSettings) and settings.frames:
            frames = self._morph(seen, targets, settings.frames, request.listener)
            return Result(frames=frames, seconds=SECONDS / settings.frames, notes=tuple(self.domains.notes))
        shares = request.weights if styles else [1.0]
        style = torch.stack([share * target for share, target in zip(shares, targets, strict=True)]).sum(0)
        image = seen.shape.back(self._drawn_in(seen, style))
        result = Result(image, notes=tuple(self.domains.notes), window=seen.shape.window)
        if not isinstance(settings, StarganRefSettings):
            return result
        jobs, alpha = self.device.jobs, settings.alpha
        return self.refiner.refined(result, request, styles, settings.refine, jobs, alpha)

    def _drawn_in(self, content: _Content, style: Tensor) -> Tensor:
        """[3, size, size] in [0, 1]."""
        with self.device.autocast():
            made = self.net.generator.decoded(content.encoded, style)
        return fetched(made[0].add(1).div(2).clamp(0, 1))

    def _morph(self, content: _Content, styles: Sequence[Tensor], steps: int, listener: Listener) -> Iterator[Tensor]:
        """Frames from each style to the next and back to the first, slower where a reference is reached."""
        start, total = time.monotonic(), steps * len(styles)
        for index in range(total):
            ahead = (1 - math.cos(math.pi * (index % steps) / steps)) / 2
            place = index // steps
            style = styles[place].lerp(styles[(place + 1) % len(styles)], ahead)
            with torch.inference_mode():
                yield content.shape.cut(self._drawn_in(content, style))
            listener(Step(index + 1, total, time.monotonic() - start))

    def _side(self, settings: Translation) -> int:
        """Of the square that the generator sees; it halves that several times."""
        if settings.size in (None, self.size):
            return self.size
        if settings.align or self.masked:
            raise UsageError(
                f"--size {settings.size}: faces are found at the network's own size, {self.size} px",
                "leave out --size" if settings.align else "leave out --size, or give --no-masks too",
            )
        step = 2**self.net.generator.halvings
        made: int = -(-settings.size // step) * step
        return made

    def _content(self, pixels: Tensor, side: int, settings: Translation, name: str) -> _Content:
        def make() -> _Content:
            shape, x = self._squared(pixels, side, settings.fit, settings, name)
            with self.device.autocast():
                encoded = self.net.generator.encoded(x, self.net.masks(x) if self.masked else None)
            return _Content(shape, x, encoded)

        return self.contents.of(pixels, (settings.fit, settings.align, side), make)

    def _squared(self, pixels: Tensor, size: int, fit: str, settings: Translation, name: str) -> tuple[Square, Tensor]:
        """(how the picture became a square, what networks see of it [1, 3, size, size] in [-1, 1])."""
        shape = square(pixels, size, fit)
        if settings.align:
            found, warmth = landmarks(self._heat(shape.pixels))
            if not float(warmth.mean()) > SURE:
                raise InputError(f"{name}: no face found", "leave out --align, or cut the face out by hand")
            upright = aligned(shape.pixels, found[0].cpu() * (self.size / SIDE), self.face)
            shape = Square(upright, (0, 0, self.size, self.size), (self.size, self.size))
        x = shape.pixels[None].mul(2).sub(1).to(self.device.torch)
        return shape, x.contiguous(memory_format=torch.channels_last)

    def _heat(self, pixels: Tensor) -> Tensor:
        assert self.net.fan is not None
        heat: Tensor = self.net.fan(pixels[None].mul(2).sub(1).to(self.device.torch))
        return heat

    def _style(self, pixels: Tensor, settings: StarganRefSettings, name: str) -> Tensor:
        known = self.styles.setdefault(pixels, {})
        fit = "stretch" if settings.fit == "stretch" else "crop"
        key = (fit, settings.align, settings.domain, name)
        if key not in known:
            _, x = self._squared(pixels, self.size, fit, settings, name)
            domain = self.domains.of(x, settings.domain, "--domain", name)
            known[key] = self.net.encoder(x, domain)
        style: Tensor = known[key]
        return style

    def _own(self, pixels: Tensor, content: _Content, settings: Translation, name: str) -> Tensor:
        x = content.x
        if x.shape[2] != self.size:
            _, x = self._squared(pixels, self.size, settings.fit, settings, name)
        domain = self.domains.of(x, settings.content_domain, "--content-domain", name)
        made: Tensor = self.net.encoder(x, domain)
        return made

    def _drawn(self, settings: StarganLatentSettings) -> Tensor:
        """The style of a seed in its domain."""
        wide = self.net.config.latent_dim
        domain = self.domains.named(settings.domain, "--domain")
        z = np.random.RandomState(int(settings.seeds)).randn(1, wide)
        style = self._mapped(z, domain)
        if settings.psi == 1:
            return style
        if domain not in self.means:
            self.means[domain] = self._mapped(np.random.RandomState(0).randn(DRAWS, wide), domain).mean(0)
        return self.means[domain].lerp(style, settings.psi)

    def _mapped(self, z: np.ndarray, domain: int) -> Tensor:
        rows = torch.from_numpy(z).float().to(self.device.torch)
        made: Tensor = self.net.mapping(rows, torch.full((len(rows),), domain, device=rows.device))
        return made


def build(settings: Translation, device: Device) -> Method[Translation, Tensor]:
    """The backend for `settings`: opens the weights.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
        UsageError: Domains that the network does not have.
    """
    if isinstance(settings, StarganLatentSettings) and len(settings.seeds.split(",")) > 1:
        raise UsageError(f"--seeds {settings.seeds[:40]}: one for one picture", "the command takes several")
    if network_of(resolve(settings.weights)) == "feed-forward":
        from stylecli.backends.stargan_attributes import StarganAttributes

        made = StarganAttributes(settings, device)
        made.attributes(settings)
        return made
    return Stargan(settings, device)


def names(settings: Named) -> tuple[str, ...]:
    """What the domains of a network are called, in their order.

    Raises:
        WeightsError: It is missing, of another family, or unsafe.
    """
    if network_of(resolve(settings.weights)) == "feed-forward":
        from stylecli.backends.stargan_attributes import names as attributes

        return attributes(settings)
    backend = Stargan(Translation(settings.weights, settings.domains, no_masks=True), Device(torch.device("cpu")))
    return backend.domains.names
