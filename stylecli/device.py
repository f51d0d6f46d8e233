"""Where and how to compute: device, precision, threads, seeded generators."""

import ctypes
import os
import sys
from dataclasses import dataclass

import torch
from psutil import virtual_memory
from torch import Generator

from stylecli.errors import MemoryLimitError, UsageError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


DType = torch.dtype
Autocast = torch.autocast
FLOAT32 = torch.float32


@dataclass(frozen=True)
class Device:
    """A resolved device and the number type that networks compute in.

    Attributes:
        torch: The PyTorch device.
        dtype: float32, bfloat16 or float16.
        max_memory: Bytes that jobs may use; None for what is free.
        jobs: How many of them share memory.
        tight: A job has run out of memory: at most half of what it wants may be used.
    """

    torch: torch.device
    dtype: DType = FLOAT32
    max_memory: int | None = None
    jobs: int = 1
    tight: bool = False

    def check_memory(self, needed: int, what: str, hint: str) -> None:
        """Refuse a job before it starts rather than fail in the middle.

        Args:
            needed: Bytes that the job will hold at its peak.
            what: The job, for the message.
            hint: What makes it smaller.

        Raises:
            MemoryLimitError: More than `max_memory`, or than is free.
        """
        free = torch.cuda.mem_get_info(self.torch)[0] if self.torch.type == "cuda" else virtual_memory().available
        allowed = (self.max_memory if self.max_memory is not None else free) // self.jobs
        if needed > allowed:
            amount = f"needs about {needed / 2**30:.1f} GiB, {allowed / 2**30:.1f} GiB may be used"
            raise MemoryLimitError(f"{what}: {amount}", hint)

    def autocast(self, enabled: bool = True) -> Autocast:
        """Within it networks compute in `dtype`; in float32 where that is float32, or if not `enabled`."""
        return torch.autocast(self.torch.type, self.dtype, enabled=enabled and self.dtype != torch.float32)

    def generator(self, seed: int) -> Generator:
        """A CPU generator, so that one seed draws the same numbers on every device."""
        return Generator().manual_seed(seed)


def resolve(
    device: str = "auto", precision: str = "auto", threads: int | None = None, max_memory: int | None = None
) -> Device:
    """The device that `--device`, `--precision` and `--threads` ask for.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` also honors `STYLECLI_DEVICE`.
        precision: `auto` (float32), `float32`, `bfloat16` or `float16`.
        threads: CPU threads; None leaves PyTorch's choice.
        max_memory: Bytes that a job may use; None for what is free when it starts.

    Raises:
        UsageError: No such device on this machine, or a precision it cannot do.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    name = os.environ.get("STYLECLI_DEVICE", "auto") if device == "auto" else device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        resolved = torch.device(name)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"device {name}: not on this machine", "use --device auto, or see `stylecli doctor`"
        ) from error
    if precision != "auto" and precision not in PRECISIONS:
        raise UsageError(f"precision {precision}: unknown", f"one of auto, {', '.join(PRECISIONS)}")
    dtype = PRECISIONS.get(precision, torch.float32)
    if dtype is torch.float16 and resolved.type == "cpu":
        raise UsageError("precision float16: CPUs compute it slowly and inexactly", "use bfloat16 or float32 there")
    return Device(resolved, dtype, max_memory)


def give_back() -> None:
    """Hands freed memory back to the system, which glibc keeps in pieces of many megabytes; elsewhere does nothing."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
