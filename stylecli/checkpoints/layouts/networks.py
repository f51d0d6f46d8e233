"""What checkpoints need to know of each network of ours: how to build it, store its shape, and run its sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from stylecli.checkpoints.layouts import any_style, feed_forward, stargan, stylegan2
from stylecli.checkpoints.layouts.format import Options, stored_config
from stylecli.nets.adain import MirrorDecoder
from stylecli.nets.any_style import AnyStyle
from stylecli.nets.fan import FAN
from stylecli.nets.feed_forward import FeedForward
from stylecli.nets.lucidrains import LucidrainsGenerator
from stylecli.nets.microast import MicroAST
from stylecli.nets.msgnet import MSGNet
from stylecli.nets.stargan import StarGAN
from stylecli.nets.style_generator import StyleGenerator
from stylecli.nets.stylegan1 import StyleGAN1
from stylecli.nets.stylegan2 import StyleGAN2
from stylecli.nets.texture_net import TextureNet, noise, sizes
from stylecli.nets.transformer import TransformerNet
from stylecli.nets.transport import Transport
from stylecli.nets.vgg import LPIPS, VGG

C = TypeVar("C")
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Network(Generic[C, M]):
    """One network.

    Attributes:
        build: Config to a fresh module.
        stored: Config to what our own files keep of it as JSON.
        inputs: A module to inputs of a small sample, by name, the same every time.
        run: A module and sample inputs to outputs by name.
    """

    build: Callable[[C], M]
    stored: Callable[[C], Options]
    inputs: Callable[[M], dict[str, Tensor]]
    run: Callable[[M, dict[str, Tensor]], dict[str, Tensor]]


def _picture(net: nn.Module) -> dict[str, Tensor]:
    return {"input": torch.rand(1, 3, 32, 32, generator=Generator().manual_seed(0))}


def _features(net: VGG, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    made: dict[str, Tensor] = net(
        inputs["input"], [name for name in net.names if name.startswith("relu") and name.endswith("_1")]
    )
    return made


def _latent(net: StyleGenerator) -> dict[str, Tensor]:
    return {"z": torch.randn(1, net.config.z_dim, generator=Generator().manual_seed(0))}


def _generated(net: StyleGenerator, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    z = inputs["z"]
    w = net.mapping(z, torch.zeros(len(z), dtype=torch.long, device=z.device) if net.config.classes else None)
    return {"w": w, "picture": net.synthesize(w[:, None].expand(-1, len(net.pixels), -1), net.noises())}


def _features_in(decoder: MirrorDecoder) -> dict[str, Tensor]:
    return {"input": torch.rand(1, decoder.widths[-1][-1], 4, 4, generator=Generator().manual_seed(0))}


def _decoded(net: MirrorDecoder, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"output": net(inputs["input"])}


def _painted(net: AnyStyle, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"output": net(inputs["input"], inputs["input"].flip(1))}


def _transformed(net: TransformerNet, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    # All styles in even shares: no row of (gamma, beta) goes unproved.
    return {"output": net(inputs["input"])}


def _larger(net: FeedForward) -> dict[str, Tensor]:
    side, random = max(32, net.config.smallest), Generator().manual_seed(0)
    return {"input": torch.rand(1, 3, side, side, generator=random)}


def _passed(net: FeedForward, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    count = len(net.config.labels)
    on = torch.arange(count, device=inputs["input"].device)[None] % 2 if count else None
    return {"output": net(inputs["input"], on)}


def _noise(net: TextureNet) -> dict[str, Tensor]:
    side = max(net.config.shrink, 16)
    each = enumerate(sizes(net.config, side, side), 1)
    return {f"input{k}": noise((net.config.channels, *size), k, (0, 0), size) for k, size in each}


def _drawn(net: TextureNet, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"output": net([inputs[f"input{k}"] for k in range(1, len(net.config.widths) + 1)])}


def _translation(net: StarGAN) -> dict[str, Tensor]:
    random, config = Generator().manual_seed(0), net.config
    return {
        "z": torch.randn(config.domains, config.latent_dim, generator=random),
        "input": torch.rand(1, 3, 16, 16, generator=random),
    }


def _translated(net: StarGAN, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    config = net.config
    # Every head is proved; pictures are small in the file.
    pictures = F.interpolate(inputs["input"] * 2 - 1, size=config.size, mode="bilinear")
    domains = torch.arange(config.domains, device=pictures.device)
    z = inputs["z"][: len(domains)]
    seen = net.encoder.features(pictures)
    style = net.encoder.styled(seen.expand(len(domains), -1), domains)
    made = net.generator(pictures, style[:1], net.masks(pictures))
    guessed = {"guess": net.encoder.guessed(seen)} if config.guess else {}
    return {"mapped": net.mapping(z, domains), "style": style, "picture": F.adaptive_avg_pool2d(made, 16), **guessed}


# Each row holds to its own types; which row a file takes is known when it is read.
NETWORKS: dict[str, Network[Any, Any]] = {
    "vgg": Network(VGG, stored_config, _picture, _features),
    "lpips": Network(LPIPS, lambda widths: {"widths": widths}, lambda net: {}, lambda net, _: net()),
    "stylegan1": Network(StyleGAN1, stylegan2.stored_config, _latent, _generated),
    "stylegan2": Network(StyleGAN2, stylegan2.stored_config, _latent, _generated),
    "lucidrains": Network(LucidrainsGenerator, stylegan2.stored_config, _latent, _generated),
    "transport": Network(Transport, lambda config: {}, _picture, _painted),
    "adain": Network(any_style.build, lambda config: {"vgg": stored_config(config)}, _picture, _painted),
    "adain-decoder": Network(MirrorDecoder, lambda widths: {"widths": widths}, _features_in, _decoded),
    "microast": Network(MicroAST, stored_config, _picture, _painted),
    "msgnet": Network(MSGNet, lambda config: {}, _picture, _painted),
    "stargan": Network(StarGAN, stargan.stored_config, _translation, _translated),
    "fan": Network(lambda config: FAN(), lambda config: {}, _picture, lambda net, x: {"heat": net(x["input"])}),
    "transformer": Network(TransformerNet, stored_config, _picture, _transformed),
    "feed-forward": Network(FeedForward, feed_forward.stored_config, _larger, _passed),
    "texture-net": Network(TextureNet, stored_config, _noise, _drawn),
}
"""By the name that `Format.network` and our own files say."""
