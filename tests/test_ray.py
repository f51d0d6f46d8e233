"""A cluster of two machines, both on this one: what it makes, and what becomes of a run when part of it dies."""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import moving_files
import pytest
from cluster_work import opening
from conftest import NODE, Result, complaint
from test_runner import JOBS
from test_runner import Log as Silent

from stylecli.batch import ray_pool, ray_workers
from stylecli.batch.ledger import LEDGER, LOCK
from stylecli.batch.plan import Job
from stylecli.batch.runner import Report
from stylecli.errors import ExitCode, Interrupted, UsageError, WeightsError
from stylecli.settings.shared import Compute

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class Log(Silent):
    def say(self, line: str) -> None:
        assert line == "starting workers ..."


def jobs(folder: Path, *formats: str) -> list[Job]:
    return [
        replace(JOBS[0], index=i, output=str(folder / f"{i}.txt"), format=format) for i, format in enumerate(formats, 1)
    ]


def pooled(cluster: Any, plan: list[Job], log: Log, **options: Any) -> ExitCode:
    compute = Compute(engine="ray", address=cluster.address)
    return ray_pool.run(plan, options.pop("opening", opening), log, compute, **options)


def files(path: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(path)): each.read_bytes()
        for each in path.rglob("*")
        if each.is_file() and each.name not in (LEDGER, LOCK)
    }


