"""How every method takes a machine that has other work: each command alone, and beside one busy process on each core.

    python benchmarks/busy.py [--only adain,audio] [--rounds 2] [--spin 300000]

Fair shares make twice the time; threads that spin while they wait for each other take more, and waste what they get.
Prints wall time and CPU time of both, from the start of the process to the written file; the best of the rounds counts.
`--spin` sets `GOMP_SPINCOUNT`, for comparison with what the command line sets itself. Run it with few other programs.
"""

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

EXAMPLES = Path(__file__).parents[1] / "stylecli/examples"
CONTENT, STYLE = (str(EXAMPLES / name) for name in ("harbor.jpg", "brushwork.jpg"))
COMMANDS = {
    "adain": ["adain", CONTENT, "--style", STYLE, "--size", "1024"],
    "fast": ["fast", CONTENT, "--style", "udnie", "--size", "1024"],
    "gatys": ["gatys", CONTENT, "--style", STYLE, "--size", "384", "--steps", "12"],
    "texture": ["texture", STYLE, "--out-size", "256x256", "--steps", "20"],
    "stylegan": ["stylegan", "sample", "--seeds", "0-63", "--grid"],
    "stargan": ["stargan", "latent", CONTENT, "--domain", "ukiyo_e", "--size", "256"],
    "audio": ["audio", "{sound}", "--style", "{noise}", "--steps", "40"],
}


def sounds(folder: str) -> dict[str, str]:
    """Two sounds of ten seconds in stereo at 44.1 kHz."""
    t = np.arange(441000) / 44100
    tone = 0.3 * np.sin(1400 * t + 90 * np.sin(3 * t))
    noise = 0.1 * np.random.default_rng(0).standard_normal((t.size, 2)) * (np.sin(40 * t) > 0)[:, None]
    found = {"sound": np.stack([tone, tone[::-1]], 1), "noise": noise}
    for name, samples in found.items():
        soundfile.write(f"{folder}/{name}.wav", samples, 44100)
    return {name: f"{folder}/{name}.wav" for name in found}


def spin() -> None:
    """Never ends."""
    while True:
        pass


@contextmanager
def busy() -> Iterator[None]:
    """A process that never rests on each core."""
    others = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for each in others:
        each.start()
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.join()


def measured(words: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "stylecli", *words], check=True, capture_output=True, env=environment)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(COMMANDS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--spin", type=int)
    args = parser.parse_args()
    environment = os.environ | ({"GOMP_SPINCOUNT": str(args.spin)} if args.spin is not None else {})
    with tempfile.TemporaryDirectory() as folder:
        names = sounds(folder)
        for name in args.only.split(","):
            suffix = "wav" if name == "audio" else "png"
            words = [word.format(**names) for word in COMMANDS[name]]
            words += ["-o", f"{folder}/out.{suffix}", "--overwrite"]
            quiet, loaded = [], []
            for _ in range(args.rounds):
                quiet.append(measured(words, environment))
                with busy():
                    loaded.append(measured(words, environment))
            (wall, cpu), (wall_busy, cpu_busy) = (map(min, zip(*each, strict=True)) for each in (quiet, loaded))
            told = f"wall {wall:6.2f} s, busy {wall_busy:6.2f} s: {wall_busy / wall:.2f} times"
            print(
                f"{name:10} {told}   CPU {cpu:6.2f} s, busy {cpu_busy:6.2f} s: {cpu_busy / cpu:.2f} times", flush=True
            )


if __name__ == "__main__":
    main()
