"""Seconds of a texture by optimization and by a generator, and the memory of a large one, on this machine.

    python benchmarks/texture.py [--weights net.safetensors] [--steps 100] [--large 4096] [--json out.json]

The exemplar is noise, 256 px: what it shows changes nothing here. The generator is the file given, or one of the
shape that `train texture` makes by default. Both sides work in this process; the large texture is drawn by the command
line in one of its own, whose peak memory is the system's count. CPU seconds are told beside, for busy machines.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from table import Row, finish, gflop, parser

from stylecli import api
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.save import save_network
from stylecli.nets.texture_net import TextureConfig, TextureNet
from stylecli.settings.train_texture import TrainTextureSettings


def timed(run: Callable[[], Any], times: int) -> float:
    """Median seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def large(weights: Path, side: int, folder: Path) -> tuple[float, float]:
    """Seconds, and peak MiB of the process, of one texture of `side` pixels a side."""
    words = ["texture", "--method", "net", "--weights", str(weights), "--out-size", f"{side}x{side}"]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "stylecli", *words, "--device", "cpu", "-q", "-o", str(folder / "large.jpg")], check=True
    )
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def rows(weights: Path | None, steps: int | None, side: int) -> Iterator[Row]:
    """A generator against the optimization, and one large texture."""
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    exemplar = F.interpolate(noise, (256, 256), mode="bicubic")[0].clamp(0, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if weights is None:
            weights = folder / "net.safetensors"
            config = TextureConfig(TrainTextureSettings(exemplar="any").widths)
            save_network(TextureNet(config), weights, network="texture-net", config=stored_config(config), about={})
        given: dict[str, Any] = {"steps": steps} if steps else {}
        optimized = timed(lambda: api.texture(exemplar, device="cpu", **given), 1)
        draw = lambda: api.texture(method="net", weights=str(weights), out_size="256x256", device="cpu")
        draw()
        yield Row("texture by a generator, 256x256", "texture by optimization", optimized, timed(draw, 9), gflop(draw))
        if side:
            seconds, memory = large(weights, side, folder)
            note = "the peer's time is that of as many pixels"
            peer = optimized * (side / 256) ** 2
            what = f"texture by a generator, {side}x{side}"
            yield Row(what, "texture by optimization", peer, seconds, gib=memory / 1024, note=note)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--weights", type=Path)
    options.add_argument("--steps", type=int)
    options.add_argument("--large", type=int, default=4096)
    args = options.parse_args()
    finish(rows(args.weights, args.steps, args.large), args)


if __name__ == "__main__":
    main()
