"""What a single command costs beyond its computation: from the start of its process to the written file.

    python benchmarks/cold_start.py [--rounds 3] [--json out.json]

The peer is `python -c "import torch"` and the computation itself, as it takes in a process that made the same before.
Help and lists compute nothing; their peer is `python -c "pass"`. Sides take turns, the best of each counts. Modules
are compiled before, as an installation compiles them.
"""

import compileall
import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from table import Row, finish, parser

from stylecli import cli, methods
from stylecli.media.audio import write_sound

ROOT = Path(__file__).parents[1]
CONTENT, STYLE = (str(ROOT / "stylecli/examples" / name) for name in ("harbor.jpg", "brushwork.jpg"))
RATE = 44_100
SOUNDS = ("content.wav", "style.wav")
COMMANDS = {
    "adain, 768x512": ["adain", CONTENT, "--style", STYLE],
    "fast, 768x512": ["fast", CONTENT, "--style", "udnie"],
    "fast, 1620x1080": ["fast", CONTENT, "--style", "udnie", "--size", "1080"],
    "texture by a generator, 256x256": ["texture", "--method", "net", "--style", "gravel", "--out-size", "256x256"],
    "gatys, 96x64, two steps": ["gatys", CONTENT, "--style", STYLE, "--size", "64", "--steps", "2"],
    "stylegan, one picture": ["stylegan", "sample", "--seeds", "0"],
    "stargan, one picture": ["stargan", "ref", CONTENT, "--reference", STYLE],
    "audio, 10 s of stereo at 44,100 Hz": ["audio", SOUNDS[0], "--style", SOUNDS[1]],
}
LIGHT = {"help": ["--help"], "help of a command": ["adain", "--help"], "list of weights": ["weights", "list"]}


def seconds(*words: str) -> float:
    """A process of its own."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - start


def computation(words: list[str], monkey: Any = methods) -> float:
    """The backend's part of a command that runs in this process, the third time."""
    spent, build = [], monkey.opened

    def timed(method: str, settings: Any, device: Any) -> Any:
        backend = build(method, settings, device)
        run = backend.run

        def measured(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = run(*args, **options)
            spent.append(time.perf_counter() - start)
            return result

        backend.run = measured
        return backend

    monkey.opened = timed
    try:
        for _ in range(3):
            with contextlib.redirect_stdout(io.StringIO()):
                assert cli.run(words) == 0
    finally:
        monkey.opened = build
    return min(spent)


def record(folder: Path) -> None:
    """Two sounds: a gliding tone, and noise in bursts."""
    t = torch.arange(10 * RATE) / RATE
    noise = 0.1 * torch.randn(2, 10 * RATE, generator=torch.Generator().manual_seed(1))
    tone = 0.3 * torch.sin(1400 * t + 90 * torch.sin(3 * t)) + 0.05 * noise
    for name, samples in zip(SOUNDS, (tone, noise * (torch.sin(40 * t) > 0)), strict=True):
        write_sound(samples, str(folder / name), RATE, format="wav", bits="16")


def rows(rounds: int) -> Iterator[Row]:
    """Commands that compute, then those that do not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record(folder)
        compileall.compile_dir(ROOT / "stylecli", quiet=2)
        for what, words in COMMANDS.items():
            given = [str(folder / word) if word in SOUNDS else word for word in words]
            whole = [*given, "-o", str(folder / ("out.wav" if words[0] == "audio" else "out.png")), "--overwrite"]
            computed = computation(whole)
            pairs = [(seconds("-c", "import torch"), seconds("-m", "stylecli", *whole)) for _ in range(rounds)]
            started, ours = (min(side) for side in zip(*pairs, strict=True))
            peer = "import torch and the computation"
            yield Row(f"cold start, {what}", peer, started + computed, ours, computed=computed)
    for name, words in LIGHT.items():
        pairs = [(seconds("-c", "pass"), seconds("-m", "stylecli", *words)) for _ in range(rounds)]
        python, ours = (min(side) for side in zip(*pairs, strict=True))
        yield Row(f"cold start, {name}", "python alone", python, ours)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=3)
    args = options.parse_args()
    finish(rows(args.rounds), args)


if __name__ == "__main__":
    main()
