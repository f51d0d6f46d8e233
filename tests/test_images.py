"""Pictures in and out: every format, depth, orientation and profile; and hostile bytes."""

import io
import itertools
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from stylecli.errors import InputError, OutputError, UsageError
from stylecli.media import safe_open
from stylecli.media.images import Picture, picture_format, quantize, read_picture, write_picture
from stylecli.media.masks import read_mask
from stylecli.media.metadata import Carried
from stylecli.media.resize import Filter, long_side, resize, short_side

P3 = bytes(
    imagecodecs.cms_profile(
        "rgb", whitepoint=[0.3127, 0.329, 1], primaries=[0.68, 0.32, 1, 0.265, 0.69, 1, 0.15, 0.06, 1], gamma=2.2
    )
)
ADOBE = bytes(imagecodecs.cms_profile("adobergb"))
GRAY = bytes(imagecodecs.cms_profile("gray", whitepoint=[0.3127, 0.329, 1], gamma=1.8))
SRGB = bytes(imagecodecs.cms_profile("srgb"))
SMOOTH = np.stack(np.meshgrid(np.linspace(60, 180, 31), np.linspace(80, 170, 23)), axis=-1)
RGB = np.dstack([SMOOTH, SMOOTH.mean(axis=2)]).astype(np.uint8)
DEEP = (np.random.default_rng(0).random((23, 31, 4)) * 65535).astype(np.uint16)


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def written(pixels: torch.Tensor, **options: Any) -> bytes:
    file = io.BytesIO()
    write_picture(pixels, file, **options)
    return file.getvalue()


def levels(pixels: torch.Tensor, top: int = 255) -> np.ndarray:
    return np.rint(pixels.permute(1, 2, 0).numpy() * top).astype(int)


@pytest.mark.parametrize(("format", "bits"), [("png", 8), ("png", 16), ("tiff", 8), ("tiff", 16), ("webp", 8)])
@settings(deadline=None, max_examples=12)
@given(height=st.integers(1, 9), width=st.integers(1, 9), with_alpha=st.booleans(), seed=st.integers(0, 99))
def test_lossless_formats_keep_pixels_within_half_a_level(
    format: str, bits: int, height: int, width: int, with_alpha: bool, seed: int
) -> None:
    noise = torch.rand(4, height, width, generator=torch.Generator().manual_seed(seed))
    alpha = noise[3:] if with_alpha else None
    picture = read_picture(written(noise[:3], format=format, bits=bits, alpha=alpha, quality=100))
    # Half a level, and two roundings of float32 just below 1.
    half = 0.5 / (2**bits - 1) + 1.2e-7
    assert picture.carried.bits == bits
    seen = torch.ones(1, height, width) if picture.alpha is None else (picture.alpha > 0).float()
    assert picture.pixels.sub(noise[:3]).mul(seen).abs().max() <= half
    assert (picture.alpha is None) == (not with_alpha)
    if picture.alpha is not None:
        assert picture.alpha.sub(noise[3:]).abs().max() <= half


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_lossy_formats_stay_close(format: str) -> None:
    pixels = torch.from_numpy(RGB).permute(2, 0, 1) / 255
    assert read_picture(written(pixels, format=format)).pixels.sub(pixels).abs().max() < 0.04


def test_noise_of_any_quality_fits_into_a_jpeg() -> None:
    written(torch.rand(3, 300, 300), format="jpeg", quality=95)


