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
