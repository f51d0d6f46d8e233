"""Where and how to compute: the one place that decides device, precision, memory and what is the same bit for bit.

On a GPU of NVIDIA float32 means float32: TF32, which rounds what convolutions see to 10 bits, is on only where it is
asked for (`tf32`). With `auto`, networks of one pass compute in float16, their statistics in float32, and trainings
that look through a fixed network in bfloat16, on CPUs made for it too, where residual branches of `fast` are rounded
to it as well (`nets/reduced.py`). All else is float32.

The same command gives the same file bit for bit, on one machine with one number of threads. On CUDA that holds for what
one pass makes (`adain`, `fast`, `stargan`, `stylegan` but `project`, `texture --method net`): convolutions take cuDNN's
deterministic ways. It does not hold for `gatys`, `texture` from an exemplar, `project` and trainings: backward passes
of padding, resizing and pooling add in any order there. Another kind of device gives nearly the same, never the very
same.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, lru_cache
from typing import Any, Protocol, TypeVar

import torch
from psutil import Process, virtual_memory
from torch import Generator, Tensor, nn

from stylecli.errors import MemoryLimitError, UsageError

Batch = TypeVar("Batch")

PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
KINDS = ("cpu", "cuda", "mps")

KEPT = {-3: 32 * 2**20, -1: 128 * 2**20}
"""Options of glibc's `mallopt`: up to which size freed pieces are kept (it allows no more), and how much in all."""

DType = torch.dtype
Autocast = torch.autocast
FLOAT32 = torch.float32


class Context(Protocol):
    """What autograd hands to a function of our own; PyTorch's types know of one saved tensor alone."""

    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]
    told: Any

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keeps what the way back needs."""


@dataclass(frozen=True)
class Device:
    """A resolved device and the number type that networks compute in.

    Attributes:
        torch: The PyTorch device.
        dtype: float32, bfloat16 or float16.
        max_memory: Bytes that jobs may use; None for what is free.
        jobs: How many of them share memory.
        held: Bytes that count as held already, where it is known beforehand how many they will be.
        tight: A job has run out of memory: at most half of what it wants may be used.
        auto: Nobody said which type: methods may choose, by `one_pass`, `rounding` or `training`.
        rounds: Residual branches may be computed in bfloat16, see `nets/reduced.py`.
    """

    torch: torch.device
    dtype: DType = FLOAT32
    max_memory: int | None = None
    jobs: int = 1
    held: int | None = None
    tight: bool = False
    auto: bool = False
    rounds: bool = False

    def one_pass(self) -> "Device":
        """For networks of one pass: float16 on CUDA, where nobody said otherwise."""
        return replace(self, dtype=torch.float16) if self.auto and self.torch.type == "cuda" else self

    def rounding(self) -> "Device":
        """For networks that may compute in bfloat16 inside: on a CPU made for that, where nobody said otherwise."""
        return replace(self, rounds=self.auto and self.torch.type == "cpu" and fast_bfloat16(self.torch))

    def training(self) -> "Device":
        """For trainings that look through a fixed network: bfloat16 where that is fast and nobody said otherwise.

        Raises:
            UsageError: float16, whose range squares of features leave.
        """
        if self.dtype == torch.float16:
            raise UsageError("precision float16: too short a range for this training", "use bfloat16 or float32")
        return replace(self, dtype=torch.bfloat16) if self.auto and fast_bfloat16(self.torch) else self

    def free_memory(self) -> int:
        """Bytes that can still be had; on CUDA what PyTorch keeps of freed memory is among them."""
        if self.torch.type != "cuda":
            return int(virtual_memory().available)
        kept = torch.cuda.memory_reserved(self.torch) - torch.cuda.memory_allocated(self.torch)
        return torch.cuda.mem_get_info(self.torch)[0] + kept

    def held_memory(self) -> int:
        """Bytes that this process holds there."""
        if self.held is not None:
            return self.held
        if self.torch.type == "cuda":
            return torch.cuda.memory_allocated(self.torch)
        return int(Process().memory_info().rss)

    def check_memory(self, needed: int, what: str, hint: str) -> None:
        """Refuse a job before it starts rather than fail in the middle.

        Args:
            needed: Bytes that the job will hold at its peak.
            what: The job, for the message.
            hint: What makes it smaller.

        Raises:
            MemoryLimitError: More than `max_memory`, or than is free.
        """
        allowed = (self.max_memory if self.max_memory is not None else self.free_memory()) // self.jobs
        if needed > allowed:
            unit, by = ("GiB", 2**30) if needed >= 2**30 else ("MiB", 2**20)
            amount = f"needs about {needed / by:.1f} {unit}, {allowed / by:.1f} may be used"
            raise MemoryLimitError(f"{what}: {amount}", hint)

    def autocast(self, enabled: bool = True) -> Autocast:
        """Within it networks compute in `dtype`; in float32 where that is float32, or if not `enabled`."""
        return torch.autocast(self.torch.type, self.dtype, enabled=enabled and self.dtype != torch.float32)

    def halved(self, net: nn.Module) -> None:
        """On CUDA, lets convolutions keep their weights in the type that autocast would cast them to each time."""
        for module in net.modules() if self.dtype != FLOAT32 and self.torch.type == "cuda" else ():
            if isinstance(module, nn.Conv2d):
                module.to(self.dtype)

    def generator(self, seed: int) -> Generator:
        """A CPU generator, so that one seed draws the same numbers on every device."""
        return Generator().manual_seed(seed)

    def told(self) -> dict[str, str]:
        """What a record says of it: the device, the GPU's name, the number type."""
        cuda = self.torch.type == "cuda"
        named = {"gpu": torch.cuda.get_device_name(self.torch)} if cuda else {}
        rounded = cuda and self.dtype == FLOAT32 and torch.backends.cudnn.allow_tf32
        kind = "tf32" if rounded else str(self.dtype)[6:] + ", bfloat16 inside" * self.rounds
        return {"device": str(self.torch), **named, "type": kind}


