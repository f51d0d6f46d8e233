"""What fuzzing found once (see `fuzz.py`) stays mended."""

import pytest
from fuzz_targets import CORPUS, TARGETS, attempt

FOUND = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_stays_mended(path):
    attempt(path.parent.name, path.read_bytes())


def test_every_folder_has_its_target():
    assert FOUND
    assert {path.parent.name for path in FOUND} <= set(TARGETS)
