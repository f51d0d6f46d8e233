"""`stylegan --weights` of lucidrains' stylegan2-pytorch, against the same network on plain tensors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Result, complaint
from filling import filled, levels_apart, read
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

LATENT, WIDTHS, DEPTH = 6, (8, 6, 4), 3
BLUR = torch.outer(*[torch.tensor([1.0, 2, 1])] * 2) / 16


def state(blur: bool = True, colors: int = 3) -> dict[str, Tensor]:
    """A state dict as a training keeps it: what is trained, and its averages."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index in range(DEPTH):
        shapes |= {f"SE.net.{2 * index}.weight": (LATENT, LATENT), f"SE.net.{2 * index}.bias": (LATENT,)}
    first = WIDTHS[0]
    shapes |= {"GE.initial_block": (1, first, 4, 4), "GE.initial_conv.weight": (first, first, 3, 3)}
    shapes["GE.initial_conv.bias"] = (first,)
    for index, (channels, out) in enumerate(zip((first, *WIDTHS), WIDTHS, strict=False)):
        block = f"GE.blocks.{index}"
        for name, width in (("to_style1", channels), ("to_style2", out), ("to_rgb.to_style", out)):
            shapes |= {f"{block}.{name}.weight": (width, LATENT), f"{block}.{name}.bias": (width,)}
        for number, width in ((1, channels), (2, out)):
            shapes |= {f"{block}.to_noise{number}.weight": (out, 1), f"{block}.to_noise{number}.bias": (out,)}
            shapes[f"{block}.conv{number}.weight"] = (out, width, 3, 3)
        shapes[f"{block}.to_rgb.conv.weight"] = (colors, out, 1, 1)
    made = filled(shapes)
    for name, tensor in made.items():
        if name.startswith("SE."):
            # Of the size that such a mapping keeps alive.
            made[name] = 10 * tensor
        if name.endswith("to_rgb.conv.weight"):
            made[name] = 0.1 * tensor
    made |= {f"GE.blocks.{index}.to_rgb.upsample.1.f": torch.tensor([1.0, 2, 1]) for index in range(2) if blur}
    others = {name.replace("E.", ".", 1): 0 * tensor for name, tensor in made.items()}
    return {**made, **others, "D.final_conv.weight": torch.ones(2, 2, 3, 3), "D_aug.D.final_conv.bias": torch.ones(2)}


def reference(given: dict[str, Tensor], ws: list[Tensor], noise: Tensor, blur: bool) -> Tensor:
    """The package's generator in its order: w [1, D] for each block, noise [1, S, S, 1] with columns before rows."""
    dense = lambda name, x: F.linear(x, given[f"{name}.weight"], given[f"{name}.bias"])

    def modulated(x: Tensor, name: str, style: Tensor, demodulate: bool) -> Tensor:
        weight = given[f"{name}.weight"][None] * (style[:, None, :, None, None] + 1)
        if demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        return F.conv2d(x, weight[0], padding=weight.shape[-1] // 2)

    double = lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    x, rgb = given["GE.initial_block"], torch.zeros(1, 3, 4, 4)
    x = F.conv2d(x, given["GE.initial_conv.weight"], given["GE.initial_conv.bias"], padding=1)
    for index, w in enumerate(ws):
        block = f"GE.blocks.{index}"
        x = double(x) if index else x
        for number in (1, 2):
            part = noise[:, : x.shape[2], : x.shape[3], :]
            added = dense(f"{block}.to_noise{number}", part).permute(0, 3, 2, 1)
            style = dense(f"{block}.to_style{number}", w)
            x = F.leaky_relu(modulated(x, f"{block}.conv{number}", style, True) + added, 0.2)
        rgb = rgb + modulated(x, f"{block}.to_rgb.conv", dense(f"{block}.to_rgb.to_style", w), False)
        if index < len(ws) - 1:
            rgb = double(rgb)
            if blur:
                rgb = F.conv2d(F.pad(rgb, (1,) * 4, mode="reflect"), BLUR.expand(3, 1, 3, 3), groups=3)
    return rgb


def mapped(given: dict[str, Tensor], z: Tensor) -> Tensor:
    w = F.normalize(z, dim=1)
    for index in range(DEPTH):
        name = f"SE.net.{2 * index}"
        w = F.leaky_relu(F.linear(w, given[f"{name}.weight"] * 0.1, given[f"{name}.bias"] * 0.1), 0.2)
    return w


def drawn(seed: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).randn(1, LATENT)).float()


def saved(path: str, given: dict[str, Tensor], **beside: Any) -> str:
    torch.save({"GAN": given, **beside}, path)
    return path


