"""How many jobs are computed at once, and with how many threads each."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stylecli.batch.runner import AHEAD
from stylecli.method import Method
from stylecli.settings.fields import Settings

if TYPE_CHECKING:
    from stylecli.device import Device

ROOM = 2**30
"""Bytes of free memory that a job of a short method should find, where the user does not say how many there may be."""


@dataclass(frozen=True)
class Concurrency:
    """How a plan is run.

    Attributes:
        at_once: Jobs that compute at the same time.
        ahead: Jobs that are read or written beside them.
        threads: CPU threads of each.
    """

    at_once: int
    ahead: int
    threads: int

    def ready(self) -> None:
        """Sets the count of CPU threads for the thread that calls it."""
        from torch import set_num_threads

        set_num_threads(self.threads)


def choose(
    method: Method[Settings, object], device: "Device", count: int, wanted: int | None, say: Callable[[str], None]
) -> Concurrency:
    """How `count` jobs are run; the method's device knows then how many share it.

    One job on all cores waits for its slowest thread at every layer; several on a core each do not. So methods whose
    jobs are `short` are computed on all cores of a CPU at once, unless memory is limited. Others are computed one at
    a time, or as many as is wanted if `threads` may use them side by side.

    Args:
        method: The opened method.
        device: Where it computes.
        count: Jobs in the plan.
        wanted: `--jobs`.
        say: Hears why it cannot be had.
    """
    from psutil import virtual_memory
    from torch import get_num_threads

    threads, on_cpu = get_num_threads(), device.torch.type == "cpu"
    threaded, short = method.traits.threads, method.traits.short
    limited = device.max_memory is not None
    if wanted and wanted > 1 and not threaded:
        say("--jobs: this method computes one at a time")
    if not threaded:
        at_once = 1
    elif wanted:
        at_once = min(wanted, count)
    elif short and on_cpu and not limited:
        at_once = max(1, min(threads, count, virtual_memory().available // ROOM))
    else:
        at_once = 1
    if at_once > 1:
        # Its own, for it may have chosen a type of numbers.
        method.device = replace(method.device, jobs=at_once)
    if not on_cpu:
        # A GPU is done sooner than files are read and written: every core does that.
        cores = os.cpu_count() or 1
        return Concurrency(at_once, cores, max(1, threads // cores))
    each = max(1, threads // at_once)
    # A limit on memory is kept by having few pictures at a time; threads on all cores are only disturbed.
    busy = each * at_once >= (os.cpu_count() or 1)
    return Concurrency(at_once, 0 if busy or limited else AHEAD, each)
