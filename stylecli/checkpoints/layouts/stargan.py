"""StarGAN v2 as clovaai/stargan-v2 and we lay it out, its network of landmarks (`wing.ckpt`), and the first StarGAN.

Files of clovaai tell nothing beside their tensors: all of the config is read off the shapes, and the names of domains
come from elsewhere.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from torch import Tensor

from stylecli.checkpoints.layouts.format import Options, taken
from stylecli.checkpoints.layouts.layers import SIGNED, Layers, counted
from stylecli.checkpoints.layouts.strict_state import ConsumedState
from stylecli.errors import WeightsError
from stylecli.nets.feed_forward import FeedForwardConfig, Step
from stylecli.nets.stargan_generator import StarGANConfig

State = dict[str, Tensor]
NAMES = {"mapping_network": "mapping", "style_encoder": "encoder"}
LARGEST = 4096
BATCH_NORM_EPSILON = 1e-5


def stored_config(config: StarGANConfig) -> Options:
    """The config as our own files keep it."""
    return dataclasses.asdict(config)


def ours(tensors: State, options: Options) -> tuple[StarGANConfig, State]:
    """What `save_network` wrote.

    Raises:
        WeightsError: Fields of another version, or impossible sizes.
    """
    known = {each.name for each in dataclasses.fields(StarGANConfig)}
    fields: dict[str, Any] = {name: value for name, value in options.items() if name in known}
    try:
        config = StarGANConfig(**{**fields, "labels": _labels(fields.get("labels", ()), fields.get("domains", 0))})
        counts = (config.domains, config.channels, config.most_channels, config.style_dim, config.latent_dim)
        possible = all(type(n) is int and 0 < n <= 2**14 for n in (*counts, config.hidden)) and _possible(config)
    except TypeError:
        possible = False
    if not possible:
        raise WeightsError("its metadata describes no StarGAN v2")
    return config, tensors


def clovaai(tensors: State, options: Options) -> tuple[StarGANConfig, State]:
    """`NNNNNN_nets_ema.ckpt`."""
    state: State = {}
    for name, value in tensors.items():
        net, _, rest = name.partition(".")
        state[f"{NAMES.get(net, net)}.{rest}"] = value
    # A file from before it was a buffer has none; then it is that of the published network.
    high_pass = state.pop("generator.hpf.filter", None)
    blocks = _count(state, r"encoder\.shared\.(\d+)\.conv1\.weight")
    masked = _count(state, r"generator\.encode\.(\d+)\.conv1\.weight") > blocks
    hpf = 0.0 if not masked else 1.0 if high_pass is None else 8 / float(high_pass[..., 1, 1].flatten()[0])
    if masked:
        # These blocks have weights of a shortcut that they do not take.
        state = {name: each for name, each in state.items() if not re.match(r"generator\.decode\.\d+\.conv1x1\.", name)}
    fan = {name.removeprefix("fan."): state.pop(name) for name in [*state] if name.startswith("fan.")}
    if fan:
        state |= {f"fan.{name}": value for name, value in wing(fan, {})[1].items()}
    shape: Callable[[str, int], int] = lambda name, axis: taken(state, name).shape[axis]
    domains = _count(state, r"mapping\.unshared\.(\d+)\.0\.weight")
    config = StarGANConfig(
        2 ** (blocks + 2),
        domains,
        shape("generator.from_rgb.weight", 0),
        shape(f"encoder.shared.{blocks + 2}.weight", 0),
        shape("generator.decode.0.norm1.fc.weight", 1),
        shape("mapping.shared.0.weight", 1),
        shape("mapping.shared.0.weight", 0),
        hpf,
        fan=bool(fan),
        labels=_labels(options.get("labels", ()), domains),
    )
    if not _possible(config):
        raise WeightsError(f"its shapes are of no StarGAN v2: {config.size} px, {config.domains} domains")
    return config, {name: value.float() for name, value in state.items()}


def wing(tensors: State, options: Options) -> tuple[None, State]:
    """The landmarks' network; batch norms become factors and offsets."""
    taking = ConsumedState(tensors)
    norms = [name.removesuffix(".running_mean") for name in tensors if name.endswith(".running_mean")]
    state: State = {}
    for name in norms:
        weight, bias = taking.layer(name)
        mean, variance = (taking.take(f"{name}.running_{kind}") for kind in ("mean", "var"))
        scale = weight.double() / (variance.double() + BATCH_NORM_EPSILON).sqrt()
        state |= {f"{name}.weight": scale.float(), f"{name}.bias": (bias - mean * scale).float()}
        taking.left.pop(f"{name}.num_batches_tracked", None)
    return None, state | {name: taking.take(name) for name in [*taking.left]}


def landmarks(tensors: State, options: Options) -> tuple[None, State]:
    """The same as we keep it."""
    return None, tensors


def first(tensors: State, options: Options) -> tuple[FeedForwardConfig, State]:
    """yunjey/stargan, `NNNNNN-G.ckpt`: attributes behind the colors; its norms use their own picture's moments."""
    net = Layers(ConsumedState(tensors))
    for index in (0, 3, 6):
        net.conv(f"main.{index}", 1 if index else 3, stride=2 if index else 1)
        net.norm(f"main.{index + 1}")
        net.relu()
    last = 9
    for name in counted(net, "main.{}.main", 9):
        inside, last = net.inner(), last + 1
        for part in (0, 3):
            inside.conv(f"{name}.{part}")
            inside.norm(f"{name}.{part + 1}")
            if not part:
                inside.relu()
        net.block(inside)
    for index in (last, last + 3):
        net.conv(f"main.{index}", (1, 0), up=True, stride=2)
        net.norm(f"main.{index + 1}")
        net.relu()
    net.conv(f"main.{last + 6}")
    net.add(Step("tanh", 3, value=1.0))
    count = net.steps[0].channels - 3
    if count < 1:
        raise WeightsError("a StarGAN v1 without attributes")
    default = CELEBA if count == len(CELEBA) else tuple(map(str, range(count)))
    return net.finish(dataclasses.replace(SIGNED, labels=_labels(options.get("labels", ()), count) or default))


CELEBA = ("black_hair", "blond_hair", "brown_hair", "male", "young")
"""Attributes of the published model, in its order."""


def _labels(said: object, domains: int) -> tuple[str, ...]:
    """Names of domains as `cat,dog` or a list of them."""
    names = tuple(said.split(",") if isinstance(said, str) else said if isinstance(said, list | tuple) else (said,))
    if names and (len(set(names)) != domains or not all(isinstance(name, str) and name for name in names)):
        raise WeightsError(f"has {domains} domains, {len(names)} names are given: {', '.join(map(str, names))[:80]}")
    return names


def _count(state: State, pattern: str) -> int:
    return sum(bool(re.fullmatch(pattern, name)) for name in state)


def _possible(config: StarGANConfig) -> bool:
    power = config.size > 0 and config.size & (config.size - 1) == 0
    framed = type(config.frame) is int and 0 <= config.frame < config.size and not (config.frame and config.hpf)
    sides = power and 16 <= config.size <= LARGEST and framed and 0 <= config.grain <= 1
    return sides and 0 < config.domains <= 2**12 and 0 <= config.hpf < float("inf")
