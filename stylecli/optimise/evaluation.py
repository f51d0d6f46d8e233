"""One evaluation of a goal and its gradient; on a GPU of NVIDIA recorded once and played again.

A step of `gatys` is hundreds of small kernels, and to ask for each takes the CPU longer than the GPU needs for it. A
CUDA graph (`torch.cuda.CUDAGraph`) asks for all of them at once.
"""

import threading
from typing import Protocol

import torch
from torch import Tensor


class Goal(Protocol):
    """What is lowered.

    Attributes:
        fixed: Whether every call does the same operations on the same tensors, but for the picture.
    """

    @property
    def fixed(self) -> bool:
        """See above."""
        ...

    def __call__(self, picture: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """A picture [1, 3, H, W] to (total, losses by name)."""
        ...


WORTH = 20
"""Evaluations from which on recording pays, which takes as long as about five."""

AGREES = 1e-2
"""How far a recording may be from what it recorded, relatively: backward passes add in any order on a GPU."""

_ONE_AT_A_TIME = threading.Lock()


class Evaluation:
    """Losses of a goal and its gradient at pictures of one shape.

    Args:
        goal: What is lowered.
        like: Of the type and on the device where pictures are evaluated.
        count: How often that will be.

    Attributes:
        names: Of the losses, once it was called.
    """

    def __init__(self, goal: Goal, like: Tensor, count: int) -> None:
        self.goal, self.like, self.names = goal, like, list[str]()
        self.records = like.is_cuda and goal.fixed and count >= WORTH
        self.graph: torch.cuda.CUDAGraph | None = None

    @torch.no_grad()
    def __call__(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """(total and losses [1 + N], gradient as `picture`), to be used before the next call."""
        if self.graph is not None:
            self.picture.copy_(picture)
            self.graph.replay()
            return self.values, self.gradient.to(picture).contiguous()
        found = values, gradient = self._direct(at := picture.to(self.like))
        if self.records:
            self.records = False
            self._record(at, *found)
        return values, gradient.to(picture).contiguous()

    def _direct(self, at: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            total, parts = self.goal(at := at.detach().requires_grad_())
        self.names = list(parts)
        (gradient,) = torch.autograd.grad(total, at)
        return torch.stack([total, *parts.values()]).detach(), gradient

    def _record(self, at: Tensor, values: Tensor, gradient: Tensor) -> None:
        """Makes the graph, if it gives what the goal gave at `at`."""
        self.picture = at.clone()
        try:
            graph, here = torch.cuda.CUDAGraph(), torch.cuda.current_stream(at.device)
            with _ONE_AT_A_TIME:
                beside = torch.cuda.Stream(at.device)
                beside.wait_stream(here)
                with torch.cuda.stream(beside):
                    # What libraries set up at first sight, they set up now.
                    self._direct(self.picture)
                here.wait_stream(beside)
                # Other threads read and write pictures meanwhile.
                with torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"):
                    self.values, self.gradient = self._direct(self.picture)
            graph.replay()
            found = zip((self.values, self.gradient), (values, gradient), strict=True)
            if max(float((a - b).norm() / b.norm()) for a, b in found) > AGREES:
                return
        except RuntimeError:
            # Some operation cannot be recorded by this version, or there is no memory for it.
            return
        self.graph = graph
