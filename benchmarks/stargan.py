"""StarGAN v2 at 256 px and full width on the CPU, against a plain port, with random weights of the official shapes.

    python benchmarks/stargan.py [--threads 2] [--rounds 3] [--faces]

The port does what the paper says, layer by layer: it doubles and then convolves, convolves and then pools, and computes
the style and the whole generator for every pair of content and reference. It is written from the paper. Both take
the same weights and give the same pictures, which is checked. Rounds alternate, the best of each counts. `--faces` adds
the masks of faces.
"""

import math
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from table import Row, finish, gflop, parser
from torch import Tensor

from stylecli.nets.stargan import StarGAN
from stylecli.nets.stargan_blocks import DownBlock, UpBlock
from stylecli.nets.stargan_generator import DETAILED, StarGANConfig, StarGANGenerator

Masks = tuple[Tensor, Tensor] | None


def convolved(layer: torch.nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution of PyTorch, whatever way ours goes."""
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.padding)  # type: ignore[arg-type]


def down(block: DownBlock, x: Tensor) -> Tensor:
    """A block of the encoders, as the paper has it."""
    y, shortcut = x, x if block.conv1x1 is None else block.conv1x1(x)
    if block.norm1:
        y = F.instance_norm(y, weight=block.norm1.weight, bias=block.norm1.bias)
    y = convolved(block.conv1, F.leaky_relu(y, 0.2))
    if block.down:
        y, shortcut = F.avg_pool2d(y, 2), F.avg_pool2d(shortcut, 2)
    if block.norm2:
        y = F.instance_norm(y, weight=block.norm2.weight, bias=block.norm2.bias)
    return (shortcut + convolved(block.conv2, F.leaky_relu(y, 0.2))) / math.sqrt(2)


def up(block: UpBlock, x: Tensor, style: Tensor) -> Tensor:
    """A block of the decoder, as the paper has it."""

    def adain(norm: torch.nn.Module, x: Tensor) -> Tensor:
        gamma, beta = norm.fc(style)[:, :, None, None].chunk(2, 1)  # type: ignore[operator]
        return (1 + gamma) * F.instance_norm(x) + beta

    y = F.leaky_relu(adain(block.norm1, x), 0.2)
    if block.up:
        x, y = F.interpolate(x, scale_factor=2), F.interpolate(y, scale_factor=2)
    y = convolved(block.conv2, F.leaky_relu(adain(block.norm2, convolved(block.conv1, y)), 0.2))
    if not block.shortcut:
        return y
    return (y + (x if block.conv1x1 is None else block.conv1x1(x))) / math.sqrt(2)


def translated(net: StarGANGenerator, x: Tensor, style: Tensor, masks: Masks) -> Tensor:
    """The generator, as the paper has it."""
    kept: dict[int, Tensor] = {}
    x = net.from_rgb(x)
    for block in net.encode:
        assert isinstance(block, DownBlock)
        if x.shape[2] in DETAILED:
            kept[x.shape[2]] = x
        x = down(block, x)
    for block in net.decode:
        assert isinstance(block, UpBlock)
        x = up(block, x, style)
        side = x.shape[2]
        if masks is not None and side in DETAILED:
            kernel = -torch.ones(x.shape[1], 1, 3, 3) / net.hpf
            kernel[:, :, 1, 1] = 8 / net.hpf
            mask = F.interpolate(masks[DETAILED[side]], size=side, mode="bilinear")
            x = x + F.conv2d(mask * kept[side], kernel, padding=1, groups=x.shape[1])
    norm, _, last = net.to_rgb
    x = F.instance_norm(x, weight=norm.weight, bias=norm.bias)  # type: ignore[arg-type]
    return last(F.leaky_relu(x, 0.2))


def plain(net: StarGAN, contents: Tensor, references: Tensor) -> Tensor:
    """All pairs, one after the other."""
    made = []
    for content in contents.split(1):
        for reference in references.split(1):
            x = net.encoder.shared[0](reference)
            for layer in list(net.encoder.shared)[1:]:
                x = down(layer, x) if isinstance(layer, DownBlock) else layer(x)
            style = net.encoder.unshared[0](x.flatten(1))
            made.append(translated(net.generator, content, style, net.masks(content)))
    return torch.cat(made)


def ours(net: StarGAN, contents: Tensor, references: Tensor) -> Tensor:
    """All pairs as `stargan ref` makes them: a style once a reference, what comes before it once a content."""
    domain = torch.zeros(1, dtype=torch.long)
    layout = torch.channels_last
    styles = [net.encoder(one.contiguous(memory_format=layout), domain) for one in references.split(1)]
    made = []
    for content in contents.contiguous(memory_format=layout).split(1):
        seen = net.generator.encoded(content, net.masks(content))
        made += [net.generator.decoded(seen, style) for style in styles]
    return torch.cat(made)


def opened(*, faces: bool) -> StarGAN:
    """The official shape, with random weights."""
    torch.manual_seed(0)
    config = StarGANConfig(256, 2 if faces else 3, hpf=float(faces), fan=faces)
    net = StarGAN(config).requires_grad_(False).eval()
    for each in net.parameters():
        if each.ndim > 1:
            torch.nn.init.normal_(each, std=(2 / each[0].numel()) ** 0.5)
    return net


@torch.inference_mode()
def rows(rounds: int, *, faces: bool) -> Iterator[Row]:
    """One pair, and the table of three contents and three references."""
    reference, net = opened(faces=faces), opened(faces=faces).freeze()
    ways: dict[str, tuple[Callable[..., Tensor], StarGAN]] = {"plain port": (plain, reference), "ours": (ours, net)}
    for count in (1, 3):
        pictures = torch.rand(2, count, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
        best = dict.fromkeys(ways, math.inf)
        found: dict[str, Tensor] = {}
        for _ in range(rounds):
            for name, (way, each) in ways.items():
                start = time.perf_counter()
                found[name] = way(each, *pictures)
                best[name] = min(best[name], time.perf_counter() - start)
        wanted, made = found.values()
        difference = float((made - wanted).abs().max() / wanted.abs().max())
        assert difference < 1e-3, difference
        slow, quick = best.values()
        what = f"stargan, 256 px, {count} x {count} pictures"
        yield Row(what, "plain port", slow, quick, gflop(lambda pictures=pictures: ours(net, *pictures)))  # type: ignore[misc]


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--faces", action="store_true")
    args = options.parse_args()
    finish(rows(args.rounds, faces=args.faces), args)


if __name__ == "__main__":
    main()
