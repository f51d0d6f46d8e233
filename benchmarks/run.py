"""Runs every benchmark, one after the other, and writes the table of all of them into `benchmarks/results/`.

    python benchmarks/run.py [--quick] [--only adain,fast]

Each runs in a process of its own; `cluster.py` and `soak.py`, which need more, are run by themselves. `table.json` has
every row, `table.md` what the README shows, `table.svg` how many times as fast as its peer each is. `--quick` looks at
a few pictures only; `--only` runs some, and takes the rows of the others from `table.json`. Run it with few other
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
QUICK: dict[str, list[str]] = {
    "gatys": ["--steps", "6"],
    "adain": ["--pictures", "8"],
    "fast": ["--pictures", "2"],
    "texture": ["--large", "2048"],
    "stylegan": ["--sizes", "256", "--rounds", "2"],
    "stargan": ["--rounds", "2"],
    "audio": ["--updates", "10"],
    "folders": ["--pictures", "24", "--rounds", "1"],
    "cold_start": ["--rounds", "3"],
}
"""Every benchmark, and what makes it shorter."""

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
    """The table, as the README has it."""
    lines = [
        "| what | time | peer | its time | times as fast | of the peak | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in (row for each in told.values() for row in each["rows"]):
        share = f"{row['share_of_peak']:.0%}" if row["share_of_peak"] else ""
        peer = f", peer {row['peer_gib']:.2f}" if row["peer_gib"] else ""
        memory = f"{row['gib']:.2f} GiB{peer}" if row["gib"] else ""
        cells = (row["what"], f"{row['seconds']:.3g} s", row["peer"], f"{row['peer_seconds']:.3g} s")
        lines.append(f"| {' | '.join(cells)} | {row['ratio']:.2f} | {share} | {memory} |")
    peaks = sorted(each["peak_gflops"] for each in told.values())
    threads = max(each["threads"] for each in told.values())
    return "\n".join(lines) + f"\n\n{threads} threads; matrix-product peak {peaks[len(peaks) // 2]:.0f} GFLOP/s.\n"


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
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(QUICK))
    args = parser.parse_args()
    prepare_environment()
    RESULTS.mkdir(exist_ok=True)
    table = RESULTS / "table.json"
    told: Told = json.loads(table.read_text()) if table.exists() else {}
    for name in args.only.split(","):
        told[name] = measured(name, QUICK[name] if args.quick else [])
        told = {each: told[each] for each in QUICK if each in told}
        table.write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "table.md").write_text(markdown(told))
    plot(told, RESULTS / "table.svg")
    print(markdown(told))


if __name__ == "__main__":
    main()
