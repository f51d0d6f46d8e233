"""`adain` against what pytorch-AdaIN computed (cases `adain`)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Result
from goldens import Golden, apart
from PIL import Image

from stylecli.backends.adain import Adain
from stylecli.device import resolve
from stylecli.media.color import coral
from stylecli.method import Request
from stylecli.nets.segments import measured
from stylecli.settings.adain import AdainSettings
from stylecli.settings.values import build

CASES = ("alpha1", "alpha035", "two_styles", "preserve_color")


def options(golden: Golden) -> dict[str, object]:
    params = golden.case["params"]
    return {
        "recipe": "pytorch-adain",
        "size": params["content_size"],
        "style_size": params["style_size"],
        "crop": params["crop"],
        "alpha": params["alpha"],
        "preserve_color": "coral" if params.get("preserve_color") else "none",
        "weights": str(golden.files["decoder"]),
        "vgg": str(golden.files["vgg"]),
    }


def shares(golden: Golden) -> list[float] | None:
    words = golden.case["params"].get("style_interpolation_weights")
    parts = [float(word) for word in words.split(",")] if words else []
    return [part / sum(parts) for part in parts] or None


@pytest.mark.parametrize("case", CASES)
def test_the_function_is_that_of_the_reference(case: str, tmp_path: Path):
    golden = Golden(f"adain/{case}", tmp_path)
    settings = build(AdainSettings, options(golden))
    backend = Adain(settings, resolve("cpu"))
    names = sorted(name for name in golden.io if name.startswith("style") and name.endswith("_u8"))
    styles = [golden.picture(name) for name in names]

    content = backend._sized(golden.picture("content_u8"), settings.size, settings)
    golden.check("content", content)
    for name, style in zip(names, styles, strict=True):
        golden.check(name.removesuffix("_u8"), backend._sized(style, settings.style_size, settings))
    if "style_recolored" in golden.io:
        golden.check("style_recolored", coral(backend._sized(styles[0], settings.style_size, settings), content))
    with torch.inference_mode():
        seen = backend.net.see(content[None])
        target = backend.net.target(measured(seen.asked)["level 0, style 0"])
    golden.check("content_mean", target.mean.flatten(1).expand(len(styles), -1))
    golden.check("content_std", target.spread.flatten(1).expand(len(styles), -1))

    made = backend(Request(settings, golden.picture("content_u8"), styles, shares(golden))).picture
    golden.io["image"] = golden.io["image"].clip(0, 1)  # ours clamps before it hands out, theirs when it writes
    golden.check("image", made[None])


@pytest.mark.parametrize("case", CASES)
def test_the_command_writes_the_picture_of_the_reference(case: str, tmp_path: Path, cli: Callable[..., Result]):
    golden = Golden(f"adain/{case}", tmp_path)
    words: list[object] = ["adain", "content.png", "-o", "out.png", "--device", "cpu"]
    for name, value in options(golden).items():
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [] if value is False else [flag, value]
    Image.fromarray(golden.io["content_u8"]).save("content.png")
    names = sorted(name for name in golden.io if name.startswith("style") and name.endswith("_u8"))
    for name, share in zip(names, shares(golden) or [1.0], strict=True):
        Image.fromarray(golden.io[name]).save(f"{name}.png")
        words += ["--style", f"{name}.png" if len(names) == 1 else f"{name}.png:{share}"]
    done = cli(*words, *(["--blend"] if len(names) > 1 else []))
    assert done.exit_code == 0, done.stderr

    reference = np.floor(golden.io["image"][0].clip(0, 1) * 255 + 0.5).transpose(1, 2, 0)
    difference = apart(Image.open("out.png"), reference)
    # A value at the edge between two levels may fall on either side.
    assert np.nanmax(difference) <= 1
    assert np.nanmean(difference) < 0.01
