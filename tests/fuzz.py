"""Fuzzes readers of pictures, sounds, weights, latents, records and options by coverage (`pip install atheris`).

    python tests/fuzz.py [--minutes 60] [--only picture,checkpoint]

Targets are in `fuzz_targets.py`. It starts from small valid files of every kind. What raises anything but an error of
ours is written to `tests/corpus/TARGET/`, once for each place that raised; `test_corpus.py` reads all of it. A target
runs in a process of its own: what kills that is a finding too, and the next one goes on.
"""

import argparse
import hashlib
import io
import pickle
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["stylecli"]):
    from fuzz_targets import CORPUS, TARGETS, attempt

import numpy as np
import soundfile as sf
import torch
from PIL import Image
from safetensors.torch import save

from stylecli.batch.record import Record
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.save import save_network
from stylecli.media.images import write_picture
from stylecli.media.xmp import FRESH, xmp_with_settings
from stylecli.nets.vgg import VGG, VGGConfig


def pictures() -> Iterator[bytes]:
    """Every container and mode, as small as they get."""
    pixels = torch.rand(4, 9, 7, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("jpg", "png", "webp", "tif", "avif"):
            for bits in (8, 16) if kind in ("png", "tif") else (8,):
                path = Path(folder, f"{bits}.{kind}")
                write_picture(pixels[: 3 if kind == "jpg" else 4], path, bits=bits, settings='{"method": "adain"}')
                yield path.read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode, kind, more in (
        ("CMYK", "JPEG", {"exif": exif, "dpi": (72, 72)}),
        ("RGB", "JPEG", {"progressive": True}),
        ("P", "PNG", {"transparency": 3}),
        ("1", "TIFF", {"compression": "group4"}),
        ("LA", "TIFF", {"compression": "tiff_lzw"}),
        ("L", "PNG", {}),
        ("P", "GIF", {}),
        ("RGB", "BMP", {}),
    ):
        file = io.BytesIO()
        image = Image.fromarray(noise)
        (image.convert("RGB").convert(mode) if mode == "CMYK" else image.convert(mode)).save(file, kind, **more)
        yield file.getvalue()


def sounds() -> Iterator[bytes]:
    """Every format, a fiftieth of a second."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (160, 2))
    for kind, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("MP3", None)):
        file = io.BytesIO()
        sf.write(file, samples, 8000, format=kind, subtype=subtype)
        yield file.getvalue()


def checkpoints() -> Iterator[bytes]:
    """A tiny network in every container."""
    torch.manual_seed(0)
    net = VGG(VGGConfig(((2,), (2,))))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        save_network(net, path, network="vgg", config=stored_config(net.config), about={}, sample={})
        yield path.read_bytes()
    state = {f"features.{name}": value for name, value in net.state_dict().items()}
    yield save(state)
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        file = io.BytesIO()
        torch.save({"g_ema": state, "args": (1, 2.5, "x", None)}, file, **options)
        yield file.getvalue()
    yield pickle.dumps({"state_dict": {name: value.numpy() for name, value in state.items()}}, 2)
    # A Torch 7 table of one tensor.
    word = lambda text: struct.pack("<i", len(text)) + text
    storage = struct.pack("<ii", 4, 3) + word(b"V 1") + word(b"torch.FloatStorage") + struct.pack("<q2f", 2, 1, 2)
    tensor = struct.pack("<ii", 4, 2) + word(b"V 1") + word(b"torch.FloatTensor") + struct.pack("<iqqq", 1, 2, 1, 1)
    yield struct.pack("<iii", 3, 1, 1) + struct.pack("<i", 2) + word(b"weight") + tensor + storage


def words() -> Iterator[bytes]:
    """Options as people write them."""
    record = '{"method":"adain","settings":{},"inputs":{},"weights":{},"encoding":{},"compute":{}}'
    lists = ("0,3,5-9", "0:1:5", "-1:1:3", "coarse", "0-3", "a.safetensors:3", "relu1_1:0.5,relu2_1")
    for index, word in enumerate((*lists, "{stem}_{alpha:.2f}.{ext}", record, "512x256", "1e-3", "true")):
        yield bytes([index % 9, 0, index]) + word.encode()


def arrays() -> Iterator[bytes]:
    """Latents as NumPy and PyTorch write them."""
    numbers = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
    for write in (lambda file: np.save(file, numbers), lambda file: np.savez_compressed(file, w=numbers)):
        file = io.BytesIO()
        write(file)
        yield file.getvalue()
    yield save({"w": torch.from_numpy(numbers)})
    file = io.BytesIO()
    torch.save({"a.jpg": {"latent": torch.from_numpy(numbers)}}, file)
    yield file.getvalue()
    yield pickle.dumps({"w": numbers, "z": [numbers, 1, "x"]}, 5)


def records() -> Iterator[bytes]:
    """As results hold them."""
    one = [{"path": "a.png", "sha256": "0" * 64, "share": 0.5}]
    for method in ("adain", "gatys", "stylegan sample", "audio"):
        encoding = {"quality": 92, "bits": "auto", "strip": False, "format": "png"}
        inputs = {"content": one, "style": one}
        made = Record(method, {"seed": 0}, inputs, {"adain": "00"}, encoding, {"device": "cpu", "threads": 2})
        yield made.dumps().encode()


def packets() -> Iterator[bytes]:
    """With settings of ours and of others."""
    yield FRESH
    yield xmp_with_settings(None, "{}")
    yield xmp_with_settings(None, "{}").replace(b"stylecli:", b"s:").replace(b":stylecli=", b":s=")
    yield FRESH.replace(
        b"></rdf:RDF>", b"><rdf:Description xmlns:t='http://ns.adobe.com/tiff/1.0/' t:Orientation='6'/></rdf:RDF>"
    )


SEEDS = {
    "picture": pictures,
    "settings_in_a_file": pictures,
    "mask": pictures,
    "sound": sounds,
    "checkpoint": checkpoints,
    "options": words,
    "latents": arrays,
    "replayed": records,
    "packet": packets,
}


def fuzz(target: str, seconds: int, folder: Path) -> None:
    """In this process, until the time is over; findings are written as they come."""
    places = set()

    def one(data: bytes) -> None:
        try:
            attempt(target, data)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} {frame.filename}:{frame.lineno}"
            if place not in places:
                places.add(place)
                found = CORPUS / target / hashlib.sha256(data).hexdigest()[:16]
                found.parent.mkdir(parents=True, exist_ok=True)
                found.write_bytes(data)
                print(f"FOUND {found}: {place}: {error}", flush=True)

    options = [
        f"-max_total_time={seconds}",
        "-max_len=8192",
        # What a file of 8 kB may cost, PyTorch included.
        "-rss_limit_mb=1500",
        "-timeout=20",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={CORPUS / target}/", str(folder)], one)
    atheris.Fuzz()


def main() -> None:
    """Every target for its share of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default=",".join(TARGETS))
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    targets = args.only.split(",")
    if args.inside:
        fuzz(args.only, int(args.inside[0]), Path(args.inside[1]))
        return
    for target in targets:
        with tempfile.TemporaryDirectory() as folder:
            for index, seed in enumerate(SEEDS[target]()):
                Path(folder, str(index)).write_bytes(b"\5\5" * (target == "mask") + seed)
            (CORPUS / target).mkdir(parents=True, exist_ok=True)
            seconds = round(60 * args.minutes / len(targets))
            words = [sys.executable, __file__, "--only", target, "--inside", str(seconds), folder]
            print(f"--- {target}: {seconds} s", flush=True)
            subprocess.run(words, check=False)


if __name__ == "__main__":
    main()
