"""From the frames of a decoder to upright RGB levels: matrix, range, rotation, and HDR toned down to a screen's range.

Matrices and ranges are undone as ITU-T H.273 has them. A clip that does not say which: BT.709 from 720 lines on, else
BT.601, as players take it. Other primaries and curves of SDR stay, and are told by the result: they are only names of
what its codes mean. HDR (PQ, HLG) becomes sRGB, as pictures in HDR do, see `media.coded`.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from stylecli.media.coded import HDR, coded
from stylecli.media.video.clip import LARGE, UNKNOWN, Colors

FLAGS = "flags=accurate_rnd+full_chroma_int+bicubic"
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
HIGH = 720
"""Lines from which on a clip that says nothing is BT.709."""

FULL = 2
SIDE = 65
"""Points a side of the table from HDR to sRGB: the error in between is below half a level."""

Av = Any
"""PyAV's types are not told."""


class Levels:
    """Makes RGB of a decoder's frames, which may change their kind on the way."""

    def __init__(self) -> None:
        self.graph: Av = None
        self.kind: tuple[object, ...] = ()

    def of(self, frame: Av) -> tuple[np.ndarray, np.ndarray | None]:
        """Colors [H, W, 3] and alpha [H, W] of a frame of PyAV, uint8 and upright."""
        has_alpha, transfer = alpha_in(frame.format), int(frame.color_trc)
        deep = transfer in HDR
        kind = (frame.format.name, frame.width, frame.height, int(frame.colorspace), int(frame.color_range), deep)
        if kind != self.kind:
            # By planes: swscale takes three times as long for the same levels at once, but holds less.
            at_once = frame.format.is_rgb or frame.width * frame.height > LARGE
            opaque = "rgb24" if at_once else "gbrp"
            self.graph, self.kind = _graph(frame, "rgb48le" if deep else "rgba" if has_alpha else opaque), kind
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        self.graph.push(frame)
        levels = self.graph.pull().to_ndarray()
        if turns:
            levels = np.ascontiguousarray(np.rot90(levels, turns))
        if deep:
            return toned(levels, Colors(int(frame.color_primaries), transfer)), None
        return (levels[..., :3].copy(), levels[..., 3].copy()) if has_alpha else (levels, None)


def alpha_in(format: Av) -> bool:
    """Whether a kind of frames has alpha."""
    return any(part.is_alpha for part in format.components)


def _graph(frame: Av, wanted: str) -> Av:
    import av

    graph = av.filter.Graph()
    matrix = int(frame.colorspace)
    named = MATRICES.get(matrix, "bt709" if frame.height >= HIGH or frame.width >= 1280 else "smpte170m")
    yuv = not frame.format.is_rgb
    range_ = "full" if int(frame.color_range) == FULL or frame.format.name.startswith("yuvj") else "limited"
    scale = f"in_color_matrix={named}:in_range={range_}:out_range=full:{FLAGS}" if yuv else FLAGS
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base
    )
    parts = [source, graph.add("scale", scale), graph.add("format", wanted), graph.add("buffersink")]
    for before, after in pairwise(parts):
        before.link_to(after)
    graph.configure()
    return graph


def toned(levels: np.ndarray, colors: Colors) -> np.ndarray:
    """HDR codes [H, W, 3] uint16 as sRGB levels [H, W, 3] uint8, through a table that is read between its points."""
    table = _table(colors.primaries if colors.primaries != UNKNOWN else 9, colors.transfer)
    places = torch.from_numpy(levels[..., ::-1].astype(np.float32)).mul_(2 / 65535).sub_(1)[None, None]
    made = F.grid_sample(table, places, mode="bilinear", padding_mode="border", align_corners=True)[0, :, 0]
    return np.ascontiguousarray(made.add_(0.5).clamp_(0, 255).byte().permute(1, 2, 0).numpy())


@lru_cache(4)
def _table(primaries: int, transfer: int) -> torch.Tensor:
    """sRGB levels of `SIDE` cubed HDR colors, [1, 3, R, G, B] float32."""
    from stylecli.media.profiles import to_srgb

    profile, _ = coded(primaries, transfer)
    axis = np.rint(np.linspace(0, 65535, SIDE)).astype(np.uint16)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(SIDE * SIDE, SIDE, 3)
    color, _, _ = to_srgb(grid, "rgb", profile)
    scale = 255.0 if color.dtype.kind == "f" else 255.0 / np.iinfo(color.dtype).max
    made = (color.astype(np.float32) * scale).clip(0, 255).reshape(SIDE, SIDE, SIDE, 3)
    return torch.from_numpy(np.ascontiguousarray(made.transpose(3, 0, 1, 2)))[None]
