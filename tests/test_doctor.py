"""`stylecli doctor`: what is installed, and whether the embedded networks are what they were."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stylecli.checkpoints import store

Cli = Callable[..., Any]


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLECLI_WEIGHTS", str(tmp_path / "cache"))
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(store, "embedded", lambda: tmp_path / "weights")
    return tmp_path / "weights"


def test_with_nothing_embedded(cli: Cli, embedded: Path):
    done = cli("doctor")
    assert done.exit_code == 0
    for word in ("stylecli", "python", "torch", "threads", "cuda", str(embedded.parent / "cache"), "none embedded"):
        assert word in done.stdout


def test_networks_are_proved(cli: Cli, embedded: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STYLECLI_OFFLINE", "1")
    good = tiny_encoder.read_bytes()
    (embedded / "good.safetensors").write_bytes(good)
    done = cli("doctor", "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["networks"]) == (0, [{"name": "good", "difference": 0.0, "error": None}])
    assert report["weights"]["offline"]
    assert set(report["versions"]) > {"stylecli", "python", "torch"}
    assert "proved, max abs difference 0" in cli("doctor").stdout

    at = int.from_bytes(good[:8], "little") + 8 + 200
    (embedded / "bad.safetensors").write_bytes(good[:at] + bytes(4000) + good[at + 4000 :])
    (embedded / "cut.safetensors").write_bytes(good[:-5])
    done = cli("doctor")
    assert done.exit_code == 3
    assert done.stdout.count("failed: ") == 2
    assert "differs from its stored sample" in done.stdout


def test_what_is_embedded_in_this_checkout(cli: Cli):
    assert cli("doctor").exit_code == 0
