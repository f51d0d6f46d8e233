"""Golden cases: what the original repositories computed, in `../shared/golden`."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

SHARED = Path(__file__).parents[2] / "shared"
needs_goldens = pytest.mark.skipif(not (SHARED / "golden").is_dir(), reason="../shared/golden is absent")


class Golden:
    """One case: its description, arrays, and its checkpoint under the official name.

    Attributes:
        files: The checkpoint's files by their official names, where there are several; keys lose their `prefix:`.
        weights: The file, or the first of them.
    """

    def __init__(self, case: str, folder: Path) -> None:
        source = SHARED / "golden" / case
        self.case = json.loads((source / "case.json").read_text())
        self.io = dict(np.load(source / "io.npz"))
        state = filled(self.case)
        names = self.case["checkpoint"]["filename"].split()
        several = {key.split(":")[0] for key in state if ":" in key}
        self.files: dict[str, Path] = {}
        if several:
            for name in self.case["checkpoint"]["container"]:
                prefix = self.case["checkpoint"]["container"][name].removeprefix("<state ").removesuffix(">")
                self.files[prefix.strip(":")] = folder / Path(name).name
                part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
                torch.save(part, folder / Path(name).name)
            self.weights = next(iter(self.files.values()))
        else:
            self.weights = folder / names[0]
            torch.save(state, self.weights)

    def picture(self, name: str) -> Tensor:
        """A uint8 array of the case, [3, H, W] in [0, 1]."""
        return torch.from_numpy(self.io[name]).permute(2, 0, 1).float() / 255

    def check(self, name: str, value: Any) -> None:
        """`value` is the golden `name` within its stated tolerances, on the maximum and where given on the mean."""
        difference = np.abs(np.asarray(value, np.float64) - self.io[name])
        rows = difference.reshape(len(difference), -1)
        for reduce, bounds in ((np.max, "tolerances"), (np.mean, "tolerances_mean")):
            bound = self.case.get(bounds, {}).get(name)
            if isinstance(bound, list):
                found = reduce(rows, axis=1)
                assert (found <= np.array(bound)).all(), (name, bounds, found.tolist(), bound)
            elif bound is not None:
                assert reduce(difference) <= bound, (name, bounds, reduce(difference), bound)


def filled(case: dict[str, Any]) -> dict[str, Tensor]:
    """The checkpoint's tensors, by the rule of the case."""
    sys.path.insert(0, str(SHARED / "golden"))
    try:
        from fill import fill_state
    finally:
        sys.path.pop(0)
    shapes = {tensor["key"]: tensor["shape"] for tensor in case["checkpoint"]["tensors"]}
    return {key: value.reshape(shapes[key]) for key, value in fill_state(case).items()}
