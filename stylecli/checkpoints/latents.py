"""Files of latents: `w` [N, w_dim] or [N, layers, w_dim], or `z` [N, z_dim]; and files of noise."""

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from stylecli.arrays import read_arrays
from stylecli.checkpoints.containers.detect import read_tensors
from stylecli.errors import InputError, OutputError, WeightsError
from stylecli.files import atomic_write, is_stream, present, regular
from stylecli.nets.style_generator import StyleGenerator
from stylecli.remote import place

METADATA = "stylecli latents"
_WANTED = "floats as `w` or `z`, without objects"
TAKEN = "`w` or `z` [N, ...] for this network, as .safetensors, .npz, .npy or .pt"
_NAMES = {"latent", "latents", "dlatents", "w_plus", "ws"}


def read_latents(path: str, net: StyleGenerator, row: int | None = None) -> tuple[str, Tensor]:
    """(`z` or `w`, the latents): z [N, z_dim], or w [N, layers, w_dim] in float32.

    Args:
        path: The file.
        net: The generator that they are for.
        row: The one to take; None for all.

    Raises:
        InputError: No latents, of another network, or no such row.
    """
    kind, found = latents_in(path)
    layers, width = len(net.pixels), net.w_dim if kind == "w" else net.config.z_dim
    if kind == "w" and found.ndim == 3 and found.shape[1] == 1:
        found = found[:, 0]
    shapes = [(width,), (layers, width)] if kind == "w" else [(width,)]
    if tuple(found.shape[1:]) not in shapes or not len(found):
        wanted = " or ".join(str(["N", *shape]).replace("'", "") for shape in shapes)
        raise InputError(f"{path}: of another network: {kind} is {list(found.shape)}, not {wanted}", TAKEN)
    if not found.isfinite().all():
        raise InputError(f"{path}: holds a value that is not finite")
    if row is not None:
        if row >= len(found):
            raise InputError(f"{path}[{row}]: the last row is {len(found) - 1}")
        found = found[row : row + 1]
    if kind == "w" and found.ndim == 2:
        found = found[:, None].expand(-1, layers, -1)
    return kind, found


def latents_in(path: str) -> tuple[str, Tensor]:
    """(`z` or `w`, the latents) of a file, float32 [N, ...], for whatever network they are.

    Ours are safetensors. Of others: `w` or `z` of an .npz or .npy, as NVIDIA's projector writes, whose name may be any
    where it is alone; and what lies under `latent` in a .pt, as rosinality's writes it for each photo.

    Raises:
        InputError: No latents, or several that do not go together.
    """
    tensors = _read(path)
    kind = next((name for name in ("w", "z") if name in tensors), "w")
    named = [each for name, each in tensors.items() if name.rpartition(".")[2] in _NAMES]
    if kind in tensors:
        found = tensors[kind]
    elif named:
        # Each is one latent, of all layers or of one.
        rows = [each[None] if each.ndim < 3 else each for each in named]
        if len({each.shape[1:] for each in rows}) > 1:
            raise InputError(f"{path}: its latents have several shapes", "one file for each kind")
        found = torch.cat(rows)
    elif len(tensors) == 1:
        (found,) = tensors.values()
    else:
        raise InputError(f"{path}: no latents in it", TAKEN)
    while found.ndim > 3 and found.shape[0] == 1:
        found = found[0]
    if not found.is_floating_point() or found.ndim not in (1, 2, 3) or not found.numel():
        shape = list(found.shape)
        raise InputError(f"{path}: no latents in it: {kind} is {found.dtype} {shape}", "floats [N, ...] are needed")
    return kind, (found[None] if found.ndim == 1 else found).float()


def read_noise(path: str, net: StyleGenerator) -> list[Tensor]:
    """`noise_0`, `noise_1`, ... of a file, [1 or N, 1, H, W] each.

    Raises:
        InputError: Not the noise of `net`.
    """
    tensors = _read(path)
    noises = []
    for index, size in enumerate(net.noise_sizes):
        noise = tensors.get(f"noise_{index}")
        height, width = net.config.shape(size)
        if noise is None or noise.shape[1:] != (1, height, width):
            found = "missing" if noise is None else str(list(noise.shape))
            raise InputError(f"{path}: noise_{index} is {found}, not [N, 1, {height}, {width}]")
        noises.append(noise.float())
    return noises


def latents_beside(output: str, *, overwrite: bool) -> Path | None:
    """Where the latents of a job go that keeps them; None where its result goes into a pipe.

    Raises:
        OutputError: Something is there already.
    """
    if output == "-" or is_stream(place(output)):
        return None
    path = place(output).with_suffix(".safetensors")
    if present([path]) and not overwrite:
        raise OutputError(f"{path}: already there", "--overwrite replaces it")
    return path


def save_latents(path: Path, ws: Tensor, record: str) -> None:
    """Writes w [N, layers, w_dim], as [N, w_dim] where all layers agree.

    Raises:
        OutputError: It cannot be written.
    """
    ws = ws.detach().float().cpu()
    if torch.equal(ws, ws[:, :1].expand_as(ws)):
        ws = ws[:, 0]
    data = save({"w": ws.contiguous()}, {METADATA: json.dumps(json.loads(record))})
    with atomic_write(path) as file:
        file.write(data)


def _read(path: str) -> dict[str, Tensor]:
    try:
        with open(path, "rb", opener=regular) as file:
            head = file.read(6)
        if head == b"\x93NUMPY" or (head[:2] == b"PK" and Path(path).suffix == ".npz"):
            return {name: torch.from_numpy(each) for name, each in read_arrays(path, _WANTED).items()}
        return read_tensors(Path(path)).tensors
    except WeightsError as error:
        raise InputError(error.message, error.hint) from error
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