def test_jpeg_lays_transparent_parts_on_white() -> None:
    file = io.BytesIO()
    notes = write_picture(torch.zeros(3, 8, 8), file, format="jpeg", alpha=torch.zeros(1, 8, 8))
    assert read_picture(file.getvalue()).pixels.min() > 0.99
    assert len(notes) == 1
    assert "white" in notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_orientation_is_applied_once(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(Image.fromarray(RGB), format, exif=exif)
    picture = read_picture(data)
    with Image.open(io.BytesIO(data)) as image:
        assert (levels(picture.pixels) == np.asarray(ImageOps.exif_transpose(image))).all()
    again = read_picture(written(picture.pixels, format="png", carried=picture.carried))
    assert again.pixels.shape == picture.pixels.shape
    assert again.pixels.sub(picture.pixels).abs().max() < 0.01


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_deep_tiffs(orientation: int) -> None:
    data = tiff(DEEP[..., :3], photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    want = np.rot90(DEEP[..., :3], 2 if orientation == 3 else -1)
    assert (levels(read_picture(data).pixels, 65535) == want).all()


MODES = {
    "1": Image.fromarray(RGB).convert("1"),
    "L": Image.fromarray(RGB).convert("L"),
    "LA": Image.fromarray(RGB).convert("LA"),
    "P": Image.fromarray(RGB).convert("P"),
    "RGBA": Image.fromarray(RGB).convert("RGBA"),
}


@pytest.mark.parametrize("mode", MODES)
def test_modes_of_png(mode: str) -> None:
    picture = read_picture(saved(MODES[mode]))
    assert (levels(picture.pixels) == np.asarray(MODES[mode].convert("RGB"))).all()
    assert (picture.alpha is not None) == mode.endswith("A")


@pytest.mark.parametrize("format", ["GIF", "PNG"])
def test_palette_with_a_transparent_color(format: str) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 2), 1)
    alpha = read_picture(saved(image, format, transparency=1)).alpha
    assert alpha is not None
    assert alpha[0, 2, 1] == 0
    assert alpha.sum() == 15


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png(channels: int) -> None:
    pixels = DEEP[..., :channels] if channels > 1 else DEEP[..., 0]
    picture = read_picture(bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels))))
    color = DEEP[..., :3] if channels > 2 else np.repeat(DEEP[..., :1], 3, axis=2)
    assert (levels(picture.pixels, 65535) == color).all()
    assert (picture.alpha is not None) == (channels in {2, 4})
    assert picture.carried.bits == 16


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib", "predictor": True},
        {"planarconfig": "separate"},
        {"tile": (16, 16)},
        {"bigtiff": True},
    ],
)
def test_16_bit_tiff(options: dict) -> None:
    color = DEEP[..., :3]
    pixels = np.moveaxis(color, -1, 0) if "planarconfig" in options else color
    assert (levels(read_picture(tiff(pixels, photometric="rgb", **options)).pixels, 65535) == color).all()


