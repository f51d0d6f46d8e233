"""Seconds a picture of `adain` against its peers, in one run.

    python benchmarks/adain.py [--pictures 32] [--size 512] [--json out.json]

First the published network (random weights) against a plain port of naoto0804/pytorch-AdaIN's `test.py`, over a folder
of pictures, reading and writing included. Then the embedded network against the architecture of MicroAST, at 512 px and
at 3840x2160, each in a process of its own for its peak memory, all in the environment that the command gives itself;
what the peer takes with PyTorch's defaults is told beside it. Sides take turns, so that a machine that slows down slows
all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from table import Row, finish, gflop, parser
from torch import nn

from stylecli.__main__ import LARGE_PAGES, WAITING, prepare_environment
from stylecli.backends.adain import Adain
from stylecli.batch.work import Work
from stylecli.checkpoints.layouts.networks import NETWORKS
from stylecli.checkpoints.save import save_network
from stylecli.device import resolve
from stylecli.method import Request
from stylecli.nets.adain import AdaIN, MirrorDecoder
from stylecli.nets.microast import MicroAST, MicroASTConfig
from stylecli.nets.vgg import VGG, VGGConfig
from stylecli.plans import plan_files
from stylecli.progress import silent
from stylecli.settings.adain import AdainSettings
from stylecli.settings.shared import Contents, Outputs, Styles

WIDTHS = ((64, 64), (128, 128), (256,) * 4, (512,))


def published(path: Path) -> AdaIN:
    """The published network with random weights, saved under `path`."""
    torch.manual_seed(0)
    net = AdaIN(VGG(VGGConfig(WIDTHS, padding="reflect", ceil_mode=True), "relu4_1"), MirrorDecoder(WIDTHS))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    config = NETWORKS["adain"].stored(net.vgg.config)
    save_network(net, path, network="adain", config=config, about={}, half=False)
    return net.eval()


class Plain:
    """`test.py`: modules in sequence, both pictures through the encoder for each result, a JPEG by Pillow."""

    def __init__(self, net: AdaIN) -> None:
        encoder: list[nn.Module] = []
        for name in net.vgg.names:
            if name.startswith("conv"):
                encoder += [nn.ReflectionPad2d(1), self._copy(net.vgg.convs[name])]
            else:
                encoder.append(nn.ReLU() if name.startswith("relu") else nn.MaxPool2d(2, ceil_mode=True))
        decoder: list[nn.Module] = []
        for name, conv in net.decoder.convs.items():
            decoder += [nn.ReflectionPad2d(1), self._copy(conv), nn.ReLU()]
            if name.endswith("_1"):
                decoder.append(nn.Upsample(scale_factor=2, mode="nearest"))
        self.encoder, self.decoder = nn.Sequential(*encoder), nn.Sequential(*decoder[:-2])

    @staticmethod
    def _copy(conv: nn.Module) -> nn.Conv2d:
        copy = nn.Conv2d(conv.in_channels, conv.out_channels, 3)
        copy.load_state_dict(conv.state_dict())
        return copy

    @torch.no_grad()
    def __call__(self, content: Path, style: Path, output: Path) -> None:
        """One picture, file to file."""
        x, y = (
            torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1)[None].float() / 255
            for path in (content, style)
        )
        f, g = self.encoder(x), self.encoder(y)
        (mean, deviation), (goal, wanted) = (
            (z.mean((2, 3), True), (z.var((2, 3), keepdim=True) + 1e-5).sqrt()) for z in (f, g)
        )
        made = self.decoder((f - mean) / deviation * wanted + goal)
        levels = (made[0].clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).numpy()
        Image.fromarray(levels).save(output)


def folder(args: argparse.Namespace, where: Path) -> Row:
    """The published network over a folder."""
    generator = np.random.default_rng(0)
    photos = where / "photos"
    photos.mkdir()
    for index in range(args.pictures + 1):
        coarse = generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        name = where / "style.jpg" if index == args.pictures else photos / f"{index:03}.jpg"
        Image.fromarray(coarse).resize((args.size, args.size), Image.Resampling.BICUBIC).save(name, quality=92)
    weights = where / "published.safetensors"
    plain = Plain(published(weights))
    settings = AdainSettings(weights=str(weights))
    outputs = Outputs(output=f"{where}/ours/")
    jobs = plan_files("adain", Contents((str(photos),)), Styles((str(where / "style.jpg"),)), (settings,), outputs)
    work = Work(Adain(settings, resolve("cpu")), outputs, {})
    found: dict[str, list[float]] = {"plain": [], "stylecli": []}
    for job in jobs:
        start = time.perf_counter()
        plain(Path(job.main.path), where / "style.jpg", where / "plain.jpg")
        middle = time.perf_counter()
        work(job, silent)
        found["plain"].append(middle - start)
        found["stylecli"].append(time.perf_counter() - middle)
    theirs, ours = (sum(found[side]) for side in ("plain", "stylecli"))
    what = f"adain, published, {args.pictures} files of {args.size} px"
    return Row(what, "plain port of pytorch-AdaIN", theirs, ours, note="which encodes the style for each")


def alone(side: str, width: int, height: int, weights: str) -> None:
    """Seconds and peak memory of one side on one picture, as JSON on stdout; run in a process of its own."""
    import resource

    torch.manual_seed(0)
    content, style = torch.rand(3, height, width), torch.rand(3, 512, 512)
    times = []
    if side != "stylecli":
        # Plain modules as they are published: no slower than a loop over them without `AnyStyle`.
        net = MicroAST(MicroASTConfig()).eval()
        run = lambda: net(content[None], style[None])
    else:
        settings = AdainSettings(weights=weights)
        backend = Adain(settings, resolve("cpu"))
        levels, painted = content.mul(255).byte(), style.mul(255).byte()
        # Copies are new pictures to the method: everything is computed again, the style too.
        run = lambda: backend(Request(settings, levels.clone(), [painted.clone()]))
    with torch.inference_mode():
        for _ in range(3 if width > 1000 else 15):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": min(times), "gib": memory, "gflop": gflop(run)}))


def against_microast(width: int, height: int, weights: str) -> Row:
    """One row: the embedded network and MicroAST's architecture, style encoding included on both sides."""
    default = {name: value for name, value in os.environ.items() if name not in (*WAITING, LARGE_PAGES)}
    prepare_environment()
    sides = {"peer": os.environ, "peer, by default": default, "stylecli": os.environ}
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(2):
        for side, rows in found.items():
            command = [sys.executable, __file__, "--alone", side, str(width), str(height), "--weights", weights]
            told = subprocess.run(command, env=sides[side], capture_output=True, text=True, check=True).stdout
            rows.append(json.loads(told))
    seconds = {side: min(row["seconds"] for row in rows) for side, rows in found.items()}
    gib = {side: max(row["gib"] for row in rows) for side, rows in found.items()}
    what, note = f"adain, embedded, {width}x{height}", f"with PyTorch's defaults {seconds['peer, by default']:.3g} s"
    ours = seconds["stylecli"], found["stylecli"][0]["gflop"], gib["stylecli"], gib["peer"]
    return Row(what, "architecture of MicroAST", seconds["peer"], *ours, note=note)


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """Both networks, the embedded one at two sizes."""
    with tempfile.TemporaryDirectory() as where:
        yield folder(args, Path(where))
    yield against_microast(512, 512, args.weights)
    yield against_microast(3840, 2160, args.weights)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--pictures", type=int, default=32)
    options.add_argument("--size", type=int, default=512)
    options.add_argument("--weights", default=str(Path(__file__).parents[1] / "weights/adain.safetensors"))
    options.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.alone:
        alone(args.alone[0], int(args.alone[1]), int(args.alone[2]), args.weights)
    else:
        finish(rows(args), args)


if __name__ == "__main__":
    main()
