"""Folders of pictures: overlap, the record, the lock, faults, and runs that are killed and taken up again."""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest import FakeGatys, Result
from filelock import FileLock
from PIL import Image
from test_runner import JOBS, Log

import stylecli
from stylecli.batch.ledger import LEDGER, LOCK
from stylecli.batch.plan import Job
from stylecli.batch.runner import Made, Outcome, run
from stylecli.cli import run as command_line
from stylecli.errors import ExitCode, InputError, Interrupted
from stylecli.files import atomic_write, remove_stale
from stylecli.progress import Listener

WORDS = ("gatys", "in", "--style", "s.png", "--device", "cpu", "-o", "out/")


class Stages:
    """Work of no content that tells when each of its stages is reached."""

    def __init__(self, **raised: BaseException) -> None:
        self.raised = raised
        self.reached: dict[str, threading.Event] = {}
        self.waits: dict[str, str] = {}

    def stage(self, name: str) -> None:
        self.event(name).set()
        if name in self.waits:
            assert self.event(self.waits[name]).wait(60), f"{name}: no {self.waits[name]} beside it"
        if name in self.raised:
            raise self.raised[name]

    def event(self, name: str) -> threading.Event:
        return self.reached.setdefault(name, threading.Event())

    def gather(self, job: Job) -> Job:
        self.stage(f"read{job.index}")
        return job

    def make(self, job: Job, given: Job, listener: Listener) -> Made:
        assert given is job
        self.stage(f"make{job.index}")

        def write() -> Sequence[str]:
            self.stage(f"write{job.index}")
            return [f"note {job.index}"]

        return Made(Outcome(), write)


def test_stages_overlap_and_reports_keep_their_order():
    work, log = Stages(), Log()
    work.waits = {"make1": "read2", "write1": "make2", "make2": "read3", "write2": "make3"}
    assert run(JOBS, work, log) == ExitCode.DONE
    assert [report.outcome and report.outcome.notes for report in log.ended] == [(f"note {i}",) for i in (1, 2, 3)]


def test_not_more_is_read_than_has_a_place():
    jobs = [Job(i, "m", {}, None, f"{i}.png", "png") for i in range(1, 10)]
    work, far = Stages(), []
    started: Callable[[str], int] = lambda stage: sum(name.startswith(stage) for name in work.reached)

    class Watching(Stages):
        def make(self, job: Job, given: Job, listener: Listener) -> Made:
            far.append((started("read") - job.index, job.index - started("write")))
            return work.make(job, given, listener)

    watching = Watching()
    watching.reached = work.reached
    run(jobs, watching, Log())
    assert max(ahead for ahead, _ in far) <= 1
    assert max(behind for _, behind in far) <= 3


def test_nothing_overlaps_where_memory_is_limited():
    work, order = Stages(), []
    work.stage = order.append  # type: ignore[method-assign]
    run(JOBS, work, Log(), ahead=0)
    assert order == [f"{stage}{i}" for i in (1, 2, 3) for stage in ("read", "make", "write")]


@pytest.mark.parametrize("stage", ["read2", "make2", "write2"])
def test_an_error_stays_with_its_job(stage: str):
    log = Log()
    assert run(JOBS, Stages(**{stage: InputError("bad")}), log) == ExitCode.SOME_FAILED
    assert [report.error is None for report in log.ended] == [True, False, True]


def test_ctrl_c_lets_the_last_result_be_written():
    log = Log()
    assert run(JOBS, Stages(make2=KeyboardInterrupt()), log) == ExitCode.INTERRUPTED
    assert [type(report.error) for report in log.ended] == [type(None), Interrupted]


@pytest.mark.parametrize("stage", ["read2", "make2", "write2"])
def test_developers_see_errors_of_every_stage(stage: str):
    log = Log()
    with pytest.raises(ZeroDivisionError):
        run(JOBS, Stages(**{stage: ZeroDivisionError()}), log, reraise=True)
    assert log.closed == 1


@pytest.fixture
def folder(picture: Callable[..., Path], gatys: FakeGatys) -> FakeGatys:
    picture("s.png")
    for name in "abc":
        picture(f"in/{name}.png")
    return gatys


def ledger() -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in Path("out", LEDGER).read_text().splitlines() if line]
    return [(Path(line["output"]).name[0], line["state"]) for line in lines]


def files(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir() if each.name not in (LEDGER, LOCK)}


def test_the_record_tells_of_every_job(cli: Callable[..., Result], folder: FakeGatys):
    Path("in/b.png").write_bytes(b"no picture")
    assert cli(*WORDS).exit_code == 1
    assert ledger() == [("a", "done"), ("b", "failed"), ("c", "done")]
    with Path("out", LEDGER).open("a") as file:
        file.write('{"half a li')
    Path("in/b.png").write_bytes(Path("in/a.png").read_bytes())
    assert cli(*WORDS, "--skip-existing").exit_code == 0
    lines = Path("out", LEDGER).read_text().splitlines()
    assert [json.loads(line)["state"] for line in lines[4:]] == ["skipped", "done", "skipped"]


def test_single_files_have_no_record(cli: Callable[..., Result], folder: FakeGatys):
    assert cli("gatys", "in/a.png", "--style", "s.png", "-o", "one.png").exit_code == 0
    assert not {LEDGER, LOCK} & {each.name for each in Path().iterdir()}


