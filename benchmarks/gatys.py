"""Seconds a step of `gatys` against a plain implementation of the reference's loop: same network, same layers, one run.

    python benchmarks/gatys.py [--size 512] [--steps 12] [--json out.json]

The plain loop is what ProGamerGov/neural-style-pt and its kin do: a sequential network, Gram matrices by `torch.mm`,
mean squared errors, `torch.optim.LBFGS` with 100 pairs of history. Both sides optimise the same losses on the same
random pictures, and take turns, so that a machine that slows down slows both.
"""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import torch
from table import Row, finish, parser
from torch import Tensor, nn

from stylecli.backends.gatys import Gatys
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.save import save_network
from stylecli.device import resolve
from stylecli.method import Request
from stylecli.nets.vgg import BLOCKS, VGG, VGGConfig
from stylecli.settings.gatys import GatysSettings, parse_layers

LAYERS = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1"
CONTENT = "relu4_2"


def plain_steps(net: VGG, content: Tensor, style: Tensor, steps: int) -> list[float]:
    """Seconds of each evaluation of the plain loop."""
    modules: list[tuple[str, nn.Module]] = []
    for name in net.names:
        if name.startswith("conv"):
            conv = net.convs[name]
            copy = nn.Conv2d(conv.in_channels, conv.out_channels, 3, padding=1)
            copy.load_state_dict(conv.state_dict())
            modules.append((name, copy.requires_grad_(False)))
        else:
            modules.append((name, nn.ReLU() if name.startswith("relu") else nn.MaxPool2d(2)))

    def features(x: Tensor) -> dict[str, Tensor]:
        taps = {}
        for name, module in modules:
            x = module(x)
            taps[name] = x
            if name == "relu5_1":
                break
        return taps

    def gram(f: Tensor) -> Tensor:
        flat = f.view(f.shape[1], -1)
        return torch.mm(flat, flat.t()).div(f.nelement())

    layers = parse_layers(LAYERS)
    with torch.no_grad():
        goal = features(content)[CONTENT]
        grams = {layer: gram(features(style)[layer]) for layer in layers}
    picture = content.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([picture], max_iter=steps, history_size=100, tolerance_change=-1, tolerance_grad=-1)
    times = [time.perf_counter()]

    def closure() -> Tensor:
        optimizer.zero_grad()
        taps = features(picture)
        loss = 5 * nn.functional.mse_loss(taps[CONTENT], goal)
        for layer, target in grams.items():
            loss = loss + 100 * nn.functional.mse_loss(gram(taps[layer]), target)
        loss = loss + 1e-3 * (picture.diff(dim=2).abs().sum() + picture.diff(dim=3).abs().sum())
        loss.backward()
        times.append(time.perf_counter())
        return loss

    optimizer.step(closure)
    return [b - a for a, b in pairwise(times)]


def our_steps(path: Path, content: Tensor, style: Tensor, steps: int) -> list[float]:
    """Seconds of each evaluation of ours, at one size, with the losses and layers of the plain loop."""
    settings = GatysSettings(
        weights=str(path),
        steps=steps,
        min_size=0,
        style_layers=LAYERS,
        content_layers=CONTENT,
        scaling="channels",
        strokes_weight=0,
        init="content",
    )
    times: list[float] = []
    request = Request(settings, content[0], [style[0]], listener=lambda step: times.append(time.perf_counter()))
    Gatys(settings, resolve("cpu"))(request)
    return [b - a for a, b in pairwise(times)]


def compare(name: str, path: Path, net: VGG, size: int, steps: int) -> Row:
    """One row of the table."""
    content, style = torch.rand(1, 3, size, size), torch.rand(1, 3, size, size)
    sides: dict[str, Callable[[], list[float]]] = {
        "plain": lambda: plain_steps(net, content, style, steps),
        "stylecli": lambda: our_steps(path, content, style, steps),
    }
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(2):
        for side, measure in sides.items():
            found[side] += measure()[2:]  # the first ones warm up
    plain, ours = (statistics.median(found[side]) for side in ("plain", "stylecli"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Row(f"gatys, a step, {name}", "plain loop", plain, ours, operations(net, size), memory)


def operations(net: VGG, size: int) -> float:
    """GFLOP of one forward and backward pass (to the picture alone), convolutions only."""
    total, side, channels = 0.0, size, 3
    for name in net.names:
        if name.startswith("conv"):
            width = net.width(name)
            total += 9 * channels * width * side * side
            channels = width
        elif name.startswith("pool"):
            side //= 2
        if name == "relu5_1":
            break
    return 4 * total / 1e9


def rows(size: int, steps: int, encoder: Path) -> Iterator[Row]:
    """The embedded encoder, then VGG-19."""
    from stylecli.checkpoints.load import load_vgg

    torch.manual_seed(0)
    widths = [(64 * 2 ** min(block, 3),) * count for block, count in enumerate(BLOCKS["vgg19"])]
    vgg19 = VGG(VGGConfig((*widths[:4], (512,))))  # nothing above relu5_1
    with tempfile.TemporaryDirectory() as folder:
        wide = Path(folder, "vgg19.safetensors")
        save_network(vgg19, wide, network="vgg", config=stored_config(vgg19.config), about={}, half=False)
        yield compare("embedded encoder", encoder, load_vgg(encoder), size, 2 * steps)
        yield compare("VGG-19", wide, load_vgg(wide), size, steps)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--size", type=int, default=512)
    options.add_argument("--steps", type=int, default=12)
    options.add_argument("--encoder", type=Path, default=Path(__file__).parents[1] / "weights/encoder.safetensors")
    args = options.parse_args()
    finish(rows(args.size, args.steps, args.encoder), args)


if __name__ == "__main__":
    main()
