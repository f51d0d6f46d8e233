"""Transformation nets: the function is that of a plain port, styles mix, tiles make the same picture."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from filling import in_tiles
from goldens import SHARED
from safetensors.torch import load_file, save_file
from torch import Tensor

from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.load import build, describe, prove
from stylecli.checkpoints.save import save_network
from stylecli.errors import UsageError, WeightsError
from stylecli.nets.transformer import TransformerNet
from stylecli.nets.transformer_config import TransformerConfig

State = dict[str, Tensor]
OURS = TransformerConfig(("identity", "wave", "scream"), (4, 6, 8), (2, 1), 2, pixels=1.0)
CONFIGS = (
    OURS,
    TransformerConfig(widths=(4, 6, 8), blocks=(2,)),
    TransformerConfig(("a", "b"), (4, 5), (1,), norm="batch"),
    TransformerConfig(widths=(4, 6, 8), blocks=(2,), tensorflow=True),
)
SIZES = ((40, 48), (37, 51), (38, 41))


def made(config: TransformerConfig) -> TransformerNet:
    """A net of random weights whose norms differ from style to style."""
    torch.manual_seed(0)
    net = TransformerNet(config)
    for norm in net.norms.values():
        torch.nn.init.normal_(norm.gamma, 1, 0.3)
        torch.nn.init.normal_(norm.beta, 0, 0.3)
        if config.norm == "batch":
            norm.mean.normal_(), norm.variance.uniform_(0.5, 2)
    return net.eval()


def examples(state: State, rgb: Tensor) -> Tensor:
    """The net of pytorch/examples, written out, from its own tensors; RGB in 0..255."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight, bias = (state[f"{name}.conv2d.{kind}"] for kind in ("weight", "bias"))
        return F.conv2d(F.pad(x, (weight.shape[-1] // 2,) * 4, "reflect"), weight, bias, stride)

    def norm(x: Tensor, name: str) -> Tensor:
        return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])

    y = rgb
    for index in range(1, 4):
        y = F.relu(norm(conv(y, f"conv{index}", 1 if index == 1 else 2), f"in{index}"))
    for block in range(1, 1 + sum(name.endswith("conv1.conv2d.weight") and name[0] == "r" for name in state)):
        inner = F.relu(norm(conv(y, f"res{block}.conv1"), f"res{block}.in1"))
        y = y + norm(conv(inner, f"res{block}.conv2"), f"res{block}.in2")
    for index in (1, 2):
        y = F.relu(norm(conv(F.interpolate(y, scale_factor=2.0), f"deconv{index}"), f"in{index + 3}"))
    return conv(y, "deconv3")


def same(x: Tensor, size: int, stride: int) -> Tensor:
    """TensorFlow's SAME padding."""
    pads: list[int] = []
    for extent in (x.shape[3], x.shape[2]):
        total = max((-(-extent // stride) - 1) * stride + size - extent, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def lengstrom(state: State, rgb: Tensor) -> Tensor:
    """The net of lengstrom/fast-style-transfer, written out, from its published tensors; RGB in 0..255."""

    def norm(x: Tensor, name: str) -> Tensor:
        return F.instance_norm(x, weight=state[f"{name}.norm.weight"], bias=state[f"{name}.norm.bias"], eps=1e-3)

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        return norm(F.conv2d(same(x, weight.shape[-1], stride), weight, None, stride), name)

    y = rgb
    for index in range(1, 4):
        y = F.relu(conv(y, f"conv{index}", 1 if index == 1 else 2))
    for block in range(1, 1 + sum(name.endswith("conv1.conv.weight") and name[0] == "r" for name in state)):
        y = y + conv(F.relu(conv(y, f"res{block}.conv1")), f"res{block}.conv2")
    for index in (1, 2):
        height, width = y.shape[2:]
        y = F.conv_transpose2d(y, state[f"up{index}.conv.weight"], stride=2)[:, :, : 2 * height, : 2 * width]
        y = F.relu(norm(y, f"up{index}"))
    return torch.tanh(conv(y, "conv4")) * 150 + 127.5


def foreign(net: TransformerNet) -> State:
    """The net's tensors under the names of pytorch/examples, or of lengstrom's models."""
    named: State = {}
    tensorflow = net.config.tensorflow
    for layer in net.plan:
        if layer.startswith("block"):
            block, part = layer[7:-1], "ab".index(layer[-1]) + 1
            conv, norm = (f"res{block}.conv{part}", f"res{block}.{'conv' if tensorflow else 'in'}{part}")
        else:
            number = 3 if layer == "out" else int(layer[-1])
            kind = "conv" if layer.startswith("down") else "deconv"
            conv, norm = f"{kind}{number}", f"in{number + 3 * (kind == 'deconv')}"
            if tensorflow:
                conv = norm = "conv4" if layer == "out" else layer.replace("down", "conv")
        for key, value in net.convs[layer].state_dict().items():
            named[f"{conv}.{'conv' if tensorflow else 'conv2d'}.{key}"] = value
        if layer in net.norms:
            start = f"{norm}.norm" if tensorflow else norm
            named |= {f"{start}.weight": net.norms[layer].gamma[0], f"{start}.bias": net.norms[layer].beta[0]}
    return {name: value.detach().clone() for name, value in named.items()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("config", "plain"), [(CONFIGS[1], examples), (CONFIGS[3], lengstrom)], ids=["examples", "lengstrom"]
)
def test_foreign_nets_give_what_they_gave(
    tmp_path: Path, config: TransformerConfig, plain: Callable[[State, Tensor], Tensor], size: tuple[int, int]
):
    state = foreign(made(config))
    legacy = {name.replace("weight", "running_mean"): value for name, value in state.items() if value.ndim == 1}
    torch.save(state | (legacy if plain is examples else {}), tmp_path / "a.pth")
    network, found, net = build(tmp_path / "a.pth")
    assert (network, found) == ("transformer", config)
    rgb = torch.rand(1, 3, *size)
    expected = plain(state, rgb * 255)
    for context in (torch.enable_grad, torch.inference_mode):  # two ways to the same
        with context():
            torch.testing.assert_close(net(rgb) * 255, expected, atol=2e-2, rtol=0)


@pytest.mark.skipif(not (SHARED / "data/peers").is_dir(), reason="../shared/data is absent")
@torch.inference_mode()
def test_published_models():
    path = SHARED / "data/peers/lengstrom/wave.safetensors"
    assert describe(path).parameters == 1_677_638
    rgb = torch.rand(1, 3, 45, 70)
    state = {name: value.float() for name, value in load_file(path).items()}
    torch.testing.assert_close(build(path)[2](rgb) * 255, lengstrom(state, rgb * 255), atol=1e-2, rtol=0)


def test_what_is_wrong_is_said(tmp_path: Path):
    state = foreign(made(CONFIGS[1]))
    for change, message in (
        ({"res1.in1.weight": None}, "res1.in1.weight is missing"),
        ({"more.weight": torch.zeros(2)}, "more.weight belongs to no layer"),
        ({"in2.weight": torch.zeros(3)}, "has another shape"),
        ({"in1.weight": None}, "closest is transformation net, pytorch/examples"),
    ):
        torch.save({k: v for k, v in (state | change).items() if v is not None}, tmp_path / "a.pth")
        with pytest.raises(WeightsError, match=message):
            build(tmp_path / "a.pth")


@pytest.mark.parametrize("config", CONFIGS)
@torch.inference_mode()
def test_tiles_make_the_same_picture(config: TransformerConfig):
    net = made(config)
    for height, width in ((90, 77), (64, 101)):
        rgb, mix = torch.rand(1, 3, height, width), torch.tensor([[0.1, 0.5, 0.4][: len(config.styles)]])
        whole = net(rgb, mix)
        for kept, bound in ((None, 1e-4), (torch.float16, 1 / 255)):
            tiled = net.finish(rgb, in_tiles(net.segments(mix, (height, width), kept), rgb, 24), mix)
            assert tiled.shape == whole.shape
            assert (tiled - whole).abs().max() < bound


def test_a_mixture_is_a_mixture_of_gamma_and_beta():
    net = made(OURS)
    rgb = torch.rand(2, 3, 33, 40)
    shares = torch.tensor([[0.0, 0.3, 0.7]])
    single = made(replace(OURS, styles=("mixed",)))
    single.load_state_dict(
        {name: shares @ value if name[-5:] in ("gamma", ".beta") else value for name, value in net.state_dict().items()}
    )
    torch.testing.assert_close(net(rgb, shares), single(rgb)[:, :, :33], atol=1e-5, rtol=0)
    # Each picture of a batch has a mixture of its own, and style 0 is the photo.
    mixed = net(rgb, torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    assert torch.equal(mixed[0], rgb[0])
    torch.testing.assert_close(mixed[1:], net(rgb[1:], torch.tensor([[0.0, 1, 0]])), atol=1e-5, rtol=0)
    assert (mixed[1] - net(rgb[1:], torch.tensor([[0.0, 0, 1]]))[0]).abs().mean() > 1e-2


@pytest.mark.parametrize("config", CONFIGS)
def test_the_smallest_picture(config: TransformerConfig):
    net = made(config)
    assert net(torch.rand(1, 3, config.smallest, 30)).isfinite().all()
    if config.smallest > 1:
        with pytest.raises(UsageError, match=f"30x{config.smallest - 1}: too small for this network"):
            net(torch.rand(1, 3, config.smallest - 1, 30))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": 3}, "without its config"),
        ({"styles": []}, "of no known shape"),
        ({"blocks": [10**12]}, "of no known shape"),
        ({"stem": 3}, "of no known shape"),
        ({"norm": "layer"}, "of no known shape"),
        ({"styles": ["a"]}, "another shape"),
        ({"blocks": [1, 1]}, "belongs to no layer"),
        ({"widths": [4, 6, 10**9]}, "damaged"),
    ],
)
def test_our_own_files_and_a_config_that_was_changed(tmp_path: Path, change: dict[str, object], message: str):
    net, path = made(OURS), tmp_path / "a.safetensors"
    save_network(net, path, network="transformer", config=stored_config(OURS), about={}, half=False)
    network, config, back = build(path)
    assert (network, config) == ("transformer", OURS)
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in net.state_dict().items())
    assert prove(path) == 0

    tensors = {name: value.clone() for name, value in load_file(path).items()}
    said = {"network": "transformer", "config": {**stored_config(OURS), **change}}
    save_file(tensors, path, {"stylecli": json.dumps(said)})
    with pytest.raises(WeightsError, match=message):
        build(path)
