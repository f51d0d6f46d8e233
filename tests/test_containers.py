"""Files of odd but honest make: BigTIFF, compressions, depths, pages; chunks of any length; one bad tag."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from conftest import Result, complaint
from PIL import Image, PngImagePlugin

from stylecli.errors import InputError
from stylecli.media import icc
from stylecli.media.coded import ADOBE_RGB
from stylecli.media.images import read_picture
from stylecli.media.stored_settings import read_settings

SMOOTH = np.stack(np.meshgrid(np.linspace(40, 200, 40), np.linspace(60, 180, 32)), axis=-1)
RGB = np.dstack([SMOOTH, SMOOTH.mean(axis=2)]).astype(np.uint8)


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)  # type: ignore[arg-type]
    return file.getvalue()


def levels(data: bytes) -> np.ndarray:
    return np.rint(read_picture(data).pixels.permute(1, 2, 0).numpy() * 255).astype(int)


@pytest.mark.parametrize("bits", [8, 16])
def test_bigtiff_is_a_tiff(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path, bits: int
) -> None:
    pixels = RGB if bits == 8 else RGB.astype(np.uint16) * 257
    tags = [(274, "H", 1, 6, True), (271, "s", 0, "Maker", True)]
    data = tiff(pixels, photometric="rgb", bigtiff=True, iccprofile=ADOBE_RGB, extratags=tags)
    picture("s.png").with_name("c.tif").write_bytes(data)
    done = cli("adain", "c.tif", "--style", "s.png", "--alpha", "0", "--weights", tiny_adain, "-o", "o.tif")
    assert done.exit_code == 0, done.stderr
    with Image.open("o.tif") as image:
        assert image.size == (32, 40)
        assert image.info["icc_profile"] == ADOBE_RGB
        assert image.getexif()[271] == "Maker"
    made = tifffile.imread("o.tif")
    assert made.dtype == pixels.dtype
    assert np.abs(made.astype(int) - np.rot90(pixels, -1).astype(int)).max() <= (1 if bits == 8 else 2)


COMPRESSIONS = ["lzw", "zlib", "packbits", "lzma", "zstd", "jpeg", "webp", "jpeg2000", "jpegxl", "lerc", "png"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}])
def test_compressions(compression: str, layout: dict) -> None:
    made = levels(tiff(RGB, photometric="rgb", compression=compression, **layout))
    lossy = compression in {"jpeg", "webp", "jpeg2000", "jpegxl"}
    # Beyond the last whole tile JPEG has to draw an edge.
    assert np.abs(made - RGB)[:, :32].max() <= (6 if lossy else 0)


@pytest.mark.parametrize("compression", ["group3", "group4", "raw"])
def test_fax(compression: str) -> None:
    file = io.BytesIO()
    bilevel = Image.fromarray(RGB).convert("1")
    bilevel.save(file, "TIFF", compression=compression)
    assert (levels(file.getvalue()) == np.asarray(bilevel.convert("RGB"))).all()


def test_palettes_and_white_is_zero() -> None:
    colors = np.random.default_rng(0).integers(0, 65536, (3, 256), dtype=np.uint16)
    indices = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert (levels(tiff(indices, photometric="palette", colormap=colors)) == (colors >> 8).T.reshape(8, 32, 3)).all()
    assert (levels(tiff(RGB[..., 0], photometric="miniswhite"))[..., 0] == 255 - RGB[..., 0]).all()


def test_the_largest_page_is_taken_and_said() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(RGB[::4, ::4], photometric="rgb", subfiletype=1)
        writer.write(RGB, photometric="rgb")
        writer.write(255 - RGB, photometric="rgb")
    picture = read_picture(file.getvalue())
    assert picture.notes == ("largest, page 2, of 3 pages used",)
    assert picture.pixels.shape == (3, 32, 40)
    assert picture.pixels[0, 0, 0].item() == pytest.approx(RGB[0, 0, 0] / 255)


@pytest.mark.parametrize(
    ("pixels", "note", "white"),
    [
        (np.linspace(0, 1, 1200, dtype=np.float32), "", 1.0),
        (np.linspace(0, 255, 1200, dtype=np.float32), "float values up to 255 scaled to [0, 1]", 255.0),
        (
            np.r_[np.linspace(0, 0.5, 1199), 40].astype(np.float32),
            "1 taken as white, highlights beyond rolled off",
            1.0,
        ),
        (np.r_[np.linspace(0, 1, 1199), np.nan].astype(np.float32), "1 values are no numbers: taken as black", 1.0),
        (np.linspace(-1, 1, 1200, dtype=np.float32), "values down to -1 taken as black", 1.0),
        (np.linspace(0, 2**32 - 1, 1200).astype(np.uint32), "", 2**32 - 1.0),
        (
            np.linspace(0, 4000, 1200).astype(np.uint32),
            "32-bit values up to 4000: the largest is taken as white",
            4000.0,
        ),
    ],
)
def test_floats_and_32_bits_are_noted_and_toned(pixels: np.ndarray, note: str, white: float) -> None:
    picture = read_picture(tiff(pixels.reshape(30, 40), photometric="minisblack"))
    assert note in " ".join(picture.notes)
    assert bool(picture.notes) == bool(note)
    want = np.nan_to_num(pixels.astype(np.float64)) / white
    below = (want >= 0) & (want < 0.5)
    assert np.abs(picture.pixels[0].numpy().ravel() - want)[below].max() < 1e-4


def test_nothing_but_offsets_is_no_picture() -> None:
    data = bytearray(tiff(RGB, photometric="rgb"))
    for tag in (273, 279):
        at = data.index(struct.pack("<HHI", tag, 4, 1))
        data[at + 8 : at + 12] = bytes(4)
    with pytest.raises(InputError, match="not an image"):
        read_picture(bytes(data))


def test_texts_and_profiles_of_any_length_in_a_png(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path
) -> None:
    folder = picture("s.png").parent
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", '{"x":1}' * 200_000, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "x" * 1_300_000, zip=True)
    Image.fromarray(RGB).save(folder / "c.png", pnginfo=info)
    assert (levels((folder / "c.png").read_bytes()) == RGB).all()
    large = icc.written("x" * 800_000, icc.SRGB_PRIMARIES, icc.SRGB_CURVE)
    Image.fromarray(RGB).save(folder / "c.jpg", icc_profile=large)
    words = ("adain", "c.jpg", "--style", "s.png", "--alpha", "0", "--weights", tiny_adain, "-o", "o.png")
    assert cli(*words).exit_code == 0
    assert "skipped" in cli(*words, "--skip-existing").stderr
    assert cli("replay", "o.png").exit_code == 0
    assert read_settings(folder / "o_replay.png")


def test_a_damaged_chunk_beside_the_pixels_costs_only_itself() -> None:
    data = bytes(imagecodecs.png_encode(RGB))
    bad = struct.pack(">I", 5) + b"zTXt" + b"a\0\0xx" + b"\0\0\0\0"
    broken = struct.pack(">I", 8) + b"iCCP" + b"x\0\0zzzzz" + b"\0\0\0\0"
    picture = read_picture(data[:33] + bad + broken + data[33:])
    assert (np.rint(picture.pixels.permute(1, 2, 0).numpy() * 255) == RGB).all()
    assert picture.notes == ("broken color profile ignored: colors read as sRGB",)


def test_exif_of_older_tools_in_a_png() -> None:
    exif = Image.Exif()
    exif[274] = 6
    block = exif.tobytes()
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    data = bytes(imagecodecs.png_encode(RGB))
    body = b"Raw profile type exif\0\0" + zlib.compress(text)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    assert read_picture(data[:33] + chunk + data[33:]).pixels.shape == (3, 40, 32)


def test_one_bad_tag_costs_that_tag() -> None:
    from stylecli.media.metadata import clean_exif

    exif = Image.Exif()
    exif[271], exif[272] = "Maker", "Model"
    exif[40962] = object()  # no writer can write this
    block, dropped = clean_exif(exif)
    kept = Image.Exif()
    kept.load(block or b"")
    assert (kept[271], kept[272]) == ("Maker", "Model")
    assert dropped == "ExifImageWidth"


@pytest.mark.parametrize(
    ("head", "extra"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jpeg-xl"),
        (b"\xff\x0a", "jpeg-xl"),
    ],
)
def test_formats_of_extras_say_which(
    cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, head: bytes, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    picture("s.png").with_name("c.heic").write_bytes(head + bytes(200))
    done = cli("adain", "c.heic", "--style", "s.png", "-o", "o.png")
    assert "takes a package more" in complaint(done, 1)
    assert f"hint: pip install 'stylecli[{extra}]'" in done.stderr


def test_libtiff_says_nothing_on_the_terminal(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "TIFF", compression="tiff_lzw")
    data = bytearray(file.getvalue())
    data[200:260] = bytes(60)
    (tmp_path / "c.tif").write_bytes(data)
    code = f"""
