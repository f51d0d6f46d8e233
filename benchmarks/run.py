"""Runs every benchmark, one after the other, and writes the table of all of them into `benchmarks/results/`.

    python benchmarks/run.py [--only adain,fast]

Each runs in a process of its own; `cluster.py` and `soak.py`, which need more, are run by themselves. `table.json` has
every row; `table.md` what happens in a process that is there already, then whole commands, from the start of their
process to the written file; `table.svg` how many times as fast as its peer each is. `--only` runs some, and takes the
rows of the others from `table.json`. It takes about a quarter of an hour on two slow cores; run it with few other
programs. Every process gets the environment that the command gives itself (large pages, threads that do not spin), so
peers run with it too, a little faster than by themselves.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from stylecli.__main__ import prepare_environment

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BENCHMARKS: dict[str, list[str]] = {
    "gatys": ["--steps", "8"],
    "adain": ["--pictures", "8"],
    "fast": ["--pictures", "3"],
    "texture": ["--large", "2048"],
    "stylegan": ["--rounds", "2"],
    "stargan": ["--rounds", "2"],
    "audio": ["--updates", "25"],
    "folders": ["--pictures", "80", "--rounds", "2"],
    "clips": ["--rounds", "2"],
    "cold_start": [],
}
"""Every benchmark, and how much of it."""

Told = dict[str, dict[str, Any]]


def measured(name: str, words: list[str]) -> dict[str, Any]:
    """What one benchmark finds; it shows its rows as they come."""
    print(f"--- {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.json")
        subprocess.run([sys.executable, HERE / f"{name}.py", "--json", path, *words], check=True)
        found: dict[str, Any] = json.loads(path.read_text())
    return found


def markdown(told: Told) -> str:
    """The tables, as the site has them."""
    rows = [(name, row) for name, each in told.items() for row in each["rows"]]
    lines = [
        "| what | time | peer | its time | times as fast | of the peak | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in (row for name, row in rows if name != "cold_start"):
        share = f"{row['share_of_peak']:.0%}" if row["share_of_peak"] else ""
        peer = f", peer {row['peer_gib']:.2f}" if row["peer_gib"] else ""
        memory = f"{row['gib']:.2f} GiB{peer}" if row["gib"] else ""
        beside = f"{row['peer']} ({row['note']})" if row["note"] else row["peer"]
        cells = (row["what"], f"{row['seconds']:.3g} s", beside, f"{row['peer_seconds']:.3g} s")
        lines.append(f"| {' | '.join(cells)} | {row['ratio']:.2f} | {share} | {memory} |")
    lines += [
        "",
        "| command | time | its computation, in a process that is there | peer | its time |",
        "|---|---|---|---|---|",
    ]
    for row in (row for name, row in rows if name == "cold_start"):
        computed = f"{row['computed']:.3g} s" if row.get("computed") else ""
        cells = (row["what"].removeprefix("cold start, "), f"{row['seconds']:.3g} s", computed, row["peer"])
        lines.append(f"| {' | '.join(cells)} | {row['peer_seconds']:.3g} s |")
    peaks = sorted(each["peak_gflops"] for each in told.values())
    threads = max(each["threads"] for each in told.values())
    return "\n".join(lines) + f"\n\n{threads} threads; peak in float32 {peaks[len(peaks) // 2]:.0f} GFLOP/s.\n"


def plot(told: Told, path: Path) -> None:
    """Bars of how many times as fast as its peer each is."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    rows = [row for name, each in told.items() if name != "cold_start" for row in each["rows"]][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.32 * len(rows) + 1), layout="constrained")
    bars = axes.barh([row["what"] for row in rows], [row["ratio"] for row in rows], color="#4878a8")
    axes.bar_label(bars, [f"{row['ratio']:.2g}" for row in rows], padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="times as fast as the peer in the same run")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Runs, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(BENCHMARKS), metavar="NAMES", help="some, with commas between")
    args = parser.parse_args()
    prepare_environment()
    RESULTS.mkdir(exist_ok=True)
    table = RESULTS / "table.json"
    told: Told = json.loads(table.read_text()) if table.exists() else {}
    names = args.only.split(",")
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"--only {','.join(sorted(unknown))}: unknown, of {', '.join(BENCHMARKS)}")
    for name in names:
        told[name] = measured(name, BENCHMARKS[name])
        told = {each: told[each] for each in BENCHMARKS if each in told}
        table.write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "table.md").write_text(markdown(told))
    plot(told, RESULTS / "table.svg")
    print(markdown(told))


if __name__ == "__main__":
    main()
