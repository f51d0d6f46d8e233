"""Colors that files tell: embedded profiles, PNG's and AVIF's numbers, Lab; and what is said where they do not fit."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from stylecli.media import coded, icc, profiles
from stylecli.media.images import read_picture, write_picture

LIGHT = 0.05 + 0.95 * np.random.default_rng(0).random((8, 9, 3))
"""Linear light of sRGB's primaries."""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(codes: np.ndarray, *chunks: bytes) -> bytes:
    data = bytes(imagecodecs.png_encode(np.rint(codes * 65535).astype(np.uint16)))
    return data[:33] + b"".join(chunks) + data[33:]


def srgb(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def p3_light(light: np.ndarray) -> np.ndarray:
    """By the matrix of CSS Color 4, from sRGB's light to that of Display P3."""
    return light @ np.array([[0.8224620, 0.1775380, 0], [0.0331942, 0.9668058, 0], [0.0170827, 0.0723974, 0.9105199]]).T


CHRM = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
TOLD = {
    "cICP, Display P3": png(srgb(p3_light(LIGHT)), chunk(b"cICP", bytes([12, 13, 0, 1]))),
    "cICP, BT.709": png(
        np.where(LIGHT < 0.018, 4.5 * LIGHT, 1.099 * LIGHT**0.45 - 0.099), chunk(b"cICP", bytes([1, 1, 0, 1]))
    ),
    "gAMA, linear": png(LIGHT, chunk(b"gAMA", struct.pack(">I", 100000))),
    "gAMA and cHRM": png(p3_light(LIGHT) ** (1 / 1.8), chunk(b"gAMA", struct.pack(">I", 55556)), CHRM),
    "sRGB before gAMA": png(srgb(LIGHT), chunk(b"gAMA", struct.pack(">I", 100000)), chunk(b"sRGB", b"\0")),
    "cICP before iCCP": png(
        srgb(LIGHT), chunk(b"iCCP", b"x\0\0" + zlib.compress(coded.ADOBE_RGB)), chunk(b"cICP", bytes([1, 13, 0, 1]))
    ),
    "iCCP": png(
        (LIGHT @ np.eye(3)) ** (1 / 1.8),
        chunk(b"iCCP", b"x\0\0" + zlib.compress(icc.written("x", icc.SRGB_PRIMARIES, (1.8,)))),
    ),
}


@pytest.mark.parametrize("said", TOLD)
def test_numbers_of_a_png_are_its_colors(said: str) -> None:
    picture = read_picture(TOLD[said])
    assert np.abs(picture.pixels.permute(1, 2, 0).numpy() - srgb(LIGHT)).max() < 2e-4
    assert picture.notes == ()
    file = io.BytesIO()
    write_picture(read_picture(TOLD[said], wide=True).pixels, file, format="png", carried=picture.carried)
    again = read_picture(file.getvalue())
    assert np.abs(again.pixels.permute(1, 2, 0).numpy() - srgb(LIGHT)).max() < 2e-4


def test_nclx_of_an_avif() -> None:
    codes = np.rint(srgb(p3_light(LIGHT / 2 + 0.2)) * 255).astype(np.uint8)
    data = imagecodecs.avif_encode(codes, level=100, primaries=12, transfer=13, matrix=0)
    picture = read_picture(bytes(data))
    assert np.abs(picture.pixels.permute(1, 2, 0).numpy() - srgb(LIGHT / 2 + 0.2)).max() < 2.5 / 255
    assert picture.carried.icc


def test_hdr_is_toned_and_said() -> None:
    data = png(LIGHT, chunk(b"cICP", bytes([9, 16, 0, 1])))
    picture = read_picture(data, wide=True)
    assert picture.notes == ("PQ colors toned down to a screen's",)
    white = read_picture(png(np.full((4, 4, 3), 0.5806), chunk(b"cICP", bytes([9, 16, 0, 1])))).pixels
    # 203 cd/m2 has the light 1, which is toned to about one half.
    assert white.mean().item() == pytest.approx(srgb(np.array(0.5)), abs=0.01)


def test_unknown_numbers_are_said() -> None:
    (note,) = read_picture(png(LIGHT, chunk(b"cICP", bytes([77, 13, 0, 1])))).notes
    assert note == "colors coded as 77/13 are not known: read as sRGB"
    (note,) = read_picture(png(LIGHT, chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"cHRM", bytes(32)))).notes
    assert note.startswith("impossible cHRM")


def test_cameras_that_say_adobe_rgb_in_exif_alone() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 100, 100)).save(file, "JPEG", exif=exif, quality=100)
    want = imagecodecs.cms_transform(
        np.full((1, 1, 3), (200, 100, 100), np.uint8), coded.ADOBE_RGB, bytes(imagecodecs.cms_profile("srgb")),
        colorspace="rgb", outcolorspace="rgb",
    )  # fmt: skip
    picture = read_picture(file.getvalue())
    assert picture.pixels.mean(dim=(1, 2)).mul(255).numpy() == pytest.approx(want[0, 0], abs=1.5)
    assert picture.carried.icc == coded.ADOBE_RGB


def test_curves_and_matrices_are_those_of_littlecms() -> None:
    codes = np.random.default_rng(1).integers(0, 65536, (20, 20, 3), dtype=np.uint16)
    for profile in (coded.ADOBE_RGB, icc.written("x", coded.PRIMARIES[9], np.linspace(0, 1, 500) ** 2.2)):
        ours, kept, note = profiles.to_srgb(codes, "rgb", profile)
        assert (kept, note) == (profile, "")
        theirs = imagecodecs.cms_transform(
            codes, profile, bytes(imagecodecs.cms_profile("srgb")), colorspace="rgb", outcolorspace="rgb", flags=0x100
        )
        # They round the light to 16 bits, which is up to 13 levels near black.
        assert np.abs(ours.clip(0, 1) - theirs / 65535).max() < 40 / 65535


