"""Runs of the jobs that `plans` makes: in this process, on all GPUs of the machine, or on a cluster."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from stylecli import methods
from stylecli.batch import gpu_pool
from stylecli.batch.concurrency import choose
from stylecli.batch.ledger import folder_written, opened, tidy
from stylecli.batch.plan import Job, guard
from stylecli.batch.runner import Audience, Paced, Report, Restart, run
from stylecli.batch.sheets import make_sheet, plan_sheets
from stylecli.batch.stretches import joining, stretches
from stylecli.batch.work import Work
from stylecli.errors import ExitCode, UsageError, WeightsError
from stylecli.method import Method
from stylecli.settings.audio import AudioSettings
from stylecli.settings.fields import Settings
from stylecli.settings.shared import Compute, Files, Machine, Outputs

if TYPE_CHECKING:
    from torch import Tensor

    from stylecli.device import Device

MANY = 1000
"""Jobs to expect where nobody knows how many there will be."""


def run_files(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Machine,
    audience: Audience,
    *,
    weights: Mapping[str, str] | None = None,
    later: Iterable[Sequence[Job]] | None = None,
    reraise: bool = False,
    restart: Restart | None = None,
) -> ExitCode:
    """Opens the method once, then reads, computes and writes every job.

    Args:
        jobs: At least one, all of one method.
        outputs: How files are encoded, and what becomes of those that exist.
        compute: Where to compute.
        audience: Hears of every step.
        weights: SHA-256 by name that the method's weights must have; None takes any.
        later: More jobs of the method, which are asked for when those before are done.
        reraise: Let errors of jobs through as they are, for developers.
        restart: Of the same jobs in processes that died, on this machine.

    Raises:
        WeightsError: The method's weights are missing, wrong, or not the ones demanded.
        UsageError: A device that this machine does not have.
        OutputError: Another run writes into the output folder.
    """
    sheets = (
        plan_sheets([job for job in jobs if not (job.clip or job.main.moving)], outputs)
        if isinstance(outputs, Outputs)
        else []
    )
    if isinstance(compute, Compute) and compute.engine == "ray":
        if later is not None:
            raise UsageError("--watch: on one machine only", "leave out --engine ray")
        go = _on_ray(jobs, outputs, compute, audience, reraise)
    elif compute.device == gpu_pool.ALL:
        if later is not None:
            raise UsageError("--watch: on one GPU only", "such as --device cuda:0")
        go = _on_gpus(jobs, outputs, compute, audience, weights or {}, reraise)
    else:
        go = _here(jobs, outputs, compute, audience, weights or {}, later, reraise, restart)
    try:
        with opened(folder_written(jobs, outputs.output), audience.say) as note:
            # Another run may have ended since the plan was made.
            guard([job for place, job in enumerate(jobs) if not restart or place not in restart.begun], outputs)
            tidy(jobs)
            code = go(note)
            for sheet in sheets if code in (ExitCode.DONE, ExitCode.SOME_FAILED) else ():
                if make_sheet(sheet, _seen, outputs.quality):
                    audience.made(sheet.path)
            return code
    finally:
        if not jobs[0].kept:
            rmtree(Path(jobs[0].output).parent, ignore_errors=True)


Go = Callable[[Callable[[Report], None]], ExitCode]


@methods.loading()
def _here(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Machine,
    audience: Audience,
    weights: Mapping[str, str],
    later: Iterable[Sequence[Job]] | None,
    reraise: bool,
    restart: Restart | None = None,
) -> Go:
    """What does all jobs in this process; the method is open."""
    audience.say("loading weights ...")
    from torch import get_num_threads, set_num_threads

    count = len(jobs) if later is None else MANY
    work, paced = _paced(jobs[0], outputs, compute, weights, count, audience.say)
    threads = get_num_threads()

    def go(note: Callable[[Report], None]) -> ExitCode:
        code = ExitCode.DONE
        try:
            for batch in chain([jobs], later or ()):
                code = run(batch, work, audience, **paced, note=note, reraise=reraise, restart=restart)
                if code == ExitCode.INTERRUPTED:
                    break
        finally:
            set_num_threads(threads)
        return code

    return go


def _paced(
    job: Job, outputs: Files, compute: Machine, weights: Mapping[str, str], count: int, say: Callable[[str], None]
) -> tuple[Work, Paced]:
    """What does `count` jobs such as this one, with the weights that are demanded, and how many at once."""
    work = _open(job, outputs, compute)
    used = work.method.weights_for(job.settings)
    for name, sha256 in weights.items():
        if used.get(name) != sha256:
            raise WeightsError(f"{name}: not the weights that made this file", f"those have the SHA-256 {sha256}")
    wanted = compute.jobs if isinstance(compute, Compute) else None
    how = choose(work.method, _device(compute), count, wanted, say)
    work = replace(work, compute={**work.compute, "threads": how.threads})
    return work, {"at_once": how.at_once, "ahead": how.ahead, "ready": how.ready}


def _paced_on(
    job: Job, outputs: Files, compute: Machine, weights: Mapping[str, str], count: int, sharing: int, device: str
) -> tuple[Work, Paced]:
    """The same on a device that so many processes share, where nobody is told of it."""
    work, paced = _paced(job, outputs, replace(compute, device=device), weights, count, lambda line: None)
    work.method.device = replace(work.method.device, jobs=work.method.device.jobs * sharing)
    return work, paced


def _on_gpus(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Machine,
    audience: Audience,
    weights: Mapping[str, str],
    reraise: bool,
) -> Go:
    """What does all jobs on every GPU of this machine, in as many processes on each as `--jobs` says."""
    from torch import get_num_threads

    gpus = gpu_pool.devices()
    if not gpus:
        raise UsageError(f"device {gpu_pool.ALL}: no GPU of NVIDIA on this machine", "use --device auto")
    sharing = 1
    if isinstance(compute, Compute):
        sharing, compute = compute.jobs or 1, replace(compute, jobs=1)
    names = gpus * sharing
    if len(jobs) == 1 or len(names) == 1:
        return _here(jobs, outputs, replace(compute, device=gpus[0]), audience, weights, None, reraise)
    audience.say(f"loading weights on {len(gpus)} GPUs ...")
    each = replace(compute, threads=max(1, (compute.threads or get_num_threads()) // len(names)))
    opening = partial(_paced_on, jobs[0], outputs, each, weights, len(jobs), sharing)
    return lambda note: gpu_pool.run(jobs, opening, names, audience, note=note, reraise=reraise)


def _on_ray(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Compute,
    audience: Audience,
    reraise: bool,
) -> Go:
    """What does all jobs on a cluster, whose workers open the method."""
    from stylecli.batch import ray_pool

    ray_pool.check(jobs)
    if compute.num_gpus and ":" in compute.device:
        raise UsageError(f"--device {compute.device}: Ray says which GPU a worker uses", "--device cuda")
    if compute.device.startswith("cuda") and not compute.num_gpus:
        raise UsageError(f"--device {compute.device}: workers have no GPU", "--num-gpus 1, or 0.5 for two on one")
    # A worker without a GPU of its own leaves alone those that it may see. Threads are not PyTorch's choice, which is
    # the whole machine.
    device = "cpu" if compute.device == "auto" and not compute.num_gpus else compute.device
    used = replace(compute, device=device, threads=compute.threads or compute.num_cpus)
    opening = partial(_open, jobs[0], outputs, used)
    parts = {place: some for place, job in enumerate(jobs) if (some := stretches(job, outputs))}
    plan = [joining(job, parts[at]) if at in parts else job for at, job in enumerate(jobs)]
    return lambda note: ray_pool.run(plan, opening, audience, compute, note=note, reraise=reraise, parts=parts)


def _open(job: Job, outputs: Files, compute: Machine) -> Work:
    """What does jobs such as this one."""
    from torch import get_num_threads

    method = methods.opened(job.method, job.settings, _device(compute))
    used = {**method.device.told(), "precision": compute.precision, "threads": get_num_threads()}
    return Work(method, outputs, used, hear=partial(_hearing, compute))


def _hearing(compute: Machine) -> Method[Settings, object]:
    """The method of sounds, for those of clips: at its defaults."""
    return methods.opened("audio", AudioSettings(), _device(replace(compute, precision="float32")))


def _device(compute: Machine) -> "Device":
    from stylecli.device import resolve

    device = resolve(compute.device, compute.precision, compute.threads, compute.max_bytes)
    share = compute.num_gpus if isinstance(compute, Compute) else 0
    # Workers that share a GPU share its memory.
    return replace(device, jobs=math.ceil(1 / share)) if 0 < share < 1 else device


def _seen(path: str) -> "Tensor":
    from stylecli.media.images import read_on_paper

    return read_on_paper(path)
