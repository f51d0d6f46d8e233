"""A make-believe GPU: CPU tensors that say they are on `cuda` or `mps`, and are held to what a real one refuses.

Whether memory lies on the device is written on its storage, which views share and PyTorch keeps as long as it lives.
One mode answers Python (`.device`, `.to`, `.cpu`, `device=`), another one sees every operation, of backward passes too.
Refused: tensors of two devices in an operation, float64 on MPS, NumPy, more memory than there is. Counted, with the
line of the program: launches, syncs (whatever waits for the device), copies to it. A graph keeps the operations that
were done while it was recorded, and does just these again, with the same tensors. Values are real. No kernel of a GPU
runs: that one exists, and how fast it is, no test of this kind can tell. Autocast is that of CPUs.
"""

import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch._dynamo  # optimizers import it, and it wants PyTorch's functions as they were
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

import stylecli.device

WAITING = {"nonzero", "masked_select", "_unique2", "equal", "_linalg_check_errors", "_linalg_eigh", "bincount"}
WIDE = (torch.float64, torch.complex128)
INDEXING = {"index", "_unsafe_index", "index_put", "index_put_", "_index_put_impl_"}


def _loose() -> set[str]:
    """Operations that take a number on the CPU beside tensors on a GPU, by PyTorch's own table."""
    path = Path(torch.__file__).parent.parent / "torchgen/packaged/ATen/native/native_functions.yaml"
    parts = re.split(r"\n(?=- func: )", path.read_text())
    return {
        found[1]
        for part in parts
        if "device_check: NoCheck" in part and (found := re.search(r"func: ([\w.]+)\(", part))
    }


LOOSE = _loose()


@dataclass
class Machine:
    """The device: what it is, what it holds, what was done on it.

    Attributes:
        kind: `cuda` or `mps`.
        room: Bytes of its memory.
        live: Bytes that tensors hold; `kept` are those that PyTorch has asked for, `peak` the most that tensors held.
        launches: Operations that were no views.
        syncs: By line of the program, so often it waited; `ups` counts copies to the device.
        blocking: Bytes of copies to the device that the CPU waits for.
        replays: How often a graph was played.
        recording: The graph that is being recorded.
    """

    kind: str = "cuda"
    room: int = 2**40
    live: int = 0
    kept: int = 0
    peak: int = 0
    launches: int = 0
    syncs: Counter[str] = field(default_factory=Counter)
    ups: Counter[str] = field(default_factory=Counter)
    blocking: Counter[str] = field(default_factory=Counter)
    replays: int = 0
    recording: "Graph | None" = None

    def waits(self, line: str) -> None:
        """Something waits for the device."""
        if self.recording is not None:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing [{line}]")
        self.syncs[line] += 1

    def sends(self, line: str) -> None:
        """Something is copied to the device."""
        if self.recording is not None:
            raise RuntimeError(f"CUDA error: a copy from the CPU while stream is capturing [{line}]")
        self.ups[line] += 1

    def take(self, size: int) -> None:
        if self.live + size > self.room:
            raise torch.OutOfMemoryError(f"{self.kind.upper()} out of memory (make-believe, {size} bytes)")
        self.live += size
        self.peak, self.kept = max(self.peak, self.live), max(self.kept, self.live)

    def mark(self, x: Tensor) -> Tensor:
        """Puts the memory of `x` on the device."""
        if self.kind == "mps" and x.dtype in WIDE:
            raise TypeError(f"MPS has no {x.dtype} [{_line()}]")
        storage = x.untyped_storage()
        if not hasattr(storage, "mark"):
            storage.mark = _Mark(self, storage.nbytes())  # type: ignore[attr-defined]
        return x


class _Mark:
    """Goes with the storage that it is on."""

    def __init__(self, machine: Machine, size: int) -> None:
        machine.take(size)
        self.machine, self.size = machine, size

    def __del__(self) -> None:
        if hasattr(self, "size"):
            self.machine.live -= self.size


def marked(x: Tensor) -> bool:
    return hasattr(x.untyped_storage(), "mark")


def _line() -> str:
    """The innermost line of the program, as `backends/fast.py:90`."""
    frame = sys._getframe(1)
    while frame is not None:
        if "/stylecli/" in (name := frame.f_code.co_filename):
            return f"{name.rpartition('/stylecli/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"


def _tensors(some: Any) -> Iterator[Tensor]:
    for each in some.values() if isinstance(some, dict) else some if isinstance(some, list | tuple) else (some,):
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, list | tuple | dict):
            yield from _tensors(each)