def test_alpha_of_16_bit_tiff() -> None:
    straight = read_picture(tiff(DEEP, photometric="rgb", extrasamples=["unassalpha"]))
    assert straight.alpha is not None
    assert (levels(straight.alpha, 65535) == DEEP[..., 3:]).all()
    multiplied = (DEEP[..., :3].astype(np.uint64) * DEEP[..., 3:] // 65535).astype(np.uint16)
    picture = read_picture(tiff(np.dstack([multiplied, DEEP[..., 3]]), photometric="rgb", extrasamples=["assocalpha"]))
    visible = DEEP[..., 3] > 20000
    assert np.abs(levels(picture.pixels, 65535) - DEEP[..., :3])[visible].max() < 8


def test_float_tiff_is_scaled_only_beyond_one() -> None:
    floats = DEEP[..., :3].astype(np.float32) / 65535
    picture = read_picture(tiff(floats, photometric="rgb"))
    assert np.abs(picture.pixels.permute(1, 2, 0).numpy() - floats).max() < 1e-5
    assert picture.notes == ()
    bright = read_picture(tiff(floats * 4, photometric="rgb"))
    assert bright.pixels.max() == 1
    assert bright.notes[0].startswith("float values up to")


def test_white_is_zero_tiff() -> None:
    picture = read_picture(tiff(DEEP[..., 0], photometric="miniswhite"))
    assert (levels(picture.pixels, 65535)[..., 0] == 65535 - DEEP[..., 0].astype(int)).all()


@pytest.mark.parametrize("profile", [P3, ADOBE], ids=["p3", "adobe"])
@pytest.mark.parametrize("format", ["png", "tiff", "webp"])
def test_wide_gamut_goes_to_srgb_and_back(profile: bytes, format: str) -> None:
    wide = imagecodecs.cms_transform(RGB, SRGB, profile, colorspace="rgb", outcolorspace="rgb")
    picture = read_picture(saved(Image.fromarray(wide), icc_profile=profile))
    assert np.abs(levels(picture.pixels) - RGB).max() <= 2  # levels of the wider space are further apart
    data = written(picture.pixels, format=format, quality=100, carried=picture.carried)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == profile
        assert np.abs(np.asarray(image).astype(int) - wide).max() <= 1
    with Image.open(io.BytesIO(written(picture.pixels, format=format, carried=picture.carried, strip=True))) as image:
        assert "icc_profile" not in image.info


def test_srgb_profile_changes_nothing() -> None:
    picture = read_picture(saved(Image.fromarray(RGB), icc_profile=SRGB))
    assert (levels(picture.pixels) == RGB).all()
    assert picture.carried.icc == SRGB


def test_gray_profile_brightens_as_it_says() -> None:
    image = Image.new("L", (4, 4), 128)
    picture = read_picture(saved(image, icc_profile=GRAY))
    linear = (128 / 255) ** 1.8
    assert picture.pixels.mean().item() == pytest.approx(1.055 * linear ** (1 / 2.4) - 0.055, abs=0.004)
    assert picture.carried.icc is None


@pytest.mark.parametrize("profile", [b"not a profile", P3[:200], P3[:300] + b"\xff" * 200])
def test_broken_profile_is_a_note(profile: bytes) -> None:
    picture = read_picture(saved(Image.fromarray(RGB), icc_profile=profile))
    assert (levels(picture.pixels) == RGB).all()
    assert "profile" in picture.notes[0]


def test_cmyk_without_profile_is_ideal_inks() -> None:
    inks = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for format in ("JPEG", "TIFF"):
        pixels = read_picture(saved(inks, format)).pixels
        assert pixels.mean(dim=(1, 2)).tolist() == pytest.approx([0, 1, 1], abs=0.02)


def cmyk_profile() -> bytes:
    """A CMYK profile of two grid points an ink, with a warm black and a dull cyan."""
    corners = []
    for c, m, y, k in itertools.product((0, 1), repeat=4):
        lightness = 20.0 if k else 100 - 50 * c - 40 * m - 10 * y
        corners += [round(lightness * 2.55), 128 - 40 * c * (1 - k), 128 + 10 * k]
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + bytes(corners) + ramp * 3
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
    head = struct.pack(
        ">I4sI4s4s4s12s4s", 128 + len(tags), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ", b"", b"acsp"
    )
    return head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + tags


def test_cmyk_goes_through_its_profile() -> None:
    profile, srgb = cmyk_profile(), ImageCms.createProfile("sRGB")
    image = Image.new("CMYK", (8, 8), (200, 30, 0, 20))
    want = ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, outputMode="RGB")
    for picture in (
        read_picture(saved(image, "TIFF", icc_profile=profile)),
        read_picture(saved(image, "JPEG", icc_profile=profile, quality=100)),
        read_picture(tiff(np.asarray(image).astype(np.uint16) * 257, photometric="separated", iccprofile=profile)),
    ):
        assert np.abs(levels(picture.pixels) - np.asarray(want)).max() <= 2
        assert picture.carried.icc is None
        assert picture.notes == ()
    without = read_picture(saved(image, "TIFF"))
    assert np.abs(levels(without.pixels) - np.asarray(want)).max() > 20


def test_lab_tiff() -> None:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    image = ImageCms.profileToProfile(Image.fromarray(RGB), srgb, lab, outputMode="LAB")
    assert image is not None
    picture = read_picture(saved(image, "TIFF"))
    assert np.abs(levels(picture.pixels) - RGB).max() <= 4
    assert picture.notes == ()


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (6, 5), color) for color in ("red", "lime", "blue")]
    for format in ("GIF", "WEBP"):
        picture = read_picture(saved(frames[0], format, save_all=True, append_images=frames[1:]))
        assert picture.notes == ("animated: first of 3 frames used",)
        assert picture.pixels.mean(dim=(1, 2)).tolist() == pytest.approx([1, 0, 0], abs=0.02)


