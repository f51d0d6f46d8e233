"""Golden cases: what the original repositories computed.

The full set lies in `../shared/golden`, beside the checkout. Without it the compact set in `tests/golden` is used,
which `tests/golden/make.py` makes of it: the same cases, and a sample of the values of each large output.
"""

import json
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

SHARED = Path(__file__).parents[2] / "shared"
FULL, COMPACT = SHARED / "golden", Path(__file__).parent / "golden"
WEIGHTS = "weights/"
"""Begins the names of arrays that are tensors of a checkpoint."""

Arrays = dict[str, np.ndarray]


class Golden:
    """One case: its description, its arrays, and its checkpoint.

    Attributes:
        case: What `case.json` says.
        io: Inputs and expected outputs by name; NaN where a value is not in the compact set.
    """

    def __init__(self, case: str, folder: Path) -> None:
        self.name, self.folder = case, folder
        self.case, self.io = load(case)

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """The tensors of the checkpoint by their official names."""
        return filled(self.case)

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files of the checkpoint by the prefix of their keys; one alone has the prefix ''."""
        checkpoint = self.case["checkpoint"]
        several = isinstance(checkpoint["container"], dict)
        names = checkpoint["container"] if several else {checkpoint["filename"].split()[0]: "<state >"}
        made: dict[str, Path] = {}
        for name, what in names.items():
            prefix = what.removeprefix("<state ").removesuffix(">")
            made[prefix.strip(":")] = path = self.folder / Path(name).name
            torch.save({key.removeprefix(prefix): x for key, x in self.state.items() if key.startswith(prefix)}, path)
        return made

    @property
    def weights(self) -> Path:
        """The file of the checkpoint, or the first of them."""
        return next(iter(self.files.values()))

    def picture(self, name: str) -> Tensor:
        """A uint8 array of the case, [3, H, W] in [0, 1]."""
        return torch.from_numpy(self.io[name]).permute(2, 0, 1).float() / 255

    def check(self, name: str, value: Any, largest: float | None = None) -> np.ndarray:
        """`value` is the golden `name` within its stated tolerances, on the maximum and where given on the mean.

        Gives the known differences, in one row; `largest` stands in for a tolerance that is stated in words.
        """
        difference = apart(value, self.io[name])
        rows = difference.reshape(len(difference), -1)
        stated = self.tolerances if largest is None else {name: largest}
        for reduce, bounds in ((np.nanmax, stated), (np.nanmean, self.case.get("tolerances_mean", {}))):
            bound = bounds.get(name)
            if isinstance(bound, list):
                found = reduce(rows, axis=1)
                assert (found <= np.array(bound)).all(), (name, reduce.__name__, found.tolist(), bound)
            elif bound is not None:
                assert reduce(difference) <= bound, (name, reduce.__name__, reduce(difference), bound)
        return difference[~np.isnan(difference)]

    @property
    def tolerances(self) -> dict[str, Any]:
        """The largest allowed difference of each output, or of each row of it."""
        stated: dict[str, Any] = self.case.get("tolerances", self.case["tolerance"])
        values = {name: [*bound.values()] if isinstance(bound, dict) else bound for name, bound in stated.items()}
        return {name: bound for name, bound in values.items() if not isinstance(bound, str)}


def apart(value: Any, wanted: Any) -> np.ndarray:
    """|`value` - `wanted`|, NaN where `wanted` is unknown; `value` may hold no NaN itself."""
    found = np.asarray(value, np.float64)
    assert np.isfinite(found).all()
    return np.abs(found - np.asarray(wanted, np.float64))


def load(name: str) -> tuple[dict[str, Any], Arrays]:
    """(description, arrays) of the case `name`, from the full set where it is there."""
    if (FULL / name).is_dir():
        return json.loads((FULL / name / "case.json").read_text()), dict(np.load(FULL / name / "io.npz"))
    return load_compact(COMPACT / f"{name}.npz")


def load_compact(path: Path) -> tuple[dict[str, Any], Arrays]:
    """(description, arrays) of a file of the compact set; inputs that a rule draws are drawn."""
    with np.load(path) as archive:
        case = json.loads(archive["case.json"])
        arrays = {name: archive[name] for name in archive.files if name != "case.json"}
    for name, shape in case["sampled"].items():
        whole = np.full(shape, np.nan, np.float32)
        whole.reshape(-1)[places(whole.size, arrays[name].size)] = arrays[name]
        arrays[name] = whole
    salt = f"{case['system']}/{case['case']}/"
    return case, arrays | {name: drawn(salt + name, *rule) for name, rule in case.get("drawn", {}).items()}


def places(size: int, count: int) -> np.ndarray:
    """`count` different indices below `size`, spread over all rows and columns; 2654435761 is a prime."""
    return np.arange(count, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(size)


def drawn(key: str, kind: str, shape: list[int], scale: float = 1) -> np.ndarray:
    """An input that stands for one that may not be published, by the frozen MT19937 stream of `key`.

    A picture [..., H, W, 3] of uint8 is made of soft blots with grain, a sound [samples] of decaying tones.
    """
    random = np.random.RandomState(zlib.crc32(key.encode()))
    if kind == "normal":
        return (random.standard_normal(shape) * scale).astype(np.float32)
    if kind == "uniform":
        return random.random_sample(shape).astype(np.float32)
    if kind == "sound":
        time = np.arange(shape[0]) / 22050
        tones = [
            np.sin(2 * np.pi * pitch * time) * np.exp(-8 * ((time - start) % 0.5))
            for pitch, start in zip(random.randint(80, 4000, 12), random.random_sample(12), strict=True)
        ]
        return (0.05 * np.sum(tones, 0) + 0.01 * random.standard_normal(shape)).astype(np.float32)
    *batch, height, width, _ = shape
    blots = random.randint(0, 256, (*batch, height // 16 + 2, width // 16 + 2, 3))
    for axis, length in ((-3, height), (-2, width)):
        index, part = np.divmod(np.arange(length), 16)
        part = part.reshape(-1, *[1] * (-1 - axis))
        blots = (blots.take(index, axis) * (16 - part) + blots.take(index + 1, axis) * part) // 16
    return (blots + random.randint(-20, 21, shape)).clip(0, 255).astype(np.uint8)


def filled(case: dict[str, Any]) -> dict[str, Tensor]:
    """The checkpoint's tensors by the rules of the case, each from the stream of its key."""
    return {
        tensor["key"]: torch.from_numpy(_filled(tensor, case.get("salt", ""))).reshape(tensor["shape"])
        for tensor in case["checkpoint"]["tensors"]
    }


def _filled(tensor: dict[str, Any], salt: str) -> np.ndarray:
    rule, shape = tensor["rule"], tensor["shape"]
    if rule["kind"] in ("literal", "zeros"):
        return np.asarray(rule.get("value", np.zeros(shape)), np.float32)
    if rule["kind"] == "int":
        return np.full(shape, rule["value"], np.int64)
    normal = np.random.RandomState(zlib.crc32((salt + tensor["key"]).encode())).standard_normal(shape)
    scaled = (np.abs(normal) if rule["kind"] == "positive" else normal) * rule["scale"] + rule.get("mean", 0)
    return np.asarray(scaled, np.float32)
