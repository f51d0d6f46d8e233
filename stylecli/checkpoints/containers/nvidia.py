"""NVIDIA's pickles of whole networks: what their objects say beside their tensors, read without any of their code.

Files of the PyTorch repositories pickle `torch.nn.Module`s with their source text, through a function that would
execute it; here it leaves an inert record. Files of TensorFlow's days hold (G, D, Gs), each a list of named variables.
"""

import numpy as np

from stylecli.budget import Budget
from stylecli.checkpoints.containers.pickle_globals import Constructor, Record
from stylecli.errors import WeightsError

DEEPEST = 4
"""Components within components."""

NETWORK = "dnnlib.tflib.network.Network"


def _object(meta: object) -> Record:
    """Stands in for `torch_utils.persistence._reconstruct_persistent_obj`: the source text is dropped."""
    if not isinstance(meta, dict) or not isinstance(meta.get("class_name"), str):
        raise WeightsError("damaged: a persistent object without its class")
    return Record(meta["class_name"], state=meta.get("state"))


KNOWN: dict[str, Constructor] = {"torch_utils.persistence._reconstruct_persistent_obj": _object}
"""For `pickles.unpickle`."""


def understood(tree: object, budget: Budget) -> tuple[object, dict[str, object]]:
    """(`tree` with plain names, what its generator says of itself); any other tree as it is.

    Raises:
        WeightsError: A network of NVIDIA's that is not supported.
    """
    if isinstance(tree, tuple) and tree and isinstance(tree[-1], Record) and tree[-1].name == NETWORK:
        return {"Gs": _variables(tree[-1], budget)}, _keywords(_attributes(tree[-1]).get("static_kwargs"))
    generator = _generator(tree, budget)
    return tree, _told(generator) if generator else {}


def _generator(tree: object, budget: Budget, depth: int = 0) -> Record | None:
    """The first generator in `tree`, the averaged one before others: pickled alone, or anywhere in a training file."""
    if isinstance(tree, Record) and {"synthesis", "mapping"} <= _inside(_attributes(tree)).keys():
        return tree
    if not isinstance(tree, dict) or depth == DEEPEST:
        return None
    budget.step(len(tree))
    inside = sorted(tree.items(), key=lambda item: item[0] != "G_ema")
    return next((found for _, value in inside if (found := _generator(value, budget, depth + 1))), None)


def _told(generator: Record) -> dict[str, object]:
    """Attributes that no tensor shows: the clamp, and the learning-rate multiplier of the mapping network."""
    said: dict[str, object] = {}
    for block in _inside(_attributes(generator, "synthesis")).values():
        if _attributes(block).get("architecture", "skip") != "skip":
            raise WeightsError(f"holds a generator of the kind {_attributes(block)['architecture']}, not skip")
        for layer in _inside(_attributes(block)).values():
            if (clamp := _attributes(layer).get("conv_clamp")) is not None:
                said["conv_clamp"] = _number(clamp)
    for layer in _inside(_attributes(generator, "mapping")).values():
        if _attributes(layer).get("activation") == "lrelu":
            said["lr_multiplier"] = _number(_attributes(layer)["bias_gain"])
    return said


def _keywords(said: object) -> dict[str, object]:
    """What TensorFlow's generator was built with, as `_told` names it."""
    keywords = said.entries if isinstance(said, Record) else said if isinstance(said, dict) else {}
    if (kind := keywords.get("architecture", "skip")) != "skip":
        raise WeightsError(f"holds a generator of the kind {kind}, not skip")
    names = {"conv_clamp": "conv_clamp", "mapping_lrmul": "lr_multiplier"}
    return {ours: _number(keywords[name]) for name, ours in names.items() if keywords.get(name) is not None}


def _attributes(module: object, *path: str) -> dict[str, object]:
    state = module.state if isinstance(module, Record) and isinstance(module.state, dict) else {}
    return _attributes(_inside(state).get(path[0]), *path[1:]) if path else state


def _inside(attributes: dict[str, object], name: str = "_modules") -> dict[str, object]:
    inside = attributes.get(name)
    return inside if isinstance(inside, dict) else {}


def _number(said: object) -> float:
    if not isinstance(said, int | float):
        raise WeightsError(f"damaged: a {type(said).__name__} in place of a number")
    return float(said)


def _variables(network: object, budget: Budget, depth: int = 0) -> dict[str, np.ndarray]:
    """Name to array; those of components are `component/name`."""
    state = _attributes(network)
    if depth > DEEPEST:
        raise WeightsError("damaged: nested too deeply, or within itself")
    if _number(state.get("version", 0)) < 4:
        raise WeightsError("holds a StyleGAN 1 or ProGAN of TensorFlow", "genforce publishes StyleGAN 1 as .pth files")
    found = {}
    for name, value in variables if isinstance(variables := state.get("variables"), list | tuple) else ():
        numbers = value.state if isinstance(value, Record) else value
        if not isinstance(numbers, np.ndarray | int | float):
            raise WeightsError(f"damaged: {ascii(name)[:60]} is no array")
        budget.step()
        budget.take(np.asarray(numbers).size * 4)
        found[str(name)] = np.array(numbers, np.float32)
    for component, inner in _inside(state, "components").items():
        budget.step()
        found |= {f"{component}/{name}": value for name, value in _variables(inner, budget, depth + 1).items()}
    return found
