"""Seconds of a texture by optimization and by a generator, and the memory of a large one, on this machine.

    python benchmarks/texture.py [--weights net.safetensors] [--steps 100] [--large 4096] [--json out.json]

The exemplar is noise, 256 px: what it shows changes nothing here. The generator is the file given, or one of the
shape that `train texture` makes by default. Both sides work in this process; the large texture is drawn by the command
line in one of its own, whose peak memory is the system's count. CPU seconds are told beside, for busy machines.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peak import matrix_product_peak

from stylecli import api
from stylecli.checkpoints.save import save_network
from stylecli.checkpoints.texture_formats import stored_config
from stylecli.nets.texture_net import TextureConfig, TextureNet
from stylecli.settings.train_texture import TrainTextureSettings


def timed(run: Callable[[], Any], times: int) -> tuple[float, float]:
    """Median seconds on the clock and on all cores together."""
    found = []
    for _ in range(times):
        clock, cores = time.perf_counter(), time.process_time()
        run()
        found.append((time.perf_counter() - clock, time.process_time() - cores))
    wall, busy = zip(*found, strict=True)
    return statistics.median(wall), statistics.median(busy)


def large(weights: Path, side: int, folder: Path) -> tuple[float, float]:
    """Seconds, and peak MiB of the process, of one texture of `side` pixels a side."""
    words = ["texture", "--method", "net", "--weights", str(weights), "--out-size", f"{side}x{side}"]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "stylecli", *words, "--device", "cpu", "-q", "-o", str(folder / "large.jpg")], check=True
    )
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Prints the table, and writes it where `--json` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--large", type=int, default=4096)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    exemplar = F.interpolate(noise, (256, 256), mode="bicubic")[0].clamp(0, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = args.weights
        if weights is None:
            weights = folder / "net.safetensors"
            config = TextureConfig(TrainTextureSettings("any").widths)
            save_network(TextureNet(config), weights, network="texture-net", config=stored_config(config), about={})
        options = {"steps": args.steps} if args.steps else {}
        optimized = timed(lambda: api.texture(exemplar, device="cpu", **options), 1)
        draw = lambda: api.texture(method="net", weights=str(weights), out_size="256x256", device="cpu")
        draw()
        drawn = timed(draw, 9)
        seconds, memory = large(weights, args.large, folder) if args.large else (0.0, 0.0)
        row = {
            "threads": torch.get_num_threads(),
            "peak_gflops": round(matrix_product_peak(), 1),
            "gatys_256_seconds": round(optimized[0], 2),
            "gatys_256_cpu_seconds": round(optimized[1], 2),
            "net_256_seconds": round(drawn[0], 4),
            "net_256_cpu_seconds": round(drawn[1], 4),
            "ratio": round(optimized[0] / drawn[0]),
            "cpu_ratio": round(optimized[1] / drawn[1]),
            "weights_kib": round(weights.stat().st_size / 1024),
            "large_side": args.large,
            "large_seconds": round(seconds, 1),
            "large_peak_mib": round(memory),
        }
    for key, value in row.items():
        print(f"{key:24} {value}")
    if args.json:
        args.json.write_text(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
