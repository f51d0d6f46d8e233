"""A folder of pictures of every kind, and what each of them shows; run with a number, it tries `adain` on so many.

Every file is made of one smooth picture by other code than ours (Pillow, tifffile, imagecodecs and their LittleCMS), so
that after `adain --alpha 0 --strip` each result must be that picture again, as far as the kind of file can hold it.
"""

import io
import itertools
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

ADOBE, SRGB = (bytes(imagecodecs.cms_profile(name)) for name in ("adobergb", "srgb"))
P3 = bytes(
    imagecodecs.cms_profile(
        "rgb", whitepoint=[0.3127, 0.329, 1], primaries=[0.68, 0.32, 1, 0.265, 0.69, 1, 0.15, 0.06, 1], gamma=2.2
    )
)
EXACT, ROUNDED, LOSSY, ROUGH = 1, 3, 14, 40
"""Levels of 255 by which a result may be off: none but rounding, twice rounded, compressed, or compressed chroma."""


@dataclass(frozen=True)
class File:
    """A file of some kind.

    Attributes:
        suffix: With the dot.
        data: Its bytes.
        shows: [H, W, 3] uint8 sRGB; None for what is no picture and must be told as such.
        alpha: [H, W] uint8, None for opaque ones.
        off: Levels by which the result may differ.
    """

    suffix: str
    data: bytes
    shows: np.ndarray | None = None
    alpha: np.ndarray | None = None
    off: int = EXACT


