"""What every benchmark tells, on the screen and as JSON: a row for each comparison, and what the machine can do."""

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from peak import peak
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: What is computed.
        peer: What it is held against, in the same run.
        peer_seconds: The peer's time.
        seconds: Ours.
        gflop: What ours computes in that time: products and convolutions.
        gib: Peak memory of ours, where it was measured.
        peer_gib: The peer's.
        note: What else there is to say.
        computed: Of our time, the computation alone, as it takes in a process that made the same before.
    """

    what: str
    peer: str
    peer_seconds: float
    seconds: float
    gflop: float = 0.0
    gib: float = 0.0
    peer_gib: float = 0.0
    note: str = ""
    computed: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times as fast as the peer."""
        return self.peer_seconds / self.seconds

    def __str__(self) -> str:
        memory = f"  {self.gib:.2f} GiB" if self.gib else ""
        peer_memory = f", {self.peer_gib:.2f} GiB" if self.peer_gib else ""
        told = f"{self.seconds:8.3f} s{memory}   {self.peer}: {self.peer_seconds:.3f} s{peer_memory}"
        return f"{self.what:40} {told}   {self.ratio:.2f} times as fast{'   ' + self.note if self.note else ''}"


def gflop(run: Callable[[], Any]) -> float:
    """What `run` computes: products and convolutions, forward and backward."""
    own = torch.ops.mkldnn
    known = {
        own._convolution_pointwise: lambda x, weight, *_, out_shape, **__: 2 * prod(out_shape) * prod(weight[1:]),
        own._convolution_pointwise_: lambda onto, x, weight, *_, **__: 2 * prod(onto) * prod(weight[1:]),
        own._linear_pointwise: lambda x, weight, *_, **__: 2 * prod(x) * weight[0],
    }
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        run()
    return counter.get_total_flops() / 1e9


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every benchmark has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, help="file for the rows")
    made.add_argument("--threads", type=int, help="of PyTorch; default: as it chooses")
    return made


def finish(rows: Iterable[Row], options: argparse.Namespace) -> None:
    """Prints each row as it comes, then the machine's peak; writes all of it where `--json` says."""
    if options.threads:
        torch.set_num_threads(options.threads)
    found = []
    for row in rows:
        print(row, flush=True)
        found.append(row)
    most = peak()
    shares = [row.gflop / row.seconds / most for row in found]
    print(f"peak {most:.0f} GFLOP/s with {torch.get_num_threads()} threads")
    for row, share in zip(found, shares, strict=True):
        if share:
            print(f"  {row.what}: {share:.0%} of it")
    if options.json:
        machine = {"peak_gflops": most, "threads": torch.get_num_threads()}
        told = [
            {**asdict(row), "ratio": row.ratio, "share_of_peak": share}
            for row, share in zip(found, shares, strict=True)
        ]
        options.json.write_text(json.dumps({**machine, "rows": told}, indent=1) + "\n")