def test_pages_of_a_tiff() -> None:
    pages = saved(Image.new("L", (6, 5)), "TIFF", save_all=True, append_images=[Image.new("L", (6, 5))])
    assert read_picture(pages).notes == ("first of 2 pages used",)
    assert read_picture(tiff(np.stack([DEEP[..., 0]] * 3), photometric="minisblack")).notes == (
        "first of 3 pages used",
    )


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_truncated_files_say_after_how_many_bytes(format: str) -> None:
    data = saved(Image.effect_noise((120, 90), 60).convert("RGB"), format)
    with pytest.raises(InputError, match=r"^photo: not an image: truncated after 1,500 bytes$"):
        read_picture(data[:1500], name="photo")


def test_truncated_deep_tiff() -> None:
    with pytest.raises(InputError, match="truncated after 3,000 bytes"):
        read_picture(tiff(DEEP, photometric="rgb")[:3000])


def test_bad_paths_are_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture at all")
    for name, wrong in {
        "none.png": "no such file",
        "": "a folder, not a picture",
        "empty.png": r"empty file \(0 bytes\)",
        "empty.png/x.png": "no such file",
        "text.png": "not an image",
        "n" * 300: "the name is too long",
        "a\0b": "no such file",
    }.items():
        with pytest.raises(InputError, match=f": {wrong}$") as raised:
            read_picture(tmp_path / name)
        assert raised.value.hint


def test_reading_not_permitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="not permitted"):
        read_picture(tmp_path / "a.png")


def test_bombs_are_refused() -> None:
    header = bytearray(saved(Image.new("1", (8, 8)), "BMP"))
    header[18:26] = (60000).to_bytes(4, "little") + (60000).to_bytes(4, "little")
    with pytest.raises(InputError, match="too large: more than 1,000,000,000 pixels"):
        read_picture(bytes(header))


EXIF = Image.Exif()
EXIF[274], EXIF[271] = 6, "Maker"
SEEDS = [
    *(
        saved(Image.fromarray(RGB), format, exif=EXIF, icc_profile=P3)
        for format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
    ),
    *(saved(Image.fromarray(RGB), format) for format in ("GIF", "BMP")),
    saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    tiff(DEEP, photometric="rgb"),
    bytes(imagecodecs.png_encode(DEEP)),
]


def read_or_told(data: bytes) -> Picture | str:
    try:
        return read_picture(data, name="x")
    except InputError as error:
        return error.message


@settings(deadline=None, max_examples=250)
@given(
    seed=st.sampled_from(SEEDS),
    end=st.integers(1, 10000),
    changes=st.lists(st.tuples(st.integers(0, 10000), st.integers(0, 255)), max_size=8),
)
def test_damaged_bytes_only_raise_input_errors(seed: bytes, end: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(seed[: max(end, 1)])
    for at, value in changes:
        data[at % len(data)] = value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safe_open, "MAX_PIXELS", 1_000_000)
        got = read_or_told(bytes(data))
    if isinstance(got, str):
        assert got.startswith("x: ")
        assert "\n" not in got
    else:
        assert got.pixels.shape[0] == 3
        assert 0 <= got.pixels.min() <= got.pixels.max() <= 1


@settings(deadline=None, max_examples=50)
@given(data=st.binary(min_size=1, max_size=64))
def test_random_bytes_are_not_images(data: bytes) -> None:
    with pytest.raises(InputError):
        read_picture(data)


def test_depth_follows_the_content_where_the_format_can() -> None:
    deep = Carried("TIFF", bits=16)
    pixels = torch.rand(3, 4, 5)
    assert read_picture(written(pixels, format="png", carried=deep)).carried.bits == 16
    assert read_picture(written(pixels, format="png", carried=deep, strip=True)).carried.bits == 16
    assert read_picture(written(pixels, format="png", carried=deep, bits=8)).carried.bits == 8
    assert read_picture(written(pixels, format="jpeg", carried=deep)).carried.bits == 8
    with pytest.raises(UsageError, match="8 bits"):
        written(pixels, format="jpeg", bits=16)


