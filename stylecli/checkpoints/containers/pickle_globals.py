"""What the globals of a pickle mean: the allow-list, inert records for classes of other projects, and the refusal.

Nothing is ever imported for a pickle. A class is told from a function by its capital letter; names of the standard
library, PyTorch and NumPy must be on the list, because that is where every known gadget lives.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from stylecli.checkpoints.containers import pickle_tensors as tensors
from stylecli.errors import WeightsError

Constructor = Callable[..., object]
LONGEST = 1000
"""Characters of a name; from the memo a long one costs a pickle nothing."""

_PACKAGES = (
    "torch torchvision torchaudio numpy scipy __builtin__ copy_reg commands pip setuptools pkg_resources _pytest dill "
    "cloudpickle joblib stylecli"
)
GUARDED = frozenset(sys.stdlib_module_names) | frozenset(_PACKAGES.split())
"""Packages of which only listed names pass."""

_NAMES = (
    "builtins.object __builtin__.object argparse.Namespace types.SimpleNamespace collections.defaultdict "
    "collections.Counter datetime.date datetime.datetime datetime.timedelta torch.device torch.Generator "
    "torch.nn.backends.thnn._get_thnn_function_backend"
)
INERT = frozenset(_NAMES.split())
"""Names of guarded packages that may appear and mean nothing to us."""

INERT_CLASSES = ("pathlib.", "torch.nn.modules.", "torch.nn.parallel.", "torch.optim.")


@dataclass(eq=False)
class Record:
    """An object of a class that is not ours: what the file says about it, and no behavior.

    Attributes:
        name: `module.Class`.
        arguments: What its constructor would be called with.
        state: What `__setstate__` would be given, or the attributes.
        items: What was appended.
        entries: What was set by key.
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: object = None
    items: list[object] = field(default_factory=list)
    entries: dict[object, object] = field(default_factory=dict)

    def set_state(self, state: object) -> None:
        """Remembers the state."""
        self.state = state


@dataclass(frozen=True, eq=False)
class Foreign:
    """A global: its name, and what stands in for calling it."""

    name: str
    make: Constructor


class _Array(Record):
    """A NumPy array or dtype on the way: its content comes as its state."""

    def set_state(self, state: object) -> None:
        self.state = tensors.array(state, self.arguments) if self.name == "array" else state


def meaning(module: str, name: str, known: Mapping[str, Constructor]) -> object:
    """What stands for the global `module.name`.

    Raises:
        WeightsError: It is refused; the message names it.
    """
    if len(module) + len(name) > LONGEST:
        raise WeightsError(f"damaged: a global with a name of {len(module) + len(name):,} characters")
    full = f"{module}.{name}"
    if full in known:
        return Foreign(full, known[full])
    if full in CONSTRUCTORS:
        return Foreign(full, CONSTRUCTORS[full])
    if (constant := tensors.constant(full)) is not None:
        return constant
    guarded = module.partition(".")[0] in GUARDED
    is_class = name.rpartition(".")[2].lstrip("_")[:1].isupper()
    if full in INERT or (is_class and (full.startswith(INERT_CLASSES) or not guarded)):
        return Foreign(full, lambda *arguments: Record(full, arguments))
    return refuse((module, name))


def refuse(name: tuple[str, str]) -> NoReturn:
    """Names the global that was refused."""
    shown = ascii(".".join(name))[1:-1][:120]
    raise WeightsError(
        f"refused: it would call {shown}",
        "weights need no code; if you trust its source, save the state dict alone as safetensors",
    )


def _reconstructor(cls: object, *_: object) -> object:
    return Record(cls.name if isinstance(cls, Foreign) else "object")


def _dictionary(items: object = (), *_: object) -> dict[object, object]:
    # Python 2 gives an OrderedDict its items as a list of pairs.
    return {key: value for key, value in items if isinstance(key, str)} if isinstance(items, list) else {}


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    return text.encode("latin-1" if encoding in ("latin1", "latin-1") else "utf-8")


def _items(items: object = ()) -> list[object]:
    return list(items) if isinstance(items, list | tuple) else []


def _bytes(data: bytes | str = b"", encoding: str = "latin-1") -> bytes:
    return data if isinstance(data, bytes) else _encode(data, encoding)


def _same_type(make: object, _: object, arguments: tuple[object, ...], *__: object) -> object:
    if not isinstance(make, Foreign):
        raise WeightsError("damaged: a tensor without its constructor")
    return make.make(*arguments)


_MULTIARRAY: dict[str, Constructor] = {
    "_reconstruct": lambda *_: _Array("array"),
    "scalar": lambda kind, data=b"": tensors.array((1, (), kind, False, data)).item(),
}


def _from_buffer(data: object, kind: object, shape: object, order: object = "C") -> object:
    return tensors.array((1, shape, kind, order == "F", data))


CONSTRUCTORS: dict[str, Constructor] = {
    "collections.OrderedDict": _dictionary,
    "copyreg._reconstructor": _reconstructor,
    "copy_reg._reconstructor": _reconstructor,
    "_codecs.encode": _encode,
    "torch.Size": lambda items=(): tuple(items),
    "torch._tensor._rebuild_from_type_v2": _same_type,
    # TorchScript's lists, which know their type.
    **{f"torch.jit._pickle.build_{kind}list": _items for kind in ("int", "bool", "double", "tensor")},
    "torch.jit._pickle.restore_type_tag": lambda value, *_: value,
    "numpy.dtype": lambda code, *_: _Array("dtype", (code,)),
    **{f"{module}.bytearray": _bytes for module in ("builtins", "__builtin__")},
    **{f"{module}.bytes": _bytes for module in ("builtins", "__builtin__")},
    **{f"{module}.{name}": _items for module in ("builtins", "__builtin__") for name in ("set", "frozenset", "list")},
    **{f"{module}.complex": complex for module in ("builtins", "__builtin__")},
    **{f"torch._utils.{name}": make for name, make in tensors.REBUILD.items()},
    **{f"numpy.{core}.multiarray.{name}": make for core in ("core", "_core") for name, make in _MULTIARRAY.items()},
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy.ndarray": lambda *_: _Array("array"),
}