def base(seed: int) -> np.ndarray:
    """[48, 64, 3] uint8, smooth, inside of every gamut."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:48, 0:64]
    waves = [np.sin(x / random.uniform(9, 20) + y / random.uniform(9, 20) + random.uniform(0, 6)) for _ in range(3)]
    return np.rint(128 + 60 * np.stack(waves, -1)).astype(np.uint8)


def disk() -> np.ndarray:
    """Alpha [48, 64] uint8 with a soft edge and holes."""
    return np.rint(
        255 * (20 - np.hypot(*(np.mgrid[0:48, 0:64] - np.array([24, 32])[:, None, None]))).clip(0, 1)
    ).astype(np.uint8)


def gray(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels[..., :1], 3, axis=2)


def in_profile(pixels: np.ndarray, profile: bytes, dtype: str = "uint8") -> np.ndarray:
    return imagecodecs.cms_transform(
        pixels.astype(np.uint16) * 257,
        SRGB,
        profile,
        colorspace="rgb",
        outcolorspace="rgb",
        outdtype=dtype,
        flags=0x100,
    )


def pillow(suffix: str, image: Image.Image, off: int, shows: np.ndarray, alpha: Any = None, **options: Any) -> File:
    file = io.BytesIO()
    formats = {".jpg": "JPEG", ".tif": "TIFF", ".heic": "HEIF"}
    image.save(file, formats.get(suffix, suffix[1:].upper()), **options)
    return File(suffix, file.getvalue(), shows, alpha, off)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: np.ndarray, shows: np.ndarray, *chunks: bytes, alpha: Any = None, off: int = EXACT) -> File:
    data = bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))
    return File(".png", data[:33] + b"".join(chunks) + data[33:], shows, alpha, off)


def tiff(pixels: np.ndarray, shows: np.ndarray, *, alpha: Any = None, off: int = EXACT, **options: Any) -> File:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return File(".tif", file.getvalue(), shows, alpha, off)


def kinds(seed: int) -> Iterator[Callable[[], File]]:
    """One file of every kind, each made when it is asked for."""
    p, a = base(seed), disk()
    image, deep = Image.fromarray(p), p.astype(np.uint16) * 257
    rgba, bilevel = np.dstack([p, a]), Image.fromarray(p).convert("1")
    linear = np.where(p / 255 <= 0.04045, p / 255 / 12.92, ((p / 255 + 0.055) / 1.055) ** 2.4)
    black = gray(np.asarray(bilevel.convert("L"))[..., None])
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    turned = np.rot90(p, -1)
    # PNG
    yield lambda: png(p, p)
    yield lambda: png(p[..., 0], gray(p))
    yield lambda: png(np.dstack([p[..., 0], a]), gray(p), alpha=a)
    yield lambda: png(rgba, p, alpha=a)
    yield lambda: png(deep, p)
    yield lambda: png(np.dstack([deep, a.astype(np.uint16) * 257]), p, alpha=a)
    yield lambda: png(in_profile(p, ADOBE), p, chunk(b"iCCP", b"a\0\0" + zlib.compress(ADOBE)), off=ROUNDED)
    yield lambda: png(in_profile(p, P3, "uint16"), p, chunk(b"iCCP", b"a\0\0" + zlib.compress(P3)))
    yield lambda: png(np.rint(linear * 65535).astype(np.uint16), p, chunk(b"gAMA", struct.pack(">I", 100000)))
    yield lambda: png(
        p, p, chunk(b"cICP", bytes([1, 13, 0, 1])), chunk(b"zTXt", b"t\0\0" + zlib.compress(bytes(3 << 20)))
    )
    yield lambda: png(p, p, struct.pack(">I", 3) + b"tEXta\0b\0\0\0\0")
    yield lambda: png(p, turned, chunk(b"eXIf", exif.tobytes()[6:]))
    yield lambda: pillow(".png", bilevel, EXACT, black)
    yield lambda: pillow(".png", image.quantize(64), EXACT, np.asarray(image.quantize(64).convert("RGB")))
    yield lambda: pillow(".png", image, EXACT, p, save_all=True, append_images=[image.rotate(180)])
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * 2_000_000, zip=True)
    yield lambda: pillow(".png", image, EXACT, p, pnginfo=info)
    # JPEG
    yield lambda: pillow(".jpg", image, LOSSY, p, quality=95, subsampling=0)
    yield lambda: pillow(".jpg", image.convert("L"), LOSSY, gray(np.asarray(image.convert("L"))[..., None]), quality=95)
    yield lambda: pillow(".jpg", image, LOSSY, p, quality=95, progressive=True, subsampling=0)
    yield lambda: pillow(".jpg", image, LOSSY, turned, quality=95, exif=exif, subsampling=0)
    wide = Image.fromarray(in_profile(p, ADOBE))
    yield lambda: pillow(".jpg", wide, LOSSY, p, quality=98, icc_profile=ADOBE, subsampling=0)
    printed = Image.merge("CMYK", [*Image.fromarray(255 - p).split(), Image.new("L", image.size)])
    yield lambda: pillow(".jpg", printed, LOSSY, p, quality=95)
    # Others of eight bits
    yield lambda: pillow(".webp", image, EXACT, p, lossless=True)
    yield lambda: pillow(".webp", image, ROUGH, p, quality=90)
    yield lambda: pillow(".webp", Image.fromarray(rgba), EXACT, p, a, lossless=True, exact=True)
    yield lambda: pillow(".webp", image, EXACT, p, lossless=True, save_all=True, append_images=[image.rotate(180)])
    yield lambda: pillow(".gif", image.quantize(64), EXACT, np.asarray(image.quantize(64).convert("RGB")))
    yield lambda: pillow(".bmp", image, EXACT, p)
    yield lambda: pillow(".bmp", image.convert("L"), EXACT, gray(np.asarray(image.convert("L"))[..., None]))
    yield lambda: pillow(".avif", image, ROUGH, p, quality=90, subsampling="4:4:4")
    yield lambda: File(
        ".avif", bytes(imagecodecs.avif_encode(p, level=100, primaries=1, transfer=13, matrix=0)), p, None, ROUNDED
    )
    # TIFF
    for options in (
        {}, {"bigtiff": True}, {"tile": (16, 16)}, {"compression": "lzw"}, {"compression": "zlib", "predictor": True},
        {"compression": "packbits"}, {"compression": "lzma"}, {"compression": "zstd"}, {"compression": "lerc"},
        {"byteorder": ">"}, {"rowsperstrip": 5},
    ):  # fmt: skip
        yield partial(tiff, p, p, photometric="rgb", **options)
        if options.get("compression") != "packbits":
            yield partial(tiff, deep, p, photometric="rgb", **options)
    for compression in ("jpeg", "webp", "jpeg2000", "jpegxl"):
        yield partial(tiff, p, p, photometric="rgb", compression=compression, off=ROUGH)
    yield lambda: tiff(np.moveaxis(p, -1, 0), p, photometric="rgb", planarconfig="separate")
    yield lambda: tiff(p.astype(np.float32) / 255, p, photometric="rgb")
    yield lambda: tiff(p.astype(np.float16) / np.float16(255), p, photometric="rgb", off=ROUNDED)
    yield lambda: tiff(deep.astype(np.uint32) * 65537, p, photometric="rgb")
    yield lambda: tiff(255 - p[..., 0], gray(p), photometric="miniswhite")
    yield lambda: tiff(rgba, p, photometric="rgb", extrasamples=["unassalpha"], alpha=a)
    multiplied = np.rint(deep * (a[..., None] / 255)).astype(np.uint16)
    yield lambda: tiff(
        np.dstack([multiplied, a.astype(np.uint16) * 257]), p, photometric="rgb", extrasamples=["assocalpha"], alpha=a
    )
    yield lambda: tiff(
        np.stack([p[..., 0], a]),
        gray(p),
        photometric="minisblack",
        extrasamples=["unassalpha"],
        planarconfig="separate",
        alpha=a,
    )
    inks = np.dstack([255 - p, np.zeros_like(a)])
    yield lambda: tiff(inks, p, photometric="separated")
    yield lambda: tiff(np.dstack([inks, a]), p, photometric="separated", extrasamples=["unassalpha"], alpha=a)
    yield lambda: tiff(in_profile(p, ADOBE, "uint16"), p, photometric="rgb", iccprofile=ADOBE)
    yield lambda: tiff(p, turned, photometric="rgb", extratags=[(274, "H", 1, 6, True)], bigtiff=True)
    yield partial(_pages, p)
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    yield lambda: pillow(".tif", lab, 6, p)
    for fax in ("group3", "group4"):
        yield partial(pillow, ".tif", bilevel, EXACT, black, compression=fax)
    # What is none
    whole = png(p, p).data
    jpeg = pillow(".jpg", image, LOSSY, p).data
    yield lambda: File(".png", b"")
    yield lambda: File(".png", b"not a picture at all")
    yield lambda: File(".png", whole[: len(whole) // 2])
    yield lambda: File(".jpg", jpeg[: len(jpeg) // 2])
    yield lambda: File(".tif", tiff(p, p, photometric="rgb").data[:3000])
    yield lambda: File(".webp", np.random.default_rng(seed).bytes(500))
    yield lambda: File(".jxl", b"\xff\x0a" + bytes(40))


def _pages(pixels: np.ndarray) -> File:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(pixels[::3, ::3], photometric="rgb", subfiletype=1)
        writer.write(pixels, photometric="rgb")
    return File(".tif", file.getvalue(), pixels)


NAMES = ("plain", "two words", "漢字é", "-dash", "percent%s", "{stem}", "bell\x07", "line\nend", "a" * 150, "quote'\"")


def fill(folder: Path, count: int) -> dict[str, File]:
    """Writes so many files of all kinds under odd names; what each holds, by its name."""
    files = itertools.islice(itertools.chain.from_iterable(map(kinds, itertools.count())), count)
    made = {}
    for index, make in enumerate(files):
        file = make()
        name = f"{index:03}{NAMES[index % len(NAMES)]}{file.suffix}"
        (folder / name).write_bytes(file.data)
        made[name] = file
    return made


def wrong(name: str, file: File, folder: Path, said: str) -> str:
    """What is not right about the result of a file; empty where all is."""
    stem = name.removesuffix(file.suffix)
    # Names are cut, and what some systems forbid in them becomes a dash.
    result = next(folder.glob(f"{stem[:3]}*.png"), folder / "none.png")
    told = any(f"{stem[:3]}" in line and ": " in line for line in said.splitlines())
    if file.shows is None:
        return "" if told and not result.exists() else "no picture, and not told as such"
    if not result.exists():
        return f"no result: {[line for line in said.splitlines() if stem[:3] in line]}"
    made = imagecodecs.png_decode(result.read_bytes()).astype(float)
    made = made / (257 if made.max(initial=0) > 255 else 1)
    if made.shape[2] != (3 if file.alpha is None else 4):
        return f"{made.shape[2]} channels"
    if made.shape[:2] != file.shows.shape[:2]:
        return f"of size {made.shape[:2]}"
    visible = np.ones(made.shape[:2], bool) if file.alpha is None else file.alpha > 0
    off = np.abs(made[..., :3] - file.shows)[visible].max()
    if file.alpha is not None:
        off = max(off, np.abs(made[..., 3] - file.alpha).max())
    return "" if off <= file.off + 0.5 else f"off by {off:.1f} of 255, not {file.off}"


def check(count: int, folder: Path, command: Callable[..., str]) -> dict[str, str]:
    """Makes the files, runs `adain`, and gives what is wrong by name; `command` gives what was said on stderr."""
    (folder / "in").mkdir()
    files = fill(folder / "in", count)
    Image.fromarray(base(99)).save(folder / "style.png")
    said = command(
        "adain", "in", "--style", "style.png", "--alpha", "0", "--strip", "--name", "{stem}.png", "-o", "out"
    )
    assert "Traceback" not in said, said
    assert "internal error" not in said, said
    found = {name: wrong(name, file, folder / "out", said) for name, file in files.items()}
    return {name: why for name, why in found.items() if why}


def main() -> None:
    """Runs the real command on so many files."""

    def command(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "-m", "stylecli", *words], cwd=folder, env=environment, capture_output=True
        )
        text = done.stderr.decode(errors="replace")
        print(text, f"exit code {done.returncode}, {len(list((folder / 'out').glob('*.png')))} pictures", sep="\n")
        return text

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        bad = check(int(sys.argv[1]) if len(sys.argv) > 1 else 200, folder, command)
    for name, why in bad.items():
        print(f"WRONG {name!a}: {why}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
