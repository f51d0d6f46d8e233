"""Memory of one long folder run: resident megabytes every hundred pictures.

    python benchmarks/soak.py --photos DIR [--pictures 2000] [--size 64] [--jobs N] [--json out.json]

`adain` with its embedded weights over real photographs, each under as many names as it takes. Names repeat a
photograph only after all others; a flat column is one that does not grow with the number of pictures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

STYLE = Path(__file__).parents[1] / "stylecli/examples/brushwork.jpg"


def main() -> None:
    """The column, and where it is asked for the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        photos = sorted(args.photos.glob("*.jpg"))
        links = Path(name, "photos")
        links.mkdir()
        for index in range(args.pictures):
            (links / f"{index:05}.jpg").symlink_to(photos[index % len(photos)].resolve())
        command = [sys.executable, "-m", "stylecli", "adain", str(links), "--style", str(STYLE), "--device", "cpu"]
        command += ["--size", str(args.size), "-o", f"{name}/out/", *(["--jobs", str(args.jobs)] if args.jobs else [])]
        start = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout
            process = psutil.Process(run.pid)
            for done, _ in enumerate(run.stdout, 1):
                if done % args.every == 0:
                    row = {
                        "pictures": done,
                        "seconds": time.monotonic() - start,
                        "mib": process.memory_info().rss / 2**20,
                    }
                    rows.append(row)
                    print("{pictures:6.0f} pictures  {seconds:7.1f} s  {mib:7.1f} MiB".format(**row), flush=True)
        assert run.returncode == 0, run.returncode
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
