"""StyleGAN 2 as rosinality/stylegan2-pytorch, NVlabs (stylegan2-ada-pytorch, stylegan3), TensorFlow and we lay it out.

Every scale that those codes apply when they run is multiplied in, see `nets.stylegan2`.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from torch import Tensor

from stylecli.checkpoints.layouts.format import Converter, Options
from stylecli.checkpoints.layouts.strict_state import ConsumedState
from stylecli.errors import WeightsError
from stylecli.nets.style_generator import StyleConfig
from stylecli.nets.stylegan2 import GAIN, StyleGAN2Config
from stylecli.nets.upfirdn import SMOOTH

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound=StyleConfig)

State = dict[str, Tensor]
LARGEST_BLOCKS = 10
"""4096 px."""

LR_MULTIPLIER = 0.01
"""Of the mapping network: Karras et al. 2019, appendix C; files of NVlabs say theirs."""


def stored_config(config: "DataclassInstance") -> Options:
    """The config of a generator of either kind, as our own files keep it; squares do not say that they are."""
    return {name: value for name, value in dataclasses.asdict(config).items() if (name, value) != ("across", 4)}


def read_config(kind: type[C], stored: Options) -> C:
    """A config of `kind` from what `stored_config` gave.

    Raises:
        WeightsError: Fields of another version, or impossible sizes.
    """
    known = {field.name for field in dataclasses.fields(kind)}
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    try:
        config = kind(**{name: value for name, value in fields.items() if name in known})
        counts = (*config.widths, *config.mapping, config.z_dim, config.across)
        possible = all(type(n) is int and 0 < n <= 2**16 for n in counts) and 0 < len(config.widths) <= LARGEST_BLOCKS
    except TypeError:
        possible = False
    if not possible:
        raise WeightsError("its metadata describes no generator")
    return config


def check_size(size: int, options: Options) -> None:
    """Holds a size that the user gave to that of the file.

    Raises:
        WeightsError: Another one.
    """
    if options.get("size") and options["size"] != size:
        raise WeightsError(f"makes pictures of {size} px, not {options['size']}", "leave out --size")


def ours(kind: type[StyleConfig]) -> Converter:
    """What `save_network` wrote of a generator whose config is of `kind`."""

    def convert(tensors: State, options: Options) -> tuple[StyleConfig, State]:
        config = read_config(kind, options)
        check_size(config.size, options)
        return config, tensors

    return convert


def rosinality(tensors: State, options: Options) -> tuple[StyleGAN2Config, State]:
    """`g_ema` and, in converted files, `latent_avg`; the noise is missing in files from before it was a buffer."""
    taking = ConsumedState({name.removeprefix("g_ema."): value for name, value in tensors.items()})
    count = 1 + sum(name.startswith("convs.") and name.endswith(".conv.weight") for name in taking.left)
    state: State = {}
    index = 0
    while f"style.{index + 1}.weight" in taking:
        inputs = taking.left[f"style.{index + 1}.weight"].shape[1]
        gain = LR_MULTIPLIER * GAIN
        pair = taking.layer(f"style.{index + 1}", gain / math.sqrt(inputs), gain)
        state |= as_layer(f"mapping.layers.{index}", pair)
        index += 1
    state["const"] = taking.take("input.input")[0]
    noises = "noises.noise_0" in taking
    for index in range(count):
        theirs = "conv1" if index == 0 else f"convs.{index - 1}"
        state |= _modulated(taking, f"{theirs}.conv", f"layers.{index}", 9)
        state[f"layers.{index}.bias"] = taking.take(f"{theirs}.activate.bias")
        state[f"layers.{index}.strength"] = taking.take(f"{theirs}.noise.weight")[0]
        if noises:
            state[f"noise_{index}"] = taking.take(f"noises.noise_{index}")[0, 0]
    for block in range((count + 1) // 2):
        theirs = "to_rgb1" if block == 0 else f"to_rgbs.{block - 1}"
        state |= _modulated(taking, f"{theirs}.conv", f"rgbs.{block}", 1)
        state[f"rgbs.{block}.bias"] = taking.take(f"{theirs}.bias").flatten()
    if average := "latent_avg" in taking:
        state["w_avg"] = taking.take("latent_avg").flatten()
    taking.filters(SMOOTH)
    taking.finish()
    return _described(state, options, noises=noises, average=average), state


def nvlabs(tensors: State, options: Options) -> tuple[StyleGAN2Config, State]:
    """`G_ema` of a pickle; `options` hold what its objects say beside their tensors, see `containers.nvidia`."""
    taking = ConsumedState(tensors)
    said = _number(options, "lr_multiplier")
    multiplier = LR_MULTIPLIER if said is None else said
    state: State = {}
    if "mapping.embed.weight" in taking:
        classes = taking.left["mapping.embed.weight"].shape[1]
        state |= as_layer("mapping.embed", taking.layer("mapping.embed", 1 / math.sqrt(classes)))
    index = 0
    while f"mapping.fc{index}.weight" in taking:
        inputs = taking.left[f"mapping.fc{index}.weight"].shape[1]
        pair = taking.layer(f"mapping.fc{index}", multiplier * GAIN / math.sqrt(inputs), multiplier * GAIN)
        state |= as_layer(f"mapping.layers.{index}", pair)
        index += 1
    state["w_avg"] = taking.take("mapping.w_avg")
    state["const"] = taking.take("synthesis.b4.const")
    index = 0
    while f"synthesis.b{4 * 2 ** ((index + 1) // 2)}.conv{(index + 1) % 2}.weight" in taking:
        size = 4 * 2 ** ((index + 1) // 2)
        theirs, name = f"synthesis.b{size}.conv{(index + 1) % 2}", f"layers.{index}"
        state |= _affine(taking, theirs, name)
        state[f"{name}.weight"], state[f"{name}.bias"] = taking.layer(theirs)
        state[f"{name}.strength"] = taking.take(f"{theirs}.noise_strength")
        state[f"noise_{index}"] = taking.take(f"{theirs}.noise_const")
        if index % 2 == 0:
            theirs, name = f"synthesis.b{size}.torgb", f"rgbs.{index // 2}"
            state |= _affine(taking, theirs, name)
            weight, state[f"{name}.bias"] = taking.layer(theirs)
            state[f"{name}.weight"] = weight / math.sqrt(weight.shape[1])
        index += 1
    taking.filters(SMOOTH)
    taking.finish()
    return _described(state, options), state


def tensorflow(tensors: State, options: Options) -> tuple[StyleGAN2Config, State]:
    """`Gs` of a pickle of TensorFlow's days: the layout of NVlabs' conversion, from which `nvlabs` goes on."""
    taking = ConsumedState(tensors)
    theirs: State = {"mapping.w_avg": taking.take("dlatent_avg")}
    for name in [*taking.left]:
        if name == "lod" or name.endswith("/lod"):
            taking.take(name)
        elif name.startswith("mapping/"):
            _, layer, kind = name.split("/")
            ours = "embed" if layer == "LabelEmbed" else f"fc{layer.removeprefix('Dense')}"
            value = taking.take(name)
            theirs[f"mapping.{ours}.{kind}"] = value.mT if kind == "weight" else value
    size = 4
    while f"synthesis/{size}x{size}/ToRGB/weight" in taking:
        block, level = f"synthesis/{size}x{size}", int(math.log2(size))
        if size == 4:
            theirs["synthesis.b4.const"] = taking.take(f"{block}/Const/const")[0]
        layers = (
            [("Conv", "conv1", 0)]
            if size == 4
            else [("Conv0_up", "conv0", 2 * level - 5), ("Conv1", "conv1", 2 * level - 4)]
        )
        for old, new, noise in [*layers, ("ToRGB", "torgb", None)]:
            name = f"synthesis.b{size}.{new}"
            weight = taking.take(f"{block}/{old}/weight").permute(3, 2, 0, 1)
            theirs[f"{name}.weight"] = weight.flip(2, 3) if old == "Conv0_up" else weight
            theirs[f"{name}.bias"] = taking.take(f"{block}/{old}/bias")
            theirs[f"{name}.affine.weight"] = taking.take(f"{block}/{old}/mod_weight").T
            theirs[f"{name}.affine.bias"] = taking.take(f"{block}/{old}/mod_bias") + 1
            if noise is not None:
                theirs[f"{name}.noise_strength"] = taking.take(f"{block}/{old}/noise_strength")
                theirs[f"{name}.noise_const"] = taking.take(f"synthesis/noise{noise}")[0, 0]
        size *= 2
    taking.finish()
    return nvlabs(theirs, options)


def refused(what: str, hint: str) -> Converter:
    """A row's `convert` for networks that can only be named."""

    def convert(tensors: State, options: Options) -> NoReturn:
        raise WeightsError(f"holds {what}, not StyleGAN 1 or 2", hint)

    return convert


