"""`gatys` against what the original repositories computed (cases `gatys`)."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from goldens import Golden
from torch import Tensor

from stylecli.backends import coarse_to_fine
from stylecli.backends.gatys import Gatys
from stylecli.device import resolve
from stylecli.media.color import luminance
from stylecli.method import Request
from stylecli.optimise.descent import Path as Track
from stylecli.settings.gatys import GatysSettings


class Trace:
    """Everything that happened at each evaluation of a run."""

    def __init__(self, golden: Golden, styles: list[str], blend: list[float] | None = None, **options: Any) -> None:
        recipe = options["recipe"]
        known = {**GatysSettings.presets[recipe], **options}
        self.settings = GatysSettings(weights=str(golden.weights), **known)
        self.pictures: list[Tensor] = []
        self.losses: list[dict[str, float]] = []
        self.gradients: list[Tensor] = []
        request = Request(
            self.settings,
            golden.picture("content_u8"),
            [golden.picture(name) for name in styles],
            blend,
            pictures={"init": golden.picture("init_u8")} if "init_u8" in golden.io else {},
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(coarse_to_fine, "descend", partial(self._descend, coarse_to_fine.descend))
            self.result = Gatys(self.settings, resolve("cpu"))(request)

    def _descend(self, descend: Callable[..., None], objective: Any, path: Track, descent: Any, watch: Any, exact: Any):
        def noting(step: int, picture: Tensor, losses: dict[str, float], gradient: Tensor) -> None:
            self._note(step, picture, losses, gradient)
            watch(step, picture, losses, gradient)

        descend(objective, path, descent, noting, exact)
        self.last = path.picture

    def _note(self, step: int, picture: Tensor, losses: dict[str, float], gradient: Tensor) -> None:
        self.pictures.append(picture.clone())
        self.losses.append(losses)
        self.gradients.append(gradient.clone())

    @property
    def saved(self) -> np.ndarray:
        """The result as the reference's file: clamped and truncated."""
        return self.result.picture.mul(255).byte().permute(1, 2, 0).numpy()

    @property
    def totals(self) -> list[float]:
        return [sum(losses.values()) for losses in self.losses]

    def first(self, kind: str) -> list[float]:
        return [value for name, value in self.losses[0].items() if name.startswith(kind)]


STYLES = {"adam5": 1, "lbfgs10": 1, "options": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "adam5": {"optimizer": "adam", "steps": 5, "size": 64},
    "lbfgs10": {"optimizer": "lbfgs", "steps": 10, "size": 64},
    "options": {
        "optimizer": "adam",
        "steps": 5,
        "size": 72,
        "learning_rate": 2.0,
        "pooling": "average",
        "normalize_weights": True,
        "normalize_gradients": True,
        "style_scale": 1.25,
        "tv_weight": 0.002,
        "content_weight": 8.0,
        "style_weight": 3000.0,
        "content_layers": "relu2_2,relu4_2",
        "style_layers": "relu1_2,relu3_1,relu5_1",
    },
}


@pytest.mark.parametrize("case", OPTIONS)
def test_neural_style(case: str, tmp_path: Path) -> None:
    golden = Golden(f"gatys/{case}", tmp_path)
    styles = [f"style{index}_u8" for index in range(STYLES[case])]
    blend = [1.0, 3.0] if len(styles) == 2 else None
    # The reference's default Adam takes steps of 1 in 0..255.
    options = {"learning_rate": 1.0, **OPTIONS[case]}
    run = Trace(golden, styles, blend, recipe="neural-style", init="init.png", **options)
    golden.check("total_loss", run.totals)
    golden.check("content_loss", [run.losses[0][name] for name in run.losses[0] if name.startswith("content")])
    golden.check("style_loss", run.first("style"))
    golden.check("tv_loss", run.first("tv"))
    golden.check("grad", run.gradients[0])
    golden.check("image_steps", torch.cat([*run.pictures, run.last]))
    golden.check("saved_u8", run.saved)


def test_gatys_notebook(tmp_path: Path) -> None:
    golden = Golden("gatys/leon_notebook", tmp_path)
    run = Trace(golden, ["style_u8"], recipe="notebook", size=64, steps=12)
    golden.check("total_loss", run.totals)
    golden.check("layer_losses", [*run.first("style"), *run.first("content")])
    golden.check("grad", run.gradients[0])
    golden.check("image_steps", torch.cat(run.pictures[:9]))


def test_wasserstein(tmp_path: Path) -> None:
    golden = Golden("gatys/crowson_w2", tmp_path)
    run = Trace(golden, ["style0_u8"], recipe="wasserstein", size=96, min_size=64, first_steps=4, steps=3)
    golden.check("parts", [*run.first("content"), *run.first("style"), *run.first("tv")])
    golden.check("loss", run.totals)
    golden.check("grad", run.gradients[0])
    golden.check("first_step", run.pictures[1])
    golden.check("output", run.result.picture)


def test_original_colors(tmp_path: Path) -> None:
    golden = Golden("gatys/original_colors", tmp_path)
    found = luminance(golden.picture("content_u8"), golden.picture("generated_u8")).mul(255).round()
    golden.check("result_u8", found.permute(1, 2, 0), largest=1)
