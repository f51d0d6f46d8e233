"""StyleGAN 2 on the CPU against a plain port of the reference's CPU path, with random weights of the official shapes.

    python benchmarks/stylegan.py [--sizes 256,1024] [--threads 2] [--rounds 3]

The port (`reference`) does what rosinality/stylegan2-pytorch and NVlabs' code do without their CUDA kernels: weights of
each picture, one grouped convolution over the batch, zeros inserted and a 2-d filter a channel at a time. It is written
from the papers. Both take the same weights and give the same pictures, which is checked. Rounds alternate, the best of
each counts; peak memory is what a fresh process holds beyond its weights.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from table import Row, finish, gflop, parser
from torch import Tensor

from stylecli.nets.stylegan2 import GAIN, Modulated, StyledLayer, StyleGAN2, StyleGAN2Config

CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
FILTER = torch.outer(TAPS, TAPS) / 64


def upfirdn(x: Tensor, kernel: Tensor, up: int, before: int, after: int) -> Tensor:
    """Zeros inserted, padded, filtered a channel at a time."""
    n, c, h, w = x.shape
    wide = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(n, c, h * up, w * up)
    wide = F.pad(wide, (before, after, before, after))
    made = F.conv2d(wide.reshape(n * c, 1, *wide.shape[2:]), kernel.flip(0, 1)[None, None])
    return made.reshape(n, c, *made.shape[2:])


def modulated(layer: Modulated, x: Tensor, w: Tensor, *, demodulate: bool, up: bool) -> Tensor:
    """A weight for each picture, and all of them as groups of one convolution."""
    n, c, h, side = x.shape
    weight = layer.weight[None] * layer.affine(w)[:, None, :, None, None]
    if demodulate:
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    out, kernel = weight.shape[1], weight.shape[3]
    x = x.reshape(1, n * c, h, side)
    if up:
        weight = weight.transpose(1, 2).reshape(n * c, out, kernel, kernel)
        x = F.conv_transpose2d(x, weight, stride=2, groups=n)
        return upfirdn(x.reshape(n, out, *x.shape[2:]), FILTER * 4, 1, 1, 1)
    x = F.conv2d(x, weight.reshape(n * out, c, kernel, kernel), padding=kernel // 2, groups=n)
    return x.reshape(n, out, h, side)


def reference(net: StyleGAN2, ws: Tensor, noises: list[Tensor]) -> Tensor:
    """Pictures [N, 3, H, W] the plain way."""
    x = net.const.repeat(len(ws), 1, 1, 1)
    rgb = None
    for index, layer in enumerate(net.layers):
        assert isinstance(layer, StyledLayer)
        x = modulated(layer, x, ws[:, index], demodulate=True, up=layer.up)
        x = x + noises[index] * layer.strength
        x = F.leaky_relu(x + layer.bias[:, None, None], 0.2) * GAIN
        if index % 2 == 0:
            to_rgb = net.rgbs[index // 2]
            assert isinstance(to_rgb, Modulated)
            new = modulated(to_rgb, x, ws[:, index + 1], demodulate=False, up=False) + to_rgb.bias[:, None, None]
            rgb = new if rgb is None else upfirdn(rgb, FILTER * 4, 2, 2, 1) + new
    assert rgb is not None
    return rgb


def generator(size: int) -> StyleGAN2:
    """The official shape of `size`, with random weights."""
    torch.manual_seed(0)
    net = StyleGAN2(StyleGAN2Config(tuple(width for side, width in CHANNELS.items() if side <= size)))
    for each in [*net.parameters(), *net.buffers()]:
        torch.nn.init.normal_(each, std=each[0].numel() ** -0.5 if each.ndim > 1 else 0.1)
    return net.freeze()


def ours(net: StyleGAN2, ws: Tensor, noises: list[Tensor]) -> Tensor:
    """Pictures [N, 3, H, W] as `stylecli` makes them."""
    return net.synthesize(ws, noises)


def seconds(run: Callable[[], object]) -> float:
    """Of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@torch.inference_mode()
def peak_of(way: str, size: int, batch: int, threads: int) -> float:
    """GiB that a fresh process takes for a batch, beyond what it held before."""
    torch.set_num_threads(threads)
    net = generator(size)
    noises, ws = net.noises() or [], torch.randn(batch, len(net.pixels), 512)
    if way == "reference":
        for layer in [*net.layers, *net.rgbs]:
            layer.weight.data = layer.weight.data.contiguous()
    # Filling the weights took memory too: Linux forgets the peak so far when told.
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    (reference if way == "reference" else ours)(net, ws, noises)
    return (_peak() - before) / 2**20


def _peak() -> int:
    """The largest resident memory since the last reset, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@torch.inference_mode()
def rows(size: int, rounds: int, threads: int) -> Iterator[Row]:
    """Those of one size."""
    net = generator(size)
    noises = net.noises() or []
    batches = {batch: torch.randn(batch, len(net.pixels), 512) for batch in (1, 8)}
    one = batches[1]
    plain = generator(size)
    for layer in [*plain.layers, *plain.rgbs]:
        layer.weight.data = layer.weight.data.contiguous()
    wanted, found = reference(plain, one, noises), ours(net, one, noises)
    difference = float((found - wanted).abs().max() / wanted.abs().max())
    assert difference < 1e-4, difference
    best = dict.fromkeys(("reference", "ours", "ours, batch of 8"), float("inf"))
    for _ in range(rounds):
        best["reference"] = min(best["reference"], seconds(lambda: reference(plain, one, noises)))
        best["ours"] = min(best["ours"], seconds(lambda: ours(net, one, noises)))
        best["ours, batch of 8"] = min(best["ours, batch of 8"], seconds(lambda: ours(net, batches[8], noises)) / 8)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {
            (way, batch): pool.apply(peak_of, (way, size, batch, threads))
            for batch in (1, 8 if size <= 256 else 2)
            for way in ("reference", "ours")
        }
    count = gflop(lambda: ours(net, one, noises))
    slow, quick, batched = best.values()
    several = max(batch for _, batch in memory)
    for what, value, batch, note in (
        (f"stylegan, {size} px", quick, 1, ""),
        (f"stylegan, {size} px, batch of 8", batched, several, f"memory of {several}"),
    ):
        yield Row(what, "plain port", slow, value, count, memory["ours", batch], memory["reference", batch], note)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--sizes", default="256,1024")
    options.add_argument("--rounds", type=int, default=3)
    args = options.parse_args()
    sizes = map(int, args.sizes.split(","))
    finish((row for size in sizes for row in rows(size, args.rounds, args.threads or torch.get_num_threads())), args)


if __name__ == "__main__":
    main()
