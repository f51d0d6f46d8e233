"""Clips go in and come out: frames, colors, times, sound, records; what is broken is told."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import moving_files
import numpy as np
import pytest
from conftest import Result, complaint
from PIL import Image

from stylecli.batch import moving
from stylecli.media.stored_settings import read_settings
from stylecli.media.video import clip, codecs
from stylecli.media.video.clip import Frame, Part
from stylecli.media.video.reader import open_clip

pytest.importorskip("cv2")
Cli = Callable[..., Result]
FAST = ("--style", "great_wave", "--device", "cpu", "--threads", 1)


def opened(path: str):
    return open_clip(path, name=path)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
def test_colors_are_those_of_the_matrix_and_the_range(matrix: str, full: bool, half: bool, tmp_path: Path):
    shown = moving_files.scene(72, 96)
    if half:  # what 4:2:0 cannot tell is no error of the reader
        shown = np.kron(shown[::12, ::12].round(2), np.ones((12, 12, 1)))
    codes = moving_files.yuv_codes(shown, matrix, full, half=half)
    path = moving_files.write_yuv(tmp_path / "a.mkv", codes, matrix, full)
    apart = np.abs(moving_files.read(path)[0] - moving_files.of_yuv(codes, matrix, full))
    if half:
        apart = apart.reshape(6, 12, 8, 12, 3)[:, 3:9, :, 3:9]
    assert apart.max() <= 1
    assert apart.mean() < 0.3


def test_what_is_written_is_read_again(cli: Cli):
    frames = moving_files.pan(6, (46, 62))
    moving_files.write("a.mkv", frames, codec="ffv1", pixels="bgr0")
    for name, most in (("b.mp4", 12), ("b.webm", 16), ("b.mov", 12), ("b.avi", 12), ("c.mkv", 0.5)):
        codec = ("--codec", "ffv1") if name == "c.mkv" else ()
        done = cli("fast", "a.mkv", *FAST, "--alpha", 0, "--steady", 0, "-o", name, *codec)
        assert done.exit_code == 0, done.stderr
        apart = np.abs(np.stack(moving_files.read(name)).astype(float) - np.stack(frames))
        assert apart.shape == (6, 46, 62, 3)
        assert apart.mean() < most / 4, name
        stored = json.loads(read_settings(name) or "")
        assert stored["encoding"]["codec"] == ("ffv1" if codec else "auto")


def test_frames_by_themselves_are_what_pictures_are(cli: Cli):
    frames = moving_files.pan(4, (40, 56))
    moving_files.write("a.mkv", frames, codec="ffv1", pixels="bgr0")
    Path("in").mkdir()
    for place, levels in enumerate(frames):
        Image.fromarray(levels).save(f"in/{place}.png")
    words = (*FAST, "--alpha", 0.7, "--size", 36)
    assert cli("fast", "a.mkv", *words, "--steady", 0, "--codec", "ffv1", "-o", "b.mkv").exit_code == 0
    assert cli("fast", "in", *words, "-o", "out/", "--name", "{stem}.png").exit_code == 0
    for place, levels in enumerate(moving_files.read("b.mkv")):
        assert np.array_equal(levels, np.asarray(Image.open(f"out/{place}.png")))


def test_sound_times_and_tags_stay(cli: Cli):
    times = [0, 40, 130, 150, 333, 400, 401, 480]
    moving_files.write("a.mkv", moving_files.pan(8, (32, 48)), times=times, sound=True, tags={"title": "A walk"})
    done = cli("fast", "a.mkv", *FAST, "-o", "b.mkv", "-v")
    assert done.exit_code == 0, done.stderr
    assert [time for _, time in moving_files.packets("b.mkv", "audio")] == [
        time for _, time in moving_files.packets("a.mkv", "audio")
    ]
    assert moving_files.packets("b.mkv", "audio") == moving_files.packets("a.mkv", "audio")
    assert [round(frame.time * 1000) for frame in opened("b.mkv").frames()] == times
    assert opened("b.mkv").tags["title"] == "A walk"


def test_a_part_begins_with_its_sound(cli: Cli):
    moving_files.write("a.mp4", moving_files.pan(25, (32, 48)), sound=True)
    done = cli("fast", "a.mp4", *FAST, "--start", "0.4", "--end", "0:00.8", "--every", 2, "-o", "b.mp4")
    assert done.exit_code == 0, done.stderr
    assert [float(frame.time) for frame in opened("b.mp4").frames()] == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
    heard = dict(moving_files.packets("a.mp4", "audio"))
    for data, at in moving_files.packets("b.mp4", "audio"):
        assert abs(heard[data] - Fraction(2, 5) - at) < Fraction(1, 40000)


def test_turned_and_odd(cli: Cli):
    frames = moving_files.pan(3, (33, 47))
    moving_files.write("a.mp4", frames, pixels="yuv444p", options={"crf": "4"})
    Path("b.mp4").write_bytes(moving_files.turned(Path("a.mp4").read_bytes()))
    upright = moving_files.read("b.mp4")[0]
    assert opened("b.mp4").size == (47, 33)
    assert np.abs(upright.astype(float) - np.rot90(frames[0], -1)).mean() < 4
    done = cli("fast", "b.mp4", *FAST, "-o", "c.mp4")
    assert "32x46, for h264 has even sides" in done.stderr
    assert opened("c.mp4").size == (46, 32)
    assert cli("fast", "b.mp4", *FAST, "-o", "c.webm").exit_code == 0
    assert opened("c.webm").size == (47, 33)


def test_replayed_and_skipped(cli: Cli):
    moving_files.write("a.mp4", moving_files.pan(5, (32, 48)))
    assert cli("fast", "a.mp4", *FAST, "--every", 2).stdout.split() == ["a_fast_great_wave.mp4"]
    assert cli("replay", "a_fast_great_wave.mp4", "-o", "again.mp4").exit_code == 0
    assert Path("again.mp4").read_bytes() == Path("a_fast_great_wave.mp4").read_bytes()
    words = ("fast", "a.mp4", *FAST, "-o", "again.mp4", "--skip-existing")
    assert "skipped" in cli(*words, "--every", 2).stderr
    assert "exists, with another output steady" in cli(*words, "--every", 2, "--steady", 0.1).stderr


def test_animated_pictures(cli: Cli):
    images = [Image.fromarray(levels) for levels in moving_files.pan(5, (30, 44))]
    for name in ("a.gif", "a.webp", "a.png"):
        images[0].save(name, save_all=True, append_images=images[1:], duration=[50, 120, 80, 60, 90])
        for kind in ("gif", "webp", "apng"):
            done = cli("fast", name, *FAST, "-o", f"b.{kind}", "--overwrite")
            assert done.exit_code == 0, done.stderr
            made = opened(f"b.{kind}")
            assert [round(each.duration * 1000) for each in made.frames()] == [50, 120, 80, 60, 90], (name, kind)
            assert json.loads(read_settings(f"b.{kind}") or "")["inputs"]["content"][0]["path"] == name
    done = cli("fast", "a.gif", *FAST, "-o", "still.png")
    assert "animated: first of 5 frames used" in done.stderr


def test_numbered_pictures_and_folders(cli: Cli, picture: Callable[..., Path]):
    for number in range(8, 12):
        picture(f"frames/{number}.png", size=(40, 36))
    words = ("fast", "frames/%d.png", *FAST, "--steady", 0)
    assert "--fps" in complaint(cli(*words, "-o", "a.mp4"), 2)
    assert cli(*words, "-o", "a.mp4", "--fps", 5).exit_code == 0
    assert cli("fast", "frames", *FAST, "--steady", 0, "-o", "b.mp4", "--fps", 5).exit_code == 0
    assert moving_files.packets("a.mp4", "video") == moving_files.packets("b.mp4", "video")
    assert [frame.time for frame in opened("a.mp4").frames()] == [Fraction(each, 5) for each in range(4)]
    assert cli("replay", "a.mp4", "-o", "again.mp4").exit_code == 0
    picture("frames/10.png", size=(20, 36))
    done = cli(*words, "-o", "c.mp4", "--fps", 5)
    assert complaint(done, 1) == "frames/10.png: 20x36, the pictures before it are 40x36"


def test_a_folder_of_clips(cli: Cli, picture: Callable[..., Path]):
    Path("in").mkdir()
    for name in ("a.mp4", "b.mkv"):
        moving_files.write(f"in/{name}", moving_files.pan(3, (32, 48)))
    picture("in/c.png", size=(40, 36))
    Path("in/d.mp4").write_bytes(b"\0\0\0 ftypisom" + bytes(100))
    done = cli("fast", "in", *FAST, "-o", "out/", "--name", "{stem}.{ext}", "--json")
    assert done.exit_code == 1
    assert sorted(each.name for each in Path("out").iterdir() if each.suffix != ".lock") == [
        "a.mp4", "b.mkv", "c.png", "stylecli.jsonl",
    ]  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["losses"].get("frames") for line in told] == [3, 3, None, None]
    assert told[3]["error"] == "in/d.mp4: cut off before its index (moov)"


def test_rates():
    frames = [Frame(np.zeros(0), None, Fraction(time, 100), Fraction(4, 100)) for time in (0, 4, 8, 30, 34)]
    assert [float(each.time) for each in Part(fps=Fraction(10)).of(iter(frames))] == [0, 0.1, 0.2, 0.3]
    doubled = [*Part(first=Fraction(4, 100), fps=Fraction(50)).of(iter(frames))]
    assert [each.time for each in doubled] == [Fraction(place, 50) for place in range(17)]


BROKEN = [
    ("cut.mkv", lambda data: data[: len(data) * 2 // 3], 0, r"cut\.mkv: cut off: only 0\.\d s of it are there"),
    ("cut.mp4", lambda data: data[: len(data) // 2], 1, r"cut\.mp4: cut off before its index \(moov\)"),
    ("noise.mkv", lambda data: bytes(500), 1, r"noise\.mkv: not a clip, or damaged"),
    ("empty.mp4", lambda data: b"", 1, r"empty\.mp4: empty file \(0 bytes\)"),
]


@pytest.mark.parametrize(("name", "damage", "code", "told"), BROKEN)
def test_broken_files(name: str, damage: Callable[[bytes], bytes], code: int, told: str, cli: Cli):
    whole = f"whole{Path(name).suffix}"
    moving_files.write(whole, moving_files.pan(25, (48, 64)), options={"g": "5"})
    Path(name).write_bytes(damage(Path(whole).read_bytes()))
    done = cli("fast", name, *FAST, "--every", 4, "--steady", 0, "-o", "out.mp4")
    assert done.exit_code == code, done.stderr
    assert re.search(told, done.stderr), done.stderr
    assert Path("out.mp4").exists() == (code == 0)
    assert not [*Path().glob(".*pieces")]


def test_bad_input(cli: Cli, picture: Callable[..., Path]):
    moving_files.write("a.mp4", moving_files.pan(3, (32, 48)), sound=True)
    words = ("fast", "a.mp4", *FAST)
    assert "--codec ffv1: not in .mp4" in complaint(cli(*words, "-o", "b.mp4", "--codec", "ffv1"), 2)
    assert "a.mp4: ends after 0.12 s" in complaint(cli(*words, "-o", "b.mp4", "--start", 9), 1)
    assert "no frame in that part" in complaint(cli(*words, "-o", "b.mp4", "--start", 0.11), 1)
    assert "--end 1: not behind the start" in complaint(cli(*words, "-o", "b.mp4", "--start", 2, "--end", 1), 2)
    assert "--start soon: not a time" in complaint(cli(*words, "-o", "b.mp4", "--start", "soon"), 2)
    assert "--grid: a.mp4 is a clip" in complaint(cli(*words, "-o", "b.png", "--grid"), 2)
    assert "cannot write .png" in complaint(cli(*words, "-o", "b.png"), 2)
    picture("p.png")
    assert "--every: for clips, and none goes in" in complaint(cli("fast", "p.png", *FAST, "--every", 2), 2)
    assert "a clip goes to a file" in complaint(cli(*words, "-o", "-"), 2)
    assert "one file for 2 jobs" in complaint(cli(*words, "--alpha", "0:1:2", "-o", "b.mp4"), 2)
    import av

    with av.open("a.mp4") as file, av.open("sound.mp4", "w") as out:
        stream = out.add_stream_from_template(file.streams.audio[0])
        for packet in file.demux(file.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    assert "sound.mp4: only sound in it" in complaint(cli("fast", "sound.mp4", *FAST, "-o", "b.mp4"), 1)
    assert not Path("b.mp4").exists()


def test_bombs_and_lists_of_files(cli: Cli):
    images = [Image.fromarray(levels) for levels in moving_files.pan(2, (30, 44))]
    images[0].save("a.gif", save_all=True, append_images=images[1:])
    data = bytearray(Path("a.gif").read_bytes())
    data[6:10] = b"\x20\x4e\x20\x4e"
    Path("bomb.gif").write_bytes(data)
    said = complaint(cli("fast", "bomb.gif", *FAST, "-o", "b.mp4"), 1)
    assert said == "bomb.gif: frames of 20,000x20,000 pixels"
    Path("list.ts").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n")
    assert "list.ts: " in complaint(cli("fast", "list.ts", *FAST, "-o", "b.mp4"), 1)
    moving_files.write("a.mp4", moving_files.pan(3, (32, 48)))
    Path("concat.avi").write_text("ffconcat version 1.0\nfile a.mp4\n")
    assert "concat.avi: " in complaint(cli("fast", "concat.avi", *FAST, "-o", "b.mp4"), 1)


def test_large_frames_take_turns(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    moving_files.write("a.mp4", moving_files.pan(5, (32, 48)))
    assert cli("fast", "a.mp4", *FAST, "-o", "b.mp4").exit_code == 0
    monkeypatch.setattr(clip, "LARGE", 0)
    assert cli("fast", "a.mp4", *FAST, "-o", "c.mp4").exit_code == 0
    assert Path("b.mp4").read_bytes() == Path("c.mp4").read_bytes()


def test_what_an_encoder_holds_is_planned(tiny_fast: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch):
    moving_files.write("a.mp4", moving_files.pan(3, (32, 48)))
    words = ("fast", "a.mp4", "--weights", tiny_fast, "--style", "wave", "--threads", 1, "--max-memory", "4G")
    assert cli(*words, "-o", "b.mp4").exit_code == 0
    monkeypatch.setattr(codecs, "held_bytes", lambda codec, size: 2**32 if codec == "h264" else 0)
    assert "MiB are needed" in complaint(cli(*words, "-o", "c.mp4"), 4)
    assert cli(*words, "-o", "c.mkv", "--codec", "ffv1").exit_code == 0
    assert "1,536 pixels: " in cli(*words, "-o", "c.mp4").stderr


def test_codecs_by_their_other_names(cli: Cli):
    for said, meant in (("h265", "hevc"), ("H.265", "hevc"), ("avc", "h264"), ("hvec", "hevc")):
        done = cli("fast", "a.mp4", *FAST, "--codec", said)
        assert "not one of auto, h264, hevc" in complaint(done, 2)
        assert f"did you mean {meant}?" in done.stderr


def test_one_frame(cli: Cli):
    moving_files.write("a.mp4", moving_files.pan(1, (32, 48)), sound=True)
    done = cli("fast", "a.mp4", *FAST, "-o", "b.mp4")
    assert done.exit_code == 0, done.stderr
    assert len(moving_files.read("b.mp4")) == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_frames_of_hardly_a_pixel(size: tuple[int, int], cli: Cli, picture: Callable[..., Path]):
    images = [Image.new("RGB", size, (60 * index, 100, 200)) for index in range(3)]
    images[0].save("a.gif", save_all=True, append_images=images[1:])
    picture("style.png", size=(40, 30))
    for kind, codec in (("gif", ()), ("mkv", ("--codec", "ffv1"))):
        done = cli("adain", "a.gif", "--style", "style.png", "--device", "cpu", *codec, "-o", f"b.{kind}")
        assert done.exit_code == 0, done.stderr
        assert {frame.shape[:2] for frame in moving_files.read(f"b.{kind}")} == {size[::-1]}


@pytest.mark.parametrize("crop", [(), ("--crop",)])
def test_stopped_and_gone_on(crop: tuple[str, ...], cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(moving, "PIECE", 4)
    moving_files.write("a.mp4", moving_files.pan(14, (32, 48)), sound=True)
    words = ("adain", "a.mp4", "--style", "a.png", "--device", "cpu", "--threads", 1, *crop)
    Image.fromarray(moving_files.pan(1, (40, 40), seed=3)[0]).save("a.png")
    assert cli(*words, "-o", "whole.mp4").exit_code == 0
    settled, count = moving.Painting._settled, 0

    def stops(*given):
        nonlocal count
        count += 1
        if count == 10:
            raise KeyboardInterrupt
        return settled(*given)

    monkeypatch.setattr(moving.Painting, "_settled", stops)
    assert cli(*words, "-o", "b.mp4").exit_code == 130
    assert not Path("b.mp4").exists()
    done = cli(*words, "-o", "b.mp4", "--skip-existing")
    assert "goes on behind 8 frames" in done.stderr
    assert Path("b.mp4").read_bytes() == Path("whole.mp4").read_bytes()
    assert not [*Path().glob(".*pieces")]


def test_all_is_painted_and_only_the_file_is_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    from stylecli.errors import OutputError
    from stylecli.media.video import writer

    def full(*given: object, **named: object):
        raise OutputError("b.mp4: no space left on device")

    moving_files.write("a.mp4", moving_files.pan(3, (32, 48)))
    with monkeypatch.context() as patched:
        patched.setattr(writer, "assemble", full)
        assert "no space left" in complaint(cli("fast", "a.mp4", *FAST, "-o", "b.mp4"), 1)
    done = cli("fast", "a.mp4", *FAST, "-o", "b.mp4", "--skip-existing")
    assert "goes on behind 3 frames" in done.stderr
    assert cli("fast", "a.mp4", *FAST, "-o", "whole.mp4").exit_code == 0
    assert Path("b.mp4").read_bytes() == Path("whole.mp4").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_and_gone_on(cli: Cli):
    moving_files.write("a.mp4", moving_files.pan(100, (24, 32)))
    words = ["fast", "a.mp4", *map(str, FAST), "-o", "b.mp4"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen([sys.executable, "-m", "stylecli", *words], env=env, stderr=subprocess.DEVNULL)
    state = Path(".b.mp4.pieces/state.safetensors")
    until = time.monotonic() + 180
    while not state.exists() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert state.exists()
    done = cli(*words, "--skip-existing")
    assert "goes on behind" in done.stderr, done.stderr
    assert cli(*words[:-1], "whole.mp4").exit_code == 0
    assert Path("b.mp4").read_bytes() == Path("whole.mp4").read_bytes()


def test_strength_over_time(cli: Cli):
    frame = moving_files.pan(1, (40, 56))[0]
    moving_files.write("a.mkv", [frame] * 5, codec="ffv1", pixels="bgr0", fps=2)
    Image.fromarray(frame).save("a.png")
    words = (*FAST, "--steady", 0, "--codec", "ffv1", "-o")
    assert cli("fast", "a.mkv", "--alpha", "0.2@0s,1@1s,0.5@0:02", *words, "b.mkv").exit_code == 0
    made = moving_files.read("b.mkv")
    for place, alpha in enumerate((0.2, 0.6, 1, 0.75, 0.5)):
        assert cli("fast", "a.png", "--alpha", alpha, *FAST, "-o", "x.png", "--overwrite").exit_code == 0
        assert np.abs(made[place].astype(int) - np.asarray(Image.open("x.png"))).max() <= 1
    assert cli("fast", "a.mkv", "--alpha", "0..1", *words, "c.mkv").exit_code == 0
    assert np.array_equal(moving_files.read("c.mkv")[0], frame)
    assert cli("replay", "c.mkv", "-o", "d.mkv").exit_code == 0
    assert Path("c.mkv").read_bytes() == Path("d.mkv").read_bytes()
    assert "times must grow" in complaint(cli("fast", "a.mkv", "--alpha", "0@2s,1@1s", *words, "e.mkv"), 2)
    assert "not strengths at times" in complaint(cli("fast", "a.mkv", "--alpha", "0@0s,7@1s", *words, "e.mkv"), 2)


def test_styles_over_time(cli: Cli):
    frame = moving_files.pan(1, (40, 56))[0]
    moving_files.write("a.mkv", [frame] * 3, codec="ffv1", pixels="bgr0", fps=2)
    for name, seed in (("a.png", 0), ("s.png", 5), ("t.png", 6)):
        Image.fromarray(moving_files.pan(1, (40, 56), seed=seed)[0]).save(name)
    words = ("--steady", 0, "--codec", "ffv1", "--device", "cpu", "--threads", 1, "-o", "b.mkv", "--overwrite")
    for method, one, other in (("adain", "s.png", "t.png"), ("fast", "great_wave", "the_scream")):
        done = cli(method, "a.mkv", "--style", f"{one}@0s,{other}@1s", *words)
        assert done.exit_code == 0, done.stderr
        made = moving_files.read("b.mkv")
        still = ("--device", "cpu", "--threads", 1, "-o", "x.png", "--overwrite")
        mixed = (f"{one}:0.5", "--style", f"{other}:0.5", "--blend")
        for place, style in ((0, (one,)), (1, mixed), (2, (other,))):
            assert cli(method, "a.png", "--style", *style, *still).exit_code == 0
            assert np.abs(made[place].astype(int) - np.asarray(Image.open("x.png"))).max() <= 1
    assert cli("adain", "a.mkv", "--style", "s.png@0s,t.png@0.5s,s.png@1s", *words).exit_code == 0
    again = moving_files.read("b.mkv")
    assert np.array_equal(again[0], again[2])
    assert not np.array_equal(again[0], again[1])
    assert cli("replay", "b.mkv", "-o", "c.mkv").exit_code == 0
    assert Path("b.mkv").read_bytes() == Path("c.mkv").read_bytes()
    mixed = ("--style", "s.png", "--style", "t.png", "--blend", "--over-time")
    assert "3 times for 2 styles" in complaint(cli("adain", "a.mkv", *mixed, "style=0s,1s,2s", *words), 2)
    assert "not a style and a time" in complaint(cli("adain", "a.mkv", *mixed, "style=x#0s", *words), 2)


def sounding(path: str) -> tuple[np.ndarray, Fraction]:
    """The samples of a clip [T], of one channel, and when they begin."""
    import av

    with av.open(path) as file:
        frames = [*file.decode(file.streams.audio[0])]
        return np.concatenate([each.to_ndarray()[0] for each in frames]), frames[0].pts * frames[0].time_base


def test_sound_takes_a_style_too(cli: Cli):
    import soundfile

    wave = np.random.default_rng(0).standard_normal(44100).cumsum()
    soundfile.write("drums.wav", wave / np.abs(wave).max() * 0.5, 44100)
    moving_files.write("a.mp4", moving_files.pan(25, (32, 48)), sound=True)
    words = ("fast", "a.mp4", *FAST, "--every", 5, "--steady", 0, "--sound-style", "drums.wav")
    done = cli(*words, "-o", "b.mp4")
    assert done.exit_code == 0, done.stderr
    (before, begin), (after, at) = sounding("a.mp4"), sounding("b.mp4")
    assert (at, abs(len(after) - len(before)) <= 1024) == (begin, True)
    assert np.abs(np.corrcoef(after[: len(before)], before[: len(after)])[0, 1]) < 0.95
    assert json.loads(read_settings("b.mp4") or "")["inputs"]["sound_style"][0]["path"] == "drums.wav"
    # It is what the method makes of the sound of the clip.
    soundfile.write("a.wav", before, 44100, subtype="FLOAT")
    assert (
        cli("audio", "a.wav", "--style", "drums.wav", "--device", "cpu", "--threads", 1, "-o", "x.wav").exit_code == 0
    )
    alone = soundfile.read("x.wav")[0]
    size = min(len(alone), len(after))
    assert np.corrcoef(alone[:size], after[:size])[0, 1] > 0.95
    assert cli("replay", "b.mp4", "-o", "c.mp4").exit_code == 0
    assert Path("b.mp4").read_bytes() == Path("c.mp4").read_bytes()
    assert "skipped" in cli(*words, "-o", "b.mp4", "--skip-existing").stderr
    soundfile.write("drums.wav", wave[::-1] / np.abs(wave).max() * 0.5, 44100)
    assert "another sound_style file" in cli(*words, "-o", "b.mp4", "--skip-existing").stderr
    moving_files.write("mute.mp4", moving_files.pan(3, (32, 48)))
    silent = ("fast", "mute.mp4", *FAST, "--sound-style", "drums.wav")
    assert "mute.mp4: no sound in it" in complaint(cli(*silent, "-o", "d.mp4"), 1)
    assert "no sound in .gif" in complaint(cli("fast", "a.mp4", *words[2:], "-o", "d.gif"), 2)
    assert "no such file" in complaint(cli("fast", "a.mp4", *FAST, "--sound-style", "none.wav", "-o", "d.mp4"), 2)


def test_motion_by_raft(cli: Cli):
    import torch
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    torch.save(raft_small(weights=None).state_dict(), "raft.pth")
    moving_files.write("a.mp4", moving_files.pan(3, (40, 130)))
    words = ("fast", "a.mp4", *FAST, "--flow", "raft.pth")
    assert (done := cli(*words, "-o", "b.mp4")).exit_code == 0, done.stderr
    assert json.loads(read_settings("b.mp4") or "")["inputs"]["flow"][0]["path"] == "raft.pth"
    assert cli(*words[:-2], "-o", "dis.mp4").exit_code == 0
    assert not np.array_equal(moving_files.read("b.mp4"), moving_files.read("dis.mp4"))
    assert cli("replay", "b.mp4", "-o", "c.mp4").exit_code == 0
    assert Path("b.mp4").read_bytes() == Path("c.mp4").read_bytes()
    torch.save({"weight": torch.zeros(3)}, "other.pth")
    assert "other.pth: no RAFT" in complaint(cli(*words[:-1], "other.pth", "-o", "d.mp4"), 3)
    assert "--steady 0" in complaint(cli(*words, "--steady", 0, "-o", "d.mp4"), 2)


def test_a_part_of_a_sound_takes_a_style(cli: Cli):
    import soundfile

    soundfile.write("drums.wav", np.random.default_rng(0).standard_normal(22050) / 8, 22050)
    moving_files.write("a.mp4", moving_files.pan(25, (32, 48)), sound=True)
    words = ("--steady", 0, "--sound-style", "drums.wav", "--start", "0.4", "--end", "0.8")
    for name in ("b.mp4", "b.webm"):
        assert cli("fast", "a.mp4", *FAST, *words, "-o", name).exit_code == 0
        made, begin = sounding(name)
        assert abs(float(begin)) < 0.03
        assert abs(len(made) / (48000 if name == "b.webm" else 44100) - 0.4) < 0.05


def test_ctrl_c_while_a_pipe_gives_nothing(tmp_path: Path):
    words = ["fast", "-", *map(str, FAST), "--raw", "rgb24:32x24", "-o", "-"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    running = subprocess.Popen(
        [sys.executable, "-m", "stylecli", *words], env=env, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert running.stdin
    assert running.stdout
    running.stdin.write(b"".join(each.tobytes() for each in moving_files.pan(4, (24, 32))))
    running.stdin.flush()
    assert len(running.stdout.read(24 * 32 * 3)) == 24 * 32 * 3
    running.send_signal(signal.SIGINT)
    try:
        assert running.wait(60) == 130
        assert b"Fatal" not in running.stderr.read()
    finally:
        running.kill()
        running.communicate()


def test_raw_frames_through_pipes(cli: Cli):
    frames = moving_files.pan(4, (33, 47))
    moving_files.write("a.mkv", frames, codec="ffv1", pixels="bgr0")
    data = b"".join(each.tobytes() for each in frames)
    done = cli("fast", "a.mkv", *FAST, "--codec", "ffv1", "-o", "b.mkv")
    assert done.exit_code == 0, done.stderr
    wanted = b"".join(each.tobytes() for each in moving_files.read("b.mkv"))
    words = ("fast", "-", *FAST, "--raw", "rgb24:47x33")
    done = cli(*words, "-o", "-", "-v", stdin=data)
    assert done.exit_code == 0, done.stderr
    assert done.binary == wanted
    assert "raw frames of 47x33" in done.stderr
    assert cli("fast", "a.mkv", *FAST, "--raw", "rgb24", "-o", "-").binary == wanted
    done = cli(*words, "--fps", 5, "--codec", "ffv1", "-o", "c.mkv", stdin=data[:-1])
    assert done.exit_code == 0, done.stderr
    assert "stdin: ends inside of frame 4, after 4,652 of its bytes: it is left out" in done.stderr
    assert b"".join(each.tobytes() for each in moving_files.read("c.mkv")) == wanted[: len(data) // 4 * 3]
    assert [float(each.time) for each in opened("c.mkv").frames()] == pytest.approx([0, 0.2, 0.4])
    for raw, said in (("rgb24", "says not how large"), ("yuv420p:4x4", "cannot be used"), ("rgb24:0x4", "cannot be")):
        assert said in complaint(cli("fast", "-", *FAST, "--raw", raw, "-o", "-", stdin=data), 2)
    assert "for pipes" in complaint(cli("fast", "a.mkv", *FAST, "--raw", "rgb24", "-o", "d.mkv"), 2)
    assert "nobody knows" in complaint(cli(*words, "--skip-existing", "-o", "d.mkv", stdin=data), 2)
    assert "no frame" in complaint(cli(*words, "-o", "d.mkv", stdin=data[:99]), 1)
