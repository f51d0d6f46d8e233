"""Runs a plan on a Ray cluster: every worker builds the method once, and writes its files itself.

Only names travel; pictures go from the storage to the worker and back.
"""

import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import Any

from stylecli.batch.plan import STDOUT, Job
from stylecli.batch.ray_workers import Doing, Workers
from stylecli.batch.runner import Audience, Report, exit_code
from stylecli.errors import ExitCode, Interrupted, UsageError
from stylecli.progress import Step
from stylecli.settings.shared import Compute


def check(jobs: Sequence[Job]) -> None:
    """Refuses, before anything starts, what only one process can do.

    Raises:
        UsageError: Pipes, or results that nobody keeps.
    """
    if any(one.data is not None for job in jobs for some in job.inputs.values() for one in some):
        raise UsageError("-: stdin cannot be read by a cluster", "write it to a file, or leave out --engine ray")
    if jobs[0].output == STDOUT:
        raise UsageError("-o -: a cluster cannot write to stdout", "name a file or a folder")
    if not jobs[0].kept:
        raise UsageError("--engine ray: a sheet needs its results in a folder", "such as -o out/")


def run(
    jobs: Sequence[Job],
    opening: Callable[[], Doing],
    audience: Audience,
    compute: Compute,
    *,
    note: Callable[[Report], None] | None = None,
    reraise: bool = False,
    parts: Mapping[int, Sequence[Job]] = MappingProxyType({}),
) -> ExitCode:
    """Does every job as `runner.run` does, on a cluster; reports come in the order of the plan.

    Args:
        jobs: The plan.
        opening: Builds the method, on each worker.
        audience: Hears of every job.
        compute: The cluster, and what of it a worker gets.
        note: Takes every report, for the record.
        reraise: Let the first error through as it is, for developers.
        parts: Jobs that come before one of the plan, by its place, and of which nobody hears: it makes up for those
            that fail.

    Raises:
        UsageError: Ray is not installed, or there is no such cluster.
        StyleCliError: A worker cannot build the method.
    """
    reports: list[Report] = []
    ends: dict[int, Report] = {}

    def tell(end: Report) -> None:
        reports.append(end)
        if note:
            note(end)
        audience.end(end)

    with _connected(compute) as ray:
        audience.say("starting workers ...")
        pool = Workers(ray, jobs, parts, opening, compute, audience.say, reraise)
        start = time.perf_counter()
        try:
            heard = audience.begin(jobs[0], len(jobs))
            for turn, end in pool.ended():
                if turn >= len(jobs):
                    continue
                ends[turn] = end
                heard(Step(len(ends), len(jobs), time.perf_counter() - start, what="jobs"))
                while len(reports) in ends:
                    tell(ends[len(reports)])
                    if len(reports) < len(jobs):
                        heard = audience.begin(jobs[len(reports)], len(jobs))
        except KeyboardInterrupt:
            for turn in sorted({*ends, *map(pool.owner, pool.given())}):
                if turn >= len(reports):
                    stopped = Report(jobs[turn], 0, error=Interrupted(f"{jobs[turn].title}: interrupted"))
                    tell(ends.get(turn, stopped))
            return ExitCode.INTERRUPTED
        finally:
            pool.close()
            audience.close(reports)
    return exit_code(reports, len(jobs))


@contextmanager
def _connected(compute: Compute) -> Iterator[ModuleType]:
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray: Ray is not installed", "pip install 'stylecli[ray]'") from error
    own = not ray.is_initialized()
    if own:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = compute.address or os.environ.get("RAY_ADDRESS") or "local"
        here: dict[str, Any] = {}
        if address == "local":
            # Workers are worth as much as we are, and only names go through Ray's store.
            os.environ.setdefault("RAY_worker_niceness", "0")
            here = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
        try:
            if host := re.fullmatch(r"([^/]+):(\d+)", address):
                # Ray itself tries for minutes.
                socket.create_connection((host[1], int(host[2])), timeout=10).close()
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **here)
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            hint = "`ray start --head` starts one; does it want a token (RAY_AUTH_MODE=token)?"
            raise UsageError(f"--address {address}: no Ray cluster: {said}", hint) from error
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()