import io, sys
from stylecli.budget import Budget
from stylecli.media.decode import _by_pillow
from stylecli.media.safe_open import decoding
data = open({str(tmp_path / "c.tif")!r}, "rb").read()
try:
    with decoding(data, "c.tif"):
        _by_pillow(data, Budget(2**30))
except Exception as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize(("format", "module"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
@pytest.mark.parametrize("profile", [None, "p3"])
def test_heic_and_jpeg_xl_with_their_extras(format: str, module: str, profile: str | None) -> None:
    plugin = pytest.importorskip(module)
    if format == "HEIF":
        plugin.register_heif_opener()
    icc_profile = icc.written("P3", (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), icc.SRGB_CURVE)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    options = {"icc_profile": icc_profile} if profile else {}
    Image.fromarray(RGB).save(file, format, quality=95, exif=exif.tobytes(), **options)
    picture = read_picture(file.getvalue())
    assert picture.pixels.shape == (3, 40, 32)
    # A JPEG XL always has a profile.
    assert (picture.carried.icc is not None) == (profile is not None or format == "JXL")
    assert picture.carried.exif
    assert b"Maker" in picture.carried.exif
    if not profile:
        made = np.rint(picture.pixels.permute(1, 2, 0).numpy() * 255)
        assert np.abs(made - np.rot90(RGB, -1)).max() <= 10


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_deep_avif(bits: int, channels: int) -> None:
    levels = np.random.default_rng(0).integers(2**bits // 8, 2**bits, (32, 40, channels), dtype=np.uint16)
    data = imagecodecs.avif_encode(levels, bitspersample=bits, level=100, primaries=1, transfer=13, matrix=0)
    picture = read_picture(bytes(data))
    assert picture.carried.bits == 16
    made = picture.pixels.permute(1, 2, 0).numpy() * (2**bits - 1)
    assert np.abs(made - levels[..., :3]).max() <= 1
    assert (picture.alpha is not None) == (channels == 4)


def test_uncompressed_ycbcr_is_converted() -> None:
    file = io.BytesIO()
    Image.fromarray(RGB).convert("YCbCr").save(file, "TIFF")
    assert np.abs(levels(file.getvalue()) - RGB).max() <= 3
