"""`benchmarks/gpu.py` works: on the CPU, at sizes that tell nothing of speed."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_part_gives_a_row(tmp_path: Path) -> None:
    command = [sys.executable, "gpu.py", "--tiny", "--json", tmp_path / "told.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT / "benchmarks", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    whats = [row["what"].split(",")[0] for row in told["rows"]]
    assert whats == ["adain", "fast", "gatys", "gatys", "stylegan 2", "adain", "fast"]
    assert all(row["seconds"] > 0 and row["peer"] for row in told["rows"][:5])
