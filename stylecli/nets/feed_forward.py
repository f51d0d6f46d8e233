"""Feed-forward nets of other repositories, each told as a list of its layers: a picture in, a picture out.

Johnson et al. 2016, arXiv 1603.08155, with transposed convolutions and borders of its own (jcjohnson/fast-neural-style,
rrmina/fast-neural-style-pytorch); Zhu et al. 2017, "Unpaired image-to-image translation using cycle-consistent
adversarial networks", arXiv 1703.10593; Chen, Liu, Chen 2019, "AnimeGAN", and its second version; Choi et al. 2018,
"StarGAN", arXiv 1711.09020. Layers are read off a file by `checkpoints.layouts.feed_forward`.

    out = (chain(scale rgb + offset) - back) / scale          pixels in the order of the net's own colors

Nets of attributes (StarGAN) get each as a constant channel behind the colors. Norms over a picture need all of it, so a
picture goes through whole.
"""

from dataclasses import dataclass, field, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.device import constant
from stylecli.errors import UsageError
from stylecli.nets.winograd import Conv2d

Told = str | list["Told"]
"""A layer as text; one with inner layers is a list of them behind its text."""


@dataclass(frozen=True)
class Step:
    """One layer.

    Attributes:
        kind: `conv`, `up` (transposed), `pad`, `instance` or `layer` (norms over space, and over channels too),
            `affine`, `relu`, `tanh`, `nearest`, `bilinear` (back to the size before a stride), `residual`.
        channels: What comes in.
        out: Of convolutions, what comes out.
        size: Of a filter, or how many times `nearest` enlarges.
        stride: Of a convolution.
        before: Pixels of border to the left and above; of `up`, what is cut off.
        after: The same to the right and below; of `up`, what is added there.
        border: `constant` (zeros), `reflect` or `replicate`.
        groups: Of a convolution.
        bias: Whether a convolution has one.
        affine: Whether a norm has a scale and a shift.
        value: Slope of `relu` below 0, factor of `tanh`, what a norm adds to the variance.
        inside: Layers around which what comes in passes, cut to the size of what they give.
    """

    kind: str
    channels: int = 0
    out: int = 0
    size: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0
    border: str = "constant"
    groups: int = 1
    bias: bool = True
    affine: bool = True
    value: float = 0.0
    inside: "tuple[Step, ...]" = ()

    def told(self) -> Told:
        """As our own files store it: text, with its inner layers a list."""
        said = [
            f"{each.name}={getattr(self, each.name)}"
            for each in fields(self)
            if each.name not in ("kind", "inside") and getattr(self, each.name) != each.default
        ]
        text = " ".join([self.kind, *said])
        return [text, *(step.told() for step in self.inside)] if self.inside else text


