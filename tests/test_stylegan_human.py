"""`stylegan --weights` of a StyleGAN 2 whose pictures are half as wide as high, as StyleGAN-Human's."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import nvidia_pickles
import torch
import torch.nn.functional as F
from conftest import Result
from filling import filled, levels_apart
from torch import Tensor

WIDTHS = {4: 8, 8: 6, 16: 4}
TAPS = torch.outer(*[torch.tensor([1.0, 3, 3, 1])] * 2) / 64


def shapes() -> dict[str, tuple[int, ...]]:
    made: dict[str, tuple[int, ...]] = {"mapping.w_avg": (5,), "synthesis.b4.const": (8, 4, 2)}
    for index in range(2):
        made |= {f"mapping.fc{index}.weight": (5, 5), f"mapping.fc{index}.bias": (5,)}
    channels = 8
    for size, width in WIDTHS.items():
        layers = [("conv1", width, 3)] if size == 4 else [("conv0", width, 3), ("conv1", width, 3)]
        for name, out, kernel in (*layers, ("torgb", 3, 1)):
            start = f"synthesis.b{size}.{name}"
            made |= {f"{start}.weight": (out, channels, kernel, kernel), f"{start}.bias": (out,)}
            made |= {f"{start}.affine.weight": (channels, 5), f"{start}.affine.bias": (channels,)}
            if kernel == 3:
                made |= {f"{start}.noise_const": (size, size // 2), f"{start}.noise_strength": ()}
                channels = out
    return made


def reference(state: dict[str, Tensor], z: Tensor, multiplier: float) -> Tensor:
    """Karras et al. 2020, figure 2 (c), on plain tensors, with the constant noise."""
    dense = lambda x, name, gain: F.linear(
        x, state[f"{name}.weight"] * gain / math.sqrt(x.shape[1]), state[f"{name}.bias"] * gain
    )
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for index in range(2):
        w = F.leaky_relu(dense(w, f"mapping.fc{index}", multiplier), 0.2) * math.sqrt(2)

    def blurred(x: Tensor, pad: tuple[int, ...]) -> Tensor:
        kernel = (TAPS * 4).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(F.pad(x, pad), kernel, groups=x.shape[1])

    def convolved(x: Tensor, name: str, up: bool) -> Tensor:
        weight = state[f"{name}.weight"] * dense(w, f"{name}.affine", 1.0)[0][None, :, None, None]
        if name.endswith("torgb"):
            return F.conv2d(x, weight / math.sqrt(x.shape[1])) + state[f"{name}.bias"][:, None, None]
        weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        if up:
            x = blurred(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), (1, 1, 1, 1))
        else:
            x = F.conv2d(x, weight, padding=1)
        x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"] + state[f"{name}.bias"][:, None, None]
        return F.leaky_relu(x, 0.2) * math.sqrt(2)

    x, rgb = state["synthesis.b4.const"][None], torch.zeros(1, 3, 2, 1)
    for size in WIDTHS:
        start = f"synthesis.b{size}"
        x = x if size == 4 else convolved(x, f"{start}.conv0", True)
        x = convolved(x, f"{start}.conv1", False)
        spread = torch.zeros(1, 3, 2 * rgb.shape[2], 2 * rgb.shape[3])
        spread[:, :, ::2, ::2] = rgb
        rgb = blurred(spread, (2, 1, 2, 1)) + convolved(x, f"{start}.torgb", False)
    return rgb / 2 + 0.5


def test_a_person_is_higher_than_wide(tmp_path: Path, cli: Callable[..., Result]):
    state = {name: 0.3 * x if name.endswith("strength") else x for name, x in filled(shapes()).items()}
    for name in state:
        if name.endswith("affine.bias"):
            state[name] = state[name] + 1
    (tmp_path / "human.pkl").write_bytes(nvidia_pickles.pytorch_file(state, None, 0.01))
    words = ("--weights", "human.pkl", "--seeds", 3, "--noise", "const", "--device", "cpu")
    done = cli("stylegan", "sample", *words, "-o", "out.png")
    assert done.exit_code == 0, done.stderr
    z = torch.from_numpy(np.random.RandomState(3).randn(1, 5)).float()
    expected = reference(state, z, 0.01)
    assert expected.shape == (1, 3, 16, 8)
    assert levels_apart(tmp_path / "out.png", expected) < 0.51
    assert cli("stylegan", "sample", *words[:4], "--noise", "random", "-o", "r.png", "--device", "cpu").exit_code == 0
    assert cli("weights", "convert", "human.pkl", "own.safetensors").exit_code == 0
    cli("stylegan", "sample", "--weights", "own.safetensors", *words[2:], "-o", "again.png")
    assert (tmp_path / "again.png").read_bytes()
    assert levels_apart(tmp_path / "again.png", expected) < 0.51
