"""A clip against the same frames as a folder of JPEGs, file to file, in one process and in one run.

    python benchmarks/clips.py [--frames 24] [--sizes 640x360,1280x720] [--rounds 2] [--json FILE]

`fast` and `adain` with their embedded weights, as steady as they are by default: flow is found, what was painted is
carried on, and H.264 written, all of which a folder does without. A camera moves over the example. Sides take turns, so
that a machine that slows down slows both; the shortest round counts, for other programs only make rounds longer.
Seconds are those of a frame.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image
from table import Row, finish, parser

from stylecli.cli import run

EXAMPLES = Path(__file__).parents[1] / "stylecli/examples"
STYLES = {"fast": "great_wave", "adain": str(EXAMPLES / "brushwork.jpg")}


def write(where: Path, frames: int, size: tuple[int, int]) -> None:
    """The clip `a.mp4` of so many frames of a width and height, and its frames as files in `frames`."""
    width, height = size
    with Image.open(EXAMPLES / "harbor.jpg") as harbor:
        big = np.asarray(harbor.resize((width + 3 * frames, height + 2 * frames), Image.Resampling.BICUBIC))
    (where / "frames").mkdir()
    with av.open(str(where / "a.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for place in range(frames):
            levels = np.ascontiguousarray(big[2 * place : 2 * place + height, 3 * place : 3 * place + width])
            Image.fromarray(levels).save(where / f"frames/{place:03}.jpg", quality=95)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb24")))
        out.mux(stream.encode())


def seconds(method: str, content: Path, output: str) -> float:
    """How long it takes to paint a clip or a folder."""
    words = [str(content), "--style", STYLES[method], "--device", "cpu", "-q", "--overwrite", "-o", output]
    start = time.perf_counter()
    assert run([method, *words]) == 0
    return time.perf_counter() - start


def rows(args: argparse.Namespace) -> Iterator[Row]:
    """Each method at each size."""
    for text in args.sizes.split(","):
        width, _, height = text.partition("x")
        with tempfile.TemporaryDirectory() as name:
            where = Path(name)
            write(where, args.frames, (int(width), int(height)))
            for method in STYLES:
                found: dict[str, float] = {}
                for _ in range(args.rounds):
                    for content, output in ((where / "frames", f"{name}/out/"), (where / "a.mp4", f"{name}/b.mp4")):
                        took = seconds(method, content, output) / args.frames
                        found[output] = min(took, found.get(output, took))
                pictures, clip = found.values()
                note = f"{1 / clip:.2f} frames a second"
                yield Row(f"{method}, a clip of {text}, a frame", "a folder of its frames", pictures, clip, note=note)


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--frames", type=int, default=24)
    options.add_argument("--sizes", default="640x360,1280x720", metavar="WxH,...")
    options.add_argument("--rounds", type=int, default=2)
    args = options.parse_args()
    finish(rows(args), args)


if __name__ == "__main__":
    main()