@dataclass(frozen=True)
class FeedForwardConfig:
    """The shape of a net.

    Attributes:
        steps: Its layers.
        bgr: Whether blue comes first.
        scale: What white is above black.
        offset: Added to each channel that goes in, in the net's own order of colors.
        back: Taken from each channel that comes out.
        labels: Names of attributes, each a channel behind the colors.
    """

    steps: tuple[Step, ...] = field(default=())
    bgr: bool = False
    scale: float = 1.0
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    back: tuple[float, ...] = (0.0, 0.0, 0.0)
    labels: tuple[str, ...] = ()

    @property
    def smallest(self) -> int:
        """The shortest side in pixels that reflection allows."""
        stride, least = 1, 1
        for step in (inner for each in self.steps for inner in (each, *each.inside)):
            if step.border == "reflect":
                least = max(least, (max(step.before, step.after) + 1) * stride)
            if step.kind in ("conv", "up"):
                stride = stride * step.stride if step.kind == "conv" else max(stride // step.stride, 1)
            elif step.kind in ("nearest", "bilinear"):
                stride = max(stride // 2, 1)
        return least

    @property
    def bytes_per_pixel(self) -> float:
        """Peak memory of a pass for each pixel: what the widest layer takes, gives, and pads."""
        stride, most = 1.0, 0.0
        for step in (inner for each in self.steps for inner in (each, *each.inside)):
            below = stride * step.stride if step.kind == "conv" else stride / (step.stride if step.kind == "up" else 1)
            below = max(below / 2, 1.0) if step.kind in ("nearest", "bilinear") else below
            most = max(most, 4 * (3 * step.channels / stride**2 + 2 * max(step.out, step.channels) / below**2))
            stride = below
        return 40 + 1.3 * most


class Chain(nn.Module):
    """Layers one after the other."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        super().__init__()
        self.steps = steps
        self.parts = nn.ModuleDict({str(i): made for i, step in enumerate(steps) if (made := _module(step))})

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to what the last layer gives."""
        sizes: list[torch.Size] = []
        for index, step in enumerate(self.steps):
            part = self.parts[str(index)] if str(index) in self.parts else None  # noqa: SIM401 - a ModuleDict has no get
            if step.kind == "conv":
                if step.stride > 1:
                    sizes.append(x.shape[2:])
                assert part
                x = part(_bordered(x, step))
            elif step.kind == "pad":
                x = _bordered(x, step)
            elif step.kind == "residual":
                assert part
                inner: Tensor = part(x)
                top, left = ((x.shape[axis] - inner.shape[axis]) // 2 for axis in (2, 3))
                x = x[:, :, top : top + inner.shape[2], left : left + inner.shape[3]] + inner
            elif step.kind == "relu":
                x = F.leaky_relu(x, step.value) if step.value else F.relu(x)
            elif step.kind == "tanh":
                x = torch.tanh(x) * step.value
            elif step.kind == "nearest":
                x = F.interpolate(x, scale_factor=float(step.size))
            elif step.kind == "bilinear":
                x = F.interpolate(x, size=sizes.pop(), mode="bilinear", align_corners=True)
            else:
                assert part
                x = part(x)
        return x


class Norm(nn.Module):
    """Scale and shift of each channel; before that its own moments taken out, or those of the whole picture."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        if step.affine:
            self.weight, self.bias = nn.Parameter(torch.ones(step.channels)), nn.Parameter(torch.zeros(step.channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same."""
        if self.step.kind != "affine":
            x = F.group_norm(x, 1 if self.step.kind == "layer" else x.shape[1], eps=self.step.value)
        return torch.addcmul(self.bias[:, None, None], self.weight[:, None, None], x) if self.step.affine else x


class FeedForward(nn.Module):
    """See the module."""

    def __init__(self, config: FeedForwardConfig) -> None:
        super().__init__()
        self.config = config
        self.chain = Chain(config.steps)

    def forward(self, rgb: Tensor, attributes: Tensor | None = None) -> Tensor:
        """A picture of at least the size of `rgb`, not clamped.

        Args:
            rgb: [N, 3, H, W] in [0, 1].
            attributes: Of nets that have some, [N, K].

        Raises:
            UsageError: A side is shorter than reflection allows.
        """
        config, least = self.config, self.config.smallest
        if min(rgb.shape[2:]) < least:
            size = f"{rgb.shape[3]}x{rgb.shape[2]}"
            raise UsageError(f"{size}: too small for this network", f"{least} pixels a side at least")
        offset, back = (constant(each, rgb.dtype, rgb.device)[:, None, None] for each in (config.offset, config.back))
        x = (rgb.flip(1) if config.bgr else rgb) * config.scale + offset
        if attributes is not None:
            x = torch.cat([x, attributes[:, :, None, None].expand(-1, -1, *x.shape[2:]).to(x)], 1)
        y: Tensor = (self.chain(x) - back) / config.scale
        return y.flip(1) if config.bgr else y


def _bordered(x: Tensor, step: Step) -> Tensor:
    around = (step.before, step.after) * 2
    return F.pad(x, around, step.border) if any(around) else x


def _module(step: Step) -> nn.Module | None:
    if step.kind == "conv":
        return Conv2d(step.channels, step.out, step.size, step.stride, groups=step.groups, bias=step.bias)
    if step.kind == "up":
        cut, added = step.before, step.after
        return nn.ConvTranspose2d(step.channels, step.out, step.size, step.stride, cut, added, bias=step.bias)
    if step.kind == "residual":
        return Chain(step.inside)
    return Norm(step) if step.kind in ("instance", "layer", "affine") else None
