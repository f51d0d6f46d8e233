"""Seconds a picture of `fast` against a plain port of pytorch/examples' `neural_style.py eval`: same net, one run.

    python benchmarks/fast.py [--pictures 4] [--size 1024] [--json out.json]

The plain loop reads each picture with Pillow, runs the net as `nn.Module`s (reflection padding, convolution, instance
norm, ReLU; nearest x2 before the convolutions on the way up) and writes a PNG. onnxruntime runs what `weights convert`
makes of the same net, between the same reading and writing. All sides take turns, picture by picture, so that a
machine that slows down slows all. Last comes the embedded net, or one of its shape, at 1920x1080.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from table import Row, finish, gflop, parser
from torch import Tensor, nn

from stylecli.backends.fast import Fast
from stylecli.batch.work import Work
from stylecli.checkpoints.layouts.format import stored_config
from stylecli.checkpoints.load import build
from stylecli.checkpoints.onnx import save_onnx
from stylecli.checkpoints.save import save_network
from stylecli.device import resolve
from stylecli.nets.noise import noise_like
from stylecli.nets.transformer import TransformerNet
from stylecli.nets.transformer_config import Layer, TransformerConfig
from stylecli.plans import plan_files
from stylecli.progress import silent
from stylecli.settings.fast import FastSettings
from stylecli.settings.shared import Contents, Outputs

EMBEDDED = Path(__file__).parents[1] / "weights/fast.safetensors"


class Plain(nn.Module):
    """A net of ours as pytorch/examples would write it: a module a step, nothing folded, for one style."""

    def __init__(self, net: TransformerNet, style: int) -> None:
        super().__init__()
        self.config, self.plan = net.config, net.plan
        self.convs = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        for name, layer in net.plan.items():
            self.convs[name] = nn.Conv2d(layer.channels, layer.out, layer.size, layer.stride)
            self.convs[name].load_state_dict(net.convs[name].state_dict())
            if layer.normed:
                self.norms[name] = nn.InstanceNorm2d(layer.out, affine=True)
                rows = net.norms[name]
                self.norms[name].load_state_dict({"weight": rows.gamma[style], "bias": rows.beta[style]})

    def forward(self, x: Tensor) -> Tensor:
        """RGB [1, 3, H, W] in 0..`pixels` to the same."""
        x = start = torch.cat([x, noise_like(x)], 1) if self.config.noise else x
        for name, layer in self.plan.items():
            if name.startswith("block") and name.endswith("a"):
                start = x
            x = self._convolved(name, layer, x)
            if layer.normed:
                x = self.norms[name](x)
            if name.startswith("block") and name.endswith("b"):
                x = x + start
            elif name != "out":
                x = torch.relu(x)
        return x

    def _convolved(self, name: str, layer: Layer, x: Tensor) -> Tensor:
        half = layer.size // 2
        if layer.enlarge and layer.size == 9:
            x = F.interpolate(F.pad(x, (2,) * 4, "replicate"), scale_factor=2.0)
        else:
            x = F.pad(F.interpolate(x, scale_factor=2.0) if layer.enlarge else x, (half,) * 4, "reflect")
        return self.convs[name](x)


def plain_side(net: TransformerNet, style: int) -> Callable[[Path, Path], None]:
    """Reads, runs the plain net and writes."""
    plain, white = Plain(net, style).eval(), net.config.pixels

    def run(source: Path, target: Path) -> None:
        with torch.no_grad():
            picture = np.array(Image.open(source).convert("RGB"))
            x = torch.from_numpy(picture).permute(2, 0, 1).contiguous().float()[None] * (white / 255)
            y = plain(x)[0] * (255 / white)
            Image.fromarray(y.clamp(0, 255).numpy().transpose(1, 2, 0).astype("uint8")).save(target)

    return run


def onnx_side(path: Path, mix: Tensor) -> Callable[[Path, Path], None] | None:
    """Reads, runs onnxruntime and writes; None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    asked = {one.name for one in session.get_inputs()}

    def run(source: Path, target: Path) -> None:
        picture = np.array(Image.open(source).convert("RGB"))
        given: dict[str, Any] = {
            "mix": mix.numpy(),
            "content": picture.transpose(2, 0, 1)[None].astype("float32") / 255,
        }
        given["noise"] = noise_like(torch.from_numpy(given["content"])).numpy() if "noise" in asked else None
        y = session.run(None, {name: given[name] for name in asked})[0][0]
        Image.fromarray((y.clip(0, 1) * 255 + 0.5).transpose(1, 2, 0).astype("uint8")).save(target)

    return run


