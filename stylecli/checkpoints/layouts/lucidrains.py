"""StyleGAN 2 as lucidrains' stylegan2-pytorch trains it, from the averaged networks `SE` and `GE` of its files.

Names tell what is computed. From 0.20 to 1.9 (the last), and in no version before, there is an `initial_conv`; in all
of those the mapping network normalizes z to length 1 and multiplies weights and biases by `lr_mlp`, which is not in the
file: 0.1, the default, is taken. From 1.1 on the filter of the RGB's blur is there.
"""

import re

import torch
import torch.nn.functional as F
from torch import Tensor

from stylecli.checkpoints.layouts.format import Options
from stylecli.checkpoints.layouts.strict_state import ConsumedState
from stylecli.checkpoints.layouts.stylegan2 import as_layer, check_size
from stylecli.errors import WeightsError
from stylecli.nets.lucidrains import LucidrainsConfig

State = dict[str, Tensor]
LR_MULTIPLIER = 0.1
KNOWN = r"(0\.2\d|1\.\d)(\.\d+)?"
"""Versions whose generators were compared."""


def lucidrains(tensors: State, options: Options) -> tuple[LucidrainsConfig, State]:
    """`model_N.pt`; trainings with attention, alpha or from an unknown version are refused."""
    version = options.get("version")
    if isinstance(version, str) and not re.fullmatch(KNOWN, version):
        raise WeightsError(f"is of stylegan2_pytorch {version[:20]}; known are 0.20 to 1.9")
    if attention := next((name for name in tensors if name.startswith("GE.attns.")), None):
        raise WeightsError(
            f"was trained with --attn-layers ({attention[:80]})", "what they compute differs between versions"
        )
    if (colors := len(tensors["GE.blocks.0.to_rgb.conv.weight"])) != 3:
        raise WeightsError(f"makes pictures of {colors} channels, not 3", "it was trained with --transparent")
    taking = ConsumedState(tensors)
    state: State = {}
    mapping: list[int] = []
    while (name := f"SE.net.{2 * len(mapping)}") + ".weight" in taking:
        weight, bias = taking.layer(name, LR_MULTIPLIER, LR_MULTIPLIER)
        # Our z has length sqrt(z_dim).
        state |= as_layer(
            f"mapping.layers.{len(mapping)}", (weight if mapping else weight / weight.shape[1] ** 0.5, bias)
        )
        mapping.append(len(weight))
    state["const"] = F.conv2d(taking.take("GE.initial_block"), *taking.layer("GE.initial_conv"), padding=1)[0]
    widths: list[int] = []
    blur = "GE.blocks.0.to_rgb.upsample.1.f" in taking
    while (theirs := f"GE.blocks.{len(widths)}") + ".conv1.weight" in taking:
        block = len(widths)
        for second in range(2):
            name = f"layers.{2 * block + second}"
            state[f"{name}.weight"] = taking.take(f"{theirs}.conv{second + 1}.weight")
            state |= _styles(taking, f"{theirs}.to_style{second + 1}", f"{name}.affine")
            strength, state[f"{name}.bias"] = taking.layer(f"{theirs}.to_noise{second + 1}")
            state[f"{name}.noise_weight"] = strength.flatten()
        # [0, 1] there is [-1, 1] here.
        last = f"GE.blocks.{block + 1}.conv1.weight" not in taking
        state[f"rgbs.{block}.weight"] = 2 * taking.take(f"{theirs}.to_rgb.conv.weight")
        state[f"rgbs.{block}.bias"] = torch.full((3,), -1.0 if last else 0.0)
        state |= _styles(taking, f"{theirs}.to_rgb.to_style", f"rgbs.{block}.affine")
        if (
            blur
            and not last
            and not torch.equal(taking.take(f"{theirs}.to_rgb.upsample.1.f"), torch.tensor([1.0, 2.0, 1.0]))
        ):
            raise WeightsError(f"{theirs}.to_rgb.upsample.1.f is not the filter 1 2 1")
        widths.append(len(state[f"layers.{2 * block}.weight"]))
    taking.finish()
    config = LucidrainsConfig(
        tuple(widths), tuple(mapping), tensors["SE.net.0.weight"].shape[1], noises=False, average=False, blur=blur
    )
    check_size(config.size, options)
    return config, state


def _styles(taking: ConsumedState, theirs: str, name: str) -> State:
    weight, bias = taking.layer(theirs)
    return as_layer(name, (weight, bias + 1))
