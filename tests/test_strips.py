"""Large pictures go through from file to file some rows at a time, with the result of the whole picture."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from conftest import Result, complaint
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stylecli.batch.record import loads
from stylecli.errors import InputError
from stylecli.media import images, strip_writers, strips
from stylecli.media.images import read_picture, write_picture, write_rows
from stylecli.media.metadata import Carried
from stylecli.media.spool import Spool
from stylecli.media.stored_settings import read_settings

Cli = Callable[..., Result]

LEVELS = np.random.default_rng(0).integers(0, 256, (301, 207, 3), np.uint8)

LAYOUTS: dict[str, dict[str, Any]] = {
    "one plain strip": {"rowsperstrip": 301},
    "one deflated strip": {"rowsperstrip": 301, "compression": "deflate", "predictor": True},
    "strips": {"rowsperstrip": 7, "compression": "deflate", "predictor": True},
    "tiles": {"tile": (64, 48), "compression": "lzw"},
    "BigTIFF": {"tile": (32, 32), "bigtiff": True, "byteorder": ">"},
    "JPEG": {"tile": (64, 64), "compression": "jpeg"},
    "gray": {"rowsperstrip": 5, "photometric": "minisblack"},
    "PNG": {},
    "gray PNG": {},
}


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "LARGE", 1000)
    monkeypatch.setattr(strips, "PIECE", 3000)
    monkeypatch.setattr(strip_writers, "AT_ONCE", 5000)
    monkeypatch.setattr(strip_writers, "STRIP", 4000)
    monkeypatch.setattr("stylecli.media.tiles.IN_MEMORY", 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_are_those_of_the_whole(layout: str, tmp_path: Path):
    path, levels = tmp_path / "a", LEVELS[..., 0].copy() if "gray" in layout else LEVELS
    if "PNG" in layout:
        path.write_bytes(imagecodecs.png_encode(levels))
    else:
        tifffile.imwrite(path, levels, **{"photometric": "rgb", **LAYOUTS[layout]})
    opened, whole = strips.open_strips(path, "a"), read_picture(path, compact=True).pixels
    assert opened
    assert opened.shape == (1, 3, 301, 207)
    # Bands that overlap, as tiles have them, twice over; then somewhere in between.
    for top in [*range(0, 301, 50)] * 2 + [190, 10]:
        rows = max(top - 9, 0), min(top + 59, 301)
        assert torch.equal(opened.part(rows, (3, 200))[0], whole[:, slice(*rows), 3:200])


def test_what_takes_the_whole_picture(tmp_path: Path):
    kinds = {
        "alpha.png": np.dstack([LEVELS, LEVELS[..., 0]]),
        "deep.png": LEVELS.astype(np.uint16) * 257,
        "alpha.tif": np.dstack([LEVELS, LEVELS[..., 0]]),
        "deep.tif": LEVELS.astype(np.uint16),
    }
    for name, levels in kinds.items():
        if name.endswith("png"):
            (tmp_path / name).write_bytes(imagecodecs.png_encode(levels))
        else:
            tifffile.imwrite(tmp_path / name, levels, photometric="rgb")
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(LEVELS).save(tmp_path / "turned.png", exif=turned)
    Image.fromarray(LEVELS[:20, :20]).save(tmp_path / "small.png")
    Image.fromarray(LEVELS).convert("CMYK").save(tmp_path / "ink.tif")
    Image.fromarray(LEVELS).save(tmp_path / "a.jpg")
    for path in tmp_path.iterdir():
        assert strips.open_strips(path, "a") is None, path


@pytest.mark.parametrize("format", ["png", "tiff"])
@given(heights=st.lists(st.integers(1, 60), min_size=1, max_size=6), width=st.integers(1, 70))
@settings(max_examples=15, deadline=None)
def test_rows_that_are_written_are_read(
    format: str, heights: list[int], width: int, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.mktemp("rows") / "a"
    made = torch.randint(0, 256, (1, 3, sum(heights), width), dtype=torch.uint8)
    carried = Carried("PNG", dpi=(300.0, 300.0))
    size = (sum(heights), width)
    assert write_rows(made.split(heights, 2), size, path, format=format, carried=carried, settings='{"a": 1}') == ()
    read = read_picture(path, compact=True)
    assert torch.equal(read.pixels, made[0])
    assert read.carried.dpi == pytest.approx((300, 300), abs=0.1)
    assert read_settings(path) == '{"a": 1}'
    Image.open(path).load()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_pictures_in_memory_are_written_the_same_way(format: str, dtype: type, tmp_path: Path):
    pixels, alpha = torch.rand(3, 61, 47), torch.rand(1, 61, 47).clamp_min(0.1)
    exif = Image.Exif()
    exif[271] = "Maker"
    carried = Carried("TIFF", 16, exif=exif.tobytes())
    bits = 8 * np.dtype(dtype).itemsize
    write_picture(pixels, tmp_path / "a", format=format, alpha=alpha, carried=carried, bits=bits)
    read = read_picture(tmp_path / "a")
    assert read.alpha is not None
    assert (read.pixels - pixels).abs().max() <= 0.51 / np.iinfo(dtype).max
    assert (read.alpha - alpha).abs().max() <= 0.51 / np.iinfo(dtype).max
    loaded = Image.Exif()
    loaded.load(read.carried.exif)
    assert loaded[271] == "Maker"


@pytest.mark.parametrize("alpha", [1.0, 0.4])
@pytest.mark.parametrize("method", ["fast", "adain"])
def test_strips_give_the_picture_in_tiles(
    cli: Cli, method: str, alpha: float, tiny_fast: Path, tiny_adain: Path, monkeypatch: pytest.MonkeyPatch
):
    tifffile.imwrite("a.tif", LEVELS, photometric="rgb", rowsperstrip=16, resolution=(300, 300), resolutionunit=2)
    Image.fromarray(LEVELS[:60, :50]).save("s.png")
    weights, style = (tiny_fast, "wave") if method == "fast" else (tiny_adain, "s.png")
    monkeypatch.setattr(f"stylecli.backends.{method}.tile_side", lambda *_, **__: 64)
    monkeypatch.setattr("stylecli.backends.adain.KEPT", 0)
    words = [method, "a.tif", "--style", style, "--weights", weights, "--alpha", alpha, "--device", "cpu"]
    for out in ("rows.tif", "rows.png"):
        done = cli(*words, "-o", out)
        assert done.exit_code == 0, done.stderr
    assert cli(*words, "-o", "rows.tif", "--skip-existing", "--json").stdout.count('"skipped": true') == 1
    monkeypatch.setattr(strips, "LARGE", 10**9)
    assert cli(*words, "-o", "whole.png").exit_code == 0
    whole = read_picture("whole.png", compact=True).pixels
    for out in ("rows.tif", "rows.png"):
        read = read_picture(out, compact=True)
        assert torch.equal(read.pixels, whole)
        assert read.carried.dpi == pytest.approx((300, 300), abs=0.1)
        assert loads(read_settings(out), out).method == method


def test_a_file_that_ends_early(cli: Cli, tiny_fast: Path):
    words = ["--style", "wave", "--weights", tiny_fast, "-o", "out.png", "--device", "cpu"]
    tifffile.imwrite("a.tif", LEVELS, photometric="rgb", rowsperstrip=16)
    Path("a.tif").write_bytes(Path("a.tif").read_bytes()[:100_000])
    assert "a.tif: not an image: truncated after 100,000 bytes" in complaint(cli("fast", "a.tif", *words), 1)
    data = imagecodecs.png_encode(LEVELS)
    Path("a.png").write_bytes(data[:100_000] + b"\0\0\0\0IEND\xaeB`\x82")
    assert "a.png: not an image" in complaint(cli("fast", "a.png", *words), 1)
    assert not Path("out.png").exists()


def test_more_pixels_than_a_file_can_hold_are_left_to_the_reader_that_refuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(strips, "ALLOWANCE", 1000)
    monkeypatch.setattr(strips, "EXPANSION", 10)
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(np.zeros((400, 300, 3), np.uint8)))
    assert strips.open_strips(path, "a.png") is None
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((200, 100, 3), np.uint8), photometric="rgb")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = data.index((100).to_bytes(2, "little") + b"\0\0", 8)
    data[at : at + 4] = (60000).to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(InputError):
        read_picture(tmp_path / "a.tif")
    assert strips.open_strips(tmp_path / "a.tif", "a.tif") is None


def test_no_room_for_temporary_files(cli: Cli, tiny_fast: Path, monkeypatch: pytest.MonkeyPatch):
    tifffile.imwrite("a.tif", LEVELS, photometric="rgb")
    monkeypatch.setattr("stylecli.media.spool.tempfile.TemporaryFile", partial(open, "/nowhere/at/all", "xb"))
    words = ["fast", "a.tif", "--style", "wave", "--weights", tiny_fast, "-o", "out.tif", "--device", "cpu"]
    assert "no temporary file can be written" in complaint(cli(*words), 1)
    assert not Path("out.tif").exists()


@given(heights=st.lists(st.integers(1, 9), min_size=1, max_size=8), reach=st.integers(0, 5), channels=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_rows_that_were_replaced_are_still_read(heights: list[int], reach: int, channels: int):
    height, x = sum(heights), torch.rand(1, channels, sum(heights), 7).half()
    spool = Spool(x.shape, x.dtype)
    for band in x.split(heights, 2):
        spool.add(band)
    spool.done()
    top = 0
    for band in x.split(heights, 2):
        after = top + band.shape[2]
        rows = max(top - reach, 0), min(after + reach, height)
        assert torch.equal(spool.part(rows, (0, 7)), x[:, :, slice(*rows)])
        assert torch.equal(spool.part(rows, (2, 5)), x[:, :, slice(*rows), 2:5])
        spool.add(band + 1, reach)
        top = after
    spool.done()
    assert torch.equal(spool.part((0, height), (0, 7)), x + 1)
    spool.close()


def test_large_levels_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(LEVELS))
    plain = read_picture(tmp_path / "a.png", compact=True).pixels
    monkeypatch.setattr(images, "LARGE", 1000)
    large = read_picture(tmp_path / "a.png", compact=True).pixels
    assert torch.equal(plain, large)
    assert (plain.is_contiguous(), large.is_contiguous()) == (True, False)
