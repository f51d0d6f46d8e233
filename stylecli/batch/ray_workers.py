"""The workers of a run on a Ray cluster, and the jobs that they have or that wait for one.

Workers are actors, as many as the cluster has places for: more when a machine joins, fewer when one dies. What a dead
worker had is given out again.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from platform import node
from types import ModuleType
from typing import TYPE_CHECKING

from stylecli.batch.failures import explain
from stylecli.batch.plan import Job
from stylecli.batch.runner import Outcome, Report
from stylecli.errors import InputError, StyleCliError, UsageError
from stylecli.progress import Listener, silent
from stylecli.remote import Remote, place
from stylecli.settings.shared import Compute

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

Doing = Callable[[Job, Listener], Outcome]
"""Does a job."""

TRIES = 3
"""Workers that a job may cost before it is the job's fault."""

QUEUED = 2
"""Jobs that a worker has: the one that it does, and the one that it does next, so that it never waits for us."""

PATIENCE = 2.0
"""Seconds after which the cluster is looked at again."""


class Worker:
    """What runs on the cluster; its class becomes a Ray actor."""

    def open(self, opening: Callable[[], Doing], folder: Path, shared: bool) -> StyleCliError | None:
        """Goes to the folder of the run, which it need not have if nothing is `shared`, and builds the method.

        What hinders it comes back.
        """
        try:
            if folder.is_dir():
                os.chdir(folder)
            elif shared:
                everywhere = "run in a folder that all machines have, or name inputs and outputs as s3://..."
                raise InputError(f"{folder}: no such folder", everywhere)
            self.work = opening()
        except Exception as error:
            told = explain(error)
            told.message = f"worker on {node()}: {told.message}"
            return told
        return None

    def do(self, job: Job, *, reraise: bool) -> tuple[float, Outcome | StyleCliError]:
        """Seconds, and how the job ended."""
        start = time.perf_counter()
        end: Outcome | StyleCliError
        try:
            end = self.work(job, silent)
        except Exception as error:
            if reraise:
                raise
            end = explain(error)
        return time.perf_counter() - start, end


@dataclass
class _Hand:
    """A worker as the driver sees it: what it was asked, in the order in which it will answer."""

    actor: "ActorHandle[Worker]"
    ready: bool = False
    asked: dict["ObjectRef[object]", int | None] = field(default_factory=dict)


