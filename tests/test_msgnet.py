"""`adain --weights 21styles.model`: MSG-Net's picture is that of its architecture."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from conftest import Result
from filling import Shapes, filled, in_tiles, layer, levels_apart, read
from torch import Tensor

from stylecli.checkpoints.load import build

WIDE = 12


def block(name: str, channels: int, inside: int, out: int, skip: str = "") -> Shapes:
    return {
        **layer(f"{name}.conv_block.2", inside, channels, 1),
        **layer(f"{name}.conv_block.5.conv2d", inside, inside, 3),
        **layer(f"{name}.conv_block.8", out, inside, 1),
        **(layer(f"{name}.{skip}", out, channels, 1) if skip else {}),
    }


SHAPES: Shapes = {
    **layer("model1.0.conv2d", 6, 3, 7),
    **block("model1.3", 6, 4, 8, "residual_layer"),
    **block("model1.4", 8, 5, WIDE, "residual_layer"),
    **block("model.2", WIDE, 7, WIDE),
    **block("model.3", WIDE, 7, WIDE),
    **block("model.4", WIDE, 4, 8, "residual_layer.conv2d"),
    **block("model.5", 8, 3, 6, "residual_layer.conv2d"),
    **layer("model.8.conv2d", 3, 6, 7),
}


def weights(path: Path) -> dict[str, Tensor]:
    state = {**filled(SHAPES), "ins.weight": filled({"ins.weight": (1, WIDE, WIDE)})["ins.weight"]}
    twice = {f"model.0.{key[7:]}": x for key, x in state.items() if key.startswith("model1.")}
    spare = {"model1.1.running_mean": torch.zeros(6), "model.1.weight": state["ins.weight"]}
    # What the last convolution gives lies in 0..255.
    state["model.8.conv2d.weight"] *= 30
    state["model.8.conv2d.bias"] += 120
    torch.save(state | twice | spare, path)
    return state


def reference(state: dict[str, Tensor], content: Tensor, style: Tensor) -> Tensor:
    norm = lambda x: F.relu(F.instance_norm(x))

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        x = F.pad(x, (weight.shape[-1] // 2,) * 4, "reflect") if weight.shape[-1] > 1 else x
        return F.conv2d(x, weight, state[f"{name}.bias"], stride)

    def bottleneck(x: Tensor, name: str, stride: int = 1, up: bool = False) -> Tensor:
        larger = lambda y: F.interpolate(y, scale_factor=2.0) if up else y
        y = norm(conv(norm(x), f"{name}.conv_block.2"))
        y = conv(norm(conv(larger(y), f"{name}.conv_block.5.conv2d", stride)), f"{name}.conv_block.8")
        if stride > 1:
            return conv(x, f"{name}.residual_layer", stride) + y
        return (conv(larger(x), f"{name}.residual_layer.conv2d") if up else x) + y

    def seen(rgb: Tensor) -> Tensor:
        x = norm(conv(rgb.flip(1) * 255, "model1.0.conv2d"))
        return bottleneck(bottleneck(x, "model1.3", 2), "model1.4", 2)

    y = seen(style).flatten(2)
    gram = y @ y.mT / y.numel()
    x = seen(content)
    x = ((state["ins.weight"] @ gram).mT @ x.flatten(2)).reshape(x.shape)
    x = bottleneck(bottleneck(x, "model.2"), "model.3")
    x = bottleneck(bottleneck(x, "model.4", up=True), "model.5", up=True)
    return (conv(norm(x), "model.8.conv2d") / 255).flip(1)[:, :, : content.shape[2], : content.shape[3]]


def test_the_picture_is_that_of_its_architecture(
    tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]
):
    state = weights(tmp_path / "21styles.model")
    a, b = picture("a.png", size=(45, 38)), picture("b.png", size=(40, 36))
    words = ("adain", "a.png", "--style", "b.png", "--style-size", 36, "--device", "cpu", "--weights")
    done = cli(*words, "21styles.model", "-o", "out.png")
    assert done.exit_code == 0, done.stderr
    assert levels_apart(tmp_path / "out.png", reference(state, read(a), read(b))) < 0.51
    assert "MSG-Net has no strength" in cli(*words, "21styles.model", "--alpha", 0.5, "-o", "half.png").stderr
    assert cli("weights", "convert", "21styles.model", "own.safetensors").exit_code == 0
    assert cli(*words, "own.safetensors", "-o", "again.png").exit_code == 0
    assert (read(tmp_path / "again.png") == read(tmp_path / "out.png")).all()


def test_tiles_mixtures_and_masks(tmp_path: Path):
    state = weights(tmp_path / "net.model")
    net = build(tmp_path / "net.model")[2]
    random = torch.Generator().manual_seed(0)
    content, mask = (torch.rand(1, channels, 141, 130, generator=random) for channels in (3, 1))
    styles = [net.style(torch.rand(1, 3, 40, 40, generator=random)) for _ in "12"]
    with torch.inference_mode():
        for x, some in ((content, styles[:1]), (torch.cat([content, mask, 1 - mask], 1), styles)):
            whole = net.paint(x, some)
            tiled = in_tiles(net.segments(some, 1.0), x, 64)[:, :, :141, :130]
            assert (tiled - whole).abs().max() < 1e-3 * whole.abs().max()
        ones = torch.cat([content, torch.ones_like(mask), torch.zeros_like(mask)], 1)
        assert torch.allclose(net.paint(ones, styles), net.paint(content, styles[:1]), atol=1e-3)
    assert len(state) == len(net.state_dict())