def as_layer(name: str, pair: tuple[Tensor, Tensor]) -> State:
    """(weight, bias) as the layer `name`."""
    return {f"{name}.weight": pair[0], f"{name}.bias": pair[1]}


def _modulated(taking: ConsumedState, theirs: str, name: str, kernel: int) -> State:
    weight = taking.take(f"{theirs}.weight")[0]
    style, bias = taking.layer(f"{theirs}.modulation")
    return {
        f"{name}.weight": weight / math.sqrt(weight.shape[1] * kernel),
        **as_layer(f"{name}.affine", (style / math.sqrt(style.shape[1]), bias)),
    }


def _affine(taking: ConsumedState, theirs: str, name: str) -> State:
    weight, bias = taking.layer(f"{theirs}.affine")
    return as_layer(f"{name}.affine", (weight / math.sqrt(weight.shape[1]), bias))


def _described(state: State, options: Options, *, noises: bool = True, average: bool = True) -> StyleGAN2Config:
    """The config that the shapes of a complete state tell."""
    mapping = _widths(state, "mapping.layers.{}.weight")
    blocks = (sum(name.endswith(".strength") for name in state) + 1) // 2
    widths = tuple(len(state[f"layers.{2 * block}.weight"]) for block in range(blocks))
    embed = state.get("mapping.embed.weight")
    embedding, classes = (0, 0) if embed is None else embed.shape
    if not mapping:
        raise WeightsError("has no mapping network")
    inputs = state["mapping.layers.0.weight"].shape[1]
    config = StyleGAN2Config(
        widths,
        mapping,
        inputs - embedding,
        classes,
        embedding,
        clamp=_number(options, "conv_clamp"),
        noises=noises,
        average=average,
        across=state["const"].shape[2],
    )
    check_size(config.size, options)
    return config


def _number(options: Options, name: str) -> float | None:
    said = options.get(name)
    return float(said) if isinstance(said, int | float) else None


def _widths(state: State, pattern: str) -> tuple[int, ...]:
    found: list[int] = []
    while (name := pattern.format(len(found))) in state:
        found.append(len(state[name]))
    return tuple(found)