def resolve(
    device: str = "auto", precision: str = "auto", threads: int | None = None, max_memory: int | None = None
) -> Device:
    """The device that `--device`, `--precision` and `--threads` ask for; sets PyTorch's switches for the process.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` also honors `STYLECLI_DEVICE`.
        precision: `auto` (see above), `float32`, `tf32`, `bfloat16` or `float16`.
        threads: CPU threads; None leaves PyTorch's choice.
        max_memory: Bytes that a job may use; None for what is free when it starts.

    Raises:
        UsageError: No such device on this machine, or a precision it cannot do.
    """
    keep_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    name = os.environ.get("STYLECLI_DEVICE", "auto") if device == "auto" else device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda:all":
        raise UsageError("device cuda:all: for runs of files", "several GPUs train one network under torchrun")
    try:
        resolved = torch.device(name)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"device {name}: not on this machine", "use --device auto, or see `stylecli doctor`"
        ) from error
    if resolved.type not in KINDS:
        raise UsageError(f"device {name}: computes nothing here", f"one of auto, {', '.join(KINDS)}")
    if precision != "auto" and precision not in PRECISIONS:
        raise UsageError(f"precision {precision}: unknown", f"one of auto, {', '.join(PRECISIONS)}")
    dtype, cuda = PRECISIONS.get(precision, torch.float32), resolved.type == "cuda"
    if dtype is torch.float16 and resolved.type == "cpu":
        raise UsageError("precision float16: CPUs compute it slowly and inexactly", "use bfloat16 or float32 there")
    if precision == "tf32" and not cuda:
        raise UsageError("precision tf32: GPUs of NVIDIA alone have it", "use float32 there")
    if dtype is torch.bfloat16 and cuda and not torch.cuda.is_bf16_supported():
        raise UsageError("precision bfloat16: not on this GPU", "use float16 or float32 there")
    if cuda:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.deterministic = True
    return Device(resolved, dtype, max_memory, auto=precision == "auto")


def cast(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the type that autocast would give them anew for every picture."""
    kind = weight.device.type
    known = kind != "mps" and torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if known else weight.dtype
    return weight.to(dtype), bias.to(dtype)


def put(x: Tensor, device: torch.device) -> Tensor:
    """`x` on a device; to a GPU through locked memory, so that nobody waits for the copy."""
    locked = x.is_cpu and device.type == "cuda" and torch.cuda.is_initialized()
    return (x.pin_memory() if locked else x).to(device, non_blocking=locked)


def fetched(x: Tensor) -> Tensor:
    """`x` on the CPU; from a GPU through locked memory, at several times the speed."""
    if not (x.is_cuda and torch.cuda.is_initialized()):
        return x.cpu()
    there = torch.empty_like(x, device="cpu", pin_memory=True)
    there.copy_(x, non_blocking=True)
    torch.cuda.current_stream(x.device).synchronize()
    return there


def together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """All of them, of one type, on another device in one copy: every copy from a GPU waits for all that it does."""
    if all(x.device == device for x in tensors):
        return list(tensors)
    flat = torch.cat([x.flatten() for x in tensors]).to(device)
    return [part.view_as(x) for part, x in zip(flat.split([x.numel() for x in tensors]), tensors, strict=True)]


@lru_cache(256)
def constant(values: tuple[float, ...], dtype: DType, device: torch.device) -> Tensor:
    """`values` on a device, copied there once and not whenever a network wants them; not to be changed."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def wide(x: Tensor) -> Tensor:
    """`x` in float64: on its device, or where that has none (MPS), on the CPU."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def in_use() -> bool:
    """Whether this process computes on a GPU of NVIDIA."""
    return bool(torch.cuda.is_initialized())


def pinned(batch: Batch) -> Batch:
    """What a thread made ready, its tensors where a GPU of NVIDIA fetches them by itself; else as it is."""
    if not in_use():
        return batch
    made: Any = batch
    if isinstance(made, Tensor):
        made = made.pin_memory()
    elif isinstance(made, list | tuple):
        made = type(made)(map(pinned, made))
    elif is_dataclass(made) and not isinstance(made, type):
        made = replace(made, **{each.name: pinned(getattr(made, each.name)) for each in fields(made)})
    return made  # type: ignore[no-any-return]


def sent(x: Tensor, device: torch.device, layout: torch.memory_format = torch.preserve_format) -> Tensor:
    """`x` on a device, in a layout that is made there; the CPU goes on while what is `pinned` is copied."""
    return x.to(device, non_blocking=device.type == "cuda").to(memory_format=layout)


def loaders() -> int:
    """Threads that make batches ready: as many as keep a GPU busy, one beside a CPU that has enough to do."""
    return min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 1


def fast_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are fast; CPUs without instructions for it compute them ten times slower."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


@cache
def keep_memory() -> None:
    """Has glibc keep freed memory of some megabytes for what comes next; elsewhere does nothing.

    By default it goes back to the system at once and comes again a page at a time: a quarter of a first picture's time.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    if set_option := _glibc("mallopt"):
        for option, size in KEPT.items():
            set_option(option, size)


def give_back(beyond: int = 0) -> None:
    """Hands freed memory back to the system, which glibc keeps in pieces of many megabytes; elsewhere does nothing.

    Only where the process holds more than `beyond` bytes: what comes again comes a page at a time.
    """
    if Process().memory_info().rss > beyond and (trim := _glibc("malloc_trim")):
        trim(0)


def _glibc(name: str) -> Callable[..., int] | None:
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    return found
