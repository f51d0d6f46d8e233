"""RAFT, which finds how a scene moved on (Teed, Deng 2020, arXiv 2003.12039), from weights of torchvision."""

from pathlib import Path
from typing import TYPE_CHECKING

from stylecli.batch.plan import Job
from stylecli.errors import WeightsError
from stylecli.settings.moving import FLOW

if TYPE_CHECKING:
    from stylecli.device import Device
    from stylecli.media.video.motion import Flow

LEAST, MULTIPLE = 128, 8
"""What it asks of the sides of a frame."""

FIRST = "feature_encoder.convnormrelu.0.weight"
"""Its tensor whose channels tell the large network from the small one."""

CHANNELS = {64: "raft_large", 32: "raft_small"}


def opened(job: Job, device: "Device") -> "Flow | None":
    """What finds the motion in a job's clip; None where it names no network.

    Raises:
        WeightsError: No RAFT of torchvision.
    """
    if FLOW not in job.inputs:
        return None
    import numpy as np
    import torch
    from torchvision.models import optical_flow

    from stylecli.checkpoints.containers.detect import read_tensors
    from stylecli.checkpoints.load import fill

    (source,) = job.inputs[FLOW]
    state = dict(read_tensors(Path(source.path)).tensors)
    kind = CHANNELS.get(len(state[FIRST])) if FIRST in state and state[FIRST].ndim else None
    if kind is None:
        raise WeightsError(f"{source.name}: no RAFT", "raft_large and raft_small of torchvision can be used")
    net = getattr(optical_flow, kind)(weights=None)
    fill(net, state, source.name)
    net.eval().requires_grad_(False).to(device.torch)

    def find(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        height, width = first.shape[:2]
        more = [-(-max(side, LEAST) // MULTIPLE) * MULTIPLE - side for side in (width, height)]
        frames = torch.from_numpy(np.stack([first, second])).permute(0, 3, 1, 2).to(device.torch)
        sized = torch.nn.functional.pad(frames.float() / 127.5 - 1, (0, more[0], 0, more[1]), "replicate")
        with torch.inference_mode():
            flow = net(sized[:1], sized[1:])[-1][0, :, :height, :width]
        made: np.ndarray = flow.permute(1, 2, 0).contiguous().cpu().numpy()
        return made

    return find
