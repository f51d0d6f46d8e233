"""A server and a real browser in front of it, for tests and benchmarks."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "stylecli/examples"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The browser of this machine; none is ever downloaded."""
    return os.environ.get("STYLECLI_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def served(*words: str) -> Iterator[str]:
    """The address of `stylecli serve`."""
    command = [sys.executable, "-m", "stylecli", "serve", "--port", "0", "--device", "cpu", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def opened(address: str, **options: Any) -> Iterator[Any]:
    """The page, in a browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        # Tests run as root in containers, where Chromium has no sandbox.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = play.chromium.launch(executable_path=chromium(), args=arguments)
        page = browser.new_context(viewport={"width": 1280, "height": 800}, **options).new_page()
        page.goto(address)
        page.wait_for_selector("#known .tile")
        yield page
        browser.close()


def until(page: Any, condition: str, seconds: float = 60) -> Any:
    """Waits until JavaScript says yes: what it says. The page's policy forbids the browser to do so by itself."""
    end = time.monotonic() + seconds
    while not (found := page.evaluate(condition)):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)
    return found


DRAG = """
async value => {
  const slider = document.getElementById("alpha"), picture = document.getElementById("picture");
  const before = performance.now();
  const drawn = new Promise(done => {
    const seen = new MutationObserver(() => {
      if (Number(picture.dataset.alpha) === value / 100) { seen.disconnect(); requestAnimationFrame(() => done()); }
    });
    seen.observe(picture, { attributes: true, attributeFilter: ["data-drawn"] });
  });
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await drawn;
  return (performance.now() - before) / 1000;
}
"""


def drag(page: Any, percent: int) -> float:
    """Moves the slider of the strength there; the seconds until the browser shows the picture."""
    seconds: float = page.evaluate(DRAG, percent)
    return seconds