@pytest.mark.parametrize("kind", range(5))
def test_parametric_curves_lead_back(kind: int) -> None:
    numbers = [[2.2], [2.2, 0.9, 0.1], [2.2, 0.9, 0.1, 0.05], [2.4, 0.948, 0.052, 0.077, 0.04],
               [2.4, 0.9, 0.05, 0.07, 0.04, 0.01, 0.0]][kind]  # fmt: skip
    tag = b"para" + struct.pack(">IHH", 0, kind, 0) + b"".join(struct.pack(">i", round(n * 65536)) for n in numbers)
    curve = icc.curve(tag)
    codes = np.linspace(0.06, 1, 100)
    assert curve.rises
    assert curve.codes(curve.light(codes)) == pytest.approx(codes, abs=1e-9)
    with pytest.raises(ValueError, match="curve"):
        icc.curve(tag[:-1])


def test_lab_of_16_bits_and_what_lies_outside() -> None:
    lab = np.zeros((4, 4, 3), np.uint16)
    lab[:] = (32768, (60 * 256) % 65536, (-40 * 256) % 65536)
    file = io.BytesIO()
    tifffile.imwrite(file, lab, photometric="cielab")
    picture = read_picture(file.getvalue())
    space = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    image = Image.frombytes("LAB", (1, 1), bytes([128, 60, 256 - 40]))
    want = np.asarray(ImageCms.profileToProfile(image, *space, outputMode="RGB"))[0, 0]
    assert picture.pixels[:, 0, 0].mul(255).numpy() == pytest.approx(want, abs=1)
    lab[..., 1] = 120 * 256
    file = io.BytesIO()
    tifffile.imwrite(file, lab, photometric="cielab")
    assert read_picture(file.getvalue()).notes == ("100.0% of the pixels have colors outside of sRGB: clipped",)


def test_colors_that_tiff_tags_tell() -> None:
    codes = np.rint(srgb(p3_light(LIGHT)) * 65535).astype(np.uint16)
    points = [(each, 1000) for each in (680, 320, 265, 690, 150, 60)]
    tags = [
        (319, "2I", 6, tuple(number for point in points for number in point), True),
        (318, "2I", 2, (3127, 10000, 3290, 10000), True),
    ]
    file = io.BytesIO()
    tifffile.imwrite(file, codes, photometric="rgb", extratags=tags)
    picture = read_picture(file.getvalue())
    assert np.abs(picture.pixels.permute(1, 2, 0).numpy() - srgb(LIGHT)).max() < 2e-4
    assert picture.carried.icc
    curve = np.rint(65535 * np.linspace(0, 1, 256) ** 1.8).astype(int)
    file = io.BytesIO()
    levels = np.rint(LIGHT ** (1 / 1.8) * 255).astype(np.uint8)
    tifffile.imwrite(file, levels, photometric="rgb", extratags=[(301, "H", 256, tuple(map(int, curve)), True)])
    assert np.abs(read_picture(file.getvalue()).pixels.permute(1, 2, 0).numpy() - srgb(LIGHT)).max() < 4e-3


def test_cameras_that_say_adobe_rgb_by_a_number() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 2
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 100, 100)).save(file, "JPEG", exif=exif)
    assert read_picture(file.getvalue()).carried.icc == coded.ADOBE_RGB


def tables(grid: int, back: int) -> bytes:
    """Display P3 as a profile of tables: to Lab by so many points a channel, and back by so many."""
    matrix = icc.primaries_matrix((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329))
    lattice = lambda count: np.stack(np.meshgrid(*[np.linspace(0, 1, count)] * 3, indexing="ij"), -1).reshape(-1, 3)
    xyz = lattice(grid) ** 2.2 @ matrix.T / icc.D50
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * 841 / 108 + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)
    stored = lattice(back) * 65535
    light, a, b = stored[:, 0] / 652.8, stored[:, 1] / 256 - 128, stored[:, 2] / 256 - 128
    y = (light + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], -1)
    rgb = np.maximum(np.where(f > 6 / 29, f**3, (f - 4 / 29) * 108 / 841) * icc.D50 @ np.linalg.inv(matrix).T, 0) ** (
        1 / 2.2
    )
    ramp, unit = struct.pack(">2H", 0, 65535) * 3, struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    parts = {}
    for tag, points, values in (
        (b"A2B0", grid, np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], -1)),
        (b"B2A0", back, rgb * 65535),
    ):
        clut = np.rint(values.clip(0, 65535)).astype(">u2").tobytes()
        parts[tag] = b"mft2\0\0\0\0" + bytes([3, 3, points, 0]) + unit + struct.pack(">HH", 2, 2) + ramp + clut + ramp
    index = body = b""
    for tag, data in parts.items():
        index += struct.pack(">4sII", tag, 132 + 12 * len(parts) + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    size = 132 + len(index) + len(body)
    head = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"Lab ", b"", b"acsp")
    white = struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(68, b"\0") + white + bytes(48) + struct.pack(">I", len(parts)) + index + body


def test_profiles_of_tables_lead_back_as_near_as_they_can_and_say_how_near() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    profile = tables(17, 33)
    wide, kept, note = profiles.to_srgb(codes, "rgb", profile)
    assert kept == profile
    assert wide.min() < -0.3
    assert note.startswith("its color profile does not lead back exactly: colors move by up to ")
    off = np.abs(profiles.from_srgb(wide, profile, np.uint8).astype(int) - codes)
    assert off.mean() < 0.2
    assert off.max() <= 8
