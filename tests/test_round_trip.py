"""A picture that nothing was done to is the picture that was read: container x mode x depth x profile x alpha."""

import io
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from conftest import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stylecli.media import icc
from stylecli.media.images import read_picture, write_picture

P3 = icc.written("P3", (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), icc.SRGB_CURVE)
ADOBE = bytes(imagecodecs.cms_profile("adobergb"))
WIDE = icc.written("wide", (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585), (1.8,))
TABLE = icc.written(
    "table", (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), icc.SRGB.curves[0].light(np.linspace(0, 1, 1024))
)
SRGB = bytes(imagecodecs.cms_profile("srgb"))
PROFILES = {"none": None, "srgb": SRGB, "p3": P3, "adobe": ADOBE, "wide": WIDE, "table": TABLE}


def png(pixels: np.ndarray, profile: bytes | None) -> bytes:
    """A PNG by libpng; its profile by Pillow, where the depth allows, else behind the header."""
    data = bytes(imagecodecs.png_encode(pixels))
    if profile is None:
        return data
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG", icc_profile=profile)
    chunk = file.getvalue()[33:]
    size = int.from_bytes(chunk[:4], "big") + 12
    assert chunk[4:8] == b"iCCP"
    return data[:33] + chunk[:size] + data[33:]


def tiff(pixels: np.ndarray, profile: bytes | None) -> bytes:
    file = io.BytesIO()
    options = {"extrasamples": ["unassalpha"]} if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else {}
    gray = pixels.ndim == 2 or pixels.shape[2] == 2
    tifffile.imwrite(
        file, pixels, photometric="minisblack" if gray else "rgb", planarconfig="contig", iccprofile=profile, **options
    )
    return file.getvalue()


def webp(pixels: np.ndarray, profile: bytes | None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, icc_profile=profile or b"")
    return file.getvalue()


def codes_of(data: bytes, format: str) -> np.ndarray:
    if format == "png":
        return imagecodecs.png_decode(data).astype(int)
    if format == "tiff":
        return tifffile.imread(io.BytesIO(data)).astype(int)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(int)


def there_and_back(data: bytes, format: str) -> np.ndarray:
    picture = read_picture(data, wide=True, compact=True)
    file = io.BytesIO()
    write_picture(picture.pixels, file, format=format, alpha=picture.alpha, carried=picture.carried, quality=100)
    return codes_of(file.getvalue(), format)


def compare(made: np.ndarray, codes: np.ndarray, most: int) -> None:
    """Colors where they are seen, and alpha."""
    color = codes[..., None] if codes.ndim == 2 else codes[..., : 1 if codes.shape[2] < 3 else 3]
    opaque = codes.ndim == 2 or codes.shape[2] in (1, 3)
    visible = np.ones(codes.shape[:2], bool) if opaque else codes[..., -1] > 0
    assert made.shape[2] == (3 if opaque else 4)
    assert np.abs(made[..., :3] - color.astype(int))[visible].max(initial=0) <= most
    if not opaque:
        assert (made[..., 3] == codes[..., -1]).all()


CASES = [
    (kind, bits, channels, profile)
    for kind in ("png", "tiff", "webp")
    for bits in (8, 16)
    for channels in (1, 2, 3, 4)
    for profile in PROFILES
    if not (kind == "webp" and (bits == 16 or channels < 3)) and (channels > 2 or profile == "none")
]


@settings(deadline=None, max_examples=120)
@given(case=st.sampled_from(CASES), height=st.integers(1, 12), width=st.integers(1, 12), seed=st.integers(0, 999))
def test_all_8_bit_colors_and_all_others_inside_of_srgb_come_back(
    case: tuple[str, int, int, str], height: int, width: int, seed: int
) -> None:
    kind, bits, channels, profile = case
    random = np.random.default_rng(seed)
    top = 2**bits - 1
    codes = random.integers(0, top + 1, (height, width, channels))
    if channels in (2, 4):
        codes[..., -1] *= random.random((height, width)) > 0.3
    if bits == 16 and channels > 2 and profile not in ("none", "srgb"):
        known = icc.shaper(PROFILES[profile] or b"")
        assert known
        light = icc.SRGB.curves[0].light(random.random((height, width, 3))) @ icc.SRGB.matrix.T
        light = light @ np.linalg.inv(known.matrix).T
        codes[..., :3] = np.rint(np.stack([known.curves[i].codes(light[..., i]) for i in range(3)], -1) * top)
    pixels = codes.clip(0, top).astype(np.uint8 if bits == 8 else np.uint16)
    pixels = pixels[..., 0] if channels == 1 else pixels
    data = {"png": png, "tiff": tiff, "webp": webp}[kind](pixels, PROFILES[profile])
    compare(there_and_back(data, kind), pixels, 1 if bits == 8 else 2)


@pytest.mark.parametrize("profile", ["p3", "adobe", "wide"])
def test_adain_at_alpha_0_is_the_picture_in_all_its_colors(
    cli: Callable[..., Result], tmp_path: Path, picture: Callable[..., Path], tiny_adain: Path, profile: str
) -> None:
    edges = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 128, 0], [255, 255, 255]], np.uint8)
    codes = np.repeat(np.repeat(edges[None], 16, axis=0), 4, axis=1)
    (tmp_path / "c.png").write_bytes(png(codes, PROFILES[profile]))
    picture("s.png")
    done = cli("adain", "c.png", "--style", "s.png", "--alpha", "0", "--weights", tiny_adain, "-o", "o.png")
    assert done.exit_code == 0, done.stderr
    data = (tmp_path / "o.png").read_bytes()
    assert np.abs(codes_of(data, "png") - codes.astype(int)).max() <= 1
    assert b"iCCP" in data
    stripped = cli(
        "adain", "c.png", "--style", "s.png", "--alpha", "0", "--weights", tiny_adain, "--strip", "-o", "t.png"
    )
    assert "outside of sRGB: clipped" in stripped.stderr