class Workers:
    """The workers, and the jobs that they have or that wait for one."""

    def __init__(
        self,
        ray: ModuleType,
        jobs: Sequence[Job],
        parts: Mapping[int, Sequence[Job]],
        opening: Callable[[], Doing],
        compute: Compute,
        say: Callable[[str], None],
        reraise: bool,
    ) -> None:
        self.ray, self.jobs, self.compute, self.say, self.reraise = ray, [*jobs], compute, say, reraise
        self.opening = ray.put(opening)
        words = [word for job in jobs for word in (job.output, *(s.path for ss in job.inputs.values() for s in ss))]
        self.shared = not all(isinstance(place(word), Remote) for word in words)
        self.waiting, self.needs = deque[int](), dict[int, set[int]]()
        for turn in range(len(jobs)):
            first = len(self.jobs)
            self.jobs += parts.get(turn, ())
            self.needs[turn] = {*range(first, len(self.jobs))}
            self.waiting += [*range(first, len(self.jobs)), turn]
        self.owners = {part: turn for turn, some in self.needs.items() for part in some}
        self.hands: list[_Hand] = []
        self.tries: Counter[int] = Counter()
        self.stillborn, self.hired, self.warned = 0, 0, False
        self.made = ray.remote(num_cpus=compute.num_cpus, num_gpus=compute.num_gpus, max_restarts=0)(Worker)

    def ended(self) -> Iterator[tuple[int, Report]]:
        """Each job's index in the plan and its report, as they end."""
        looked = -PATIENCE
        while self.waiting or [*self.given()]:
            if time.monotonic() - looked >= PATIENCE or not self.hands:
                self._hire()
                looked = time.monotonic()
            for hand in self.hands:
                # At the end nobody keeps a job that another could begin.
                most = QUEUED if len(self.waiting) > len(self.hands) else 1
                if hand.ready and len(hand.asked) < most and (turn := self._next()) is not None:
                    hand.asked[hand.actor.do.remote(self.jobs[turn], reraise=self.reraise)] = turn
            owners = {ref: hand for hand in self.hands for ref in hand.asked}
            if not owners:
                time.sleep(PATIENCE)
            for ref in self.ray.wait([*owners], timeout=PATIENCE)[0] if owners else ():
                yield from self._answer(owners[ref], ref)

    def owner(self, turn: int) -> int:
        """The job of the plan that one belongs to."""
        return self.owners.get(turn, turn)

    def _next(self) -> int | None:
        """The first job that waits for no other one; it waits no longer."""
        found = next((turn for turn in self.waiting if not self.needs.get(turn)), None)
        if found is not None:
            self.waiting.remove(found)
        return found

    def _over(self, turn: int) -> None:
        self.needs[self.owner(turn)].discard(turn)

    def given(self) -> Iterator[int]:
        """The jobs that workers have."""
        return (turn for hand in self.hands for turn in hand.asked.values() if turn is not None)

    def close(self) -> None:
        """Lets all workers go, whatever they do."""
        for hand in self.hands:
            self.ray.kill(hand.actor)

    def _hire(self) -> None:
        """As many workers as there are places and jobs."""
        needs = {name: need for name, need in (("CPU", self.compute.num_cpus), ("GPU", self.compute.num_gpus)) if need}
        machines = [each["Resources"] for each in self.ray.nodes() if each["Alive"]]
        places = sum(int(min(each.get(name, 0) // needs[name] for name in needs)) for each in machines)
        if not places and not self.hands:
            worker = " and ".join(f"{need:g} {name}s" for name, need in needs.items())
            if not self.hired:
                raise UsageError(f"--engine ray: no machine has room for a worker of {worker}")
            if not self.warned:
                self.say(f"no machine is left with room for a worker of {worker}: waiting for one")
            self.warned = True
        while len(self.hands) < min(places, len(self.waiting) + len([*self.given()])):
            hand = _Hand(self.made.remote())
            hand.asked[hand.actor.open.remote(self.opening, Path.cwd(), self.shared)] = None
            self.hands.append(hand)
            self.hired += 1

    def _answer(self, hand: _Hand, ref: "ObjectRef[object]") -> Iterator[tuple[int, Report]]:
        from ray.exceptions import RayError, RayTaskError

        try:
            told = self.ray.get(ref)
        except RayTaskError:
            # Raised by the work itself, for developers.
            raise
        except RayError as error:
            yield from self._lost(hand, str(error))
            return
        turn = hand.asked.pop(ref)
        if turn is None:
            if told is not None:
                raise told
            hand.ready = True
            return
        seconds, end = told
        self._over(turn)
        kind = "error" if isinstance(end, StyleCliError) else "outcome"
        yield turn, Report(self.jobs[turn], seconds, **{kind: end})

    def _lost(self, hand: _Hand, why: str) -> Iterator[tuple[int, Report]]:
        """Gives out again what a dead worker had; only the job that it was at counts as tried."""
        self.hands.remove(hand)
        self.ray.kill(hand.actor)
        turns = [turn for turn in hand.asked.values() if turn is not None]
        if not turns and not hand.ready:
            self.stillborn += 1
            if self.stillborn > TRIES:
                raise InputError(f"--engine ray: workers die as they start: {why.splitlines()[0]}")
        for turn in turns[:1]:
            self.tries[turn] += 1
            if self.tries[turn] == TRIES:
                turns.remove(turn)
                self._over(turn)
                title = self.jobs[turn].title
                hint = "was its memory enough? --num-cpus gives a worker more of a machine, --size makes less work"
                error = StyleCliError(f"{title}: {TRIES} workers died of it", hint)
                yield turn, Report(self.jobs[turn], 0, error=error)
        self.waiting.extendleft(reversed(turns))
