"""What lies under transparent pixels, edges at other sizes, and what transparency looks like on paper."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from conftest import Result
from PIL import Image

from stylecli.media.images import read_picture
from stylecli.media.transparency import filled, resize_alpha, resize_seen

DISK = np.hypot(*(np.mgrid[0:64, 0:64] - 31.5)) < 20


def disk(under: tuple[int, int, int], soft: bool = False) -> np.ndarray:
    """A red disk [64, 64, 4] with something else under what is transparent."""
    alpha = (20.5 - np.hypot(*(np.mgrid[0:64, 0:64] - 31.5))).clip(0, 1) if soft else DISK.astype(float)
    color = np.where((alpha > 0)[..., None], (220, 40, 30), under)
    return np.dstack([color, np.rint(alpha * 255)]).astype(np.uint8)


def saved(pixels: np.ndarray, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


@pytest.mark.parametrize("compact", [True, False])
def test_what_is_hidden_is_never_read(compact: bool) -> None:
    one, other = (read_picture(saved(disk(under)), compact=compact).pixels for under in ((0, 255, 0), (255, 255, 255)))
    assert torch.equal(one, other)
    assert (one.float() / (255 if compact else 1) - torch.tensor([220, 40, 30])[:, None, None] / 255).abs().max() < 0.01


def test_holes_take_the_nearest_colors() -> None:
    pixels, alpha = torch.zeros(3, 32, 32), torch.ones(1, 32, 32)
    pixels[0, :, 16:] = 1.0
    for column in (4, 26):
        alpha[:, 10:14, column : column + 4] = 0
        pixels[1, 10:14, column : column + 4] = 1.0
    made = filled(pixels, alpha)
    assert made[1].max() == 0
    assert made[0, 10:14, 4:8].max() < 0.05
    assert made[0, 10:14, 26:30].min() > 0.95
    assert torch.equal(filled(pixels, torch.ones(1, 32, 32)), pixels)
    assert filled(pixels, torch.zeros(1, 32, 32)).eq(0.5).all()


def test_smaller_pictures_weigh_colors_by_what_is_seen() -> None:
    pixels = torch.tensor([1.0, 0.0]).repeat(8)[None, None].expand(3, 16, 16).contiguous()
    alpha = torch.tensor([0.25, 0.75]).repeat(8)[None, None].expand(1, 16, 16)
    color, smaller = resize_seen(pixels, alpha, (8, 8))
    inner = slice(2, 6)
    assert smaller[0, inner, inner].numpy() == pytest.approx(0.5, abs=1e-3)
    assert color[:, inner, inner].numpy() == pytest.approx(0.25, abs=2e-3)


def test_an_edge_of_alpha_does_not_ring_and_stays() -> None:
    alpha = torch.zeros(1, 64, 64)
    alpha[:, :, 20:] = 1
    for size in (32, 48, 128):
        made = resize_alpha(alpha, (size, size))[0, size // 2]
        assert made[: int(20 * size / 64) - 2].max() == 0
        assert made[int(20 * size / 64) + 3 :].min() == 1
        assert made.sum().item() == pytest.approx(44 * size / 64, abs=0.3)


def png(width: int, bits: int, kind: int, row: bytes, key: bytes) -> bytes:
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    head = struct.pack(">IIBBBBB", width, 1, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", head), chunk(b"tRNS", key), chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b"")]
    )


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (png(8, 1, 0, b"\x1b", b"\0\1"), [1, 1, 1, 0, 0, 1, 0, 0]),
        (png(4, 2, 0, b"\x1b", b"\0\2"), [1, 1, 0, 1]),
        (png(2, 4, 0, b"\x5f", b"\0\5"), [0, 1]),
        (png(2, 16, 0, struct.pack(">2H", 1000, 2000), struct.pack(">H", 2000)), [1, 0]),
        (png(2, 16, 2, struct.pack(">6H", 1, 2, 3, 4, 5, 6), struct.pack(">3H", 4, 5, 6)), [1, 0]),
    ],
)
def test_a_color_that_is_the_key_to_transparency(data: bytes, alpha: list[int]) -> None:
    found = read_picture(data).alpha
    assert found is not None
    assert found[0, 0].tolist() == alpha


@pytest.mark.parametrize("bits", [8, 16])
def test_inks_and_grays_with_alpha(bits: int) -> None:
    kind = np.uint8 if bits == 8 else np.uint16
    top = 2**bits - 1
    inks = np.zeros((6, 7, 5), kind)
    inks[..., 0], inks[..., 4] = top, top // 2
    file = io.BytesIO()
    tifffile.imwrite(file, inks, photometric="separated", extrasamples=["unassalpha"])
    picture = read_picture(file.getvalue())
    assert picture.alpha is not None
    assert picture.alpha.mean().item() == pytest.approx(0.5, abs=0.01)
    assert picture.pixels.mean((1, 2)).tolist() == pytest.approx([0, 1, 1], abs=0.01)
    planes = np.stack([np.full((6, 7), top // 4, kind), np.full((6, 7), top // 2, kind)])
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="minisblack", extrasamples=["unassalpha"], planarconfig="separate")
    picture = read_picture(file.getvalue())
    assert picture.alpha is not None
    assert [picture.pixels.mean().item(), picture.alpha.mean().item()] == pytest.approx([0.25, 0.5], abs=0.01)


@pytest.fixture
def transparent(picture: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(saved(disk((0, 255, 0), soft=True)))
    picture("s.png")


@pytest.mark.usefixtures("transparent")
def test_sheets_and_clips_show_paper(cli: Callable[..., Result], tiny_adain: Path) -> None:
    words = ("adain", "c.png", "--style", "s.png", "--alpha", "0:0.1:2", "--weights", tiny_adain)
    done = cli(*words, "--grid", "-o", "sheet.png", "--animate", "clip.gif")
    assert done.exit_code == 0, done.stderr
    sheet = imagecodecs.png_decode(Path("sheet.png").read_bytes()).astype(int)
    assert not (abs(sheet[..., :3] - (0, 255, 0)).max(-1) < 60).any()
    with Image.open("clip.gif") as clip:
        assert np.asarray(clip.convert("RGB"))[2, 2].min() > 250


@pytest.mark.usefixtures("transparent")
def test_a_smaller_result_keeps_color_and_edge(cli: Callable[..., Result], tiny_adain: Path) -> None:
    done = cli(
        "adain", "c.png", "--style", "s.png", "--alpha", "0", "--size", "32", "--weights", tiny_adain, "-o", "o.png"
    )
    assert done.exit_code == 0, done.stderr
    made = imagecodecs.png_decode(Path("o.png").read_bytes()).astype(int)
    alpha = made[..., 3]
    assert alpha.sum() / 255 == pytest.approx((np.pi * 20**2) / 4, rel=0.02)
    assert np.abs(made[..., :3] - (220, 40, 30))[alpha > 0].max() <= 1
