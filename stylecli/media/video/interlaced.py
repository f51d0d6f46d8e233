"""Frames that were taken as two fields, every other row a moment later, made whole by FFmpeg's bwdif.

The rows of the first field stay, those of the second are found from what is around them in place and time (Thomas
Mundt's filter, after Weston 1988 and yadif); frames that are not interlaced stay as they are, and so does their number.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

LEAST = 16
"""Lines and columns from which on there is something to be found."""

NOTE = "interlaced: of every frame the first field is kept, and filled up; --deinterlace off leaves both in"

Av = Any
"""PyAV's types are not told."""


def deinterlaced(frames: Iterator[Av], notes: list[str]) -> Iterator[Av]:
    """Each frame of PyAV, whole, with its own time; adds a note where one was not."""
    graph: Av = None
    kind: tuple[object, ...] = ()
    waiting = deque[Av]()
    for frame in frames:
        now = frame.format.name, frame.width, frame.height
        if graph and now != kind:
            yield from _rest(graph, waiting)
            graph = None
        if graph is None:
            if not frame.interlaced_frame or min(frame.width, frame.height) < LEAST:
                yield frame
                continue
            graph, kind = _graph(frame), now
            if NOTE not in notes:
                notes.append(NOTE)
        waiting.append(frame)
        graph.push(frame)
        yield from _ready(graph, waiting)
    if graph:
        yield from _rest(graph, waiting)


def _graph(frame: Av) -> Av:
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base
    )
    parts = [source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")]
    graph.link_nodes(*parts).configure()
    return graph


def _ready(graph: Av, waiting: deque[Av]) -> Iterator[Av]:
    """What the filter gives now, frame by frame of those that went in, whose times it counts otherwise."""
    import av

    while True:
        try:
            made = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        before = waiting.popleft()
        made.pts, made.time_base, made.duration = before.pts, before.time_base, before.duration
        yield made


def _rest(graph: Av, waiting: deque[Av]) -> Iterator[Av]:
    graph.push(None)
    yield from _ready(graph, waiting)
