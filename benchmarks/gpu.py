"""What only a GPU of NVIDIA can tell, in a few minutes.

    python benchmarks/gpu.py [--json out.json] [--quick | --tiny]

First what must hold: `stylecli doctor`, every use and training of `tests/test_device.py` on the GPU and on the CPU, the
goldens on the GPU. Then how fast it is, from memory to memory, against plain ports in the same run: `adain` and `fast`
at 1920x1080, a step of `gatys` at 512 px, StyleGAN 2 of 1024 px with random weights, and a hundred megapixels in tiles.
Shares are of what the GPU reaches in products of matrices of that type. Without a GPU it ends with exit code 2; but
`--tiny` runs all of it but the checks on the CPU, at sizes that tell nothing, to know that it works.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from table import gflop

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Scale:
    """Where it runs, and how large."""

    device: str = "cuda"
    types: tuple[str, ...] = ("float32", "float16")
    least: float = 1.0
    together: int = 8
    product: int = 8192
    one_pass: tuple[int, int] = (1080, 1920)
    gatys: tuple[int, int] = (512, 200)
    stylegan: tuple[int, int] = (1024, 8)
    tiles: int = 10_000

    @property
    def there(self) -> torch.device:
        """The device."""
        return torch.device(self.device)


TINY = Scale("cpu", ("float32",), 0.0, 1, 64, (64, 96), (32, 8), (16, 1), 300)
scale = Scale()


@dataclass(frozen=True)
class Measured:
    """A speed.

    Attributes:
        what: The use.
        seconds: Of a picture or a step.
        peer: Those of the plain port, in float32; None where there is none.
        share: Of the peak of matrix products; None where nothing was counted.
        gib: The most memory that it held.
    """

    what: str
    seconds: float
    peer: float | None = None
    share: float | None = None
    gib: float = 0.0

    def __str__(self) -> str:
        peer = f"{self.peer / self.seconds:.2f} times as fast as the plain port" if self.peer else ""
        share = f"{self.share:.0%} of the peak" if self.share else ""
        return f"{self.what:44} {1 / self.seconds:9.2f} a second {self.gib:6.2f} GiB   {share:16} {peer}"


def seconds(run: Callable[[], Any]) -> float:
    """Of one call, warm; results may come later than their calls, so several are waited for together."""
    run()
    wait()
    count, start = 0, time.perf_counter()
    while not count or time.perf_counter() - start < scale.least:
        for _ in range(scale.together):
            run()
        wait()
        count += scale.together
    return (time.perf_counter() - start) / count


def wait() -> None:
    """Until the GPU is done; what was held before does not count."""
    if scale.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()


def memory() -> float:
    """The most GiB that were held since `wait`; 0 on a CPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if scale.device == "cuda" else 0.0


def peak(kind: str) -> float:
    """GFLOP/s of products of two square matrices."""
    size = scale.product
    a = torch.randn(size, size, device=scale.device, dtype=getattr(torch, kind))
    return 2 * size**3 / 1e9 / seconds(lambda: a @ a)


def one_pass(peaks: dict[str, float]) -> Iterator[Measured]:
    """`adain` against MicroAST's architecture, `fast` against the net as pytorch/examples would write it."""
    from fast import Plain

    from stylecli.backends.fast import Fast
    from stylecli.device import resolve
    from stylecli.method import Request
    from stylecli.methods import opened, settings_of
    from stylecli.nets.microast import MicroAST, MicroASTConfig
    from stylecli.settings.values import build

    height, width = scale.one_pass
    contents = [torch.randint(0, 256, (3, height, width), dtype=torch.uint8) for _ in range(4)]
    style = torch.randint(0, 256, (3, 512, 512), dtype=torch.uint8)
    floats = lambda x: (x[None].to(scale.there) / 255).float()
    for method, given, more in (("adain", [style], {}), ("fast", [], {"style": ("great_wave",)})):
        settings = build(settings_of(method), more)
        for kind in scale.types:
            backend, turn = opened(method, settings, resolve(scale.device, kind)), cycle(contents)
            run = lambda b=backend, t=turn, g=given, s=settings: b(Request(s, next(t), g))
            took, gib = seconds(run), memory()
            share = gflop(run) / took / peaks[kind]
            net = Plain(backend.net, 1) if isinstance(backend, Fast) else MicroAST(MicroASTConfig())
            seen = (floats(style),) if method == "adain" else ()
            plain = lambda n=net.to(scale.there).eval(), t=turn, y=seen: n(floats(next(t)), *y).clamp(0, 1).cpu()
            with torch.inference_mode():
                peer = seconds(plain)
            yield Measured(f"{method}, {width}x{height}, {kind}", took, peer, share, gib)


