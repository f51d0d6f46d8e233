"""What a single command costs beyond its computation: from the start of its process to the written file.

    python benchmarks/cold_start.py [--rounds 5] [--json out.json]

The peer is `python -c "import torch"` and the computation itself, as it takes in a process that made the same before.
Help and lists compute nothing; their peer is `python -c "pass"`. Sides take turns, the best of each counts.
"""

import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from table import Row, finish, parser

from stylecli import cli, methods

ROOT = Path(__file__).parents[1]
CONTENT, STYLE = (str(ROOT / "stylecli/examples" / name) for name in ("harbor.jpg", "brushwork.jpg"))
COMMANDS = {
    "adain, 512 px": ["adain", CONTENT, "--style", STYLE, "--size", "512"],
    "fast, 512 px": ["fast", CONTENT, "--style", "udnie", "--size", "512"],
    "texture by a generator, 256 px": ["texture", "--method", "net", "--style", "gravel", "--out-size", "256x256"],
    "gatys, 64 px, two steps": ["gatys", CONTENT, "--style", STYLE, "--size", "64", "--steps", "2"],
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


def rows(rounds: int) -> Iterator[Row]:
    """Commands that compute, then those that do not."""
    with tempfile.TemporaryDirectory() as folder:
        for name, words in COMMANDS.items():
            if words[0] == "fast" and not (ROOT / "weights/fast.safetensors").exists():
                continue
            whole = [*words, "-o", f"{folder}/out.png", "--overwrite"]
            computed = computation(whole)
            pairs = [(seconds("-c", "import torch"), seconds("-m", "stylecli", *whole)) for _ in range(rounds)]
            torch, ours = (min(side) for side in zip(*pairs, strict=True))
            yield Row(f"cold start, {name}", "import torch and the computation", torch + computed, ours)
    for name, words in LIGHT.items():
        pairs = [(seconds("-c", "pass"), seconds("-m", "stylecli", *words)) for _ in range(rounds)]
        python, ours = (min(side) for side in zip(*pairs, strict=True))
        yield Row(f"cold start, {name}", "python alone", python, ours)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=5)
    args = options.parse_args()
    finish(rows(args.rounds), args)


if __name__ == "__main__":
    main()
