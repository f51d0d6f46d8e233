"""Containers by their bytes, never by their name: tensors and metadata of safetensors, PyTorch files and pickles."""

import json
import mmap
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from stylecli.budget import TENSOR, Budget, OverBudgetError
from stylecli.checkpoints import kept
from stylecli.checkpoints.containers.flatten import LONGEST, flatten
from stylecli.checkpoints.containers.nvidia import understood
from stylecli.checkpoints.containers.onnx_files import read_onnx
from stylecli.checkpoints.containers.tensorflow_files import read_checkpoint
from stylecli.checkpoints.containers.torch7 import modules_of, read_torch7
from stylecli.checkpoints.containers.torch_files import LEGACY_MAGIC, read_legacy, read_zip
from stylecli.checkpoints.containers.torch_tar import read_tar
from stylecli.checkpoints.store import LARGEST_HEADER, parts
from stylecli.errors import StyleCliError, WeightsError, printable
from stylecli.files import regular

ZIP = "PyTorch zip"
HEAD = 512
"""Bytes that tell the container."""


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        tensors: By dotted name; they are read from the disk when they are touched.
        metadata: Text that safetensors carry.
        container: What kind of file it is.
        tree: The nested object of a pickle, without behavior.
        told: What the file says of its network beside tensors and metadata, for `Format.convert`.
        budget: What the file may still cost those who go on with it.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    container: str = "safetensors"
    tree: object = None
    told: dict[str, object] = field(default_factory=dict)
    budget: Budget = field(default_factory=lambda: Budget.of(0))


@dataclass(frozen=True)
class Container:
    """A kind of file.

    Attributes:
        name: What people call it.
        told: Whether a file that begins so is one.
        read: Reads it; None for those that can only be named.
        hint: What to do with those.
    """

    name: str
    told: Callable[[bytes], bool]
    read: Callable[[Path, mmap.mmap, Budget], Contents] | None = None
    hint: str = ""


def read_tensors(path: Path) -> Contents:
    """Every tensor in `path`, a file or a folder of files.

    Raises:
        WeightsError: Missing, of an unknown kind, damaged, or unsafe; the message names the path and the reason.
    """
    if path.is_dir():
        return _folder(path)
    with reading(path):
        if known := kept.contents(path):
            return known
        with open(path, "rb", opener=regular) as file:
            head = file.read(HEAD)
            if not head:
                raise WeightsError("empty file", "it may be a download that failed")
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        kind = container_of(head)
        if kind.read is None:
            raise WeightsError(f"{kind.name}, not weights that can be read", kind.hint)
        return kind.read(Path(path), mapping, Budget.of(len(mapping)))


def _folder(path: Path) -> Contents:
    """A network in several files: the tensors of each below its name."""
    inside = {name: read_tensors(part) for name, part in parts(path).items()}
    tensors = {f"{name}.{key}": value for name, one in inside.items() for key, value in one.tensors.items()}
    size = sum(part.stat().st_size for part in parts(path).values())
    return Contents(tensors, container=f"folder of {len(inside)} files", budget=Budget.of(size))


