"""What a weights file of ours says of itself in its header: enough to list and describe it, without PyTorch."""

import json
import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylecli.checkpoints import store
from stylecli.errors import InputError
from stylecli.files import regular

OURS = {
    "vgg": "stylecli VGG",
    "stylegan2": "stylecli StyleGAN 2",
    "stylegan1": "stylecli StyleGAN 1",
    "lucidrains": "stylecli StyleGAN 2 of lucidrains' kind",
    "stargan": "stylecli StarGAN v2",
    "fan": "stylecli landmarks of faces",
    "transport": "stylecli small any-style network",
    "adain": "stylecli AdaIN",
    "adain-decoder": "stylecli AdaIN decoder",
    "microast": "stylecli MicroAST",
    "msgnet": "stylecli MSG-Net",
    "transformer": "stylecli transformation net",
    "texture-net": "stylecli texture net",
    "feed-forward": "stylecli feed-forward net",
}
"""Formats of our own files, by network."""

SAMPLE = "sample."
"""Prefix of the tensors that prove a network: its inputs (`sample.input`) and what it must give."""

IDENTITY = "identity"
"""Of the styles of a transformation net, the one that gives the photo."""

SIZED = "@"
"""Before the size of the strokes, in the name of a style at another size: `irises@2`."""

TEXTURE = "texture-"
"""Of the names of embedded generators of textures."""

_TYPES = {"F16": "float16", "F32": "float32", "F64": "float64", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
          "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}  # fmt: skip


@dataclass(frozen=True)
class Description:
    """What a file is.

    Attributes:
        path: The file.
        container: What kind of file.
        format: The row of `layouts.table.FORMATS`.
        network: The network of ours that it becomes.
        config: Its shape, as our own files store it.
        tensors: How many, spares left out.
        parameters: How many numbers in them.
        dtypes: Their types, most frequent first.
        bytes: Size of the file.
        about: What it says of itself: licence, recipe, paper.
        sample: It carries a sample, see `load.prove`.
    """

    path: Path
    container: str
    format: str
    network: str
    config: dict[str, object]
    tensors: int
    parameters: int
    dtypes: tuple[str, ...]
    bytes: int
    about: dict[str, object]
    sample: bool


def described(path: Path) -> Description | None:
    """What one of our own files says it is; None for all others, and for those whose header is not as we write it."""
    said = store.about(path)
    network, config = said.get("network"), said.get("config")
    if network not in OURS or not isinstance(config, dict):
        return None
    try:
        with open(path, "rb", opener=regular) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, store.LARGEST_HEADER)))
        entries = {name: each for name, each in header.items() if name != "__metadata__"}
        own = [each for name, each in entries.items() if not name.startswith(SAMPLE)]
        shapes = [each["shape"] for each in own]
        if any(len(shape) > 16 or not all(type(n) is int and 0 <= n < 2**63 for n in shape) for shape in shapes):
            return None
        kinds = Counter(_TYPES.get(each["dtype"], str(each["dtype"])) for each in own)
        return Description(
            path,
            "safetensors",
            OURS[network],
            network,
            config,
            len(own),
            sum(map(math.prod, shapes)),
            tuple(name for name, _ in kinds.most_common()),
            path.stat().st_size,
            {key: value for key, value in said.items() if key not in ("network", "config")},
            len(own) < len(entries),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None


def styles_of(path: Path, names: list[str] | None = None) -> list[dict[str, str]] | None:
    """Name, title, artist and year of each style of a transformation net; None for other files than ours.

    `names` are those of the net, where they were read in another way.
    """
    said = store.about(path)
    if names is None:
        config = said.get("config")
        names = config.get("styles") if said.get("network") == "transformer" and isinstance(config, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    rows = said.get("styles", [])
    told = {str(each.get("name")): each for each in rows if isinstance(each, dict)} if isinstance(rows, list) else {}
    keys = ("title", "artist", "year")
    return [
        {
            "name": name,
            **{key: str(told.get(name, {}).get(key, "")) for key in keys},
            **({"scales": ",".join(f"{scale:g}" for scale in sorted(scales))} if len(scales) > 1 else {}),
        }
        for name, scales in rows_of(names).items()
        if name != IDENTITY
    ]


def rows_of(names: Sequence[str]) -> dict[str, dict[float, int]]:
    """Where each style of a net stands among its `names`, by the size of its strokes."""
    found: dict[str, dict[float, int]] = {}
    for row, name in enumerate(names):
        base, _, size = name.rpartition(SIZED)
        try:
            scale = float(size) if base in names else 1.0
        except ValueError:
            scale = 1.0
        found.setdefault(base if scale > 0 and scale != 1 else name, {})[scale] = row
    return found


def textures() -> list[dict[str, str]]:
    """Name and title of each texture that a generator is embedded for."""
    return [
        {"name": name.removeprefix(TEXTURE), "title": str(store.about(each.path).get("title", ""))}
        for name, each in store.known().items()
        if name.startswith(TEXTURE)
    ]


def domains_of(path: Path) -> list[str] | None:
    """The domains of a StarGAN v2 by its own names, or numbers; None for other files than ours."""
    said = store.about(path)
    config = said.get("config")
    if said.get("network") != "stargan" or not isinstance(config, dict):
        return None
    labels, count = config.get("labels"), config.get("domains")
    if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
        return labels
    return [str(index) for index in range(count)] if isinstance(count, int) and 0 < count < 10_000 else None


MOST_ROWS = 100_000
"""Of a file of latents, each of which becomes a job."""


def latent_rows(path: str) -> int:
    """How many latents a file holds; of ours, from its header alone.

    Raises:
        InputError: It holds none.
    """
    if Path(path).suffix != ".safetensors":
        from stylecli.checkpoints.latents import latents_in

        return len(latents_in(path)[1])
    try:
        with open(path, "rb", opener=regular) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 2**20)))
        rows = int(next(header[name] for name in ("w", "z") if name in header)["shape"][0])
    except (OSError, ValueError, LookupError, TypeError, StopIteration, struct.error) as error:
        raise InputError(
            f"{path}: no file of latents", "`stylegan sample --save-latents` and `project` write them"
        ) from error
    if not 0 < rows <= MOST_ROWS:
        raise InputError(f"{path}: says that it holds {rows:,} latents, not 1 to {MOST_ROWS:,}")
    return rows
