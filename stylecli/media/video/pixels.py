"""From RGB levels to the frames that an encoder takes: BT.709 or BT.2020 in limited range, or RGB as it is."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from stylecli.media.video.levels import FLAGS

if TYPE_CHECKING:
    from stylecli.media.video.codecs import Coding

Av = Any
"""PyAV's types are not told."""

HALVED = "yuv420p"
BT2020 = 9


class Pixels:
    """Makes frames for the encoder of a `coding`."""

    def __init__(self, coding: "Coding") -> None:
        self.coding = coding
        self.graph: Av = None

    def planes(self, levels: np.ndarray) -> np.ndarray:
        """[H, W, 3] as planes of 4:2:0, [H + H / 2, W], where all of it is coded as these; else as it is."""
        height, width = levels.shape[:2]
        if self.coding.pixels != HALVED or height % 2 or width % 2:
            return levels
        made: np.ndarray = self.frame(levels).to_ndarray()
        return made

    def frame(self, levels: np.ndarray) -> Av:
        """Of [H, W, 3], where alpha is kept of [H, W, 4], or of `planes`."""
        import av

        if levels.ndim == 2:
            return av.VideoFrame.from_ndarray(levels, format=HALVED)
        height, width = self.coding.coded
        levels = np.ascontiguousarray(levels[:height, :width])
        if levels.shape[:2] != (height, width):  # a side of one pixel
            levels = np.pad(levels, [(0, height - levels.shape[0]), (0, width - levels.shape[1]), (0, 0)], "edge")
        frame: Av = av.VideoFrame.from_ndarray(levels, format="rgba" if levels.shape[2] == 4 else "rgb24")
        if self.graph is None:
            self.graph = self._graph(frame)
        self.graph.push(frame)
        return self.graph.pull()

    def _graph(self, frame: Av) -> Av:
        import av

        matrix = "bt2020" if self.coding.colors.primaries == BT2020 else "bt709"
        yuv = self.coding.pixels.startswith("yuv")
        scale = f"out_color_matrix={matrix}:out_range=limited:{FLAGS}" if yuv else FLAGS
        graph: Av = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format.name, time_base=self.coding.step
        )
        parts = [source, graph.add("scale", scale), graph.add("format", self.coding.pixels), graph.add("buffersink")]
        for before, after in pairwise(parts):
            before.link_to(after)
        graph.configure()
        return graph