def test_two_runs_do_not_share_a_folder(cli: Callable[..., Result], folder: FakeGatys):
    Path("out").mkdir()
    with FileLock(Path("out", LOCK)):
        refused = cli(*WORDS)
    assert (refused.exit_code, "out: another run is writing there" in refused.stderr) == (1, True)
    assert not folder.calls
    assert cli(*WORDS).exit_code == 0


def test_leftovers_of_the_killed_go_and_others_stay(tmp_path: Path):
    stale, foreign = tmp_path / ".a.png.0123abcd.part", tmp_path / ".mine.part"
    stale.touch(), foreign.touch()
    with atomic_write(tmp_path / "b.png") as file:
        file.write(b"b")
        remove_stale(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {".mine.part", "b.png"}


def test_an_input_that_goes_fails_alone(cli: Callable[..., Result], folder: FakeGatys):
    # The second is read while the first computes; the third goes before anybody looks at it.
    folder.fail = lambda call: Path("in/c.png").unlink(missing_ok=True)
    done = cli(*WORDS)
    assert (done.exit_code, len(done.stdout.split())) == (1, 2)
    assert "1 of 3 jobs failed" in done.stderr
    assert "in/c.png: no such file" in done.stderr
    assert ledger() == [("a", "done"), ("b", "done"), ("c", "failed")]


def test_an_input_that_is_replaced_while_it_is_read(
    cli: Callable[..., Result], folder: FakeGatys, monkeypatch: pytest.MonkeyPatch
):
    from stylecli.media import images

    read = images.read_picture

    def replacing(source: str, **options: object) -> images.Picture:
        if Path(source).name == "b.png":
            Image.new("RGB", (5, 5)).save(source)
        return read(source, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(images, "read_picture", replacing)
    done = cli(*WORDS)
    assert (done.exit_code, "in/b.png: an input was replaced while it was read" in done.stderr) == (1, True)
    assert ledger() == [("a", "done"), ("b", "failed"), ("c", "done")]


def test_a_full_disk_fails_what_does_not_fit(
    cli: Callable[..., Result], folder: FakeGatys, monkeypatch: pytest.MonkeyPatch
):
    synced = []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    done = cli(*WORDS)
    assert (done.exit_code, "the disk is full" in done.stderr) == (1, True)
    assert sorted(state for _, state in ledger()) == ["done", "done", "failed"]
    assert {name[0] for name in files(Path("out"))} == {name for name, state in ledger() if state == "done"}


def test_a_folder_below_that_cannot_be_made(
    cli: Callable[..., Result], folder: FakeGatys, picture: Callable[..., Path]
):
    picture("in/sub/d.png")
    Path("out").mkdir()
    Path("out/sub").touch()
    done = cli(*WORDS, "-r")
    assert (done.exit_code, "out/sub: cannot be made" in done.stderr) == (1, True)
    assert len(done.stdout.split()) == 3


PHOTOS = Path(__file__).parents[2] / "shared/data/photos"


def photographs(folder: Path, count: int) -> None:
    """Real pictures of different sizes: photographs beside the checkout, else the packaged example in many sizes."""
    folder.mkdir()
    found = sorted(PHOTOS.glob("*.jpg"))
    for index in range(count):
        if found:
            (folder / f"{index}.jpg").symlink_to(found[index * len(found) // count])
        else:
            with Image.open(Path(stylecli.__file__).with_name("examples") / "harbor.jpg") as harbor:
                harbor.resize((160 + 24 * index, 120 + 16 * index)).save(folder / f"{index}.jpg")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_killed_run_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_adain: Path):
    """`kill -9` at random moments; STYLECLI_KILLS says how many, STYLECLI_SEED which."""
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "in", 8)
    style = str(next((tmp_path / "in").iterdir()))
    words = ["adain", "in", "--style", style, "--weights", str(tiny_adain), "--device", "cpu", "--skip-existing", "-q"]
    words += ["--jobs", "2", "--size", "64", "-o"]
    for folder in ("first/", "whole/"):  # the first one also imports
        start = time.monotonic()
        assert command_line([*words, folder]) == 0
    took, whole = time.monotonic() - start, files(tmp_path / "whole")
    assert len(whole) == 8
    wanted = int(os.environ.get("STYLECLI_KILLS", "5"))
    seed = int(os.environ.get("STYLECLI_SEED", random.SystemRandom().randrange(2**32)))
    print(f"STYLECLI_SEED={seed}, a run takes {took:.1f} s", file=sys.stderr)
    draw, kills, parts, begun = random.Random(seed), 0, 0, 1
    while kills < wanted:
        if (child := os.fork()) == 0:
            os._exit(command_line([*words, f"{begun}/"]))
        time.sleep(draw.uniform(0, took))
        os.kill(child, signal.SIGKILL)
        kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        there = files(tmp_path / str(begun)) if Path(str(begun)).exists() else {}
        parts += any(name.endswith(".part") for name in there)
        # All there: begin anew, so that there is something to kill.
        begun += {*whole} <= {*there}
    print(f"{kills} killed, {parts} of them while they wrote, {begun} folders", file=sys.stderr)
    for folder in map(str, range(1, begun + 1)):
        assert command_line([*words, f"{folder}/"]) == 0
        assert files(tmp_path / folder) == whole
