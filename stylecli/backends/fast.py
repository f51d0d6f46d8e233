"""One pass of an image transformation net: a picture in a style, or a mixture of styles, that the net has learned.

Johnson et al. 2016, Ulyanov et al. 2016, Dumoulin et al. 2017; see `nets/transformer.py`.

    (gamma, beta) = (1 - alpha) (gamma, beta)_identity + alpha sum_s share_s (gamma, beta)_s
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stylecli.checkpoints import store
from stylecli.checkpoints.load import converted, fill
from stylecli.device import Device
from stylecli.errors import UsageError
from stylecli.media import color
from stylecli.media.resize import resize, short_side
from stylecli.nets.transformer import IDENTITY, TransformerConfig, TransformerNet
from stylecli.settings.fast import FastSettings
from stylecli.settings.values import nearest


@dataclass(frozen=True)
class Result:
    """What a run gives: the picture [3, H, W] in [0, 1], and what is told of it."""

    image: Tensor
    losses: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    notes: tuple[str, ...] = ()


class Fast:
    """A loaded net, ready for any number of runs."""

    def __init__(self, settings: FastSettings, device: Device) -> None:
        path = store.resolve(settings.weights)
        self.device = device
        self.weights = {settings.weights: store.sha256(path)}
        self.name = settings.weights
        config, state = converted(path, "transformer")
        with torch.device("meta"):
            net = TransformerNet(config)
        fill(net, state, str(path))
        self.net = net.eval().requires_grad_(False).to(device.torch).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(self, content: Tensor, styles: Sequence[Tensor], settings: FastSettings, **_: Any) -> Result:
        """Paint one picture.

        Args:
            content: [3, H, W] in [0, 1].
            styles: None: the net knows its styles by name.
            settings: As the one this was built with, but for style, alpha, size and colors.

        Raises:
            UsageError: A style that the net does not have, an alpha that it cannot do, or too small a picture.
        """
        if styles:
            raise UsageError("styles: fast takes names, not pictures", 'such as style="great_wave"')
        config, mix = self.net.config, self.mix(settings)
        height, width = content.shape[1:]
        if settings.size:
            content = resize(content, short_side(height, width, settings.size))
            height, width = content.shape[1:]
        x = content[None].to(self.device.torch, memory_format=torch.channels_last)
        self._check_memory(height, width)
        with torch.autocast(self.device.torch.type, self.device.dtype, self.device.dtype != torch.float32):
            painted = self.net(x, mix)
        image = painted[0].float().clamp_(0, 1).cpu().contiguous()
        foreign = config.pixels != 1
        if not foreign or settings.recipe == "stylecli" or settings.preserve_color != "none":
            image = image[:, :height, :width]
        if foreign and settings.recipe == "reference":
            image = image.mul(255).floor_().div_(255)
        return Result(_colored(image, content, settings.preserve_color))

    def mix(self, settings: FastSettings) -> Tensor:
        """Share of each of the net's styles, [1, S].

        Raises:
            UsageError: A style that it does not have, none where there are several, or an alpha without an identity.
        """
        config = self.net.config
        names = [name for name in config.styles if name != IDENTITY]
        shares = settings.shares or ({names[0]: 1.0} if len(names) == 1 else {})
        if not shares:
            raise UsageError("--style: missing", f"one of {', '.join(names)}")
        for name in shares:
            if name not in config.styles:
                raise UsageError(f"--style {name}: not a style of {self.name}", nearest(name, names))
        mix = torch.zeros(1, len(config.styles))
        for name, share in shares.items():
            mix[0, config.styles.index(name)] = settings.alpha * share
        if settings.alpha < 1:
            if not config.identity:
                raise UsageError(
                    f"--alpha {settings.alpha:g}: {self.name} has no identity style, it paints in full or not at all",
                    "leave out --alpha; nets of `stylecli train fast` have one",
                )
            mix[0, 0] += 1 - settings.alpha
        return mix.to(self.device.torch)

    def _check_memory(self, height: int, width: int) -> None:
        values = 12 + 3 * self.net.config.widths[0] / self.net.config.stem**2
        self.device.check_memory(round(height * width * 4 * values), f"{width}x{height}", "give a smaller --size")


def build(settings: FastSettings, device: Device) -> Fast:
    """The backend for `settings`: opens the weights.

    Raises:
        WeightsError: They are missing, of another family, or unsafe.
        UsageError: As `Fast.mix`.
    """
    built = Fast(settings, device)
    built.mix(settings)
    return built


def styles(weights: str) -> list[dict[str, str]]:
    """Name, title, artist and year of each style of a net.

    Raises:
        WeightsError: It is missing, of another family, or unsafe.
    """
    path = store.resolve(weights)
    config: TransformerConfig = converted(path, "transformer")[0]
    said = store.about(path).get("styles", [])
    told = {str(each.get("name")): each for each in said if isinstance(each, dict)} if isinstance(said, list) else {}
    keys = ("title", "artist", "year")
    return [
        {"name": name, **{key: str(told.get(name, {}).get(key, "")) for key in keys}}
        for name in config.styles
        if name != IDENTITY
    ]


def _colored(image: Tensor, content: Tensor, how: str) -> Tensor:
    """`image` with the colors of `content`, both [3, H, W]."""
    if how == "none":
        return image
    if how == "luminance":
        return color.luminance(content, image)
    return getattr(color, how)(image, content).clamp(0, 1)
