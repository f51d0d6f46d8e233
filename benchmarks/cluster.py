"""What a cluster adds: a folder on 1 and 2 workers against one process, in the same run, and what bounds it beyond.

    python benchmarks/cluster.py photos/ --count 48

The same pictures go through `stylecli adain` in one process of one thread, and through `--engine ray` with workers of
one thread each, on a Ray of its own on this machine; the files must be the same. Of several rounds the best counts.

The model: workers are there after u seconds, a job takes a worker c seconds and the driver d, and it moves b bytes to
and from a storage of s bytes a second. Then n jobs on w workers take u + n * max(c / w, d, b / s), and more than c / d
workers wait for the driver, more than c * s / b for the storage.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

STYLE = Path(__file__).parent.parent / "stylecli/examples/brushwork.jpg"
STORAGE = {"1 Gbit/s": 125e6, "10 Gbit/s": 1.25e9}


def stylize(photos: list[Path], out: Path, size: int, *more: str) -> tuple[float, float]:
    """Seconds to the first result, and seconds a job from there on."""
    words = ["adain", *map(str, photos), "--style", str(STYLE), "--size", str(size), "--device", "cpu"]
    command = [sys.executable, "-m", "stylecli", *words, "--threads", "1", "-o", f"{out}/", "--overwrite", *more]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout
        told = [time.perf_counter() - start for _ in run.stdout]
    assert run.returncode == 0, " ".join(command)
    return told[0], (told[-1] - told[0]) / (len(told) - 1)


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """The address of a Ray with places for so many."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": workers, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    try:
        yield made.address
    finally:
        made.shutdown()


class Deaf:
    """Hears when the first job ended."""

    first = busy = 0.0

    def say(self, line: str) -> None:
        """Nothing."""

    def begin(self, job: object, total: int) -> Callable[[object], None]:
        """Nothing."""
        return lambda step: None

    def end(self, report: object) -> None:
        """Notes the first."""
        if not self.first:
            self.first, self.busy = time.perf_counter(), time.process_time()

    def close(self, reports: object) -> None:
        """Nothing."""


def opening() -> Callable[..., object]:
    """Work that is none."""
    from stylecli.batch.runner import Outcome

    return lambda job, listener: Outcome()


def driver(address: str, count: int) -> tuple[float, float]:
    """Seconds until a worker is there, and the driver's own CPU seconds a job."""
    from stylecli.batch import ray_pool
    from stylecli.batch.plan import Job
    from stylecli.batch.sources import Source
    from stylecli.settings.shared import Compute

    one, deaf = Job(1, "adain", {"content": (Source("a.jpg"),)}, None, "b.jpg", "jpg"), Deaf()
    jobs = [replace(one, index=index) for index in range(1, count + 1)]
    start = time.perf_counter()
    ray_pool.run(jobs, opening, deaf, Compute(engine="ray", address=address))
    return deaf.first - start, (time.process_time() - deaf.busy) / count


def main() -> None:
    """Prints the table, and what the model says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--size", type=int, default=384, help="short side in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    photos = sorted(said.photos.glob("*.jpg"))[: said.count]
    # Nobody is to be nicer than anybody else.
    os.environ |= {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(said.rounds):
            found.setdefault("one process", []).append(stylize(photos, folder / "0", said.size))
            for workers in (1, 2):
                with cluster(workers) as address:
                    ray = ("--engine", "ray", "--address", address)
                    times = stylize(photos, folder / str(workers), said.size, *ray)
                found.setdefault(f"{workers} worker{'s'[: workers - 1]}", []).append(times)
        made = sorted(path.name for path in (folder / "0").glob("*.jpg"))
        for path in made:
            assert len({(folder / each / path).read_bytes() for each in "012"}) == 1, path
        moved = sum(path.stat().st_size for path in [*photos, *(folder / "0").glob("*.jpg")]) / len(photos)
    with cluster(1) as address:
        there, each = driver(address, 2000)
    base = min(job for _, job in found["one process"])
    print(f"{len(photos)} pictures, {said.size} px, best of {said.rounds}; all {len(made)} files the same")
    print(f"{'':12} {'first result':>13} {'a job':>9} {'times one process':>18}")
    for what, times in found.items():
        first, job = min(first for first, _ in times), min(job for _, job in times)
        print(f"{what:12} {first:11.1f} s {1000 * job:6.0f} ms {base / job:18.2f}")
    compute = min(job for _, job in found["1 worker"])
    print(f"u: {there:.1f} s to a worker; c: {1000 * compute:.0f} ms; d: {1000 * each:.2f} ms; b: {moved / 1e3:.0f} kB")
    print(f"the driver keeps {compute / each:,.0f} workers busy", end="")
    for name, speed in STORAGE.items():
        print(f", a storage of {name} {compute * speed / moved:,.0f}", end="")
    print()


if __name__ == "__main__":
    main()
