"""What strangers' bytes reach: each target takes any bytes and raises nothing but our own errors."""

import contextlib
import importlib
import os
import pkgutil
import tempfile
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from stylecli import settings as settings_package
from stylecli.batch import names, record
from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.checkpoints.latents import latents_in
from stylecli.checkpoints.load import build, check_whole, describe
from stylecli.errors import StyleCliError
from stylecli.media.audio import read_sound
from stylecli.media.images import read_picture
from stylecli.media.masks import read_mask
from stylecli.media.stored_settings import read_settings
from stylecli.media.xmp import clean_xmp, settings_in, xmp_with_settings
from stylecli.methods import settings_of
from stylecli.settings import lists, values
from stylecli.settings.adain import AdainSettings
from stylecli.settings.shared import Machine, Outputs

CORPUS = Path(__file__).parent / "corpus"
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())


def picture(data: bytes) -> None:
    """Any file given as a picture."""
    pixels = read_picture(data, name="fuzz").pixels
    assert pixels.ndim == 3
    assert float(pixels.min()) >= 0
    assert float(pixels.max()) <= 1


def settings_in_a_file(data: bytes) -> None:
    """Any file given to `replay`."""
    record.loads(read_settings(data), "fuzz")


def mask(data: bytes) -> None:
    """Any file given as a mask; the first two bytes are the size of the content."""
    size = (data[0] + 1, data[1] + 1) if len(data) > 2 else (5, 7)
    assert read_mask(data[2:], size, name="fuzz").shape[-2:] == size


def sound(data: bytes) -> None:
    """Any file given as a sound."""
    assert torch.isfinite(read_sound(data, name="fuzz").samples).all()


def checkpoint(data: bytes) -> None:
    """Any file given as weights."""
    path = MEMORY / f"stylecli-fuzz-{os.getpid()}"
    path.write_bytes(data)
    try:
        for read in (read_tensors, describe, check_whole, build):
            with contextlib.suppress(StyleCliError):
                read(path)
    finally:
        path.unlink()


def latents(data: bytes) -> None:
    """Any file given as latents, by each way to read them."""
    for suffix in (".npz", ".pt"):
        path = MEMORY / f"stylecli-fuzz-{os.getpid()}{suffix}"
        path.write_bytes(data)
        try:
            with contextlib.suppress(StyleCliError):
                assert latents_in(str(path))[1].is_floating_point()
        finally:
            path.unlink()


def replayed(data: bytes) -> None:
    """Any text given to `replay` as a record: it is validated, and nothing of it is read."""
    made = record.loads(data.decode("utf-8", "surrogateescape"), "fuzz")
    kind = settings_of(made.method)
    values.build(kind, values.completed(kind, made.settings))
    values.build(Machine, {key: value for key, value in made.compute.items() if key in ("device", "threads")})
    values.build(Outputs, {key: made.encoding[key] for key in record.ENCODING})


def packet(data: bytes) -> None:
    """Any XMP of a content: ours is read back, whatever else is in it."""
    kept = clean_xmp(data)
    assert kept is None or settings_in(kept) is None
    assert settings_in(xmp_with_settings(kept, "{}")) == "{}"


@cache
def _options() -> list[tuple[Any, values.Kind]]:
    """Every option of every command."""
    found = []
    for module in pkgutil.iter_modules(settings_package.__path__):
        members = vars(importlib.import_module(f"stylecli.settings.{module.name}")).values()
        groups = (one for one in members if isinstance(one, type) and is_dataclass(one))
        for each in (one for one in groups if all("help" in field.metadata for field in fields(one))):
            with contextlib.suppress(TypeError, KeyError, StyleCliError):
                kinds = values.kinds(each)
                found += [(field, kinds[field.name]) for field in fields(each) if field.name in kinds]
    return found


def options(data: bytes) -> None:
    """Any word given to any option: the first byte chooses among what is read by eye, the next two the option."""
    word = data[3:].decode("utf-8", "surrogateescape")
    chosen = int.from_bytes(data[1:3].ljust(2, b"\0"), "big")
    field, kind = _options()[chosen % len(_options())]
    readers: list[Callable[[], Any]] = [
        lambda: values.sweep(field, kind, word.split("\n")),
        lambda: values.parse(field, kind, word),
        lambda: lists.integers(word, "--seeds"),
        lambda: lists.sources(word, "--rows"),
        lambda: values.numbers(word, "--psi"),
        lambda: lists.words(word, "--domains"),
        lambda: lists.layers(word, (4, 8, 8, 16, 16, 32, 32, 64, 64)),
        lambda: names.fill(word, method="adain", ext="png", index=1, inputs={}, settings=AdainSettings()),
        lambda: record.loads(word, "fuzz"),
    ]
    readers[data[0] % len(readers) if data else 0]()


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (picture, settings_in_a_file, mask, sound, checkpoint, options, latents, replayed, packet)
}


def attempt(target: str, data: bytes) -> None:
    """Raises whatever is not an error of our own."""
    with contextlib.suppress(StyleCliError):
        TARGETS[target](data)
