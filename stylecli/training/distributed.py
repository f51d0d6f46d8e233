"""Several processes train one network, started by `torchrun`: N of them with batch B make steps of batch N B.

Each draws batches of its own, gradients are averaged, and so every process makes the same step. They are averaged here
and not by DistributedDataParallel: its hooks follow neither networks that take turns nor gradients of gradients (R1,
path lengths).
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

# Default arguments there are the group that exists when it is imported, and optimizers import it. The threads of a
# group that is kept in this way go on, and now and then abort the process at its end.
import torch.distributed.nn.functional
from torch import Tensor, nn

from stylecli.device import Device


@contextmanager
def joined(device: Device) -> Iterator[Device]:
    """Joins the processes that `torchrun` started, each on a GPU of its own; alone, it does nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    cuda = device.torch.type == "cuda"
    if cuda:
        device = dataclasses.replace(device, torch=torch.device("cuda", int(os.environ["LOCAL_RANK"])))
        torch.cuda.set_device(device.torch)
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Which of the processes this is; the first, 0, writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def same(module: nn.Module) -> None:
    """Gives every process the parameters and buffers of the first."""
    if dist.is_initialized():
        device = next(module.parameters()).device
        for tensor in module.state_dict().values():
            # NCCL knows GPUs alone, and the count of an averaged model is on the CPU.
            there = tensor.to(device)
            dist.broadcast(there, 0)
            if there is not tensor:
                tensor.copy_(there)


def average(tensors: Sequence[Tensor]) -> None:
    """Replaces each by its mean over the processes; of one type, on one device."""
    if dist.is_initialized():
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= count()
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))