def container_of(head: bytes) -> Container:
    """The kind of file that begins with `head`.

    Raises:
        WeightsError: None that is known.
    """
    for known in CONTAINERS:
        if known.told(head):
            return known
    raise WeightsError("not a weights file of any known kind", "safetensors and PyTorch files can be read")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever goes wrong inside becomes one `WeightsError` that begins with `path`.

    A file from a stranger can make any library below raise anything, so this catches every exception.
    """
    try:
        yield
    except WeightsError as error:
        raise WeightsError(f"{path}: {printable(error.message[:500])}", printable(error.hint[:500])) from error
    except StyleCliError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {(error.strerror or 'failed').lower()}") from error
    except OverBudgetError as error:
        raise WeightsError(f"{path}: refused: {printable(str(error))}", "no published network needs so much") from error
    except MemoryError as error:
        raise WeightsError(f"{path}: needs more memory than there is") from error
    except Exception as error:
        text = printable(" ".join(f"{error}".split()))[:120]
        raise WeightsError(f"{path}: damaged: {text or type(error).__name__}", "fetch it again") from error


def _safetensors(path: Path, mapping: mmap.mmap, budget: Budget) -> Contents:
    (length,) = struct.unpack("<Q", mapping[:8])
    if length > len(mapping) - 8:
        raise WeightsError(f"truncated: a header of {length:,} bytes in a file of {len(mapping):,}", "fetch it again")
    if length > LARGEST_HEADER:
        raise WeightsError(f"refused: a header of {length:,} bytes")
    try:
        # The library's own reader takes nothing but tensors and text, so it comes before a reader of any JSON.
        with safe_open(str(path), "pt") as file:
            json.loads(mapping[8 : 8 + length], object_pairs_hook=_unique)
            names = file.keys()
            budget.step(TENSOR * len(names))
            if long := next((name for name in names if len(name) > LONGEST), None):
                raise WeightsError(f"damaged: a tensor with a name of {len(long):,} characters")
            tensors = {name: file.get_tensor(name) for name in names}
            return Contents(tensors, dict(file.metadata() or {}), budget=budget)
    except SafetensorError as error:
        # Its reasons are names such as `InvalidOffset`.
        text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(error).rpartition("header: ")[2]).lower()
        raise WeightsError(f"damaged: {text}", "fetch it again") from error


def _unique(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise WeightsError(f"damaged: {ascii(twice)[:60]} is there twice")


def _zip(path: Path, mapping: mmap.mmap, budget: Budget) -> Contents:
    return _opened(read_zip(path, mapping, budget), ZIP, budget)


def _pickle(path: Path, mapping: mmap.mmap, budget: Budget) -> Contents:
    head, tree = mapping[:HEAD], read_legacy(mapping, budget)
    container = "PyTorch legacy" if LEGACY_MAGIC.to_bytes(10, "little") in head[:16] else "pickle"
    return _opened(tree, container, budget)


def _opened(tree: object, container: str, budget: Budget) -> Contents:
    tree, told = understood(tree, budget)
    if isinstance(tree, dict) and isinstance(version := tree.get("version"), str):
        told = {"version": version, **told}
    return Contents(flatten(tree, budget), container=container, tree=tree, told=told, budget=budget)


def _tar(path: Path, mapping: mmap.mmap, budget: Budget) -> Contents:
    tree = read_tar(mapping, budget)
    return Contents(flatten(tree, budget), container="PyTorch tar", tree=tree, budget=budget)


def _torch7(path: Path, mapping: mmap.mmap, budget: Budget) -> Contents:
    tree = read_torch7(mapping, budget)
    options = tree.get("opt") if isinstance(tree, dict) else None
    told: dict[str, object] = {"modules": modules_of(tree, budget), "opt": options if isinstance(options, dict) else {}}
    return Contents(flatten(tree, budget), container="Torch 7", tree=tree, told=told, budget=budget)


def _onnx(path: Path, mapping: mmap.mmap, budget: Budget) -> Contents:
    tensors, layers = read_onnx(memoryview(mapping), budget)
    return Contents(tensors, container="ONNX", told={"layers": layers}, budget=budget)


def _tensorflow(path: Path, mapping: mmap.mmap, budget: Budget) -> Contents:
    tensors = read_checkpoint(path, memoryview(mapping), budget)
    return Contents(tensors, container="TensorFlow", budget=budget)


def _begins(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(starts)


def _is_safetensors(head: bytes) -> bool:
    # A pickle can have the brace by accident, but not behind four zeros.
    return head[8:9] == b"{" and (head[4:8] == bytes(4) or not _is_pickle(head))


def _is_pickle(head: bytes) -> bool:
    return bool(re.match(rb"\x80[\x02-\x05]|c[\w.]+\r?\n[\w.]+\r?\n|\([lcidpSVINKMJUX(\]})]|[\]}](q|\(|\.)", head))


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    return lambda head: bool(re.match(pattern, head, re.DOTALL))


def _says(pattern: bytes) -> Callable[[bytes], bool]:
    """For text in any Unicode encoding."""
    return lambda head: bool(
        re.match(rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*" + pattern, head.replace(b"\0", b""), re.I)
    )


_FETCH = "a page or a pointer came in place of the file; fetch it again by hand"
_CONVERT, _UNPACK = "convert it to safetensors where it was made", "unpack it first"
_UNSPLIT = "join the files into one safetensors where it was made"
_CAFFE = "`stylecli weights pull vgg19-caffe` is VGG-19 as PyTorch file; convert others to safetensors"
_TORCH7 = (b"\x04\0\0\0\x01\0\0\0", b"\x03\0\0\0\x01\0\0\0")
_PACKED = (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")
CONTAINERS = (
    Container("safetensors", _is_safetensors, _safetensors),
    Container(ZIP, _begins(b"PK\x03\x04"), _zip),
    Container("pickle", _is_pickle, _pickle),
    Container("an empty zip archive", _begins(b"PK\x05\x06")),
    Container("an OpenVINO description", _says(rb"(<\?xml[^>]*>\s*)?<net\s"), hint=_CONVERT),
    Container("a web page", _says(rb"(<!--.*?-->\s*)?<(!doctype|html|head|body|script|meta|title|\?xml)"), hint=_FETCH),
    Container("a Git LFS pointer", _says(rb"version https://git-lfs"), hint=_FETCH),
    Container("the index of a model in several files", _says(rb"\{.*?(weight_map|total_size)"), hint=_UNSPLIT),
    Container("JSON text", _says(rb"[{\[]\s*(\"|\}|\])"), hint="settings, or what a server answered; take the weights"),
    Container("Torch 7", _begins(*_TORCH7), _torch7),
    Container("a Torch 7 file in ASCII", _begins(b"4\n1\n", b"3\n1\n"), hint=_CONVERT),
    Container("an HDF5 file (Keras)", _begins(b"\x89HDF\r\n\x1a\n"), hint=_CONVERT),
    Container("a GGUF file", _begins(b"GGUF"), hint=_CONVERT),
    Container("a SavedModel of TensorFlow", _matches(rb"\x08\x01\x12[\x80-\xff]*[\0-\x7f]\x0a"), hint=_CONVERT),
    Container("a Core ML model", _matches(rb"\x08[\x01-\x0f]\x12[\x80-\xff]*[\0-\x7f]\x0a"), hint=_CONVERT),
    Container("an ONNX model", _matches(rb"\x08[\x01-\x1f][\x12\x1a\x22\x2a\x3a\x42]"), _onnx),
    Container("a TFLite model", lambda head: head[4:8] == b"TFL3", hint=_CONVERT),
    Container("a frozen graph of TensorFlow", _matches(rb"\x0a[\x80-\xff]*[\0-\x7f]\x0a.[\w/]+\x12"), hint=_CONVERT),
    Container("a caffemodel", _matches(rb"\x0a.[\w ./-]+(\x12|\x1a|\x22|\xa2\x06)"), hint=_CAFFE),
    Container("TensorFlow index", _matches(rb"\0\0.\x08.\x1a\x02\x08"), _tensorflow),
    Container("TensorFlow checkpoint", _matches(rb"\0\0[\x80-\xff]{0,4}[\0-\x7f]\x0a"), _tensorflow),
    Container("a MAT file (MATLAB)", _begins(b"MATLAB "), hint=_CAFFE),
    Container("a NumPy array", _begins(b"\x93NUMPY"), hint=_CONVERT),
    Container("Darknet weights (YOLO)", _matches(rb"\0{4}[\1\2]\0{3}[\0-\x0a]\0{3}"), hint="no command runs YOLO"),
    Container("MXNet parameters", _begins(b"\x12\x01\0\0\0\0\0\0"), hint=_CONVERT),
    Container("an ncnn description", _begins(b"7767517"), hint=_CONVERT),
    Container("a PDF", _begins(b"%PDF")),
    Container("a film", lambda head: head[4:8] == b"ftyp"),
    Container("PyTorch tar", lambda head: head[257:262] == b"ustar", _tar),
    Container("a compressed file", _begins(*_PACKED), hint=_UNPACK),
    Container("a picture", _begins(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")),
)
"""Every kind of file that is known, tried in this order."""