class _Move(torch.autograd.Function):
    """A copy on the other side; gradients come back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, machine: Machine, on: bool) -> Tensor:
        ctx.machine, ctx.on = machine, on
        (machine.sends if on else machine.waits)(f"{_line()} copy")
        with torch._C._DisableTorchDispatch():
            made = x.detach().clone()
        return machine.mark(made) if on else made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _Move.apply(gradients[0], ctx.machine, not ctx.on), None, None


class _Python(TorchFunctionMode):
    """What the program asks and is told."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine, self.device = machine, torch.device(machine.kind, 0)
        get = lambda name: getattr(torch._C.TensorBase, name)
        self.answers: dict[Any, Callable[[Tensor], Any]] = {
            get("device"): lambda x: self.device if marked(x) else None,
            get("is_cpu"): lambda x: False if marked(x) else None,
            get("is_cuda"): lambda x: marked(x) and machine.kind == "cuda",
            get("is_mps"): lambda x: marked(x) and machine.kind == "mps",
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name, answer = getattr(func, "__name__", ""), self.answers.get(getattr(func, "__self__", None))
        if answer is not None:
            told = answer(args[0])
            return func(*args, **kwargs) if told is None else told
        if name == "to" and isinstance(args[0], Tensor):
            return self._to(*args, **kwargs)
        if name in ("cpu", "cuda"):
            return self._moved(args[0], name == "cuda")
        if name in ("numpy", "__array__", "tolist") and marked(args[0]):
            if name != "tolist":
                raise TypeError(f"can't convert {self.device} tensor to numpy [{_line()}]")
            self.machine.waits(f"{_line()} tolist")
        if name == "pin_memory":
            made = args[0].clone()
            made.untyped_storage().pinned = True
            return made
        if (
            "device" in kwargs
            and kwargs["device"] is not None
            and torch.device(kwargs["device"]).type == self.device.type
        ):
            if (random := kwargs.get("generator")) is not None and random.device.type == "cpu":
                raise RuntimeError(f"a generator of the CPU for {name} on {self.device} [{_line()}]")
            made = func(*args, **{**kwargs, "device": "cpu"})
            if name in ("tensor", "as_tensor"):
                self.machine.sends(f"{_line()} {name}")
            return self.machine.mark(made)
        made = func(*args, **kwargs)
        if name == "__deepcopy__" and marked(args[0]):
            self.machine.mark(made)
        for each in _tensors(made) if isinstance(made, Tensor | list | tuple) else ():
            # What was made of nothing but numbers is on the CPU.
            each.untyped_storage().__dict__.pop("fresh", None)
        return made

    def _moved(self, x: Tensor, on: bool) -> Tensor:
        return x if marked(x) == on else _Move.apply(x, self.machine, on)

    def _to(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        copy = {"copy": True} if kwargs.pop("copy", False) else {}
        if args and isinstance(args[0], Tensor):
            other, args = args[0], args[1:]
            kwargs |= {"device": self.device if marked(other) else other.device, "dtype": other.dtype}
        device, dtype, going_on, layout = torch._C._nn._parse_to(*args, **kwargs)
        on = device.type == self.device.type if device is not None else marked(x)
        if on and not marked(x) and not (going_on and "pinned" in x.untyped_storage().__dict__):
            self.machine.blocking[_line()] += x.nbytes
        if on and not marked(x) and dtype is not None:
            # A copy is converted where it comes from: there may be more types.
            x = x.to(dtype)
        made = self._moved(x, on) if device is None or device.type in ("cpu", self.device.type) else x.to(device)
        layout = {} if layout is None else {"memory_format": layout}
        return made.to(made.dtype if dtype is None else dtype, **layout, **copy)


class _Operations(TorchDispatchMode):
    """What happens on the device."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            with self:
                return func.decompose(*args, **kwargs)
        given = [*_tensors(args), *_tensors(kwargs)]
        on = [x for x in given if marked(x)]
        # Operations make tensors of their own on the way, which are where the others are.
        off = [x for x in given if not marked(x) and not hasattr(x.untyped_storage(), "fresh")]
        name = func._schema.name.removeprefix("aten::")
        if on:
            self._check(func, name, on, off, args)
        made = func(*args, **kwargs)
        view = any(each.alias_info is not None and not each.alias_info.is_write for each in func._schema.returns)
        for each in _tensors(made) if isinstance(made, Tensor | list | tuple) else ():
            if on and not (name == "copy_" and not marked(args[0])):
                self.machine.mark(each)
            elif not off and not on and not marked(each):
                each.untyped_storage().fresh = True  # type: ignore[attr-defined]
        self.machine.launches += bool(on) and not view
        if self.machine.recording is not None and not view and torch.Tag.inplace_view not in func.tags:
            # Some operations give a tensor another shape: what is kept has that of now.
            self.machine.recording.done.append((func, *tree_map_only(Tensor, torch.detach, (args, kwargs, made))))
        return made

    def _check(self, func: Any, name: str, on: list[Tensor], off: list[Tensor], args: Any) -> None:
        line = _line()
        if name == "_local_scalar_dense" or name in WAITING:
            self.machine.waits(f"{line} {name}")
        if name in INDEXING:
            indices = [x for x in args[1] if x is not None]
            if any(x.dtype in (torch.bool, torch.uint8) for x in indices):
                self.machine.waits(f"{line} boolean index")
            if any(x is one for one in off for x in indices):
                self.machine.sends(f"{line} index")
            off = [x for x in off if not any(x is one for one in indices)]
        if name == "copy_" and off:
            (self.machine.sends if marked(args[0]) else self.machine.waits)(f"{line} copy_")
            return
        full = name + (f".{func._overloadname}" if func._overloadname != "default" else "")
        if wrong := [x for x in off if x.ndim or full not in LOOSE]:
            shapes = ", ".join(str([*x.shape]) for x in wrong)
            raise RuntimeError(f"{full}: tensors on {self.machine.kind}:0 and on the CPU, {shapes} [{line}]")


class Graph:
    """In place of `torch.cuda.CUDAGraph`."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.done = machine, list[tuple[Any, Any, Any, Any]]()

    @contextmanager
    def recorded(self, *_: Any, **__: Any) -> Iterator[None]:
        """In place of `torch.cuda.graph`."""
        self.machine.recording = self
        try:
            yield
        finally:
            self.machine.recording = None

    def replay(self) -> None:
        self.machine.launches += 1
        self.machine.replays += 1
        with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.no_grad():
            for func, args, kwargs, made in self.done:
                again = func(*args, **kwargs)
                for old, new in zip(_tensors(made), _tensors(again), strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class _Autocast(torch.autocast):
    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type in ("cuda", "mps") else device_type, *args, **kwargs)


@contextmanager
def device(kind: str = "cuda", room: int = 2**40) -> Iterator[Machine]:
    """Within it there is a device of that kind, in threads that begin there too."""
    machine, run = Machine(kind, room), threading.Thread.run
    told = {
        "is_available": lambda: kind == "cuda",
        "device_count": lambda: int(kind == "cuda"),
        "get_device_name": lambda *_: "make-believe",
        "is_bf16_supported": lambda *_: True,
        "mem_get_info": lambda *_: (machine.room - machine.kept, machine.room),
        "memory_allocated": lambda *_: machine.live,
        "memory_reserved": lambda *_: machine.kept,
        "CUDAGraph": lambda: Graph(machine),
        "graph": Graph.recorded,
        "Stream": mock.Mock(),
        "stream": lambda _: nullcontext(),
        "current_stream": mock.Mock(),
    }

    def run_within(thread: threading.Thread) -> None:
        with _Operations(machine), _Python(machine):
            run(thread)

    plain_enabled, plain_dtype = torch.is_autocast_enabled, torch.get_autocast_dtype
    with ExitStack() as stack:
        for name, answer in told.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, answer))
        for owner, name, value in (
            (torch.backends.mps, "is_available", lambda: kind == "mps"),
            (stylecli.device, "in_use", lambda: kind == "cuda"),
            (torch, "autocast", _Autocast),
            (torch, "is_autocast_enabled", lambda *_: plain_enabled("cpu")),
            (torch, "get_autocast_dtype", lambda *_: plain_dtype("cpu")),
            (threading.Thread, "run", run_within),
        ):
            stack.enter_context(mock.patch.object(owner, name, value))
        for name in ("_cuda_graph_capture_health_check", "_accelerator_graph_capture_health_check"):
            if hasattr(torch.optim.Optimizer, name):
                stack.enter_context(mock.patch.object(torch.optim.Optimizer, name))
        stack.enter_context(_Operations(machine))
        stack.enter_context(_Python(machine))
        yield machine


def works() -> str:
    """Why it cannot be made believe with this PyTorch; empty where it can."""
    try:
        with device() as machine:
            x = torch.ones(3, device="cuda", requires_grad=True)
            y = (x.view(3, 1) * torch.zeros((), device=x.device)).sum()
            y.backward()
            seen = (x.device.type, marked(x.grad), float(y.detach()), sum(machine.syncs.values()), machine.live > 0)  # type: ignore[arg-type]
            del x, y
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return (
        ""
        if seen == ("cuda", True, 0.0, 1, True) and not machine.live
        else f"answers {seen}, {machine.live} bytes left"
    )
