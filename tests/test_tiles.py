"""A picture in tiles is the picture as a whole."""

from dataclasses import replace

import pytest
import torch
from filling import in_tiles
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from stylecli.nets.adain import AdaIN, MirrorDecoder
from stylecli.nets.any_style import AnyStyle
from stylecli.nets.style_changes import mix
from stylecli.nets.transport import Transport, TransportConfig
from stylecli.nets.two_parts import drawing, seeing
from stylecli.nets.vgg import VGG, VGGConfig

LEVEL = 1 / 255
SIDES = st.one_of(st.integers(1, 20), st.integers(60, 230))


def small(kind: str) -> AnyStyle:
    torch.manual_seed(0)
    widths = ((4, 4), (6, 6), (8, 8, 8, 8), (10,))
    if kind != "embedded":
        config = VGGConfig(widths, padding="reflect", ceil_mode=True) if kind == "published" else VGGConfig(widths)
        net: AnyStyle = AdaIN(VGG(config, "relu4_1"), MirrorDecoder(widths))
    else:
        net = Transport(TransportConfig(VGGConfig(widths), hidden=16))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return net.eval()


NETS = {kind: small(kind) for kind in ("published", "published, pooled down", "embedded")}


@pytest.mark.parametrize("kind", NETS)
@given(height=SIDES, width=SIDES, side=st.integers(1, 150), masks=st.sampled_from([0, 2]), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_tiles_give_the_whole(kind: str, height: int, width: int, side: int, masks: int, seed: int):
    net = NETS[kind]
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, 3 + masks, height, width, generator=generator)
    with torch.inference_mode():
        styles = [net.style(torch.rand(1, 3, 40, 50, generator=generator) ** power) for power in (1, 3)]
        if not masks:
            styles = [mix(styles, [0.3, 0.7])]
        whole = net.paint(x, styles, 0.7)
        tiled = in_tiles(net.segments(styles, 0.7), x, side)
        memory: dict = {}
        features = in_tiles([seeing(net, torch.float32)], x, side, memory=memory)
        parts = drawing(net, memory[0], styles, 0.7, 3 + masks, (height, width))
        in_two = in_tiles(parts, features, max(side // 8, 1))
    for made in (tiled, in_two):
        assert made.shape == whole.shape == (1, 3, height, width)
        # Random weights give colors far beyond [0, 1]; a level is a level of their range.
        assert (made - whole).abs().max() < LEVEL * max(1, float(whole.abs().max()))


@pytest.mark.parametrize("kind", NETS)
def test_a_reach_that_is_too_short_shows(kind: str):
    net = NETS[kind]
    x = torch.rand(1, 3, 200, 120, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        styles = [net.style(torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(1)))]
        whole = net.paint(x, styles, 1.0)
        first, *rest = net.segments(styles, 1.0)
        tiled = in_tiles([replace(first, reach=8), *rest], x, 64)
        assert (tiled - whole).abs().max() > LEVEL
        for cut in (0, 1):
            memory: dict = {}
            see = seeing(net, torch.float32)
            features = in_tiles([replace(see, reach=see.reach if cut else 8)], x, 64, memory=memory)
            draw, *rest = drawing(net, memory[0], styles, 1.0, 3, (200, 120))
            made = in_tiles([replace(draw, reach=1 if cut else draw.reach), *rest], features, 8)
            assert (made - whole).abs().max() > LEVEL


def test_statistics_are_kept_for_the_next_run():
    net = NETS["embedded"]
    x = torch.rand(1, 3, 100, 70, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        styles = [net.style(torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(1)))]
        memory: dict = {}
        told: list[tuple[int, int]] = []
        first = in_tiles(net.segments(styles, 1.0), x, 48, memory=memory, tell=lambda i, n: told.append((i, n)))
        passes = len(told)
        second = in_tiles(net.segments(styles, 1.0), x, 48, memory=memory, tell=lambda i, n: told.append((i, n)))
    assert torch.equal(first, second)
    assert len(told) - passes == passes // 2  # no measuring pass
