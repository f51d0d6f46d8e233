"""A process that dies at a file, as by a fault in a codec, fails that file alone; on Linux, where one is split off."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there a process is split off")

PLAN = """
import os, signal, sys, threading, time
from stylecli.batch.sources import Source
from stylecli.batch.plan import Job
from stylecli.batch.runner import Outcome, run
from stylecli.batch.supervised import possible, supervised
from stylecli.errors import UsageError

class Audience:
    say = made = print
    begin = lambda self, job, total: lambda step: None
    end = lambda self, report: print(report.job.title, report.error or "done", flush=True)
    close = lambda self, reports: print("closed", len(reports), flush=True)

def work(job, listener):
    if "slow" in job.title:
        print("slow", os.getpid(), flush=True)
        time.sleep(60)
    # Others have begun by now, where they are done side by side; those that end well were told before one ends badly.
    time.sleep(0.8 if "SIG" in job.title else 0.2)
    if "wrong" in job.title:
        raise KeyError(job.title)
    for name in ("SIGSEGV", "SIGABRT", "SIGKILL"):
        if name in job.title:
            signal.pthread_kill(threading.get_ident(), signal.Signals[name])
    with open(job.title + ".done", "a") as file:
        file.write("once ")
    return Outcome()

made = lambda n, name: Job(n, "adain", {"content": (Source(name),)}, None, f"{name}.png", "png")
jobs = [made(n, name) for n, name in enumerate(sys.argv[2:])]
def go(audience, restart):
    if "nothing" in sys.argv:
        raise UsageError("said by the other process")
    if "never" in sys.argv:
        os.kill(os.getpid(), signal.SIGILL)
    return run(jobs, work, audience, at_once=int(sys.argv[1]), restart=restart)

assert possible()
try:
    code = supervised(jobs, go, Audience())
except Exception as error:
    print(type(error).__name__, error)
    code = 9
print("code", int(code))
"""


def plan(folder: Path, *words: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", PLAN, *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("at_once", ["1", "3"])
def test_each_file_that_ends_the_process_fails_alone(tmp_path: Path, at_once: str) -> None:
    names = ["a", "SIGSEGV", "b", "c", "wrong", "SIGKILL", "SIGABRT"]
    out, err = plan(tmp_path, at_once, *names).communicate(timeout=60)
    said = out.splitlines()
    assert said[-2:] == ["closed 7", "code 1"], err
    ended = [line.split(" ", 1) for line in said if not line.startswith("closed")][:-1]
    assert [name for name, _ in ended] == names
    assert [how == "done" for _, how in ended] == [name in "abc" for name in names]
    for name, how in ended:
        assert f"ended by {name}" in how or not name.startswith("SIG")
    # What was done is not done again.
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {f"{n}.done": "once " for n in "abc"}


def test_what_is_no_job_s_fault_is_said(tmp_path: Path) -> None:
    for word, said in (
        ("nothing", "UsageError said by the other"),
        ("never", "StyleCliError the run was ended by SIGILL"),
    ):
        out, err = plan(tmp_path, "1", word).communicate(timeout=60)
        assert said in out, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_signals_reach_the_process_that_works(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with plan(tmp_path, "1", "slow", "b") as process:
        assert process.stdout
        child = Path("/proc", process.stdout.readline().split()[1])
        process.send_signal(number)
        if number == signal.SIGINT:
            # A job that tells of no steps is finished first; the second one ends it at once.
            time.sleep(0.2)
            process.send_signal(number)
            code = -number
        assert process.wait(timeout=60) == code
        while child.exists() and "zombie" not in (child / "status").read_text():
            time.sleep(0.02)


COMMAND = """
import ctypes, sys
from stylecli.batch import codecs
from stylecli.cli import run

real = codecs.read_picture

def read(source, **options):
    if "bad" in source.name:
        ctypes.string_at(0)
    return real(source, **options)

codecs.read_picture = read
sys.exit(run(sys.argv[1:]))
"""


def test_a_folder_with_one_such_file(tmp_path: Path, tiny_adain: Path, picture: Callable[..., Path]) -> None:
    for name in ("a", "bad", "c", "s"):
        picture(f"in/{name}.png" if name != "s" else "s.png", size=(40, 36))
    words = ["adain", "in", "--style", "s.png", "--weights", tiny_adain, "--device", "cpu", "--jobs", "1", "-o", "out/"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", COMMAND, *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    # What was made, but not told before the process ended, is made again.
    made = [*dict.fromkeys(done.stdout.split())]
    assert (done.returncode, made) == (1, ["out/a_adain_s.png", "out/c_adain_s.png"]), done.stderr
    assert "1 of 3 jobs failed" in done.stderr
    assert "was ended by SIGSEGV" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out/stylecli.jsonl").read_text().splitlines()]
    assert [*{row["output"]: row["state"] for row in rows}.values()] == ["done", "failed", "done"]
