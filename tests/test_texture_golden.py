"""`texture` against what the original repositories computed (cases `texture`)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import Golden
from torch import Tensor

from stylecli.backends.texture import Textures
from stylecli.device import resolve
from stylecli.losses.statistics import statistics
from stylecli.media.color import histogram
from stylecli.settings.texture import TextureSettings
from stylecli.settings.values import build


def test_gatys_texture(tmp_path: Path) -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is absent")
    golden = Golden("texture/gatys_texture", tmp_path)
    settings = build(TextureSettings, {"recipe": "deeptextures", "weights": str(golden.weights)})
    method = Textures(settings, resolve("cpu"))
    net, source = method.exemplars, golden.picture("source_u8")[None]
    objective = method.objective([source], [1.0], settings)
    low_high = net.to_pixels(source)
    bounds = (float(low_high.min()), float(low_high.max()))

    def evaluate(flat: np.ndarray) -> tuple[float, np.ndarray, dict[str, Tensor]]:
        # The reference descends in the network's pixel scale, BGR without its mean.
        x = torch.from_numpy(flat).float().reshape(1, 3, 64, 64).requires_grad_(True)
        total, parts = objective(net.to_rgb(x))
        total.backward()  # type: ignore[no-untyped-call]
        assert x.grad is not None
        return float(total.detach()), x.grad.double().numpy(), {name: part.detach() for name, part in parts.items()}

    init = golden.io["init"].astype(np.float64)
    total, gradient, parts = evaluate(init)
    order = ["pool4", "pool3", "pool2", "pool1", "relu1_1"]
    golden.check("loss", [float(parts[f"style {layer}"]) for layer in order])
    golden.check("total", [total])
    golden.check("grad", gradient)
    golden.check("gram_conv1_1", statistics(net(source, ["relu1_1"])["relu1_1"]).second)

    steps: list[np.ndarray] = []
    calls: list[float] = []

    def step(flat: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope, _ = evaluate(flat)
        calls.append(found)
        return found, slope.ravel()

    optimize.minimize(
        step,
        init.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=[bounds] * init.size,
        options={"maxiter": 5, "maxcor": 20, "ftol": 0, "gtol": 0},
        callback=lambda flat: steps.append(flat.reshape(3, 64, 64).copy()),
    )
    golden.check("loss_calls", calls[:6])
    golden.check("image_steps", np.stack(steps))
    last = net.to_rgb(torch.from_numpy(golden.io["image_steps"][-1])[None].float())[0]
    golden.check("matched", histogram(last, source[0]).permute(1, 2, 0))
