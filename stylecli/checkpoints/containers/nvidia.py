"""NVIDIA's pickles of whole networks: what their objects say beside their tensors, read without any of their code.

Files of the PyTorch repositories pickle `torch.nn.Module`s with their source text, through a function that would
execute it; here it leaves an inert record. Files of TensorFlow's days hold (G, D, Gs), each a list of named variables.
"""

from typing import Any

import numpy as np

from stylecli.budget import Budget
from stylecli.checkpoints.containers.pickle_globals import Constructor, Record
from stylecli.errors import WeightsError

DEEPEST = 4
"""Components within components."""

NETWORK = "dnnlib.tflib.network.Network"


def _object(meta: Any) -> Record:
    """Stands in for `torch_utils.persistence._reconstruct_persistent_obj`: the source text is dropped."""
    if not isinstance(meta, dict) or not isinstance(meta.get("class_name"), str):
        raise WeightsError("damaged: a persistent object without its class")
    return Record(meta["class_name"], state=meta.get("state"))


KNOWN: dict[str, Constructor] = {"torch_utils.persistence._reconstruct_persistent_obj": _object}
"""For `pickles.unpickle`."""


def understood(tree: Any, budget: Budget) -> tuple[Any, dict[str, Any]]:
    """(`tree` with plain names, what its generator says of itself); any other tree as it is.

    Raises:
        WeightsError: A network of NVIDIA's that is not supported.
    """
    if isinstance(tree, tuple) and tree and isinstance(tree[-1], Record) and tree[-1].name == NETWORK:
        return {"Gs": _variables(tree[-1], budget)}, _keywords(_attributes(tree[-1]).get("static_kwargs"))
    generator = _generator(tree, budget)
    return tree, _told(generator) if generator else {}


def _generator(tree: Any, budget: Budget, depth: int = 0) -> Record | None:
    """The first generator in `tree`, the averaged one before others: pickled alone, or anywhere in a training file."""
    if isinstance(tree, Record) and {"synthesis", "mapping"} <= _attributes(tree).get("_modules", {}).keys():
        return tree
    if not isinstance(tree, dict) or depth == DEEPEST:
        return None
    budget.step(len(tree))
    inside = sorted(tree.items(), key=lambda item: item[0] != "G_ema")
    return next((found for _, value in inside if (found := _generator(value, budget, depth + 1))), None)


def _told(generator: Record) -> dict[str, Any]:
    """Attributes that no tensor shows: the clamp, and the learning-rate multiplier of the mapping network."""
    said: dict[str, Any] = {}
    for block in _inside(_attributes(generator, "synthesis")):
        if _attributes(block).get("architecture", "skip") != "skip":
            raise WeightsError(f"holds a generator of the kind {_attributes(block)['architecture']}, not skip")
        for layer in _inside(_attributes(block)):
            if (clamp := _attributes(layer).get("conv_clamp")) is not None:
                said["conv_clamp"] = float(clamp)
    for layer in _inside(_attributes(generator, "mapping")):
        if _attributes(layer).get("activation") == "lrelu":
            said["lr_multiplier"] = float(_attributes(layer)["bias_gain"])
    return said


def _keywords(said: Any) -> dict[str, Any]:
    """What TensorFlow's generator was built with, as `_told` names it."""
    keywords = said.entries if isinstance(said, Record) else said if isinstance(said, dict) else {}
    if (kind := keywords.get("architecture", "skip")) != "skip":
        raise WeightsError(f"holds a generator of the kind {kind}, not skip")
    names = {"conv_clamp": "conv_clamp", "mapping_lrmul": "lr_multiplier"}
    return {ours: float(keywords[name]) for name, ours in names.items() if keywords.get(name) is not None}


def _attributes(module: Any, *path: str) -> dict[str, Any]:
    state = module.state if isinstance(module, Record) and isinstance(module.state, dict) else {}
    return _attributes(state.get("_modules", {}).get(path[0]), *path[1:]) if path else state


def _inside(attributes: dict[str, Any]) -> list[Any]:
    modules = attributes.get("_modules")
    return list(modules.values()) if isinstance(modules, dict) else []


def _variables(network: Record, budget: Budget, depth: int = 0) -> dict[str, Any]:
    """Name to array; those of components are `component/name`."""
    state = _attributes(network)
    if depth > DEEPEST:
        raise WeightsError("damaged: nested too deeply, or within itself")
    if state.get("version", 0) < 4:
        raise WeightsError("holds a StyleGAN 1 or ProGAN of TensorFlow", "genforce publishes StyleGAN 1 as .pth files")
    found = {}
    for name, value in state.get("variables", []):
        numbers = value.state if isinstance(value, Record) else value
        if not isinstance(numbers, np.ndarray | int | float):
            raise WeightsError(f"damaged: {ascii(name)[:60]} is no array")
        budget.step()
        budget.take(np.asarray(numbers).size * 4)
        found[str(name)] = np.array(numbers, np.float32)
    for component, inner in state.get("components", {}).items():
        budget.step()
        found |= {f"{component}/{name}": value for name, value in _variables(inner, budget, depth + 1).items()}
    return found
