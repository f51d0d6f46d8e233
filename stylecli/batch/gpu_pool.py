"""Runs a plan on all GPUs of this machine, a process each: the same files, the same order of reports, one record."""

import os
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from stylecli.batch.plan import Job
from stylecli.batch.runner import Audience, Paced, Report, Work, exit_code, interruptible
from stylecli.batch.runner import run as run_here
from stylecli.errors import ExitCode, StyleCliError
from stylecli.progress import Listener, Step, silent

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess
    from multiprocessing.queues import Queue

    Answers = Queue[tuple[int, Report | StyleCliError | None]]

ALL = "cuda:all"
PATIENCE = 0.5
"""Seconds after which processes are looked at again."""

Opening = Callable[[str], tuple[Work, Paced]]
"""Opens the method on a device: what does its jobs, and how many at once, as `runner.run` takes it."""


def devices() -> list[str]:
    """The GPUs of this machine."""
    from torch.cuda import device_count

    return [f"cuda:{index}" for index in range(device_count())]


def dealt(jobs: Sequence[Job], count: int) -> list[list[int]]:
    """Places in the plan for each of `count` processes: what is made of one content stays together."""
    content = lambda place: [one.path for one in jobs[place].inputs.get("content", ())] or [place]
    hands: list[list[int]] = [[] for _ in range(count)]
    for index, (_, places) in enumerate(groupby(range(len(jobs)), content)):
        hands[index % count] += places
    return hands


def run(
    jobs: Sequence[Job],
    opening: Opening,
    names: Sequence[str],
    audience: Audience,
    *,
    note: Callable[[Report], None] | None = None,
    reraise: bool = False,
) -> ExitCode:
    """Does every job as `runner.run` does, on several devices; reports come in the order of the plan.

    Args:
        jobs: The plan.
        opening: Opens the method; it goes to another process.
        names: Devices, a process each.
        audience: Hears of every job.
        note: Takes every report, for the record.
        reraise: Let the first error through as it is, for developers.

    Raises:
        StyleCliError: A process cannot open the method.
    """
    reports: list[Report] = []
    ends: dict[int, Report] = {}

    def tell(end: Report) -> None:
        reports.append(end)
        if note:
            note(end)
        audience.end(end)
        if reraise and end.error:
            raise end.raised or end.error

    stopped, start = threading.Event(), time.perf_counter()
    pool = _Pool(jobs, opening, names, stopped)
    heard = audience.begin(jobs[0], len(jobs))
    try:
        with interruptible(stopped):
            for place, end in pool.ended():
                ends[place] = end
                heard(Step(len(ends), len(jobs), time.perf_counter() - start, what="jobs"))
                while len(reports) in ends:
                    tell(ends[len(reports)])
            for place in sorted(place for place in ends if place >= len(reports)):
                tell(ends[place])
    finally:
        pool.close()
        audience.close(reports)
    return ExitCode.INTERRUPTED if stopped.is_set() else exit_code(reports, len(jobs))


class _Pool:
    """The processes, and what they answer."""

    def __init__(self, jobs: Sequence[Job], opening: Opening, names: Sequence[str], stopped: threading.Event) -> None:
        self.jobs, self.stopped, self.told = jobs, stopped, False
        # Imported by runs that have several GPUs, not by every command.
        from multiprocessing import get_context

        # A process that has used a GPU cannot be forked.
        context = get_context("spawn")
        self.answers: Answers = context.Queue()
        self.missing: set[int] = set(range(len(jobs)))
        self.hands: dict[int, SpawnProcess] = {}
        self.ready: set[int] = set()
        with _deaf():
            for name, places in enumerate(dealt(jobs, len(names))):
                if places:
                    given = [(place, jobs[place]) for place in places]
                    words = (opening, names[name], name, given, self.answers)
                    self.hands[name] = context.Process(target=_work, args=words, daemon=True)
                    self.hands[name].start()

    def ended(self) -> Iterator[tuple[int, Report]]:
        """Each job's place in the plan and its report, as they end; after Ctrl-C only what had begun."""
        while self.missing:
            if self.stopped.is_set() and not self.told:
                self.told = True
                for name, hand in self.hands.items():
                    if name not in self.ready:
                        hand.terminate()
                    elif hand.is_alive() and hand.pid:
                        os.kill(hand.pid, signal.SIGINT)
            living = any(hand.is_alive() for hand in self.hands.values())
            try:
                place, answer = self.answers.get(timeout=PATIENCE)
            except queue.Empty:
                if living:
                    continue
                break
            if isinstance(answer, StyleCliError):
                raise answer
            if answer is None:
                self.ready.add(place)
                continue
            self.missing.discard(place)
            yield place, answer
        for place in sorted(self.missing) if not self.stopped.is_set() else ():
            title = self.jobs[place].title
            error = StyleCliError(f"{title}: its process died", "was memory enough? a smaller --size makes less work")
            yield place, Report(self.jobs[place], 0, error=error)

    def close(self) -> None:
        """Ends what still runs."""
        for hand in self.hands.values():
            hand.terminate()
            hand.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started in it do not hear Ctrl-C before they are told to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(opening: Opening, device: str, name: int, given: Sequence[tuple[int, Job]], answers: "Answers") -> None:
    """What a process does."""
    if hasattr(os, "setsid"):
        # Ctrl-C reaches the first process, which passes it on: twice would end this one in the middle of a job.
        os.setsid()
    try:
        work, paced = opening(device)
    except StyleCliError as error:
        answers.put((name, error))
        return
    answers.put((name, None))
    run_here([job for _, job in given], work, _Teller(given, answers), **paced)


class _Teller:
    """Tells the first process of every job that ends."""

    def __init__(self, given: Sequence[tuple[int, Job]], answers: "Answers") -> None:
        self.places, self.answers = iter([place for place, _ in given]), answers

    def say(self, line: str) -> None:
        """Nothing: the first process has said it."""

    def begin(self, job: Job, total: int) -> Listener:
        """Steps are not shown."""
        return silent

    def end(self, report: Report) -> None:
        """Reports come in the order of the jobs."""
        try:
            pickle.dumps(report)
        except Exception:
            # What was raised may hold anything; the error says it in words.
            report = replace(report, raised=None)
        self.answers.put((next(self.places), report))

    def made(self, path: str) -> None:
        """Sheets are made by the first process."""

    def close(self, reports: Sequence[Report]) -> None:
        """The process ends."""
