"""How soon a picture is there when something is moved: in the page of `stylecli serve`, and in the terminal, `--live`.

    python benchmarks/at_once.py [--count 100] [--only page,live] [--json out.json]

The example picture at 384 px, its strength elsewhere each time. The page runs in a real Chromium (`tests/browser.py`
says which); the clock stops when the browser is about to show what came. The terminal is one of 120 x 45 characters
that takes half blocks and shows them to nobody; the clock stops when the lines have been drawn. Where pictures of 384
px are slow that is a draft of half of them; the note says so, and how long a picture takes. The peer is the same
command from the shell, from start to file.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from stylecli.__main__ import prepare_environment

# As the command does, before PyTorch is loaded.
prepare_environment()

from table import Row, finish, parser  # noqa: E402

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


async def pressed(method: str, count: int) -> tuple[list[float], str]:
    """Seconds from each key to its picture, and whether that was a draft."""
    from stylecli.batch.sources import Source
    from stylecli.commands._live import opened_for
    from stylecli.live.app import SLOW, Live
    from stylecli.live.half_blocks import HalfBlocks
    from stylecli.settings.adain import AdainSettings
    from stylecli.settings.fast import FastSettings
    from stylecli.settings.shared import Compute

    files = {"content": (Source(CONTENT),), **({"style": (Source(STYLE),)} if method == "adain" else {})}
    settings = AdainSettings() if method == "adain" else FastSettings(style=("great_wave",))
    play = opened_for(method, settings, files, Compute(device="cpu"), names=["great_wave"] * (method == "fast"))
    app, times = Live(play, lambda asked, listener: ("", []), HalfBlocks), []
    async with app.run_test(size=(120, 45)):
        while app.drawn < app.wanted or app.sweeping:
            await asyncio.sleep(0.05)
        for index in range(count):
            start = time.perf_counter()
            app.simulate_key("left" if index // 20 % 2 == 0 else "right")
            while app.answered == app.wanted:
                await asyncio.sleep(0)
            while app.answered < app.wanted:
                await asyncio.sleep(0.001)
            times.append(time.perf_counter() - start)
        drafts = f"; drafts, a picture takes {app._took:.3f} s" if app._took > SLOW else ""
    return times, drafts


def rows(count: int, faces: list[str]) -> Iterator[Row]:
    """The medians; the worst is in the note."""
    found = [("page", "drag", *each, "") for each in dragged(count)] if "page" in faces else []
    found += [("live", "key", each, *asyncio.run(pressed(each, count))) for each in COMMANDS] if "live" in faces else []
    for face, what, method, times, drafts in found:
        note = f"worst of {count}: {max(times):.3f} s{drafts}"
        yield Row(
            f"{face}, {method}, {what} to picture, 384 px", "the command", command(method), median(times), note=note
        )


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--only", default="page,live")
    args = options.parse_args()
    finish(rows(args.count, args.only.split(",")), args)


if __name__ == "__main__":
    main()