def gatys() -> Iterator[Measured]:
    """A step, as a recording that is played and without one, against the plain loop of `benchmarks/gatys.py`."""
    from gatys import plain_steps

    from stylecli import api
    from stylecli.checkpoints.load import load_vgg
    from stylecli.checkpoints.store import resolve
    from stylecli.optimise import evaluation

    size, steps = scale.gatys
    content, style = torch.rand(3, size, size), torch.rand(3, size, size)
    options: dict[str, Any] = {"size": size, "min_size": 0, "device": scale.device, "precision": "float32"}
    each = []
    for worth in (steps + 1, evaluation.WORTH):
        evaluation.WORTH = worth
        at: list[float] = []
        api.gatys(content, style, steps=steps, listener=lambda step, at=at: at.append(step.seconds), **options)
        each.append((at[-1] - at[steps // 4]) / (len(at) - 1 - steps // 4))
    net = load_vgg(resolve("encoder"))
    with scale.there:
        times = plain_steps(net.to(scale.there), content[None].to(scale.there), style[None].to(scale.there), steps)
    peer = statistics.median(times[len(times) // 4 :])
    for what, took_each in zip(("operation by operation", "recorded"), each, strict=True):
        yield Measured(f"gatys, a step at {size} px, {what}", took_each, peer)


def stylegan(peaks: dict[str, float]) -> Iterator[Measured]:
    """Against grouped convolutions, a picture of a batch."""
    import stylegan as plain

    size, batch = scale.stylegan
    net = plain.generator(size).to(scale.there)
    plain.FILTER = plain.FILTER.to(scale.there)
    ws = torch.randn(batch, len(net.pixels), net.w_dim, device=scale.there)
    noises = net.noises() or []
    net.freeze()
    for kind in scale.types:
        half = torch.autocast("cuda", torch.float16) if kind == "float16" else nullcontext()
        with torch.inference_mode(), half:
            took, gib = seconds(lambda: net.synthesize(ws, noises)), memory()
            share = gflop(lambda: net.synthesize(ws, noises)) / took / peaks[kind]
            peer = seconds(lambda: plain.reference(net, ws, noises))
        yield Measured(f"stylegan 2, {size} px, {kind}", took / batch, peer / batch, share, gib)


def tiles() -> Iterator[Measured]:
    """A hundred megapixels, with the memory that it took."""
    from stylecli import api

    side = scale.tiles
    content, style = torch.randint(0, 256, (3, side, side), dtype=torch.uint8), torch.rand(3, 512, 512)
    for method, given, more in (("adain", [style], {}), ("fast", [], {"style": ("great_wave",)})):
        wait()
        start = time.perf_counter()
        api.stylize(method, content, given, device=scale.device, **more)
        took = time.perf_counter() - start
        yield Measured(f"{method}, {side**2 / 1e6:.0f} megapixels", took, gib=memory())


def checks(*, quick: bool) -> Iterator[tuple[str, list[str]]]:
    """What must hold, and the command that tells."""
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    yield "doctor proves every network", [sys.executable, "-m", "stylecli", "doctor"]
    yield "every use and training, as on the CPU", [*tests, "tests/test_device.py", "-k", "on_cuda"]
    if not quick:
        yield "goldens", [*tests, *map(str, sorted((ROOT / "tests").glob("test_*_golden.py")))]


def main() -> int:
    """Checks, measures, prints; 0 where all holds, 1 where something does not, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for all of it")
    parser.add_argument("--quick", action="store_true", help="leave out the goldens and the hundred megapixels")
    parser.add_argument("--tiny", action="store_true", help="on the CPU, at small sizes: whether this program works")
    args = parser.parse_args()
    if args.tiny:
        global scale
        scale = TINY
    elif not torch.cuda.is_available():
        print("gpu.py: no GPU of NVIDIA on this machine", file=sys.stderr)
        return 2
    name = "tiny, on the CPU" if args.tiny else torch.cuda.get_device_name(0)
    told: dict[str, Any] = {"gpu": name, "torch": torch.__version__, "checks": {}, "rows": []}
    print(f"{told['gpu']}, PyTorch {told['torch']}", flush=True)
    environment = {**os.environ, "STYLECLI_DEVICE": "cuda", "STYLECLI_TEST_GPU": "1"}
    for what, command in () if args.tiny else checks(quick=args.quick):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        told["checks"][what] = done.returncode == 0
        print(f"{what:44} {'holds' if done.returncode == 0 else 'FAILS'}", flush=True)
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-2000:], flush=True)
    told["peaks"] = peaks = {kind: peak(kind) for kind in scale.types}
    print("products of matrices:", ", ".join(f"{each / 1e3:.1f} TFLOP/s in {kind}" for kind, each in peaks.items()))
    parts = [one_pass(peaks), gatys(), stylegan(peaks), *([] if args.quick else [tiles()])]
    for row in (row for part in parts for row in part):
        print(row, flush=True)
        told["rows"].append(asdict(row))
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if all(told["checks"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
