"""`fast --weights` of other repositories' feed-forward nets: the pictures of their architectures."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import Result
from filling import Shapes, filled, layer, levels_apart, norm, read
from test_torch7 import number, storage, table, tensor, thing, word
from torch import Tensor

State = dict[str, Tensor]
Reference = Callable[[State, Tensor], Tensor]


def instance(x: Tensor, state: State, name: str = "") -> Tensor:
    return F.instance_norm(x, None, None, *((state[f"{name}.weight"], state[f"{name}.bias"]) if name else ()))


def conv(x: Tensor, state: State, name: str, stride: int = 1, pad: int = 0, border: str = "constant") -> Tensor:
    return F.conv2d(F.pad(x, (pad,) * 4, border), state[f"{name}.weight"], state.get(f"{name}.bias"), stride)


def raised(x: Tensor, state: State, name: str, added: int = 1) -> Tensor:
    return F.conv_transpose2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), 2, 1, added)


RRMINA: Shapes = {
    **layer("ConvBlock.0.conv_layer", 4, 3, 9), **norm("ConvBlock.0.norm_layer", 4),
    **layer("ConvBlock.2.conv_layer", 6, 4, 3), **norm("ConvBlock.2.norm_layer", 6),
    **layer("ConvBlock.4.conv_layer", 8, 6, 3), **norm("ConvBlock.4.norm_layer", 8),
    **layer("ResidualBlock.0.conv1.conv_layer", 8, 8, 3), **norm("ResidualBlock.0.conv1.norm_layer", 8),
    **layer("ResidualBlock.0.conv2.conv_layer", 8, 8, 3), **norm("ResidualBlock.0.conv2.norm_layer", 8),
    "DeconvBlock.0.conv_transpose.weight": (8, 6, 3, 3), "DeconvBlock.0.conv_transpose.bias": (6,),
    **norm("DeconvBlock.0.norm_layer", 6),
    "DeconvBlock.2.conv_transpose.weight": (6, 4, 3, 3), "DeconvBlock.2.conv_transpose.bias": (4,),
    **norm("DeconvBlock.2.norm_layer", 4), **layer("DeconvBlock.4.conv_layer", 3, 4, 9),
}  # fmt: skip


def rrmina(state: State, rgb: Tensor) -> Tensor:
    x = rgb.flip(1) * 255
    for index, pad in ((0, 4), (2, 1), (4, 1)):
        x = conv(x, state, f"ConvBlock.{index}.conv_layer", 2 if index else 1, pad, "reflect")
        x = F.relu(instance(x, state, f"ConvBlock.{index}.norm_layer"))
    y = conv(x, state, "ResidualBlock.0.conv1.conv_layer", 1, 1, "reflect")
    y = F.relu(instance(y, state, "ResidualBlock.0.conv1.norm_layer"))
    y = conv(y, state, "ResidualBlock.0.conv2.conv_layer", 1, 1, "reflect")
    x = x + instance(y, state, "ResidualBlock.0.conv2.norm_layer")
    for index in (0, 2):
        x = raised(x, state, f"DeconvBlock.{index}.conv_transpose")
        x = F.relu(instance(x, state, f"DeconvBlock.{index}.norm_layer"))
    return (torch.tanh(conv(x, state, "DeconvBlock.4.conv_layer", 1, 4, "reflect")) * 150 / 255).flip(1)


CYCLEGAN: Shapes = {
    **layer("model.1", 4, 3, 7), **layer("model.4", 8, 4, 3), **layer("model.7", 16, 8, 3),
    **{name: shape for block in (10, 11) for part in (1, 5)
       for name, shape in layer(f"model.{block}.conv_block.{part}", 16, 16, 3).items()},
    "model.12.weight": (16, 8, 3, 3), "model.12.bias": (8,), "model.15.weight": (8, 4, 3, 3), "model.15.bias": (4,),
    **layer("model.19", 3, 4, 7), "model.2.running_mean": (4,), "model.2.num_batches_tracked": (),
}  # fmt: skip


def cyclegan(state: State, rgb: Tensor) -> Tensor:
    x = F.relu(instance(conv(rgb * 2 - 1, state, "model.1", 1, 3, "reflect"), state))
    for index in (4, 7):
        x = F.relu(instance(conv(x, state, f"model.{index}", 2, 1), state))
    for block in (10, 11):
        y = F.relu(instance(conv(x, state, f"model.{block}.conv_block.1", 1, 1, "reflect"), state))
        x = x + instance(conv(y, state, f"model.{block}.conv_block.5", 1, 1, "reflect"), state)
    for index in (12, 15):
        x = F.relu(instance(raised(x, state, f"model.{index}"), state))
    return torch.tanh(conv(x, state, "model.19", 1, 3, "reflect")) / 2 + 0.5


def _anime(name: str, out: int, channels: int, size: int = 3, bias: bool = False) -> Shapes:
    return {**layer(f"{name}.1", out, channels, size, bias), **norm(f"{name}.2", out)}


ANIMEGAN: Shapes = {
    **_anime("block_a.0", 4, 3, 7), **_anime("block_a.1", 6, 4), **_anime("block_a.2", 6, 6),
    **_anime("block_b.0", 8, 6), **_anime("block_b.1", 8, 8), **_anime("block_c.0", 8, 8),
    **_anime("block_c.1.layers.0", 16, 8, 1), **_anime("block_c.1.layers.1", 16, 1, 3, True),
    **layer("block_c.1.layers.2", 12, 16, 1, False), **norm("block_c.1.layers.3", 12),
    **_anime("block_c.2.layers.0", 24, 12, 1), **_anime("block_c.2.layers.1", 24, 1, 3, True),
    **layer("block_c.2.layers.2", 12, 24, 1, False), **norm("block_c.2.layers.3", 12),
    **_anime("block_c.3", 8, 12), **_anime("block_d.0", 8, 8), **_anime("block_d.1", 8, 8),
    **_anime("block_e.0", 6, 8), **_anime("block_e.1", 6, 6), **_anime("block_e.2", 4, 6, 7),
    **layer("out_layer.0", 3, 4, 1, False),
}  # fmt: skip


def animegan(state: State, rgb: Tensor) -> Tensor:
    def part(x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = state[f"{name}.1.weight"]
        half = weight.shape[-1] // 2
        x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (half,) * 4, "reflect")
        x = F.conv2d(x, weight, state.get(f"{name}.1.bias"), stride, groups=groups)
        return F.leaky_relu(F.group_norm(x, 1, state[f"{name}.2.weight"], state[f"{name}.2.bias"]), 0.2)

    def block(x: Tensor, name: str) -> Tensor:
        y = part(x, f"{name}.0")
        y = F.conv2d(part(y, f"{name}.1", groups=y.shape[1]), state[f"{name}.2.weight"])
        y = F.group_norm(y, 1, state[f"{name}.3.weight"], state[f"{name}.3.bias"])
        return x + y if x.shape == y.shape else y

    half = part(part(part(rgb * 2 - 1, "block_a.0"), "block_a.1", 2), "block_a.2")
    x = part(part(part(half, "block_b.0", 2), "block_b.1"), "block_c.0")
    x = part(block(block(x, "block_c.1.layers"), "block_c.2.layers"), "block_c.3")
    x = F.interpolate(x, size=half.shape[2:], mode="bilinear", align_corners=True)
    x = part(part(x, "block_d.0"), "block_d.1")
    x = F.interpolate(x, size=rgb.shape[2:], mode="bilinear", align_corners=True)
    x = part(part(part(x, "block_e.0"), "block_e.1"), "block_e.2")
    return torch.tanh(conv(x, state, "out_layer.0")) / 2 + 0.5


NETS: dict[str, tuple[Shapes, Reference]] = {
    "rrmina": (RRMINA, rrmina),
    "cyclegan": (CYCLEGAN, cyclegan),
    "animegan": (ANIMEGAN, animegan),
}


@pytest.mark.parametrize("name", NETS)
def test_the_picture_is_that_of_its_architecture(
    name: str, tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]
):
    shapes, reference = NETS[name]
    state = filled(shapes)
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    photo = picture("a.png", size=(43, 34))
    done = cli("fast", "a.png", "--weights", "net.pth", "-o", "out.png", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert levels_apart(tmp_path / "out.png", reference(state, read(photo))[:, :, :34, :43]) < 0.51
    assert cli("weights", "convert", "net.pth", "own.safetensors").exit_code == 0
    assert "off by 0" in cli("weights", "check", "own.safetensors").stdout
    cli("fast", "a.png", "--weights", "own.safetensors", "-o", "again.png", "--device", "cpu")
    assert (tmp_path / "again.png").exists()
    assert (read(tmp_path / "again.png") == read(tmp_path / "out.png")).all()
    alpha = cli("fast", "a.png", "--weights", "net.pth", "--alpha", "0.5", "-o", "b.png", "--device", "cpu")
    assert "--alpha 0.5: net.pth paints in full" in alpha.stderr
    del state[next(iter(shapes))]
    torch.save(state, tmp_path / "part.pth")
    assert cli("weights", "check", "part.pth").exit_code == 3


class Torch7:
    """Writes modules of Torch 7 as its own serializer does: tables and objects by running numbers."""

    def __init__(self) -> None:
        self.last = 1  # the first is that of the file's own table

    def index(self) -> int:
        self.last += 1
        return self.last

    def numbers(self, value: Tensor) -> bytes:
        inner = storage(self.index(), value.flatten())
        return tensor(self.index(), tuple(value.shape), value.contiguous().stride(), 1, inner)

    def module(self, kind: str, *inside: bytes, **fields: float | Tensor) -> bytes:
        pairs = [
            (word(key), self.numbers(value) if isinstance(value, Tensor) else number(value))
            for key, value in fields.items()
        ]
        if inside:
            listed = table(self.index(), *((number(place), each) for place, each in enumerate(inside, 1)))
            pairs.append((word("modules"), listed))
        pairs.append((word("train"), struct.pack("<ii", 5, 0)))
        return thing(self.index(), f"nn.{kind}", table(self.index(), *pairs))


def johnson(state: State, batch: bool, pixels: str = "vgg") -> bytes:
    """A file of jcjohnson/fast-neural-style: `c9s1-4,d6,d8,R8,u6,u4,c9s1-3`, bordered at the start."""
    write = Torch7()

    def conv2d(name: str, size: int, stride: int = 1, pad: int = 0) -> bytes:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        more = {"kW": size, "kH": size, "dW": stride, "dH": stride, "padW": pad, "padH": pad}
        return write.module("SpatialConvolution", weight=weight, bias=bias, **more)

    def normed(name: str) -> bytes:
        own = {key: state[f"{name}.{key}"] for key in ("weight", "bias")}
        if batch:
            moments = {f"running_{key}": state[f"{name}.running_{key}"] for key in ("mean", "var")}
            return write.module("SpatialBatchNormalization", **own, **moments, eps=1e-5, momentum=0.1)
        return write.module("InstanceNormalization", **own, eps=1e-5, nOutput=len(own["bias"]))

    def full(name: str) -> bytes:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        sizes = {"kW": 3, "kH": 3, "dW": 2, "dH": 2, "padW": 1, "padH": 1, "adjW": 1, "adjH": 1}
        return write.module("SpatialFullConvolution", weight=weight, bias=bias, **sizes)

    relu = lambda: write.module("ReLU", val=0, threshold=0)
    inside = [conv2d("block.1", 3), normed("block.2"), relu(), conv2d("block.4", 3), normed("block.5")]
    table_ = write.module("ConcatTable", write.module("Sequential", *inside), write.module("ShaveImage", size=2))
    layers = [write.module("SpatialReflectionPadding", pad_l=40, pad_r=40, pad_t=40, pad_b=40)]
    for name, size, stride, pad in (("down1", 9, 1, 4), ("down2", 3, 2, 1), ("down3", 3, 2, 1)):
        layers += [conv2d(name, size, stride, pad), normed(f"{name}n"), relu()]
    layers.append(write.module("Sequential", table_, write.module("CAddTable")))
    for name in ("up1", "up2"):
        layers += [full(name), normed(f"{name}n"), relu()]
    layers += [conv2d("out", 9, 1, 4), write.module("Tanh"), write.module("MulConstant", constant_scalar=150)]
    net = write.module("Sequential", *layers, write.module("TotalVariation", strength=1e-6))
    options = table(write.index(), (word("preprocessing"), word(pixels)), (word("arch"), word("c9s1-4")))
    return table(1, (word("model"), net), (word("opt"), options), (word("iterations"), number(40000)))


def johnson_shapes() -> Shapes:
    convs = {"down1": (4, 3, 9), "down2": (6, 4, 3), "down3": (8, 6, 3), "block.1": (8, 8, 3), "block.4": (8, 8, 3)}
    convs |= {"out": (3, 4, 9)}
    norms = {"down1n": 4, "down2n": 6, "down3n": 8, "block.2": 8, "block.5": 8, "up1n": 6, "up2n": 4}
    return {
        **{key: shape for name, sizes in convs.items() for key, shape in layer(name, *sizes).items()},
        **{key: shape for name, count in norms.items() for key, shape in norm(name, count).items()},
        **{f"{name}.running_{key}": (count,) for name, count in norms.items() for key in ("mean", "var")},
        "up1.weight": (8, 6, 3, 3), "up1.bias": (6,), "up2.weight": (6, 4, 3, 3), "up2.bias": (4,),
    }  # fmt: skip


@pytest.mark.parametrize("batch", [False, True])
def test_torch7_files_of_the_paper(
    batch: bool, tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]
):
    state = {key: x.abs() + 0.5 if key.endswith("running_var") else x for key, x in filled(johnson_shapes()).items()}
    (tmp_path / "candy.t7").write_bytes(johnson(state, batch))
    photo = picture("a.png", size=(47, 42))
    done = cli("fast", "a.png", "--weights", "candy.t7", "-o", "out.png", "--device", "cpu")
    assert done.exit_code == 0, done.stderr

    def normed(x: Tensor, name: str) -> Tensor:
        rows = (state[f"{name}.weight"], state[f"{name}.bias"])
        if batch:
            return F.batch_norm(x, state[f"{name}.running_mean"], state[f"{name}.running_var"], *rows)
        return F.instance_norm(x, None, None, *rows)

    mean = torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    x = F.pad(read(photo).flip(1) * 255 - mean, (40,) * 4, "reflect")
    for name, stride, pad in (("down1", 1, 4), ("down2", 2, 1), ("down3", 2, 1)):
        x = F.relu(normed(conv(x, state, name, stride, pad), f"{name}n"))
    y = normed(conv(F.relu(normed(conv(x, state, "block.1"), "block.2")), state, "block.4"), "block.5")
    x = x[:, :, 2:-2, 2:-2] + y
    for name in ("up1", "up2"):
        x = F.relu(normed(raised(x, state, name), f"{name}n"))
    expected = ((torch.tanh(conv(x, state, "out", 1, 4)) * 150 + mean) / 255).flip(1)
    assert levels_apart(tmp_path / "out.png", expected[:, :, :42, :47]) < 0.51
    (tmp_path / "other.t7").write_bytes(johnson(state, batch, "resnet"))
    assert "a net for pixels of resnet" in cli("weights", "check", "other.t7").stderr
    picture("b.png", size=(60, 40))
    small = cli("fast", "b.png", "--weights", "candy.t7", "--device", "cpu")
    assert "60x40: too small for this network" in small.stderr


STARGAN1: Shapes = {
    **layer("main.0", 4, 8, 7, False), **norm("main.1", 4), "main.1.running_mean": (4,), "main.1.running_var": (4,),
    **layer("main.3", 8, 4, 4, False), **norm("main.4", 8), **layer("main.6", 16, 8, 4, False), **norm("main.7", 16),
    **layer("main.9.main.0", 16, 16, 3, False), **norm("main.9.main.1", 16),
    **layer("main.9.main.3", 16, 16, 3, False), **norm("main.9.main.4", 16),
    "main.10.weight": (16, 8, 4, 4), **norm("main.11", 8), "main.13.weight": (8, 4, 4, 4), **norm("main.14", 4),
    **layer("main.16", 3, 4, 7, False),
}  # fmt: skip


def test_attributes_of_the_first_stargan(tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]):
    torch.save(state := filled(STARGAN1), tmp_path / "200000-G.ckpt")
    photo = picture("a.png", size=(32, 32))
    names = ["black_hair", "blond_hair", "brown_hair", "male", "young"]
    assert cli("stargan", "domains", "--weights", "200000-G.ckpt").stdout.split() == names
    words = ("stargan", "latent", "a.png", "--weights", "200000-G.ckpt", "--size", 32, "--device", "cpu")
    done = cli(*words, "--domain", "blond_hair+young", "-o", "out.png")
    assert done.exit_code == 0, done.stderr
    on = torch.tensor([0.0, 1, 0, 0, 1])[None, :, None, None].expand(-1, -1, 32, 32)
    x = torch.cat([read(photo) * 2 - 1, on], 1)
    for index, stride, pad in ((0, 1, 3), (3, 2, 1), (6, 2, 1)):
        x = F.relu(instance(conv(x, state, f"main.{index}", stride, pad), state, f"main.{index + 1}"))
    y = F.relu(instance(conv(x, state, "main.9.main.0", 1, 1), state, "main.9.main.1"))
    x = x + instance(conv(y, state, "main.9.main.3", 1, 1), state, "main.9.main.4")
    for index in (10, 13):
        x = F.relu(instance(raised(x, state, f"main.{index}", 0), state, f"main.{index + 1}"))
    expected = torch.tanh(conv(x, state, "main.16", 1, 3)) / 2 + 0.5
    assert levels_apart(tmp_path / "out.png", expected) < 0.51
    said = [
        (("--domain", "beard"), "--domain beard: no attribute of this network"),
        (("--domain", "male", "--psi", "0.5"), "--psi: StarGAN v1 has none"),
        ((), "--domain: missing"),
    ]
    assert all(what in cli(*words, *more).stderr for more, what in said)
    reference = cli("stargan", "ref", "a.png", "--reference", "a.png", "--weights", "200000-G.ckpt")
    assert "takes no references" in reference.stderr
    assert "paints attributes" in cli("fast", "a.png", "--weights", "200000-G.ckpt").stderr


ENCODER = {0: (3, 3, 1), 2: (64, 3, 3), 5: (64, 64, 3), 9: (128, 64, 3), 12: (16, 128, 3), 16: (8, 16, 3),
           **dict.fromkeys((19, 22, 25), (8, 8, 3)), 29: (12, 8, 3)}  # fmt: skip
DECODER = {1: (8, 12, 3), **dict.fromkeys((5, 8, 11), (8, 8, 3)), 14: (16, 8, 3), 18: (128, 16, 3), 21: (64, 128, 3),
           25: (64, 64, 3), 28: (3, 64, 3)}  # fmt: skip


def test_both_torch7_files_of_adain(tmp_path: Path, cli: Callable[..., Result], picture: Callable[..., Path]):
    for name, sizes in (("vgg", ENCODER), ("decoder", DECODER)):
        state = filled({key: shape for i, each in sizes.items() for key, shape in layer(str(i), *each).items()})
        write, modules = Torch7(), []
        for index in range(max(sizes) + 1):
            if index not in sizes:
                modules.append(write.module("ReLU", val=0))
                continue
            weight, bias = state[f"{index}.weight"], state[f"{index}.bias"]
            left = {"gradWeight": weight * 0, "gradBias": bias * 0}
            modules.append(write.module("SpatialConvolution", weight=weight, bias=bias, **left))
        listed = table(write.index(), *((number(place), each) for place, each in enumerate(modules, 1)))
        net = thing(1, "nn.Sequential", table(write.index(), (word("modules"), listed)))
        (tmp_path / f"{name}.t7").write_bytes(net)
        torch.save(state, tmp_path / f"{name}.pth")
    picture("a.png", size=(40, 32)), picture("s.png", size=(36, 32))
    for kind in ("t7", "pth"):
        words = ("--weights", f"decoder.{kind}", "--vgg", f"vgg.{kind}", "-o", f"{kind}.png", "--device", "cpu")
        done = cli("adain", "a.png", "--style", "s.png", *words)
        assert done.exit_code == 0, done.stderr
        assert f"decoder.{kind}: gives back no picture from what vgg.{kind} sees in it: SANet's" in done.stderr
    assert (read(tmp_path / "t7.png") == read(tmp_path / "pth.png")).all()
    for name in ("vgg", "decoder"):
        said = cli("weights", "check", f"{name}.t7")
        assert "Torch 7" in said.stdout, said.stderr
