"""One file of every kind in a folder: each right, or one clear line."""

from collections.abc import Callable
from pathlib import Path

import mixed_files
from conftest import Result


def test_a_folder_of_every_kind(cli: Callable[..., Result], tmp_path: Path, tiny_adain: Path) -> None:
    count = len(list(mixed_files.kinds(0)))
    said = lambda *words: cli(*words, "--weights", tiny_adain, "--device", "cpu").stderr
    assert mixed_files.check(count, tmp_path, said) == {}