@pytest.mark.parametrize("blur", [True, False])
def test_pictures_are_those_of_the_package(tmp_path: Path, cli: Callable[..., Result], blur: bool):
    given = state(blur)
    saved("model_9.pt", given, **({"version": "1.8.11"} if blur else {}))
    noise = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    save_file({"noise_0": noise}, "noise.safetensors")
    theirs = noise.permute(0, 3, 2, 1)
    words = ("--weights", "model_9.pt", "--noise", "noise.safetensors", "--device", "cpu")
    ws = {seed: mapped(given, drawn(seed)) for seed in (3, 5)}
    one = reference(given, [ws[3]] * 3, theirs, blur)
    assert float(one.clamp(0, 1).std()) > 0.05
    assert cli("stylegan", "sample", *words, "--seeds", 3, "-o", "one.png").exit_code == 0
    assert levels_apart(tmp_path / "one.png", one) < 0.51
    mixed = ("--rows", 3, "--columns", 5, "--layers", "1-2", "--plain", "--psi", 1)
    assert cli("stylegan", "mix", *words, *mixed, "-o", "mixed.png").exit_code == 0
    Image.open("mixed.png").crop((8, 8, 24, 24)).save("mixed.png")
    assert levels_apart(tmp_path / "mixed.png", reference(given, [ws[3], ws[5], ws[5]], theirs, blur)) < 0.51
    # The center of truncation is the mean of these two.
    save_file({"z": torch.cat([drawn(3), drawn(5)])}, "two.safetensors")
    psi = ("--psi", 0.5, "--center", "two.safetensors", "--seeds", 3)
    assert cli("stylegan", "sample", *words, *psi, "-o", "half.png").exit_code == 0
    half = reference(given, [(ws[3] + ws[5]) / 4 + ws[3] / 2] * 3, theirs, blur)
    assert levels_apart(tmp_path / "half.png", half) < 0.51
    done = cli("stylegan", "truncate", "--weights", "model_9.pt", "--seeds", 3, "--device", "cpu", "-o", "t.png")
    assert done.exit_code == 0, done.stderr
    assert cli("weights", "convert", "model_9.pt", "own.safetensors").exit_code == 0
    cli("stylegan", "sample", "--weights", "own.safetensors", *words[2:], "--seeds", 3, "-o", "own.png")
    assert levels_apart(tmp_path / "own.png", one) < 0.51


def test_fresh_noise_is_in_the_range_of_the_training(cli: Callable[..., Result]):
    given = state()
    for name, tensor in given.items():
        if "conv" in name or "to_noise" in name:
            given[name] = torch.zeros_like(tensor)
    for number in (1, 2):
        given[f"GE.blocks.2.to_noise{number}.weight"] = torch.ones(WIDTHS[2], 1)
    given["GE.blocks.2.to_rgb.to_style.weight"] = torch.zeros(WIDTHS[2], LATENT)
    given["GE.blocks.2.to_rgb.to_style.bias"] = torch.zeros(WIDTHS[2])
    given["GE.blocks.2.to_rgb.conv.weight"] = torch.ones(3, WIDTHS[2], 1, 1) / WIDTHS[2]
    saved("noise.pt", given)
    words = ("--weights", "noise.pt", "--seeds", 0, "--noise", "random", "--device", "cpu", "-o", "out.png")
    assert cli("stylegan", "sample", *words).exit_code == 0
    found = read(Path("out.png"))
    assert 0.4 < float(found.mean()) < 0.6
    assert float(found.min()) < 0.05
    assert float(found.max()) > 0.95
    assert float(((found > 0.25) & (found < 0.75)).float().mean()) < 0.65  # a bell has 0.95 of it


def attention(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**given, "GE.attns.1.0.fn.norm.g": torch.ones(1, 8, 1, 1)}


def older(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in given.items() if "initial_conv" not in name}


def without_constant(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace("initial_block", "to_initial_block.weight"): tensor for name, tensor in given.items()}


def other_filter(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**given, "GE.blocks.1.to_rgb.upsample.1.f": torch.tensor([1.0, 3, 1])}


@pytest.mark.parametrize(
    ("given", "version", "said"),
    [
        (attention(state()), "1.8.0", "was trained with --attn-layers (GE.attns.1.0.fn.norm.g)"),
        (state(colors=4), "1.8.0", "makes pictures of 4 channels, not 3"),
        (state(), "2.0.1", "is of stylegan2_pytorch 2.0.1; known are 0.20 to 1.9"),
        (older(state(False)), None, "holds lucidrains' StyleGAN 2, which is no network of stylecli"),
        (without_constant(state()), None, "holds lucidrains' StyleGAN 2 without a constant (no_const)"),
        (other_filter(state()), None, "GE.blocks.1.to_rgb.upsample.1.f is not the filter 1 2 1"),
    ],
)
def test_what_is_not_known_is_refused(
    cli: Callable[..., Result], given: dict[str, Tensor], version: str | None, said: str
):
    saved("model.pt", given, **({"version": version} if version else {}))
    done = cli("stylegan", "sample", "--weights", "model.pt", "--seeds", 0, "-o", "out.png")
    assert said in complaint(done, 3)
    assert not Path("out.png").exists()
