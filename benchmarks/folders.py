"""A folder run against the same pictures one call, or one command, at a time, in one run.

    python benchmarks/folders.py [--photos DIR] [--pictures 160] [--size 256] [--rounds 3] [--calls 40] [--json FILE]

`adain` with its embedded weights, files to files. First in one process, imports left out: a loop over
`stylecli.api.adain` as a user would write it, against the folder command. Then from the shell, everything included: the
command for one picture, against the command for the folder. Of what is slow each round does a few pictures. Sides take
turns, so that a machine that slows down slows all; the median of the rounds counts.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

from PIL import Image
from table import Row, finish, parser

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
                side = index % 40
                harbor.resize((300 + 6 * side, 200 + 4 * side)).save(where / f"{index:03}.jpg", quality=92)
    return sorted(where.iterdir())


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """Calls, a folder by one job at a time, and commands, against the folder."""
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

        def folder(*more: str) -> None:
            assert run(["adain", str(where / "photos"), *words, *more, "-o", f"{out}/"]) == 0

        def commands() -> None:
            for path in photos[: args.singles]:
                subprocess.run([*shell, str(path), *words, "-o", str(out / path.name)], check=True)

        def command() -> None:
            subprocess.run([*shell, str(where / "photos"), *words, "-o", f"{out}/"], check=True)

        sides: dict[str, tuple[Callable[[], None], int]] = {
            "calls": (calls, args.calls),
            "folder": (folder, len(photos)),
            "one job": (lambda: folder("--jobs", "1"), len(photos)),
            "commands": (commands, args.singles),
            "command": (command, len(photos)),
        }
        found: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(args.rounds):
            for side, (work, count) in sides.items():
                found[side].append(seconds(work) / min(count, len(photos)))
                rmtree(out)
                out.mkdir()
    median = {side: statistics.median(times) for side, times in found.items()}
    what = f"folder, {len(photos)} pictures{f' of {args.size} px' * bool(args.size)}"
    yield Row(f"{what}, in one process", "a call for each", median["calls"], median["folder"])
    yield Row(f"{what}, in one process", "one job at a time", median["one job"], median["folder"])
    yield Row(f"{what}, from the shell", "a command for each", median["commands"], median["command"])


def main() -> None:
    """Prints the rows, see `table`; seconds are those of a picture."""
    options = parser(__doc__)
    options.add_argument("--photos", type=Path)
    options.add_argument("--pictures", type=int, default=160)
    options.add_argument("--size", type=int)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--calls", type=int, default=40, help="pictures a round by calls of the API")
    options.add_argument("--singles", type=int, default=3, help="pictures a round by commands of one")
    args = options.parse_args()
    finish(rows(args), args)


if __name__ == "__main__":
    main()
