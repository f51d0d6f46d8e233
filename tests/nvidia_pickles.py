"""Pickles laid out as NVIDIA's: networks of the PyTorch repositories, and of TensorFlow's days.

Written from their description (opcodes, globals, attributes); no class and no source text of NVIDIA is in them, and a
reader that executes embedded source fails on them.
"""

import io
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

BUFFERS = ("resample_filter", "noise_const", "w_avg")


class Stub:
    """Pickles as a global of any name."""

    def __init__(self, module: str, name: str) -> None:
        self.__module__, self.__qualname__, self.__name__ = module, name, name

    def __call__(self) -> None:
        """Makes it pass for a function."""


class Persistent:
    """Pickles as NVIDIA's modules do: a call with a dict that holds the source text of the class."""

    def __init__(self, name: str, state: Any) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "class_name": name,
            "module_src": "raise SystemExit",
            "state": state,
        }

    def __reduce__(self) -> Any:
        return Stub("torch_utils.persistence", "_reconstruct_persistent_obj"), (self.meta,)


class Network:
    """Pickles as TensorFlow's `dnnlib.tflib.network.Network`, by its attributes."""

    def __init__(self, **state: Any) -> None:
        self.state = {"version": 4, "build_module_src": "raise SystemExit", "components": {}, **state}

    def __reduce__(self) -> Any:
        return Stub("dnnlib.tflib.network", "Network"), (), self.state


class Pickler(pickle._Pickler):
    """Writes `Stub`s by their name, which no module has."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(obj, Stub):
            return self.write(f"c{obj.__module__}\n{obj.__name__}\n".encode())
        return super().save(obj, save_persistent_id)


def pickled(tree: Any) -> bytes:
    """`tree` as protocol 3."""
    file = io.BytesIO()
    Pickler(file, 3).dump(tree)
    return file.getvalue()


def saved(tree: Any, *, legacy: bool = False) -> bytes:
    """`tree` as `torch.save` writes it."""
    file, writer = io.BytesIO(), SimpleNamespace(__name__="pickle", Pickler=Pickler, dump=pickle.dump)
    torch.save(tree, file, pickle_module=writer, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def generator(state: dict[str, Tensor], conv_clamp: float | None, lr_multiplier: float) -> Persistent:
    """The network alone, as people pickle it again."""
    return _module("Generator", state, conv_clamp, lr_multiplier)


def pytorch_file(state: dict[str, Tensor], conv_clamp: float | None, lr_multiplier: float) -> bytes:
    """A file whose `G_ema` holds `state`, beside a `G` and a `D` of other values."""
    other = {name: torch.zeros_like(value) for name, value in state.items()}
    nets = {"G": other, "D": {"b4.fc.weight": torch.ones(2, 2)}, "G_ema": state}
    modules = {name: _module("Generator", tensors, conv_clamp, lr_multiplier) for name, tensors in nets.items()}
    return pickled({"training_set_kwargs": {"resolution": 8}, **modules, "augment_pipe": None})


def _module(name: str, state: dict[str, Tensor], conv_clamp: float | None, lr_multiplier: float) -> Persistent:
    inner: dict[str, dict[str, Tensor]] = {}
    tensors: dict[str, dict[str, Any]] = {"_parameters": {}, "_buffers": {}}
    for key, value in state.items():
        first, _, rest = key.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = value
        elif first in BUFFERS:
            tensors["_buffers"][first] = value
        else:
            tensors["_parameters"][first] = torch.nn.Parameter(value)
    modules = {key: _module(key, part, conv_clamp, lr_multiplier) for key, part in inner.items()}
    said: dict[str, Any] = {"training": False, "_non_persistent_buffers_set": set(), "_forward_hooks": {}}
    if name.startswith("b"):
        said |= {"architecture": "skip", "resolution": int(name[1:]), "use_fp16": False}
    elif name.startswith("conv") or name == "torgb":
        said |= {"conv_clamp": conv_clamp, "act_gain": np.float64(np.sqrt(2))}
    elif name.startswith("fc"):
        said |= {"activation": "lrelu", "bias_gain": lr_multiplier}
    elif name in ("affine", "embed"):
        said |= {"activation": "linear", "bias_gain": 1}
    return Persistent(name, {**said, **tensors, "_modules": modules})


def tensorflow_file(variables: dict[str, np.ndarray]) -> bytes:
    """A file of (G, D, Gs) whose `Gs` holds `variables`; those of its components begin with their name."""
    parts: dict[str, list[tuple[str, np.ndarray]]] = {"": []}
    for name, value in variables.items():
        component, _, rest = name.partition("/")
        parts.setdefault(component if rest else "", []).append((rest or name, value))
    components = {name: Network(name=name, variables=inner) for name, inner in parts.items() if name}
    static = {"num_channels": 3, "architecture": "skip"}
    other = Network(name="G", variables=[(name, np.zeros_like(value)) for name, value in parts[""]])
    return pickled((other, other, Network(name="Gs", variables=parts[""], components=components, static_kwargs=static)))
