"""Clips of fields, as cameras on tape and broadcasters have them, become whole frames before they are painted."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import moving_files
import numpy as np
import pytest
from conftest import Result

from stylecli.media.video.reader import open_clip

Cli = Callable[..., Result]
TOLD = "a.mkv: interlaced: of every frame the first field is kept"


def woven(moments: Sequence[np.ndarray], top_first: bool) -> list[np.ndarray]:
    """Frames of two moments each: of every other row the first one is shown, of the others the second one."""
    frames = [moments[place].copy() for place in range(0, len(moments) - 1, 2)]
    for place, frame in enumerate(frames):
        frame[int(top_first) :: 2] = moments[2 * place + 1][int(top_first) :: 2]
    return frames


def write(path: str, frames: Sequence[np.ndarray], fields: str, codec: str = "ffv1", pixels: str = "yuv422p") -> None:
    """A clip whose frames say that they are of `fields`: tff, bff, or prog for none; 25 a second."""
    import av

    with av.open(path, "w") as out:
        stream: Any = out.add_stream(codec, rate=25)
        (stream.height, stream.width), stream.pix_fmt = frames[0].shape[:2], pixels
        if codec != "ffv1":
            stream.bit_rate = 20_000_000
        if codec == "mpeg2video":
            stream.options = {"flags": "+ildct+ilme"}
        context = stream.codec_context
        context.colorspace, context.color_range = (5 if codec == "dvvideo" else 1), 1
        graph = av.filter.Graph()
        size = {"width": stream.width, "height": stream.height}
        source = graph.add_buffer(**size, format=pixels, time_base=Fraction(1, 25))
        graph.link_nodes(source, graph.add("setfield", fields), graph.add("buffersink")).configure()
        for place, levels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(levels), format="rgb24")
            frame = frame.reformat(format=pixels, dst_colorspace=context.colorspace, dst_color_range=1)
            frame.pts, frame.time_base = place, Fraction(1, 25)
            graph.push(frame)
            out.mux(stream.encode(graph.pull()))
        out.mux(stream.encode())


def apart(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Root of the mean square in levels, borders left out."""
    differences = np.stack(first).astype(float) - np.stack(second)
    return float(np.sqrt(np.square(differences[:, 8:-8, 8:-8]).mean()))


@pytest.mark.parametrize("fields", ["tff", "bff"])
def test_frames_are_those_of_the_first_moment(fields: str, cli: Cli):
    moments = moving_files.pan(16, (96, 128), (0, 4))
    write("a.mkv", woven(moments, fields == "tff"), fields)
    clip = open_clip("a.mkv", name="a.mkv")
    found = [*clip.frames()]
    assert [frame.time for frame in found] == [Fraction(place, 25) for place in range(8)]
    assert {frame.duration for frame in found} == {Fraction(1, 25)}
    assert clip.rate == 25
    as_they_are = [frame.color for frame in open_clip("a.mkv", name="a.mkv", whole=False).frames()]
    # What is left is the detail that half of the rows cannot show.
    assert apart([frame.color for frame in found], moments[::2]) < 0.25 * apart(as_they_are, moments[::2])
    # And every other row is that of the file.
    rows = slice(int(fields == "bff"), None, 2)
    assert np.array_equal(found[3].color[rows], as_they_are[3][rows])


@pytest.mark.parametrize(("codec", "name"), [("dvvideo", "a.dv"), ("mpeg2video", "a.mpg")])
def test_tape_and_broadcast(codec: str, name: str, cli: Cli):
    # Gray: colors of two fields cannot be told from one another behind a conversion of whole frames to 4:2:0.
    moments = [frame[..., 1:2].repeat(3, 2) for frame in moving_files.pan(6, (576, 720), (0, 6))]
    write(name, woven(moments, codec != "dvvideo"), "bff" if codec == "dvvideo" else "tff", codec, "yuv420p")
    clip = open_clip(name, name=name)
    found = [frame.color for frame in clip.frames()]
    assert clip.notes
    combs = apart([frame.color for frame in open_clip(name, name=name, whole=False).frames()], moments[::2])
    assert apart(found, moments[::2]) < 0.3 * combs


def test_what_is_not_interlaced_stays(cli: Cli):
    frames = moving_files.pan(5, (96, 128), (0, 4))
    write("a.mkv", frames, "prog")
    clip = open_clip("a.mkv", name="a.mkv")
    found = [frame.color for frame in clip.frames()]
    assert not clip.notes
    plain = [frame.color for frame in open_clip("a.mkv", name="a.mkv", whole=False).frames()]
    assert np.array_equal(found, plain)


def test_command(cli: Cli):
    moments = moving_files.pan(12, (64, 96), (0, 4))
    write("a.mkv", woven(moments, True), "tff")
    words = ("--style", "great_wave", "--alpha", 0, "--steady", 0, "--device", "cpu", "--threads", 1, "--codec", "ffv1")
    done = cli("fast", "a.mkv", *words, "-o", "b.mkv")
    assert TOLD in done.stderr
    assert apart(moving_files.read("b.mkv"), moments[::2]) < 10
    done = cli("fast", "a.mkv", *words, "--deinterlace", "off", "-o", "c.mkv")
    assert "interlaced" not in done.stderr
    assert apart(moving_files.read("c.mkv"), moments[::2]) > 20
    assert cli("replay", "c.mkv", "-o", "d.mkv").exit_code == 0
    assert Path("c.mkv").read_bytes() == Path("d.mkv").read_bytes()