def ledger(path: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (path / LEDGER).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_clips_are_jobs_too(cli: Callable[..., Result], tiny_fast: Path, cluster: Any, tmp_path: Path):
    for name in ("a", "b"):
        moving_files.write(f"{name}.mp4", moving_files.pan(4, (32, 48), seed=ord(name)), sound=True)
    words = ("fast", "a.mp4", "b.mp4", "--style", "wave", "--steady", 0, "--weights", tiny_fast, "--device", "cpu")
    alone = cli(*words, "--threads", 1, "-o", "alone/")
    shared = cli(*words, "--engine", "ray", "--address", cluster.address, "-o", "shared/")
    assert (alone.exit_code, shared.exit_code) == (0, 0), shared.stderr
    assert files(tmp_path / "shared") == files(tmp_path / "alone")
    assert len(files(tmp_path / "shared")) == 2


def test_it_makes_what_one_process_makes(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_fast: Path, cluster: Any, tmp_path: Path
):
    for index in range(5):
        picture(f"in/{'sub/' * (index > 2)}{index}.png", size=(40 + index, 30))
    (tmp_path / "in/3.png").write_bytes(b"no picture")
    words = ("fast", "in", "-r", "--style", "wave", "--style", "scream", "--weights", tiny_fast, "--device", "cpu")
    alone = cli(*words, "--threads", 1, "-o", "alone/")
    shared = cli(*words, "--engine", "ray", "--address", cluster.address, "-o", "shared/")
    assert (alone.exit_code, shared.exit_code) == (1, 1), shared.stderr
    assert shared.stdout.replace("shared/", "alone/") == alone.stdout
    assert "2 of 12 jobs failed" in shared.stderr
    assert files(tmp_path / "shared") == files(tmp_path / "alone")
    assert len(files(tmp_path / "shared")) == 10
    assert ledger(tmp_path / "shared") == ledger(tmp_path / "alone")
    # What has changed is done again: a setting, an input; the rest is not.
    picture("in/0.png", size=(41, 31))
    renew = ("--skip-existing", "--overwrite")
    again = cli(*words, "--engine", "ray", "--address", cluster.address, "-o", "shared/", *renew)
    assert again.stdout.split() == ["shared/0_fast_wave.png", "shared/0_fast_scream.png"]
    assert [line["state"] for line in ledger(tmp_path / "shared")[12:]].count("skipped") == 8


def test_a_machine_that_dies(cluster: Any, tmp_path: Path):
    doomed = cluster.add_node(**NODE)
    (raylet,) = doomed.all_processes["raylet"]
    (tmp_path / "machines").mkdir()
    log, plan, seen = Log(), jobs(tmp_path, *["together"] * 30), set()

    def noted(report: Report) -> None:
        seen.add(Path(report.job.output).read_text())
        if len(seen) == 3 and raylet.process.poll() is None:
            os.kill(raylet.process.pid, signal.SIGKILL)
            raylet.process.wait()

    code = pooled(cluster, plan, log, note=noted)
    assert raylet.process.poll() == -signal.SIGKILL
    cluster.remove_node(doomed, allow_graceful=False)
    assert code == ExitCode.DONE
    assert [report.job.index for report in log.ended] == [*range(1, 31)]
    assert all(Path(job.output).exists() for job in plan)


def test_a_job_that_kills_its_workers(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray_workers, "TRIES", 2)
    log = Log()
    assert pooled(cluster, jobs(tmp_path, "", "", "deadly", "", "", ""), log) == ExitCode.SOME_FAILED
    assert [report.error and report.error.message for report in log.ended] == [
        *[None] * 2,
        "1.jpg: 2 workers died of it",
        *[None] * 3,
    ]
    assert [each.outcome.notes for each in log.ended if each.outcome] == [(f"note {i}",) for i in (1, 2, 4, 5, 6)]


def test_ctrl_c(cluster: Any, tmp_path: Path):
    log, plan = Log(), jobs(tmp_path, *["slow"] * 400)
    stop = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    code = pooled(cluster, plan, log, note=lambda report: stop.start() if report.job.index == 2 else None)
    stop.join()
    assert code == ExitCode.INTERRUPTED
    assert log.closed == 1
    assert {type(report.error) for report in log.ended} == {type(None), Interrupted}
    assert all(Path(report.job.output).exists() for report in log.ended if not report.error)
    assert len(log.ended) < 400


def test_a_method_that_cannot_be_built(cluster: Any, tmp_path: Path):
    log = Log()
    with pytest.raises(WeightsError, match=r"worker on .*: wave: not there"):
        pooled(cluster, jobs(tmp_path, "", ""), log, opening=partial(opening, WeightsError("wave: not there")))
    assert log.closed == 1


def test_no_room(cluster: Any, tmp_path: Path):
    with pytest.raises(UsageError, match="no machine has room for a worker of 2 CPUs"):
        ray_pool.run(jobs(tmp_path, ""), opening, Log(), Compute(engine="ray", address=cluster.address, num_cpus=2))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-", "--style", "s.png"), "-: stdin cannot be read by a cluster"),
        (("a.png", "--style", "s.png", "-o", "-"), "-o -: a cluster cannot write to stdout"),
        (("a.png", "--style", "s.png", "--grid"), "--engine ray: a sheet needs its results in a folder"),
    ],
)
def test_what_only_one_process_can_do(
    cli: Callable[..., Result], picture: Callable[..., Path], words: tuple[str, ...], line: str
):
    data = picture("a.png").read_bytes()
    picture("s.png")
    assert complaint(cli("gatys", *words, "--engine", "ray", stdin=data), 2) == line


def test_ray_that_is_not_installed(
    cli: Callable[..., Result], picture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    picture("a.png"), picture("s.png")
    done = cli("gatys", "a.png", "--style", "s.png", "--engine", "ray")
    assert complaint(done, 2) == "--engine ray: Ray is not installed"
    assert "hint: pip install 'stylecli[ray]'" in done.stderr


def test_no_cluster(cli: Callable[..., Result], picture: Callable[..., Path]):
    pytest.importorskip("ray", reason="needs stylecli[ray]")
    picture("a.png"), picture("s.png")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
        done = cli("gatys", "a.png", "--style", "s.png", "--engine", "ray", "--address", address)
    assert complaint(done, 2) == f"--address {address}: no Ray cluster: [Errno 111] Connection refused"


def test_a_cluster_that_nobody_asked_for(cli: Callable[..., Result], picture: Callable[..., Path]):
    picture("a.png"), picture("s.png")
    done = cli("gatys", "a.png", "--style", "s.png", "--num-gpus", "1")
    assert complaint(done, 2) == "--address, --num-cpus, --num-gpus: describe a cluster"
