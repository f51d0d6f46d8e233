"""What all tests share: the command line in process, small pictures, one thread."""

import io
import os
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stylecli.cli import run
from stylecli.device import Device
from stylecli.method import Method, Request, Traits
from stylecli.method import Result as Made
from stylecli.progress import Step
from stylecli.settings.gatys import GatysSettings

torch.set_num_threads(1)


@dataclass
class Result:
    """What one command line gave."""

    exit_code: int
    stdout: str
    stderr: str
    binary: bytes = b""


def complaint(done: Result, code: int) -> str:
    """The one line of an error."""
    lines = [
        line
        for line in done.stderr.splitlines()
        if not line.startswith(("loading", "hint:")) and not line.endswith("left out")
    ]
    assert done.exit_code == code, done.stderr
    assert len(lines) == 1, done.stderr
    return lines[0]


class _Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


@pytest.fixture(autouse=os.environ.get("STYLECLI_TEST_GPU") == "1")
def on_the_gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has goldens computed on a GPU, as `benchmarks/gpu.py` wants it."""
    from stylecli import device

    if "golden" in request.module.__name__:
        plain = device.resolve
        there = lambda name="auto", *rest, **more: plain("cuda" if name in ("cpu", "auto") else name, *rest, **more)
        for module in (device, request.module):
            if getattr(module, "resolve", None) is plain:
                monkeypatch.setattr(module, "resolve", there)


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Result]:
    """Runs a command line in process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*words: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", _Stdin(stdin))
        capfdbinary.readouterr()
        code = run([str(word) for word in words])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Result(code, captured.out.decode("utf-8", "replace"), captured.err.decode(), captured.out)

    return call


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """Makes a small random picture: `picture("a.png", size=(12, 10), mode="RGBA")`."""

    def make(name: str, *, size: tuple[int, int] = (12, 10), mode: str = "RGB", seed: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (size[1], size[0], len(mode))
        levels = np.random.default_rng([seed, *name.encode()]).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(levels.squeeze()).save(path)
        return path

    return make


class FakeGatys(Method[GatysSettings, torch.Tensor]):
    """A method of no time at all: the mean of the content and the weighted styles' mean colors, times a weight."""

    def __init__(self) -> None:
        self.weights = {"encoder": "00"}
        self.traits = Traits(masks=True, threads=False)
        self.device = Device(torch.device("cpu"))
        self.calls: list[dict[str, object]] = []
        self.builds = 0
        self.fail: Callable[[int], None] = lambda call: None
        self.interrupted = False

    def build(self, settings: object, device: object) -> "FakeGatys":
        self.builds += 1
        return self

    def run(self, request: Request[GatysSettings, torch.Tensor]) -> Made:
        settings, styles, shares = request.settings, request.styles, request.weights
        given = {"styles": styles, "settings": settings, "blend": list(shares), "masks": request.masks}
        self.calls.append({**given, **request.pictures})
        self.fail(len(self.calls))
        color = torch.stack([share * style.mean((1, 2)) for share, style in zip(shares, styles, strict=True)]).sum(0)
        image = (request.main + color[:, None, None] * settings.style_weight).div(2).clamp(0, 1)
        if settings.size:
            image = torch.nn.functional.interpolate(image[None], size=(settings.size, settings.size))[0]
        request.listener(Step(1, 2, 0.1, loss=1.0))
        if request.snapshot and settings.save_every:
            request.snapshot(settings.save_every, image)
        return Made(image, losses={"style": 0.5}, interrupted=self.interrupted)


@pytest.fixture
def gatys(monkeypatch: pytest.MonkeyPatch) -> FakeGatys:
    """Puts a fake in place of the method."""
    fake = FakeGatys()
    module = types.ModuleType("stylecli.backends.gatys")
    module.__spec__ = ModuleSpec(module.__name__, None)
    module.build = fake.build  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stylecli.backends.gatys", module)
    return fake


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature network of random weights, small enough for real runs in tests."""
    from stylecli.checkpoints.layouts.format import stored_config
    from stylecli.checkpoints.save import save_network
    from stylecli.nets.vgg import VGG, VGGConfig

    torch.manual_seed(0)
    net = VGG(VGGConfig(((4, 4), (4, 4), (8, 8, 8, 8), (8, 8, 8, 8), (8, 8, 8, 8))))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_network(net, path, network="vgg", config=stored_config(net.config), about={}, sample={}, half=False)
    return path


@pytest.fixture(scope="session")
def tiny_fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformation net of random weights that knows two styles and the photo, and gets noise."""
    from stylecli.checkpoints.layouts.format import stored_config
    from stylecli.checkpoints.save import save_network
    from stylecli.nets.transformer import TransformerNet
    from stylecli.nets.transformer_config import TransformerConfig
    from stylecli.settings.gatys import GatysSettings, parse_layers

    torch.manual_seed(0)
    widths = {"1": 16, "2": 32, "3": 64, "4": 128, "5": 128}
    looks = tuple((layer, widths[layer[4]]) for layer in parse_layers(GatysSettings().style_layers))
    names = ("identity", "wave", "scream")
    shape = TransformerConfig(names, (4, 6, 8), (1, 1), 2, pixels=1.0, colors=True, noise=True, looks=looks)
    net = TransformerNet(shape)
    for layer, channels in looks:
        some = torch.randn(2, 50, channels).relu()
        net.get_buffer(f"look_mean_{layer}").copy_(some.mean(1))
        net.get_buffer(f"look_second_{layer}").copy_(some.mT @ some / 50)
    for norm in net.norms.values():
        torch.nn.init.normal_(norm.gamma, 1, 0.3)  # type: ignore[arg-type]
    # Colors as pictures have them.
    torch.nn.init.normal_(net.norms["out"].gamma, 0.25, 0.05)  # type: ignore[arg-type]
    torch.nn.init.normal_(net.norms["out"].beta, 0.5, 0.1)  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("weights") / "tiny_fast.safetensors"
    about = {"styles": [{"name": "wave", "title": "The Wave", "artist": "Hokusai", "year": "1831"}]}
    save_network(net, path, network="transformer", config=stored_config(net.config), about=about)
    return path


NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two machines of one CPU each."""
    pytest.importorskip("ray", reason="needs stylecli[ray]")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # What workers inherit: these tests, and a fair share of the machine.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        made = Cluster(initialize_head=True, head_node_args=NODE)
        made.add_node(**NODE)
        yield made
        made.shutdown()


@pytest.fixture(scope="session")
def tiny_adain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An any-style network of random weights that sees noise."""
    from stylecli.checkpoints.save import save_network
    from stylecli.nets.transport import Transport, TransportConfig
    from stylecli.nets.vgg import VGGConfig

    torch.manual_seed(0)
    net = Transport(TransportConfig(VGGConfig(((4, 4), (6, 6), (8, 8, 8, 8), (10,))), hidden=16, noise=True))
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_network(net, path, network="transport", config={}, about={"title": "tiny"}, half=False)
    return path