def test_rounding() -> None:
    pixels = torch.tensor([0.0, 0.49, 0.5, 254.7, 300, -3]).div(255).expand(3, 1, 6)
    assert quantize(pixels, 8)[0, :, 0].tolist() == [0, 0, 1, 255, 255, 0]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not finite"):
        write_picture(torch.full((3, 2, 2), torch.nan), tmp_path / "a.png")
    with pytest.raises(OutputError, match="at most 16,383 pixels"):
        write_picture(torch.zeros(3, 1, 16384), tmp_path / "a.webp")
    with pytest.raises(UsageError, match="unknown picture format"):
        write_picture(torch.zeros(3, 2, 2), tmp_path / "a.xyz")
    assert list(tmp_path.iterdir()) == []
    assert picture_format("a/b.JPG") == picture_format("jpeg") == "JPEG"


def test_resizing_takes_batches() -> None:
    pixels = torch.from_numpy(RGB).permute(2, 0, 1) / 255
    assert torch.equal(resize(torch.stack([pixels, pixels]), (40, 17))[1], resize(pixels, (40, 17)))


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 2000))
def test_sides(height: int, width: int, size: int) -> None:
    assert min(short_side(height, width, size)) == size
    assert max(long_side(height, width, size)) == size
    high, wide = short_side(height, width, size, "truncate")
    assert abs(high * width - wide * height) <= max(height, width)


@pytest.mark.parametrize("filter", ["box", "bilinear", "hamming", "bicubic", "lanczos"])
@given(*[st.integers(1, 90)] * 4, st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_resizing_is_that_of_pillow(filter: Filter, height: int, width: int, high: int, wide: int, seed: int) -> None:
    levels = torch.randint(256, (2, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    floats, method = levels.float().div(255), Image.Resampling[filter.upper()]
    wanted = np.stack([np.asarray(Image.fromarray(each.numpy()).resize((wide, high), method)) for each in floats])
    for shown in (levels, floats):
        assert np.allclose(resize(shown, (high, wide), filter=filter), wanted.clip(0, 1), atol=1e-6)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_that_of_pillow(mode: str, subsampling: int, progressive: bool) -> None:
    file = io.BytesIO()
    photo = Image.effect_noise((75, 61), 90).convert(mode)
    photo.save(file, "JPEG", quality=80, subsampling=subsampling, progressive=progressive)
    with Image.open(file) as image:
        wanted = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    found = read_picture(file.getvalue(), compact=True).pixels
    assert np.array_equal(found.expand(3, -1, -1), wanted)


def test_a_tiff_that_lacks_strips() -> None:
    """What is not there would be filled with zeros: any size, from a few bytes."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((8, 8, 3), np.uint8), photometric="rgb", rowsperstrip=8, compression="zlib")
    with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as file:
        where = file.pages.first.tags["ImageLength"].valueoffset
    data = bytearray(buffer.getvalue())
    data[where : where + 2] = (60000).to_bytes(2, "little")
    with pytest.raises(InputError, match="truncated"):
        read_picture(bytes(data))


def test_a_mask_of_other_proportions_never_becomes_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylecli.media.masks.picture_of", lambda _: pytest.fail("decoded to floats"))
    with pytest.raises(InputError, match="does not fit"):
        read_mask(saved(Image.new("RGBA", (400, 10))), (64, 64))


def test_masks() -> None:
    gradient = Image.linear_gradient("L")
    mask = read_mask(saved(gradient), (64, 64))
    assert mask.shape == (1, 64, 64)
    assert mask[0, :, 0].diff().min() > 0
    drawn_in_alpha = Image.new("RGBA", (256, 256), "black")
    drawn_in_alpha.putalpha(gradient)
    assert torch.allclose(read_mask(saved(drawn_in_alpha), (64, 64)), mask, atol=0.01)
    with pytest.raises(InputError, match="a mask of 256x256 does not fit a picture of 80x64"):
        read_mask(saved(gradient), (64, 80), name="m.png")


@pytest.mark.parametrize("name", ["dot.png", "dot.jpg", "dot.tif", "dot.webp"])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_a_single_pixel_is_a_picture(name: str, size: tuple[int, int], tmp_path: Path):
    write_picture(torch.full((3, *size), 0.5), tmp_path / name)
    levels = read_picture(tmp_path / name, compact=True).pixels
    write_picture(levels, tmp_path / f"again_{name}")
    assert read_picture(tmp_path / f"again_{name}").pixels.shape == (3, *size)
