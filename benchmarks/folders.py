"""A folder run against the same pictures one call, or one command, at a time, in one run.

    python benchmarks/folders.py [--photos DIR] [--pictures 60] [--size 256] [--rounds 3] [--calls 10] [--json FILE]

`adain` with its embedded weights, files to files. First in one process, imports left out: a loop over
`stylecli.api.adain` as a user would write it, against the folder command. Then from the shell, everything included: the
command for one picture, against the command for the folder. Of what is slow each round does a few pictures. Sides take
turns, so that a machine that slows down slows all; a ratio is the median of those of the rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import torch
from peak import matrix_product_peak
from PIL import Image

from stylecli import api
from stylecli.cli import run

EXAMPLES = Path(__file__).parents[1] / "stylecli/examples"


def photographs(folder: Path | None, count: int, where: Path) -> list[Path]:
    """So many pictures below `where`: links to those of a folder, or the example in as many sizes."""
    where.mkdir()
    if folder is not None:
        for each in sorted(folder.glob("*.jpg"))[:count]:
            (where / each.name).symlink_to(each.resolve())
    else:
        with Image.open(EXAMPLES / "harbor.jpg") as harbor:
            for index in range(count):
                harbor.resize((300 + 4 * index, 200 + 2 * index)).save(where / f"{index:03}.jpg", quality=92)
    return sorted(where.iterdir())


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """The table, and where it is asked for the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--size", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=10, help="pictures a round by calls of the API")
    parser.add_argument("--singles", type=int, default=3, help="pictures a round by commands of one")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        photos = photographs(args.photos, args.pictures, where / "photos")
        style, out = str(EXAMPLES / "brushwork.jpg"), where / "out"
        sized = ["--size", str(args.size)] if args.size else []
        words = ["--style", style, "--device", "cpu", "-q", "--overwrite", *sized]
        shell = [sys.executable, "-m", "stylecli", "adain"]
        out.mkdir()

        def calls() -> None:
            for path in photos[: args.calls]:
                api.adain(path, style, device="cpu", size=args.size).save(out / path.name, quality=92)

        def folder() -> None:
            assert run(["adain", str(where / "photos"), *words, "-o", f"{out}/"]) == 0

        def commands() -> None:
            for path in photos[: args.singles]:
                subprocess.run([*shell, str(path), *words, "-o", str(out / path.name)], check=True)

        def command() -> None:
            subprocess.run([*shell, str(where / "photos"), *words, "-o", f"{out}/"], check=True)

        found: list[dict[str, float]] = []
        few = {"calls": args.calls, "commands": args.singles}
        for _ in range(args.rounds):
            each = {}
            for side, work in (("calls", calls), ("folder", folder), ("commands", commands), ("command", command)):
                each[side] = seconds(work) / min(few.get(side, len(photos)), len(photos))
                rmtree(out)
                out.mkdir()
            found.append(each)
            print("  ".join(f"{side} {value:.3f}" for side, value in each.items()), "seconds a picture", flush=True)
    rows = [
        {
            "what": what,
            "peer": statistics.median(each[peer] for each in found),
            "stylecli": statistics.median(each[ours] for each in found),
            "ratio": statistics.median(each[peer] / each[ours] for each in found),
        }
        for what, peer, ours in (
            ("one call at a time, in one process", "calls", "folder"),
            ("one command at a time", "commands", "command"),
        )
    ]
    what = f"{len(photos)} pictures {f'of {args.size} px' if args.size else 'at their own size'}"
    for row in rows:
        print("{what:36} {peer:.3f} s a picture  a folder {stylecli:.3f} s  ratio {ratio:.1f}".format(**row))
    peak = matrix_product_peak()
    print(f"{what}; matrix product peak {peak:.0f} GFLOP/s, {torch.get_num_threads()} threads")
    if args.json:
        args.json.write_text(json.dumps({"what": what, "peak_gflops": peak, "rows": rows, "rounds": found}, indent=1))


if __name__ == "__main__":
    main()
