"""How soon a picture is there when something is moved: the time from drag to picture in the page of `stylecli serve`.

    python benchmarks/at_once.py [--count 100] [--json out.json]

The page runs in a real Chromium (`tests/browser.py` says which), with the example picture at 384 px; the slider of the
strength goes to another place each time, and the clock stops when the browser is about to show what came. The peer is
the same command from the shell, from start to file.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from table import Row, finish, parser

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import EXAMPLES, drag, opened, served, until  # noqa: E402

CONTENT, STYLE = (str(EXAMPLES / name) for name in ("harbor.jpg", "brushwork.jpg"))
COMMANDS = {"fast": ["--style", "great_wave"], "adain": ["--style", STYLE]}
SIDE = 256
"""Short side of the example whose long side is 384."""


def command(method: str) -> float:
    """Seconds of the command."""
    with tempfile.TemporaryDirectory() as folder:
        words = [method, CONTENT, *COMMANDS[method], "--size", str(SIDE), "--alpha", "0.5", "-o", f"{folder}/out.jpg"]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "stylecli", *words], check=True, capture_output=True)
        return time.perf_counter() - start


def dragged(count: int) -> Iterator[tuple[str, list[float]]]:
    """Method, and the seconds of each drag."""
    with served() as address, opened(address) as page:
        page.set_input_files("#files", CONTENT)
        until(page, "document.getElementById('picture').dataset.side > 384")
        # Little pictures of all styles are made in the background.
        until(page, "document.querySelectorAll('#known img').length === 16")
        yield "fast", [drag(page, 5 + index * 37 % 91) for index in range(count)]
        page.set_input_files("#style-files", STYLE)
        until(page, "document.getElementById('command').innerText.includes('adain')")
        yield "adain", [drag(page, 5 + index * 37 % 91) for index in range(count)]


def rows(count: int) -> Iterator[Row]:
    """The medians; the worst is in the note."""
    for method, times in dragged(count):
        note = f"worst of {count}: {max(times):.3f} s"
        yield Row(f"page, {method}, drag to picture, 384 px", "the command", command(method), median(times), note=note)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--count", type=int, default=100)
    args = options.parse_args()
    finish(rows(args.count), args)


if __name__ == "__main__":
    main()
