"""Makes the compact set of golden cases of the full one: `python tests/golden/make.py [../shared/golden]`.

A case becomes one file, `gatys/adam5.npz`: `case.json`, its inputs whole, and of each large output a sample of values.

Photographs and sounds whose licence forbids to pass them on (`DRAWN`) are left out. A rule draws others in their place,
and what the reference computes of these is taken from stylecli itself, by the very tests that have just held it to the
reference on the full set. Such a case says so in `computed_by`.
"""

import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import goldens  # noqa: E402

from stylecli import __version__  # noqa: E402
from stylecli.checkpoints.containers.detect import read_tensors  # noqa: E402

PEERS = ("microast",)
"""Not a reference: benchmarks compare speed with it."""
SMALL, SAMPLE = 16384, 2048
"""Outputs of more bytes than the one are sampled at as many values as the other."""
WHOLE = {"audio/small": ("result",), "texture/gatys_texture": ("image_steps",)}
"""Outputs that are an input of the next computation."""
DROPPED = ("stats", "seen_error", "tolerance_note", "upstream_files")
DRAWN = {
    "audio": {"content_wave": "sound", "style_wave": "sound"},
    "stargan2/afhq_256_c96": {"x_src": "picture", "x_ref": "picture"},
    "stargan2/celeba_256_c96_fan": {"x_src": "picture", "x_ref": "picture"},
    "stargan2/grid_64": {f"{kind}_{index}": "picture" for kind in ("src", "ref") for index in range(4)},
    "stargan2/train_losses_128_fan": {"x_real": "picture", "x_ref": "picture", "x_ref2": "picture"},
    "texture/gatys_texture": {"source_u8": "picture"},
}
STARTS: dict[str, dict[str, list[Any]]] = {
    "audio/small": {"init": ["normal", [207, 257], 0.3], "phase01": ["uniform", [257, 207]]},
    "audio/full_4096": {"init": ["normal", [44, 1025], 0.001]},
}
"""Random inputs of these cases, drawn by rule for their size."""
KEPT = {"stargan2": ("s_lat",)}
"""Outputs that no drawn input takes part in: these stay the reference's."""


class Recorder:
    """Runs the tests of the cases that have drawn inputs, and keeps what they would have compared."""

    def __init__(self, cases: dict[str, tuple[dict[str, Any], goldens.Arrays]]) -> None:
        self.cases = cases

    def pytest_configure(self) -> None:
        """Puts these cases in place of the stored ones."""
        plain, check = goldens.load, goldens.Golden.check

        def load(name: str) -> tuple[dict[str, Any], goldens.Arrays]:
            return self.cases[name] if name in self.cases else plain(name)

        def keep(golden: goldens.Golden, name: str, value: Any, largest: float | None = None) -> np.ndarray:
            if golden.name in self.cases and name not in golden.io:
                stated = golden.case["outputs"][name]
                golden.io[name] = np.asarray(value).astype(stated["dtype"]).reshape(stated["shape"])
            return check(golden, name, value, largest)

        goldens.load, goldens.Golden.check = load, keep  # type: ignore[method-assign]

    def pytest_unconfigure(self) -> None:
        """Nothing is left of them."""


def redrawn(name: str, case: dict[str, Any], arrays: goldens.Arrays) -> tuple[dict[str, Any], goldens.Arrays]:
    """`case` with drawn inputs, and without the outputs that they take part in."""
    rules = DRAWN.get(name.split("/")[0], DRAWN.get(name, {}))
    drawn = {each: [kind, list(arrays[each].shape)] for each, kind in rules.items()} | STARTS.get(name, {})
    kept = KEPT.get(name.split("/")[0], ())
    case = case | {"drawn": drawn, "computed_by": f"stylecli {__version__}, but for {', '.join(kept) or 'nothing'}"}
    case["license"] += " Neither picture nor sound of theirs is in this file."
    made = [each for each in case["outputs"] if each not in kept]
    left = {each: value for each, value in arrays.items() if each not in drawn and each not in made}
    salt = f"{case['system']}/{case['case']}/"
    return case, left | {each: goldens.drawn(salt + each, *rule) for each, rule in drawn.items()}


def stored_weights(name: str, case: dict[str, Any]) -> goldens.Arrays:
    """Of a file of NVIDIA's, the random tensors of its generator; what its objects say goes into `case`."""
    checkpoint = case.get("checkpoint", {})
    if checkpoint.get("path") != "network.pkl":
        return {}
    contents = read_tensors(goldens.FULL / name / "network.pkl")
    if contents.told:
        case["told"] = contents.told
    prefix = "G_ema." if contents.told else "Gs."
    return {
        goldens.WEIGHTS + key.removeprefix(prefix): value.numpy()
        for key, value in contents.tensors.items()
        if key.startswith(prefix)
    }


def write(name: str, case: dict[str, Any], arrays: goldens.Arrays) -> int:
    """Writes one file; gives its size. The same input gives the same bytes."""
    case = {key: value for key, value in case.items() if key not in DROPPED}
    case["sampled"] = {}
    arrays = {each: value for each, value in arrays.items() if each not in case.get("drawn", {})}
    for each, value in arrays.items():
        if each in case["outputs"] and value.nbytes > SMALL and each not in WHOLE.get(name, ()):
            case["sampled"][each] = list(value.shape)
            arrays[each] = value.ravel()[goldens.places(value.size, SAMPLE)]
    path = goldens.COMPACT / f"{name}.npz"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(zipfile.ZipInfo("case.json"), json.dumps(case, separators=(",", ":")), zipfile.ZIP_DEFLATED)
        for each, value in arrays.items():
            file = io.BytesIO()
            np.save(file, value)
            archive.writestr(zipfile.ZipInfo(f"{each}.npy"), file.getvalue(), zipfile.ZIP_DEFLATED)
    return path.stat().st_size


def main() -> None:
    """Holds stylecli to the full set, then writes the compact one."""
    if len(sys.argv) > 1:
        goldens.FULL = Path(sys.argv[1]).resolve()
    folders = sorted(path.parent for path in goldens.FULL.glob("*/*/case.json"))
    names = [f"{path.parent.name}/{path.name}" for path in folders if path.parent.name not in PEERS]
    tests = [str(path) for path in sorted(TESTS.glob("test_*golden.py"))]
    quiet = ["-q", "-x", "-p", "no:cacheprovider"]
    if pytest.main([*tests, *quiet]):
        raise SystemExit("the full set fails: nothing written")
    cases = {name: goldens.load(name) for name in names}
    again = {name: redrawn(name, *cases[name]) for name in names if name in DRAWN or name.split("/")[0] in DRAWN}
    chosen = [str(TESTS / f"test_{system}_golden.py") for system in ("audio", "stargan", "texture")]
    with tempfile.TemporaryDirectory() as folder:
        if pytest.main([*chosen, *quiet, f"--basetemp={folder}/pytest"], plugins=[Recorder(again)]):
            raise SystemExit("the drawn inputs fail: nothing written")
    total = 0
    for name in names:
        case, arrays = again.get(name, cases[name])
        total += (size := write(name, case, {**arrays, **stored_weights(name, case)}))
        print(f"{size:9,}  {name}")
    print(f"{total:9,}")


if __name__ == "__main__":
    main()
