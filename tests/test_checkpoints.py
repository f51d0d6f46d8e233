"""Every dialect of VGG loads and gives what a plain forward pass gives; what is wrong with a file is said."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from stylecli.checkpoints.layouts import table
from stylecli.checkpoints.layouts.format import Format, stored_config
from stylecli.checkpoints.layouts.vgg import CAFFE_FIRST, CAFFE_MEAN
from stylecli.checkpoints.load import check_whole, converted, describe, load_vgg, prove
from stylecli.checkpoints.save import save_network
from stylecli.errors import UsageError, WeightsError
from stylecli.nets.vgg import BLOCKS, VGG, VGGConfig

WIDTHS = (64, 128, 256, 512, 512)
TEACHERS = Path(__file__).parents[2] / "shared" / "teachers"
State = dict[str, Tensor]


def layers(blocks: tuple[int, ...], widths: tuple[int, ...] = WIDTHS) -> list[tuple[str, Tensor, Tensor]]:
    """(conv name, weight, bias) of a random VGG whose activations neither vanish nor explode."""
    torch.manual_seed(0)
    made, channels = [], 3
    for block, (count, width) in enumerate(zip(blocks, widths, strict=False), 1):
        for index in range(1, count + 1):
            weight = torch.randn(width, channels, 3, 3) * (2 / (9 * channels)) ** 0.5
            made.append((f"conv{block}_{index}", weight, torch.randn(width) * 0.1))
            channels = width
    return made


def plain(convs: list[tuple[str, Tensor, Tensor]], x: Tensor, *, reflect: bool = False, pool: str = "max") -> State:
    """Taps after every ReLU and pooling of the pixels `x`, written out."""
    taps, block = {}, "1"
    for name, weight, bias in convs:
        if name[4] != block:
            if pool == "max":
                x = F.max_pool2d(x, 2, 2, ceil_mode=reflect)
            elif pool == "average":
                x = F.avg_pool2d(x, 2, 2, ceil_mode=reflect)
            else:
                x = F.lp_pool2d(x, 2.0, 2, ceil_mode=reflect)
            taps[f"pool{block}"], block = x, name[4]
        x = F.pad(x, (1, 1, 1, 1), "reflect") if reflect else F.pad(x, (1, 1, 1, 1))
        x = F.relu(F.conv2d(x, weight, bias))
        taps[name.replace("conv", "relu")] = x
    return taps


def counted(convs: list[tuple[str, Tensor, Tensor]], prefix: str, first: int, gap: int) -> State:
    state, number, block = {}, first, "1"
    for name, weight, bias in convs:
        number += name[4] != block
        block = name[4]
        state |= {f"{prefix}{number}.weight": weight, f"{prefix}{number}.bias": bias}
        number += gap
    return state


def torchvision(rgb: Tensor) -> Tensor:
    return (rgb - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]


def caffe(rgb: Tensor) -> Tensor:
    return rgb.flip(1) * 255 - torch.tensor(CAFFE_MEAN)[:, None, None]


def same(given: State, expected: State) -> None:
    for name, value in expected.items():
        scale = float(value.abs().max())
        torch.testing.assert_close(
            given[name] / scale, value / scale, rtol=0, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.fixture
def rgb() -> Tensor:
    return torch.rand(1, 3, 35, 38, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("blocks", ["vgg16", "vgg19"])
@pytest.mark.parametrize("classifier", [(), (0, 3, 6), (1, 4, 6)])
@torch.inference_mode()
def test_torchvision_and_caffe_style(tmp_path: Path, rgb: Tensor, blocks: str, classifier: tuple[int, ...]):
    convs = layers(BLOCKS[blocks])
    state = counted(convs, "features.", 0, 2)
    assert list(state)[-2] == {"vgg16": "features.28.weight", "vgg19": "features.34.weight"}[blocks]
    state |= {f"classifier.{n}.{kind}": torch.zeros(4) for n in classifier for kind in ("weight", "bias")}
    torch.save(state, path := tmp_path / "a.pth", _use_new_zipfile_serialization=bool(classifier))
    for pixels, scale in (("auto", torchvision), ("caffe", caffe)):
        expected = plain(convs, scale(rgb))
        same(load_vgg(path, pixels=pixels)(rgb, [*expected]), expected)


@pytest.mark.parametrize("first", CAFFE_FIRST)
def test_the_published_caffe_files_are_known_by_a_value(tmp_path: Path, first: float):
    state = counted(layers((2, 2)), "features.", 0, 2)
    state["features.0.weight"][0, 0, 0, 0] = first
    torch.save(state, path := tmp_path / "a.pth")
    assert load_vgg(path).preprocess[0].tolist() == [0, 0, 255]
    assert load_vgg(path, pixels="torchvision").preprocess[0, 2] == 0


@torch.inference_mode()
def test_named_by_gatys(tmp_path: Path, rgb: Tensor):
    convs = layers(BLOCKS["vgg19"])
    state = {f"{n}.{kind}": t for n, w, b in convs for kind, t in (("weight", w), ("bias", b))}
    torch.save(state, tmp_path / "a.pth")
    expected = plain(convs, caffe(rgb))
    same(load_vgg(tmp_path / "a.pth")(rgb, [*expected]), expected)


@pytest.mark.parametrize("blocks", [BLOCKS["vgg19"], (2, 2, 4, 1)])
@torch.inference_mode()
def test_normalised(tmp_path: Path, rgb: Tensor, blocks: tuple[int, ...]):
    convs = layers(blocks)
    first = torch.randn(3, 3, 1, 1), torch.randn(3)
    state = {"0.weight": first[0], "0.bias": first[1], **counted(convs, "", 2, 3)}
    numbers = [int(name.partition(".")[0]) for name in state if name.endswith("weight")]
    assert numbers == [0, 2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51][: len(convs) + 1]
    torch.save(state, tmp_path / "a.pth")
    expected = plain(convs, F.conv2d(rgb, *first), reflect=True)
    same(load_vgg(tmp_path / "a.pth")(rgb, [*expected]), expected)


@pytest.mark.parametrize("kind", ["max", "average", "l2"])
@torch.inference_mode()
def test_pooling(tmp_path: Path, rgb: Tensor, kind: str):
    convs = layers((2, 2, 3))
    torch.save(counted(convs, "features.", 0, 2), tmp_path / "a.pth")
    expected = plain(convs, torchvision(rgb), pool=kind)
    same(load_vgg(tmp_path / "a.pth", pooling=kind)(rgb, [*expected]), expected)


@pytest.mark.skipif(not TEACHERS.is_dir(), reason="../shared/teachers is absent")
@torch.inference_mode()
def test_real_files(rgb: Tensor):
    real = TEACHERS / "vgg19_conv1_1-conv3_4_caffe.safetensors"
    with safe_open(real, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    numbers = [("conv1_1", 0), ("conv1_2", 2), ("conv2_1", 5), ("conv2_2", 7)]
    numbers += [(f"conv3_{index + 1}", 10 + 2 * index) for index in range(4)]
    convs = [(name, state[f"features.{n}.weight"], state[f"features.{n}.bias"]) for name, n in numbers]
    expected = plain(convs, caffe(rgb))
    same(load_vgg(real)(rgb, [*expected]), expected)

    small = TEACHERS / "cd16x_encoder.safetensors"
    with safe_open(small, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    names = sorted(name[4:6] for name in state if re.fullmatch(r"conv\d\d.weight", name))
    convs = [(f"conv{n[0]}_{n[1]}", state[f"conv{n}.weight"], state[f"conv{n}.bias"]) for n in names]
    expected = plain(convs, F.conv2d(rgb, state["conv0.weight"], state["conv0.bias"])[:, :, :32, :32], reflect=True)
    net = load_vgg(small)
    given = net(rgb[:, :, :32, :32], [*expected])
    same(given, expected)
    wide = F.conv2d(expected["relu4_1"], state["conv41_aux.weight"], state["conv41_aux.bias"])
    same(net.mapped({"relu4_1": given["relu4_1"]}), {"relu4_1": wide.relu()})


WRAPPED: dict[str, Callable[[State], Any]] = {
    "state dict": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {0: torch.zeros(2)}}},
    "averaged": lambda state: {"params": {k: v * 0 for k, v in state.items()}, "params_ema": state},
    "parallel": lambda state: {f"module.{k}": v for k, v in state.items()},
    "both": lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
    "compiled": lambda state: {f"_orig_mod.{k}": v for k, v in state.items()},
    "compiled, then parallel": lambda state: {f"module._orig_mod.{k}": v for k, v in state.items()},
    "parallel, then compiled": lambda state: {"netG": {f"_orig_mod.module.{k}": v for k, v in state.items()}},
    "in part": lambda state: {k.replace("features.", "features.module._orig_mod."): v for k, v in state.items()},
    "four deep": lambda state: {"model_state": {"generator": {"params_ema": {"module": state}}}, "step": torch.ones(1)},
    "parameters": lambda state: {k: torch.nn.Parameter(v) for k, v in state.items()},
}


@pytest.mark.parametrize("how", WRAPPED)
def test_training_files(tmp_path: Path, how: str):
    state = counted(layers((2, 2)), "features.", 0, 2)
    torch.save(WRAPPED[how](state), path := tmp_path / "a.pth")
    assert torch.equal(load_vgg(path).convs["conv2_2"].weight, state["features.7.weight"])


def test_a_hole_in_a_file(tmp_path: Path):
    torch.save(counted(layers((2, 2)), "features.", 0, 2), path := tmp_path / "a.pth")
    check_whole(path)
    with zipfile.ZipFile(path) as archive:
        at = max(archive.infolist(), key=lambda each: each.file_size).header_offset
    data = bytearray(path.read_bytes())
    data[at + 4096 : at + 8192] = bytes(4096)
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"a\.pth: damaged: .*/data/\d is not what its checksum says"):
        check_whole(path)


def test_a_pickled_module(tmp_path: Path):
    module = torch.nn.Module()
    module.features = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 64, 3), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 3), torch.nn.ReLU()),
        *(torch.nn.MaxPool2d(2), torch.nn.Conv2d(64, 128, 3)),
    )
    torch.save(module, path := tmp_path / "a.pth")
    assert torch.equal(load_vgg(path).convs["conv2_1"].weight, module.features[5].weight)


def test_nothing_above_the_deepest_layer(tmp_path: Path, rgb: Tensor):
    state = counted(layers(BLOCKS["vgg19"]), "features.", 0, 2)
    state["features.34.bias"] = torch.full((512,), float("nan"))
    torch.save(state, path := tmp_path / "a.pth")
    net = load_vgg(path, ["relu1_1", "relu2_1"])
    assert (list(net.convs), net.names[-1]) == (["conv1_1", "conv1_2", "conv2_1"], "relu2_1")
    assert list(load_vgg(path, ["pool1"]).convs) == ["conv1_1", "conv1_2"]
    assert not any(each.requires_grad for each in net.parameters())
    with pytest.raises(UsageError, match="relu2_2: not in this network"):
        net(rgb, ["relu2_2"])
    for wrong in ("relu9_1", "relu", "", "content"):
        with pytest.raises(UsageError, match="not in this network") as caught:
            load_vgg(path, ["relu1_1", wrong])
        assert "relu" in caught.value.hint
    with pytest.raises(WeightsError, match=r"features\.34\.bias holds a value that is not finite"):
        check_whole(path)


def without(name: str) -> Callable[[State], State]:
    return lambda state: {key: value for key, value in state.items() if key != name}


def plus(name: str, *shape: int) -> Callable[[State], State]:
    return lambda state: state | {name: torch.zeros(shape)}


BOTH = {"conv1_1.weight": torch.zeros(64, 3, 3, 3), "conv1_2.weight": torch.zeros(64, 64, 3, 3)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("features.7.weight"), "features.7.weight is missing"),
        (without("features.12.bias"), "features.12.bias is missing"),
        (
            without("features.2.weight"),
            "closest is VGG, torchvision or Caffe-style (no features.2.weight)",
        ),
        (plus("features.12.weight", 256, 128, 3, 3), "features.12.weight is [256, 128, 3, 3], not [any, 256, 3, 3]"),
        (plus("features.12.bias", 2), "features.12.bias is [2], not [256]"),
        (plus("features.0.weight", 8, 3, 3, 3), "(features.0.weight is [8, 3, 3, 3], not [64, 3, 3, 3])"),
        (plus("head.weight", 2), "head.weight belongs to no layer"),
        (lambda state: state | BOTH, "matches several formats: VGG, torchvision"),
        (lambda state: {"a": torch.zeros(2)}, "no known network"),
        (lambda state: {}, "no tensors in it"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: Callable[[State], State], message: str):
    path = tmp_path / "a.pth"
    torch.save(change(counted(layers((2, 2, 4)), "features.", 0, 2)), path)
    with pytest.raises(WeightsError) as caught:
        load_vgg(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message


def test_another_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    row = Format("a decoder", "adain", {"x": (1,)}, lambda tensors, config: (None, tensors))
    monkeypatch.setattr(table, "FORMATS", (*table.FORMATS, row))
    torch.save({"x": torch.zeros(1)}, path := tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds a decoder, not a vgg"):
        converted(path, "vgg", VGGConfig)


CONFIGS = [
    VGGConfig(((5, 7), (3,), (9, 4, 6))),
    VGGConfig(((4, 4), (8, 8), (8, 8), (8,)), "reflect", True, (("relu1_1", 64), ("relu4_1", 12))),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("half", [False, True])
def test_our_own_files(tmp_path: Path, rgb: Tensor, config: VGGConfig, half: bool):
    torch.manual_seed(0)
    net = VGG(config)
    net.preprocess, net.preprocess_bias = torch.randn(3, 3), torch.randn(3) * 100
    path = tmp_path / "a.bin"
    about = {"licence": "MIT", "steps": 3}
    save_network(net, path, network="vgg", config=stored_config(config), about=about, half=half)
    back = load_vgg(path)
    assert back.config == config
    for name, value in net.state_dict().items():
        stored = value.half().float() if half and value.numel() > 1024 else value
        assert torch.equal(back.state_dict()[name], stored)
    described = describe(path)
    assert (described.format, described.network, described.config) == ("stylecli VGG", "vgg", stored_config(config))
    assert described.about == about
    assert described.parameters == sum(value.numel() for value in net.state_dict().values())
    assert (described.tensors, described.container, described.sample) == (len(net.state_dict()), "safetensors", True)
    assert prove(path) < 1e-5
    with safe_open(path, "pt") as file:
        names = {name for name in file.keys() if name.startswith("sample.")}  # noqa: SIM118
    assert names == {"sample.input", *(f"sample.relu{block}_1" for block in range(1, len(config.widths) + 1))}


def changed(path: Path, change: Callable[[State, dict[str, Any]], None]) -> None:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        said = json.loads(file.metadata()["stylecli"])
    tensors = {name: value.clone() for name, value in tensors.items()}
    change(tensors, said)
    save_file(tensors, path, {"stylecli": json.dumps(said)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, said: said.clear(), "without its config"),
        (lambda tensors, said: said["config"].update(widths=3), "without its config"),
        (lambda tensors, said: said["config"].update(padding="mirror"), "padding_mode"),
        (lambda tensors, said: said["config"].update(widths=[[10**12], [10**12]]), "damaged"),
        (lambda tensors, said: said["config"].update(maps=[["nowhere", 3]]), "map of no layer"),
        (lambda tensors, said: said.update(config=[1]), "not of stylecli's making"),
        (lambda tensors, said: tensors.pop("convs.conv2_1.bias"), r"convs\.conv2_1\.bias is missing"),
        (lambda tensors, said: tensors.update(extra=torch.zeros(2)), "extra belongs to no layer"),
        (lambda tensors, said: tensors.update(preprocess_bias=torch.zeros(4)), "preprocess_bias is"),
        (lambda tensors, said: tensors["convs.conv1_2.weight"].mul_(1.1), "differs from its stored sample"),
        (lambda tensors, said: tensors["convs.conv1_2.bias"].fill_(float("nan")), "sample by nan"),
        (lambda tensors, said: tensors.pop("sample.relu1_1"), "not that of its network"),
        (lambda tensors, said: tensors.pop("sample.input"), "damaged"),
    ],
)
def test_our_own_files_when_they_were_changed(tmp_path: Path, change: Callable[..., None], message: str):
    config = CONFIGS[0]
    path = tmp_path / "a.safetensors"
    torch.manual_seed(0)
    save_network(VGG(config), path, network="vgg", config=stored_config(config), about={})
    changed(path, change)
    with pytest.raises(WeightsError, match=message):
        prove(path)


def test_what_float16_cannot_hold_stays_float32(tmp_path: Path):
    net = VGG(VGGConfig(((64, 64),)))
    with torch.no_grad():
        net.convs["conv1_2"].weight[0, 0, 0, 0] = 1e6
    save_network(net, path := tmp_path / "a", network="vgg", config=stored_config(net.config), about={})
    assert load_vgg(path).convs["conv1_2"].weight[0, 0, 0, 0] == 1e6
    assert prove(path) < 1


def test_a_loaded_network_does_not_need_its_file(tmp_path: Path, rgb: Tensor):
    torch.save(counted(layers((2, 2)), "features.", 0, 2), path := tmp_path / "a.pth")
    net = load_vgg(path)
    before = net(rgb, ["relu2_2"])["relu2_2"]
    path.write_bytes(b"")
    assert torch.equal(net(rgb, ["relu2_2"])["relu2_2"], before)
