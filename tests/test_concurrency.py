"""Several jobs at once: the same files, the same order, one end."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import FakeGatys, Result
from test_folders import Stages
from test_runner import JOBS, Log

from stylecli.batch.concurrency import Concurrency, choose
from stylecli.batch.plan import Job
from stylecli.batch.runner import Made, run
from stylecli.device import Device
from stylecli.errors import ExitCode
from stylecli.method import Traits
from stylecli.progress import Listener, Step

WORDS = {
    "adain": ("adain", "in", "--style", "s.png", "--style", "t.png", "--alpha", "0:1:3", "--weights", "tiny_adain"),
    "mask": ("adain", "in", "--style", "s.png", "--mask", "m.png", "--weights", "tiny_adain", "--max-memory", "64G"),
    "fast": ("fast", "in", "--style", "wave", "--style", "scream", "--weights", "tiny_fast"),
    "gatys": ("gatys", "in", "--style", "s.png", "--steps", "3", "--init", "noise", "--weights", "tiny_encoder"),
    "texture": ("texture", "--method", "net", "--style", "gravel", "--seed", "0:3:4", "--out-size", "64x64"),
}


@pytest.mark.parametrize("name", WORDS)
def test_jobs_at_once_make_the_same_files(
    name: str, cli: Callable[..., Result], picture: Callable[..., Path], request: pytest.FixtureRequest
):
    picture("s.png", size=(70, 50)), picture("t.png", size=(50, 60)), picture("m.png", size=(60, 50), mode="L")
    for index in range(4):
        picture(f"in/{index}.png", size=(60 + 12 * index, 50 + 10 * index))
    words = [request.getfixturevalue(word) if word.startswith("tiny") else word for word in WORDS[name]]
    told = []
    for jobs in (1, 3):
        done = cli(*words, "--device", "cpu", "--threads", "1", "--jobs", jobs, "-o", f"{jobs}/")
        assert done.exit_code == 0, done.stderr
        told.append([Path(line).name for line in done.stdout.splitlines()])
    assert told[0] == told[1]
    assert len(told[0]) >= 4
    for each in told[0]:
        assert Path("1", each).read_bytes() == Path("3", each).read_bytes(), each


def test_so_many_compute_at_once_and_reports_keep_their_order():
    work, log = Stages(), Log()
    work.waits = {"make1": "make2", "make2": "make1", "write1": "write3"}
    assert run(JOBS, work, log, at_once=2, ahead=1) == ExitCode.DONE
    assert [report.job.index for report in log.ended] == [1, 2, 3]


def test_ctrl_c_stops_all_that_compute():
    class Long(Stages):
        def make(self, job: Job, given: Job, listener: Listener) -> Made:
            self.stage(f"make{job.index}")
            if job.index == 2:
                signal.raise_signal(signal.SIGINT)
            while True:
                listener(Step(1, 2, 0.0))

    work, log, before = Long(), Log(), signal.getsignal(signal.SIGINT)
    work.waits = {"make2": "make1"}
    assert run(JOBS, work, log, at_once=2) == ExitCode.INTERRUPTED
    assert [report.interrupted for report in log.ended] == [True, True]
    assert "make3" not in work.reached
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("traits", "wanted", "limit", "at_once"),
    [
        (Traits(short=True), None, None, 4),
        (Traits(short=True), None, 2**32, 1),
        (Traits(short=True), 9, 2**32, 6),
        (Traits(), None, None, 1),
        (Traits(), 2, None, 2),
        (Traits(threads=False), 2, None, 1),
    ],
)
def test_the_pace(traits: Traits, wanted: int | None, limit: int | None, at_once: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**34))
    said: list[str] = []
    device = Device(torch.device("cpu"), max_memory=limit)
    backend: Any = SimpleNamespace(traits=traits, device=device)
    pace = choose(backend, device, 6, wanted, said.append)
    assert (pace.at_once, pace.threads) == (at_once, max(1, 4 // at_once))
    assert backend.device.jobs == at_once
    assert bool(said) == (not traits.threads)


def test_every_core_reads_and_writes_for_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 12)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    device = Device(torch.device("cuda"), max_memory=2**32)
    backend: Any = SimpleNamespace(traits=Traits(short=True), device=device)
    assert choose(backend, device, 100, None, print) == Concurrency(1, 6, 2)
    assert choose(backend, device, 100, 3, print) == Concurrency(3, 6, 2)


def test_each_thread_gets_its_threads():
    found: list[int] = []

    class Counting(Stages):
        def make(self, job: Job, given: Job, listener: Listener) -> Made:
            found.append(torch.get_num_threads())
            return super().make(job, given, listener)

    try:
        run(JOBS, Counting(), Log(), at_once=2, ready=Concurrency(2, 0, 2).ready)
        assert found == [2, 2, 2]
    finally:
        torch.set_num_threads(1)


def test_a_method_that_cannot_says_so(cli: Callable[..., Result], picture: Callable[..., Path], gatys: FakeGatys):
    picture("a.png"), picture("b.png"), picture("s.png")
    done = cli("gatys", "a.png", "b.png", "--style", "s.png", "--device", "cpu", "--jobs", "2")
    assert (done.exit_code, "--jobs: this method computes one at a time" in done.stderr) == (0, True)


def test_a_style_is_read_and_encoded_once_a_thread(
    cli: Callable[..., Result], picture: Callable[..., Path], tiny_adain: Path, monkeypatch: pytest.MonkeyPatch
):
    from stylecli.media import images

    read, names = images.read_picture, []

    def counted(source: str, **options: object) -> images.Picture:
        names.append(Path(str(source)).name)
        return read(source, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(images, "read_picture", counted)
    picture("s.png", size=(70, 50))
    for index in range(5):
        picture(f"in/{index}.png", size=(60, 50))
    words = ("adain", "in", "--style", "s.png", "--weights", tiny_adain, "--device", "cpu", "--jobs", 3, "-o", "out/")
    assert cli(*words).exit_code == 0
    assert sorted(names) == ["0.png", "1.png", "2.png", "3.png", "4.png", "s.png"]