def our_side(path: Path, style: str) -> Callable[[Path, Path], None]:
    """What `stylecli fast` does with one picture, after it has opened the weights."""
    settings = FastSettings(weights=str(path), style=(style,))
    backend = Fast(settings, resolve("cpu"))

    def run(source: Path, target: Path) -> None:
        outputs = Outputs(output=str(target), overwrite=True)
        (job,) = plan_files("fast", Contents((str(source),)), None, [settings], outputs)
        Work(backend, outputs, {"precision": "auto"})(job, silent)

    return run


def compare(what: str, path: Path, pictures: list[Path], folder: Path) -> Row:
    """One row of the table: median seconds a picture, files in and out, after one to warm up."""
    net = build(path)[2]
    assert isinstance(net, TransformerNet)
    # Rows of strokes of another size lie behind the styles themselves.
    style = max(index for index, name in enumerate(net.config.styles) if "@" not in name)
    mix = torch.eye(len(net.config.styles))[style : style + 1]
    save_onnx(net, folder / "net.onnx")
    sides = {
        "plain": plain_side(net, style),
        "onnxruntime": onnx_side(folder / "net.onnx", mix),
        "stylecli": our_side(path, net.config.styles[style]),
    }
    seconds: dict[str, list[float]] = {side: [] for side, run in sides.items() if run}
    for picture in [pictures[0], *pictures]:
        for side, found in seconds.items():
            start = time.perf_counter()
            sides[side](picture, folder / f"{side}.png")  # type: ignore[misc]
            found.append(time.perf_counter() - start)
    levels = [np.asarray(Image.open(folder / f"{side}.png"), np.int16) for side in ("plain", "stylecli")]
    # In bfloat16, one value in ten million is two levels off.
    assert (np.abs(levels[0] - levels[1]) > 1).mean() < 1e-5, "not the same function"
    medians = {side: statistics.median(found[1:]) for side, found in seconds.items()}
    note = f"onnxruntime {medians['onnxruntime']:.3f} s" if "onnxruntime" in medians else ""
    count = gflop(lambda: sides["stylecli"](pictures[0], folder / "counted.png"))  # type: ignore[misc]
    return Row(what, "plain loop", medians["plain"], medians["stylecli"], count, note=note)


def noise(size: tuple[int, int], path: Path) -> Path:
    """A picture with something in it at every size."""
    width, height = size
    generator = np.random.default_rng(0)
    small = Image.fromarray(generator.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    fine = generator.normal(0, 12, (height, width, 3))
    coarse = np.asarray(small.resize(size, Image.Resampling.BICUBIC))
    Image.fromarray((coarse + fine).clip(0, 255).astype(np.uint8)).save(path)
    return path


def random_net(config: TransformerConfig, path: Path) -> Path:
    """A net of random weights whose output has the spread of a picture."""
    torch.manual_seed(0)
    net = TransformerNet(config)
    out = net.convs["out"]
    assert isinstance(out, nn.Conv2d)
    assert out.bias is not None
    out.weight.data.mul_(config.pixels)
    out.bias.data.fill_(config.pixels / 2)
    save_network(net, path, network="transformer", config=stored_config(config), about={}, half=False)
    return path


def rows(pictures: int, size: int) -> Iterator[Row]:
    """The authors' shape, and the embedded net at two sizes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = TransformerConfig(("identity", "a"), (48, 96, 128), (4, 2), 2, pixels=1.0)
        embedded = EMBEDDED if EMBEDDED.is_file() else random_net(shape, folder / "embedded.safetensors")
        johnson = random_net(TransformerConfig(), folder / "johnson.safetensors")
        square = [noise((size, size), folder / f"{index}.png") for index in range(pictures)]
        wide = [noise((1920, 1080), folder / "wide.png")] * max(pictures // 2, 1)
        yield compare(f"fast, pytorch/examples, {size}x{size}", johnson, square, folder)
        yield compare(f"fast, embedded, {size}x{size}", embedded, square, folder)
        yield compare("fast, embedded, 1920x1080", embedded, wide, folder)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--pictures", type=int, default=4)
    options.add_argument("--size", type=int, default=1024)
    args = options.parse_args()
    finish(rows(args.pictures, args.size), args)


if __name__ == "__main__":
    main()
