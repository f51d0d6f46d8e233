"""The page of `stylecli serve` in a real browser: drop, choose, drag, compare, save, by mouse and by keyboard."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("playwright", reason="needs playwright")
pytest.importorskip("uvicorn", reason="needs stylecli[serve]")

from browser import EXAMPLES, chromium, drag, opened, served, until

from stylecli.media.stored_settings import read_settings

pytestmark = pytest.mark.skipif(not chromium(), reason="needs Chromium")

DROP = """
([name, data, role]) => {
  const bytes = Uint8Array.from(atob(data), each => each.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, { type: "image/png" }));
  dispatchEvent(new DragEvent("dragenter", { dataTransfer: given }));
  const zone = document.querySelector(`#drop [data-role=${role}]`);
  zone.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
}
"""
PIXELS = "document.getElementById('picture').toDataURL()"
SHARP = "!document.getElementById('busy').classList.contains('on')"


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with served() as address, opened(address, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda said: page.problems.append(said.text) if said.type == "error" else None)
        page.on(
            "request",
            lambda sent: page.problems.append(sent.url) if sent.url[:5] not in ("blob:", address[:5]) else None,
        )
        yield page
        assert not page.problems


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "harbor.png"
    with Image.open(EXAMPLES / "harbor.jpg") as image:
        image.resize((576, 384)).save(path)
    return path


def dropped(page: Any, path: Path, role: str) -> None:
    page.evaluate(DROP, [path.name, base64.b64encode(path.read_bytes()).decode(), role])


def settled(page: Any, command: str) -> None:
    """Waits for the sharp picture, and for a command that ends so."""
    until(page, f"{SHARP} && document.getElementById('command').textContent.endsWith({json.dumps(command)})")


def test_a_picture_that_is_dropped_is_painted(page: Any, photo: Path):
    assert page.is_visible("#empty")
    dropped(page, photo, "content")
    until(page, "document.getElementById('picture').dataset.side")
    settled(page, "stylecli fast harbor.png --style great_wave")
    assert page.get_attribute("#picture", "role") == "img"
    assert "harbor.png" in page.get_attribute("#picture", "aria-label")


def test_the_slider_answers_while_it_is_dragged(page: Any, capsys: pytest.CaptureFixture[str]):
    seen = {page.evaluate(PIXELS)}
    times = []
    for percent in (80, 60, 40, 20, 50):
        times.append(drag(page, percent))
        assert page.get_attribute("#picture", "data-side") == "384"
        seen.add(page.evaluate(PIXELS))
    assert len(seen) == 6
    settled(page, "--alpha 0.5")
    assert int(page.get_attribute("#picture", "data-side")) > 384
    with capsys.disabled():
        print(
            f" drag to picture, fast at 384 px: median {median(times):.3f} s, worst {max(times):.3f} s of {len(times)}"
        )


def test_a_picture_as_a_style_and_a_mixture(page: Any):
    dropped(page, EXAMPLES / "brushwork.jpg", "style")
    until(page, "document.querySelectorAll('#own .tile').length === 1")
    settled(page, "stylecli adain harbor.png --style brushwork.jpg --alpha 0.5")
    page.click("#mix")
    page.locator("#known .tile input").nth(0).click()
    page.locator("#known .tile input").nth(2).click()
    page.locator("#shares input").nth(1).fill("50")
    settled(page, "stylecli fast harbor.png --style great_wave:1,udnie:0.5 --alpha 0.5")
    page.click("#mix")
    settled(page, "stylecli fast harbor.png --style udnie --alpha 0.5")


def test_what_is_saved_is_what_the_command_writes(page: Any, tmp_path: Path):
    page.select_option("#format", "png")
    with page.expect_download() as coming:
        page.click("#save")
    coming.value.save_as(tmp_path / coming.value.suggested_filename)
    assert coming.value.suggested_filename == "harbor_fast_udnie.png"
    made = tmp_path / "harbor_fast_udnie.png"
    with Image.open(made) as image:
        assert image.size == (576, 384)
    record = json.loads(read_settings(made.read_bytes()) or "")
    assert (record["method"], record["settings"]["style"], record["settings"]["alpha"]) == ("fast", ["udnie"], 0.5)
    page.click("#copy")
    assert page.evaluate("navigator.clipboard.readText()") == "stylecli fast harbor.png --style udnie --alpha 0.5"
    assert page.inner_text("#status") == "Copied the command."


NAMELESS = """() => [...document.querySelectorAll("button, input:not([hidden]), select, [tabindex]")]
  .filter(each => each.offsetParent && !(each.labels?.length || each.getAttribute("aria-label")
    || each.innerText.trim() || each.querySelector("img[alt]"))).map(each => each.outerHTML)"""


def test_everything_has_a_name_and_can_be_reached_by_keys(page: Any):
    nameless = page.evaluate(NAMELESS)
    assert not nameless
    page.focus("#alpha")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#alpha-said") == "49 %"
    page.focus("#compare")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.getElementById('compared').style.getPropertyValue('--split')") == "51%"
    page.locator("#known .tile input:checked").focus()
    page.keyboard.press("ArrowRight")
    settled(page, "--style shipwreck --alpha 0.49")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"alpha", "compare", "copy", "mix", "add", "style", "format", "save", "more"} <= reached


CONTRAST = """() => {
  const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = each => { for (; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (!/, 0\\)$|transparent/.test(color)) return color; } };
  return [...document.querySelectorAll("label, legend, h2, button, output, select, #status, #command, summary")]
    .filter(each => each.offsetParent && !each.disabled && each.innerText?.trim()).map(each => {
      const [a, b] = [getComputedStyle(each).color, behind(each)].map(light).sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), each.outerHTML.slice(0, 80)]; }).sort((x, y) => x[0] - y[0])[0];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(page: Any, scheme: str):
    page.emulate_media(color_scheme=scheme)
    least, where = page.evaluate(CONTRAST)
    assert least >= 4.5, where


def test_what_is_no_picture_is_said_and_a_wrong_address_too(page: Any, tmp_path: Path):
    wrong = tmp_path / "notes.png"
    wrong.write_text("not a picture")
    dropped(page, wrong, "content")
    until(page, "document.getElementById('status').classList.contains('bad')")
    assert page.inner_text("#status").startswith("notes.png: ")
    page.problems.clear()  # the browser tells of the answer 400
    other = page.context.new_page()
    other.goto(page.url.partition("#")[0] + "#wrong")
    until(other, "document.getElementById('status').classList.contains('bad')")
    assert other.inner_text("#status").startswith("this address lacks the token")
    other.close()
