"""StyleGAN 1 in the layouts of rosinality/style-based-gan-pytorch, genforce, and ours.

Every scale that those codes apply when they run is multiplied in, see `nets.stylegan1`.
"""

import math
import re
from dataclasses import replace

from torch import Tensor

from stylecli.checkpoints.layouts.format import Options
from stylecli.checkpoints.layouts.strict_state import ConsumedState
from stylecli.checkpoints.layouts.stylegan2 import LR_MULTIPLIER, check_size
from stylecli.errors import UsageError, WeightsError
from stylecli.nets.stylegan1 import StyleGAN1Config
from stylecli.nets.upfirdn import BINOMIAL

State = dict[str, Tensor]
FUSED = 128
"""From this size on, both codes double with a transposed convolution whose weights are laid out for it."""


def rosinality(tensors: State, options: Options) -> tuple[StyleGAN1Config, State]:
    """`StyledGenerator`, whose files hold all sizes to 1024 px, trained or not: `options["size"]` says which counts.

    Raises:
        UsageError: `size` is 0: it was not given; or the file has none of that size.
    """
    sizes = [4 * 2**block for block in range(sum(".adain1.style.linear.bias" in name for name in tensors))]
    size = options.get("size", sizes[-1])
    if size not in sizes:
        said = f"--size {size}: not a size of this network" if size else "--size: missing"
        raise UsageError(f"{said}: it has blocks of {sizes[0]} to {sizes[-1]} px", "say the one it was trained to")
    blocks = sizes.index(size) + 1
    above = re.compile(r"generator\.(?:progression|to_rgb)\.(\d+)\.")
    kept = {n: t for n, t in tensors.items() if not (m := above.match(n)) or int(m[1]) < blocks}
    taking = ConsumedState({n: t for n, t in kept.items() if "to_rgb" not in n or f".to_rgb.{blocks - 1}." in n})
    state: State = {"const": taking.take("generator.progression.0.conv1.input")[0]}
    for index in range(8):
        state |= _equalized(taking, f"style.{2 * index + 1}.linear", f"mapping.layers.{index}")
    for block in range(blocks):
        theirs, first, second = f"generator.progression.{block}", f"layers.{2 * block}", f"layers.{2 * block + 1}"
        if block == 0:
            state[f"{first}.bias"] = state["const"].new_zeros(len(state["const"]))
        elif sizes[block] < FUSED:
            state |= _equalized(taking, f"{theirs}.conv1.1.conv", first)
        else:
            weight, bias = taking.layer(f"{theirs}.conv1.0")
            scale = math.sqrt(2 / (9 * weight.shape[0])) / 4
            state |= {f"{first}.weight": weight.transpose(0, 1).flip(2, 3) * scale, f"{first}.bias": bias}
        state |= _equalized(taking, f"{theirs}.conv2.conv", second)
        for number, name in ((1, first), (2, second)):
            noise = taking.take(f"{theirs}.noise{number}.weight_orig").flatten()
            state[f"{name}.noise_weight"] = noise * math.sqrt(2 / len(noise))
            state |= _equalized(taking, f"{theirs}.adain{number}.style.linear", f"{name}.affine")
    state |= _equalized(taking, f"generator.to_rgb.{blocks - 1}.conv", "rgb")
    taking.filters(BINOMIAL)
    taking.finish()
    config = _described(state, blocks)
    dialect = replace(config, epsilon=1e-5, early_bias=True, shared_noise=True, noises=False, average=False)
    return dialect, state


def genforce(tensors: State, options: Options) -> tuple[StyleGAN1Config, State]:
    """`generator_smooth`; its mapping has `lr_mul` 0.01 and a gain of sqrt(2) in its weights, not behind the ReLU."""
    taking = ConsumedState(tensors)
    blocks = sum(name.startswith("synthesis.output") and name.endswith(".bias") for name in taking.left)
    state: State = {"const": taking.take("synthesis.layer0.const")[0], "w_avg": taking.take("truncation.w_avg")}
    index = 0
    while f"mapping.dense{index}.weight" in taking:
        inputs = taking.left[f"mapping.dense{index}.weight"].shape[1]
        pair = taking.layer(f"mapping.dense{index}", LR_MULTIPLIER * math.sqrt(2 / inputs), LR_MULTIPLIER)
        state[f"mapping.layers.{index}.weight"], state[f"mapping.layers.{index}.bias"] = pair
        index += 1
    for index in range(2 * blocks):
        theirs, name = f"synthesis.layer{index}", f"layers.{index}"
        if index:
            weight = taking.take(f"{theirs}.weight")
            fused = index % 2 == 0 and 4 * 2 ** (index // 2) >= FUSED
            weight = weight.flip(2, 3) if fused else weight
            state[f"{name}.weight"] = weight * math.sqrt(2 / (9 * weight.shape[1]))
        state[f"{name}.bias"] = taking.take(f"{theirs}.bias")
        state[f"{name}.noise_weight"] = taking.take(f"{theirs}.apply_noise.weight")
        state[f"noise_{index}"] = taking.take(f"{theirs}.apply_noise.noise")[0, 0]
        style, bias = taking.layer(f"{theirs}.style")
        state[f"{name}.affine.weight"] = style / math.sqrt(style.shape[1])
        bias[: len(bias) // 2] += 1
        state[f"{name}.affine.bias"] = bias
    for block in range(blocks):
        weight, bias = taking.layer(f"synthesis.output{block}")
        state["rgb.weight"], state["rgb.bias"] = weight / math.sqrt(weight.shape[1]), bias
    if taking.take("synthesis.lod").any():
        raise WeightsError("was stopped between two sizes (synthesis.lod is not 0)")
    taking.filters(BINOMIAL)
    taking.finish()
    config = _described(state, blocks)
    check_size(2 ** (blocks + 1), options)
    return config, state


def _equalized(taking: ConsumedState, theirs: str, name: str) -> State:
    """A layer whose weights are scaled to He's deviation when it runs."""
    weight = taking.take(f"{theirs}.weight_orig")
    scale = math.sqrt(2 / weight[0].numel())
    return {f"{name}.weight": weight * scale, f"{name}.bias": taking.take(f"{theirs}.bias")}


def _described(state: State, blocks: int) -> StyleGAN1Config:
    widths = tuple(len(state[f"layers.{2 * block}.bias"]) for block in range(blocks))
    mapping = tuple(len(t) for n, t in state.items() if n.startswith("mapping.") and n.endswith(".bias"))
    return StyleGAN1Config(widths, mapping, state["mapping.layers.0.weight"].shape[1])
