"""From a file of any known format to a network of ours."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from stylecli.checkpoints import store
from stylecli.checkpoints.containers.detect import Contents, read_tensors, reading
from stylecli.checkpoints.containers.torch_files import check_sums
from stylecli.checkpoints.header import SAMPLE, Description
from stylecli.checkpoints.layouts.format import Options
from stylecli.checkpoints.layouts.identify import identify
from stylecli.checkpoints.layouts.networks import NETWORKS
from stylecli.device import Device
from stylecli.errors import WeightsError, printable
from stylecli.nets.vgg import VGG, VGGConfig, check_layer, deepest_of

C = TypeVar("C")
M = TypeVar("M", bound=torch.nn.Module)
METADATA = "stylecli"
"""The safetensors metadata key under which our own files keep their config, recipe and licence as JSON."""

EXACT = 1e-3
"""How far a sample may be off, relative to the largest value of each output: other processors sum in other orders."""

HALF = 0.05
"""The same in half precision."""

LARGEST_SAMPLE = 16
"""Times what we store; a file from a stranger must not decide how long a check takes."""

SPARE_NUMBERS = 64
"""Of a config, beside four for each tensor: more would describe layers that are not there."""


def load_vgg(
    path: Path,
    layers: Iterable[str] | None = None,
    *,
    pixels: str = "auto",
    pooling: str = "max",
    pool_scale: float = 1.0,
    first_padding: str | None = None,
    padding: str | None = None,
) -> VGG:
    """The feature network in `path`, up to the deepest of `layers` (None: all of it), in float32, frozen.

    Args:
        path: A file of any VGG dialect.
        layers: Taps that will be asked for; nothing above the deepest is built or read.
        pixels: `caffe` or `torchvision` where the file cannot tell; `auto` recognises the published files.
        pooling: `max`, `average` or `l2`.
        pool_scale: Factor on pooled activations.
        first_padding: Border of the first convolution, if not that of the others.
        padding: Border of all of them, if not the file's: as `nn.Conv2d` says it.

    Raises:
        WeightsError: No VGG, or an incomplete one.
        UsageError: A layer that it does not have; the nearest names are offered.
    """
    config, state = converted(path, "vgg", VGGConfig, {"pixels": pixels})
    asked = None if layers is None else [check_layer(layer, config.names()) for layer in layers]
    if padding:
        config = replace(config, padding=padding)
    with reading(path), torch.device("meta"):
        deepest = deepest_of(asked) if asked else None
        net = VGG(config, deepest, pooling=pooling, pool_scale=pool_scale, first_padding=first_padding)
    fill(net, state, str(path), spare_above=True)
    return net.eval().requires_grad_(False)


def network_of(path: Path) -> str:
    """The network of ours that the file becomes.

    Raises:
        WeightsError: No known one.
    """
    contents = read_tensors(path)
    with reading(path):
        return identify(contents.tensors)[0].network


def converted(path: Path, network: str, kind: type[C], options: Options | None = None) -> tuple[C, dict[str, Tensor]]:
    """(config of `kind`, state) of the `network` in `path`.

    Raises:
        WeightsError: It is not a `network`, or an incomplete one.
    """
    contents = read_tensors(path)
    with reading(path):
        _, config, state = _converted(contents, options, network)
    assert isinstance(config, kind)
    return config, state


def build(path: Path, options: Options | None = None) -> tuple[str, object, torch.nn.Module]:
    """(network, config, module) of any known file, in float32; `options` say what the file cannot tell.

    Raises:
        WeightsError: No known network, or an incomplete one.
    """
    return _build(path, read_tensors(path), options)


def load(path: Path, network: str, kind: type[M]) -> M:
    """The `network` in `path`, a module of `kind`, in float32, frozen; its `config` says its shape.

    Raises:
        WeightsError: It is another one, or incomplete.
    """
    net = _built(path, network, *converted(path, network, object))
    assert isinstance(net, kind)
    return net


def fill(net: torch.nn.Module, state: dict[str, Tensor], source: str, *, spare_above: bool = False) -> None:
    """Fill every parameter and buffer of `net` from `state`, by copies.

    Args:
        net: A fresh network, on the meta device or real.
        state: Its tensors by name.
        source: For error messages.
        spare_above: Tensors of layers that were cut off may be left over.

    Raises:
        WeightsError: Something is missing, left over, of another shape, or complex.
    """
    wanted = net.state_dict()
    missing = sorted(set(wanted) - set(state))
    left_over = [] if spare_above else sorted(set(state) - set(wanted))
    wrong = [name for name in wanted if name in state and wanted[name].shape != state[name].shape]
    for names, what in ((missing, "is missing"), (left_over, "belongs to no layer"), (wrong, "has another shape")):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise WeightsError(f"{source}: {printable(names[0])[:200]} {what}{more}")
    if complex_ := next((name for name in wanted if state[name].is_complex()), None):
        raise WeightsError(f"{source}: {printable(complex_)[:200]} holds complex numbers", "no network is made of them")
    copies = {name: state[name].to(wanted[name].dtype, copy=True).contiguous() for name in wanted}
    net.load_state_dict(copies, assign=True)


def describe(path: Path) -> Description:
    """What is in `path`, for `weights check`, and for `weights show` of files that are not ours.

    Raises:
        WeightsError: It cannot be read, is no known network, or an incomplete one.
    """
    contents = read_tensors(path)
    network, config, _ = _build(path, contents)
    with reading(path):
        known, tensors = identify(contents.tensors)
        dtypes = [str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()]
        about = {key: value for key, value in _said(contents).items() if key not in ("network", "config")}
        return Description(
            Path(path),
            contents.container,
            known.name,
            network,
            NETWORKS[network].stored(config),
            len(tensors),
            sum(tensor.numel() for tensor in tensors.values()),
            tuple(sorted(set(dtypes), key=lambda dtype: -dtypes.count(dtype))),
            sum(part.stat().st_size for part in store.parts(path).values()),
            about or {key: value for key, value in contents.metadata.items() if key != METADATA},
            any(name.startswith(SAMPLE) for name in contents.tensors),
        )


def check_whole(path: Path) -> None:
    """Looks at every number in `path`, and at the checksums of a zip archive.

    Raises:
        WeightsError: One is not finite, or a checksum differs; the tensor or the member is named.
    """
    contents = read_tensors(path)
    with reading(path):
        for part in store.parts(path).values():
            check_sums(part, contents.budget)
        for name, tensor in identify(contents.tensors)[1].items():
            _check_numbers(name, tensor)


def prove(path: Path, device: Device | None = None) -> float | None:
    """Runs the sample that is stored in one of our own files on a device, by default the CPU, in its number type.

    Returns:
        The largest absolute difference between what the network gives and what is stored; None without a sample.

    Raises:
        WeightsError: It differs by more than `EXACT` (`HALF` in half precision), or is incomplete.
    """
    device = device or Device(torch.device("cpu"))
    exact = EXACT if device.dtype == torch.float32 else HALF
    contents = read_tensors(path)
    sample = {
        n.removeprefix(SAMPLE): t.float().to(device.torch) for n, t in contents.tensors.items() if n.startswith(SAMPLE)
    }
    if not sample:
        return None
    network, _, net = _build(path, contents)
    with reading(path), torch.inference_mode():
        for name, ours in NETWORKS[network].inputs(net).items():
            theirs = sample.get(name, ours)
            if len(theirs) > len(ours) or theirs.numel() > LARGEST_SAMPLE * ours.numel():
                raise WeightsError("its sample is too large to be run")
        with device.autocast():
            given = NETWORKS[network].run(net.to(device.torch), sample)
        if not given or not set(given) <= set(sample):
            raise WeightsError("its sample is not that of its network")
        differences = {name: float((value - sample[name]).abs().max()) for name, value in given.items()}
        for name, difference in differences.items():
            # Written so that a value that is no number fails too.
            if not difference <= exact * float(sample[name].abs().max()):
                raise WeightsError(f"differs from its stored sample by {difference:.3g} at {name}", "fetch it again")
        return max(differences.values())


def _build(path: Path, contents: Contents, options: Options | None = None) -> tuple[str, object, torch.nn.Module]:
    with reading(path):
        network, config, state = _converted(contents, options)
    return network, config, _built(path, network, config, state)


def _converted(contents: Contents, options: Options | None, wanted: str = "") -> tuple[str, object, dict[str, Tensor]]:
    """(network, config, state) of what a file holds; its copies in single precision are paid for first."""
    known, tensors = identify(contents.tensors)
    if wanted and known.network != wanted:
        raise WeightsError(f"holds {known.name}, not a {wanted}", "`stylecli weights list` names the others")
    config = _said(contents).get("config")
    config = config if isinstance(config, dict) else {}
    if _numbers_in(config) > SPARE_NUMBERS + 4 * len(tensors):
        raise WeightsError(f"refused: a config of more layers than its {len(tensors)} tensors can fill")
    contents.budget.take(sum(4 * tensor.numel() for tensor in tensors.values()), "its tensors, as single precision,")
    return known.network, *known.convert(tensors, {**contents.told, **config, **(options or {})})


def _numbers_in(config: object) -> int:
    if isinstance(config, dict | list):
        return sum(_numbers_in(each) for each in (config.values() if isinstance(config, dict) else config))
    return isinstance(config, int | float)


def _check_numbers(name: str, tensor: Tensor) -> None:
    if tensor.is_complex():
        raise WeightsError(f"{printable(name)} holds complex numbers", "no network here is made of them")
    # What has eight bits does no arithmetic, not even this.
    if tensor.is_floating_point() and not (tensor.float() if tensor.itemsize == 1 else tensor).isfinite().all():
        raise WeightsError(
            f"{printable(name)} holds a value that is not finite", "damaged, or of a training that failed"
        )


def _built(path: Path, network: str, config: object, state: dict[str, Tensor]) -> torch.nn.Module:
    with reading(path), torch.device("meta"):
        net = NETWORKS[network].build(config)
    fill(net, state, str(path))
    made: torch.nn.Module = net.eval().requires_grad_(False)
    return made


def _said(contents: Contents) -> Options:
    said = json.loads(contents.metadata.get(METADATA, "{}"))
    if not isinstance(said, dict) or not isinstance(said.get("config", {}), dict):
        raise WeightsError("its metadata is not of stylecli's making")
    return said
