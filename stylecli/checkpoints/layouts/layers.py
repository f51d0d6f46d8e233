"""Foreign feed-forward nets on their way to a list of layers: each tensor is taken once."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from stylecli.checkpoints.layouts.strict_state import ConsumedState
from stylecli.errors import WeightsError
from stylecli.nets.feed_forward import FeedForwardConfig, Step

Converted = tuple[FeedForwardConfig, dict[str, Tensor]]
MOST = 500
"""Layers; a file from a stranger must not decide how much is built."""


@dataclass
class Layers:
    """Layers that are being read.

    Attributes:
        theirs: What is left of the file's tensors.
        steps: What was read.
        state: Ours.
    """

    theirs: ConsumedState
    steps: list[Step] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)

    def add(self, step: Step, **tensors: Tensor) -> None:
        """A layer, with its tensors by our name."""
        self.state |= {f"parts.{len(self.steps)}.{name}": value for name, value in tensors.items()}
        self.steps.append(step)

    def conv(
        self,
        name: str,
        pad: tuple[int, int] | int | None = None,
        up: bool = False,
        *,
        stride: int = 1,
        groups: int = 1,
        border: str = "constant",
    ) -> None:
        """A convolution `name`, of shape as its weight says; `pad` is half of the filter where it is not given."""
        weight = self.theirs.take(f"{name}.weight")
        if weight.ndim != 4:
            raise WeightsError(f"{name}.weight is {list(weight.shape)}, not a convolution")
        bias = {"bias": self.theirs.take(f"{name}.bias")} if f"{name}.bias" in self.theirs else {}
        first, second, size = weight.shape[0], weight.shape[1], weight.shape[-1]
        before, after = pad if isinstance(pad, tuple) else (size // 2 if pad is None else pad,) * 2
        channels, out = (first, second) if up else (second * groups, first)
        kind, bent = "up" if up else "conv", bool(bias)
        self.add(Step(kind, channels, out, size, stride, before, after, border, groups, bent), weight=weight, **bias)

    def norm(self, name: str = "", channels: int = 0, kind: str = "instance") -> None:
        """A norm over space: affine where a `name` is given. Statistics of training are never used."""
        if not name:
            return self.add(Step(kind, channels, affine=False, value=1e-5))
        for spare in ("running_mean", "running_var", "num_batches_tracked"):
            self.theirs.left.pop(f"{name}.{spare}", None)
        weight, bias = self.theirs.layer(name)
        return self.add(Step(kind, len(weight), value=1e-5), weight=weight, bias=bias)

    def relu(self, slope: float = 0.0) -> None:
        """A rectifier."""
        self.add(Step("relu", self.width, value=slope))

    def block(self, inside: "Layers") -> None:
        """Layers around which what comes in passes."""
        self.state |= {f"parts.{len(self.steps)}.{key}": value for key, value in inside.state.items()}
        self.steps.append(Step("residual", self.width, inside=tuple(inside.steps)))

    def inner(self) -> "Layers":
        """Layers of a block, of the same tensors."""
        return Layers(self.theirs)

    @property
    def width(self) -> int:
        """Channels that the last layer gives."""
        return next((step.out or step.channels for step in reversed(self.steps)), 0)

    def finish(self, pixels: FeedForwardConfig) -> Converted:
        """Config, with `pixels` and labels as given, and state; nothing may be left over."""
        self.theirs.finish()
        return replace(pixels, steps=tuple(self.steps)), {f"chain.{key}": x for key, x in self.state.items()}


SIGNED = FeedForwardConfig((), scale=2.0, offset=(-1.0,) * 3, back=(-1.0,) * 3)
"""Pixels in [-1, 1]."""


def counted(net: Layers, name: str, first: int = 0) -> list[str]:
    """Blocks `name` that have tensors, numbered from `first`."""
    found = []
    for index in range(first, first + MOST):
        start = name.format(index)
        if not any(key.startswith(f"{start}.") for key in net.theirs.left):
            break
        found.append(start)
    return found


def apart(inside: Layers) -> list[tuple[Step, dict[str, Tensor]]]:
    """Each of the layers, with its tensors."""
    return [
        (step, {key.rpartition(".")[2]: value for key, value in inside.state.items() if key.startswith(f"parts.{i}.")})
        for i, step in enumerate(inside.steps)
    ]
