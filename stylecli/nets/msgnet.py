"""MSG-Net: features of a picture times a learned matrix and the Gram matrix of a style.

Zhang, Dana 2017, "Multi-style generative network for real-time transfer", arXiv 1703.06953.

    G   = F(s) F(s)^T / (C H W)            F: down to a quarter of the size, s the style, [C, H W]
    x   = (W G)^T F(c),   out = up(blocks(x))

Every block is x + conv1(r(conv3(r(conv1(r(x)))))), r(x) = relu(instance norm of x); blocks on the way down halve the
size in their 3x3 convolution, those on the way up double it before that. Norms have no parameters. Pixels are BGR in
0..255.
Follows zhanghang1989/PyTorch-Multi-Style-Transfer, `experiments/net.py`; its result is cut to the size of the content,
where the reference gives the next multiple of 4. The Gram matrix is linear in its share, so mixtures mix it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylecli.errors import UsageError
from stylecli.nets.any_style import AnyStyle
from stylecli.nets.segments import Ask, Moments, Segment, measured
from stylecli.nets.style_changes import Changes, Decoding, Seen, Style, Target
from stylecli.nets.winograd import Conv2d

SMALLEST = 5
"""Pixels a side that every reflected border takes."""

EPSILON = 1e-5
Norm = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class MSGNetConfig:
    """The shape of the network.

    Attributes:
        stem: Channels of the first convolution.
        down: (inside, out) channels of both blocks on the way down.
        blocks: At a quarter of the size.
        inside: Channels inside of them.
        up: (inside, out) channels of both blocks on the way up.
    """

    stem: int = 64
    down: tuple[tuple[int, int], ...] = ((32, 128), (128, 512))
    blocks: int = 6
    inside: int = 128
    up: tuple[tuple[int, int], ...] = ((32, 128), (16, 64))


class Block(nn.Module):
    """See the module; `step` is -1 on the way down, 1 on the way up, else 0."""

    def __init__(self, channels: int, inside: int, out: int, step: int) -> None:
        super().__init__()
        self.step, stride = step, 2 if step < 0 else 1
        self.narrow, self.wide = nn.Conv2d(channels, inside, 1), nn.Conv2d(inside, out, 1)
        self.middle = Conv2d(inside, inside, 3, stride, 1, padding_mode="reflect")
        if step:
            self.skip = nn.Conv2d(channels, out, 1, stride)

    def forward(self, x: Tensor, norm: Norm) -> Tensor:
        """[N, C, H, W] to [N, D, H', W']."""
        y = self.narrow(F.relu(norm(x)))
        y = self.middle(self._enlarged(F.relu(norm(y))))
        y = self.wide(F.relu(norm(y)))
        made: Tensor = y + (self.skip(self._enlarged(x)) if self.step else x)
        return made

    def _enlarged(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0) if self.step > 0 else x


class MSGNet(AnyStyle):
    """See the module."""

    levels = ()
    reach = 16
    bytes_per_pixel = 1500.0

    def __init__(self, config: MSGNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.stem, *(out for _, out in config.down), *(out for _, out in config.up)]
        self.stem = nn.Conv2d(3, config.stem, 7, padding=3, padding_mode="reflect")
        self.down = nn.ModuleList(Block(widths[i], *config.down[i], -1) for i in range(2))
        self.inspiration = nn.Parameter(torch.zeros(widths[2], widths[2]))
        self.blocks = nn.ModuleList(Block(widths[2], config.inside, widths[2], 0) for _ in range(config.blocks))
        self.up = nn.ModuleList(Block(widths[2 + i], *config.up[i], 1) for i in range(2))
        self.out = nn.Conv2d(widths[4], 3, 7, padding=3, padding_mode="reflect")

    def fit(self, x: Tensor) -> Tensor:
        """Continued by its border to what can be reflected."""
        below, right = (max(SMALLEST - extent, 0) for extent in x.shape[2:])
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def encode(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Nothing: features are norms apart from the style."""
        return ()

    def decode(self, features: Sequence[Tensor], decoding: Decoding, noise: Tensor | None = None) -> Tensor:
        """See `render`, which does all of it."""
        raise NotImplementedError

    def style(self, rgb: Tensor) -> Style:
        """The Gram matrix of a style's features."""
        x = self.fit(rgb)
        for segment in self._down():
            x = segment.run(x, measured)
        rows = x.float().flatten(2)
        gram = rows @ rows.mT / rows[0].numel()
        return Style((Target(gram.new_zeros(len(gram), gram.shape[1], 1, 1), gram),))

    def changes(
        self, seen: Seen, own: Mapping[str, Moments], styles: Sequence[Style], alpha: Tensor | float
    ) -> Changes:
        """Nothing that depends on the content."""
        return Changes((), ())

    def render(self, seen: Seen, changes: Changes, styles: Sequence[Style], alpha: Tensor | float) -> Tensor:
        """See `AnyStyle`.

        Raises:
            UsageError: As `segments`.
        """
        x = torch.cat([seen.rgb, *(there for there in seen.presence[1] if isinstance(there, Tensor))], 1)
        for segment in self.segments(styles, alpha):
            x = segment.run(x, measured)
        return x[:, :, : seen.size[0], : seen.size[1]]

    def segments(self, styles: Sequence[Style], alpha: Tensor | float) -> list[Segment]:
        """See `AnyStyle`; a block each, for every norm measures what the one before made.

        Raises:
            UsageError: An alpha other than 1: this network has no strength.
        """
        if isinstance(alpha, Tensor) or alpha != 1:
            raise UsageError("--alpha: MSG-Net has no strength, it paints in full", "leave out --alpha")
        mixing = [(self.inspiration @ style.targets[0].spread).mT for style in styles]

        def inspired(x: Tensor, ask: Ask) -> Tensor:
            x, masks = self._split(x, mixing[0].shape[-1])
            rows = x.float().flatten(2)
            made = [(matrix @ rows).reshape(x.shape) for matrix in mixing]
            shares: Sequence[Tensor | float] = masks or (1.0,)
            return torch.stack([part * there for part, there in zip(made, shares, strict=True)]).sum(0)

        return [
            *self._down(),
            Segment(inspired, 0),
            *(Segment(partial(self._through, block), 2) for block in self.blocks),
            *(Segment(partial(self._through, block), 2, 1, (2, 1), lambda extent: extent * 2) for block in self.up),
            Segment(self._last, 4),
        ]

    def _down(self) -> list[Segment]:
        """To a quarter of the size; masks behind the channels are averaged along."""

        def stem(x: Tensor, ask: Ask) -> Tensor:
            x, masks = self._split(x, 3)
            return torch.cat([self.stem(x.flip(1) * 255), *masks], 1)

        half = lambda extent: -(-extent // 2)
        first = lambda x, ask: self._through(self.down[0], x, ask, relu=True)
        second = partial(self._through, self.down[1])
        return [Segment(stem, 4), Segment(first, 2, 2, (1, 2), half), Segment(second, 2, 2, (1, 2), half)]

    def _through(self, block: nn.Module, x: Tensor, ask: Ask, relu: bool = False) -> Tensor:
        assert isinstance(block, Block)
        count = [0]

        def norm(x: Tensor) -> Tensor:
            count[0] += 1
            own = ask({f"norm {count[0]}": x.float()})[f"norm {count[0]}"]
            return (x - own.mean) * (own.covariance + EPSILON).rsqrt()

        x, masks = self._split(x, block.narrow.in_channels)
        y = block(F.relu(norm(x)) if relu else x, norm)
        if block.step < 0:
            masks = [F.avg_pool2d(mask, 2, ceil_mode=True, count_include_pad=False) for mask in masks]
        return torch.cat([y, *masks], 1)

    def _last(self, x: Tensor, ask: Ask) -> Tensor:
        own = ask({"last": x.float()})["last"]
        y: Tensor = self.out(F.relu((x - own.mean) * (own.covariance + EPSILON).rsqrt()))
        return y.flip(1) / 255

    def _split(self, x: Tensor, channels: int) -> tuple[Tensor, list[Tensor]]:
        return x[:, :channels], [*x[:, channels:].split(1, 1)] if x.shape[1] > channels else []
