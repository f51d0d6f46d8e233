"""Clips do not flicker: what moves takes its strokes along, cuts begin anew, still scenes do not drift."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from threading import Thread

import moving_files
import numpy as np
import pytest
import torch
from conftest import Result, complaint
from PIL import Image

from stylecli import methods
from stylecli.device import resolve
from stylecli.method import Request
from stylecli.nets.noise import noise_like
from stylecli.past import Past, Recall
from stylecli.settings.gatys import GatysSettings

pytest.importorskip("cv2")
from stylecli.media.video import carrying, motion
from stylecli.media.video.codecs import Coding
from stylecli.media.video.pixels import Pixels

Cli = Callable[..., Result]
FAST = ("--style", "great_wave", "--device", "cpu", "--threads", 1, "--codec", "ffv1")
STEP = (1, 2)


@pytest.mark.parametrize("method", ["fast", "adain"])
def test_warping_error(method: str, cli: Cli):
    """At most 0.4 of frame by frame, as Lai et al. 2018 measure it, with the motion known."""
    moving_files.write("a.mkv", moving_files.pan(8, (96, 128), STEP), codec="ffv1", pixels="bgr0")
    style = FAST
    if method == "adain":
        Image.fromarray(moving_files.pan(1, (100, 100), seed=9)[0]).save("s.png")
        style = ("--style", "s.png", *FAST[2:])
    errors = []
    for steady in (0, 0.4):
        assert cli(method, "a.mkv", *style, "--steady", steady, "-o", f"{steady}.mkv").exit_code == 0
        errors.append(moving_files.warping_error(moving_files.read(f"{steady}.mkv")[2:], STEP))
    assert errors[1] < 0.4 * errors[0], errors


def test_cuts_do_not_bleed(cli: Cli):
    first, second = moving_files.pan(4, (60, 80), seed=1), moving_files.pan(4, (60, 80), seed=2)
    moving_files.write("a.mkv", [*first, *second], codec="ffv1", pixels="bgr0")
    moving_files.write("b.mkv", second, codec="ffv1", pixels="bgr0")
    for name in ("a", "b"):
        assert cli("fast", f"{name}.mkv", *FAST, "-o", f"{name}_out.mkv").exit_code == 0
    assert np.array_equal(moving_files.read("a_out.mkv")[4:], moving_files.read("b_out.mkv"))


def test_what_stands_still_does_not_drift(cli: Cli):
    rng, scene = np.random.default_rng(0), moving_files.pan(1, (48, 64))[0]
    noisy = [(scene + rng.normal(0, 3, scene.shape)).clip(0, 255).astype(np.uint8) for _ in range(6)]
    moving_files.write("a.mkv", [noisy[place % 6] for place in range(36)], codec="ffv1", pixels="bgr0")
    assert cli("fast", "a.mkv", *FAST, "-o", "b.mkv").exit_code == 0
    made = moving_files.read("b.mkv")
    means = np.array([frame.mean((0, 1)) for frame in made])
    assert np.abs(means[-1] - means[0]).max() < 2
    assert np.abs(made[-1].astype(float) - made[-7]).mean() < 1


def test_what_is_uncovered_leaves_no_trail():
    back = moving_files.pan(1, (120, 160), seed=4)[0]
    frames = []
    for place in (30, 40):
        frame = back.copy()
        frame[40:80, place : place + 30] = 255 - back[40:80, :30]
        frames.append(frame)
    found = motion.between(*frames)
    assert not found.cut
    trust = found.trust.repeat(2, 0).repeat(2, 1)
    assert trust[45:75, 31:38].mean() < 0.1
    assert trust[5:35].mean() > 0.9
    made = carrying.carried(frames[1], frames[0], found, (120, 160), strength=0.9, turn=1)
    assert np.abs(made[45:75, 31:38].astype(int) - frames[1][45:75, 31:38]).mean() < 8
    assert motion.between(frames[0], 255 - moving_files.pan(1, (120, 160), seed=8)[0]).cut


def test_planes_are_carried_on_as_levels_are(monkeypatch: pytest.MonkeyPatch):
    """Light and colors of 4:2:0, whole and in parts, are near those of what is carried on as levels."""
    frames = moving_files.pan(4, (176, 208), STEP, seed=3)
    drawn = [moving_files.pan(1, (176, 208), seed=seed)[0] for seed in range(4, 8)]
    coding = Coding("h264", (176, 208), Fraction(1, 25), Fraction(25), 92)
    planes = Pixels(coding).planes
    levels, halved = drawn[0], planes(drawn[0])
    for turn in range(1, 4):
        found = motion.between(*frames[turn - 1 : turn + 1])
        carry = partial(carrying.carried, motion=found, content=(176, 208), strength=0.4, turn=turn)
        with monkeypatch.context() as patch:
            patch.setattr(carrying, "AT_ONCE", 0)
            parts = carry(planes(drawn[turn]), halved)
        halved, levels = carry(planes(drawn[turn]), halved), carry(drawn[turn], levels)
        assert np.abs(parts.astype(int) - halved).max() < 4
    assert halved.shape == (264, 208)
    apart, frame = (np.abs(each.astype(int) - planes(levels)).mean() for each in (halved, planes(drawn[3])))
    assert apart < 0.25 * frame
    assert planes(drawn[0][:, 1:]).ndim == 3


def test_noise_goes_with_what_moves():
    x = torch.zeros(1, 3, 40, 60)
    shift = torch.tensor([6 / 60, 4 / 40]).reshape(1, 2, 1, 1).expand(1, 2, 10, 15)
    plain, moved = noise_like(x), noise_like(x, shift=shift)
    assert torch.allclose(moved[..., :36, :54], plain[..., 4:, 6:], atol=1 / 255)
    flow = np.full((10, 15, 2), (2, 1), np.float32)
    found = motion.Motion(flow, np.ones((10, 15), np.float32), False)
    shifted = motion.shifted(motion.shifted(None, found), found)
    assert np.allclose(shifted, (4 / 15, 2 / 10), atol=1e-3)


def test_recall_goes_from_frame_to_frame_in_threads():
    first = Recall(0.5)
    second = Recall(0.5, first)
    got: list[tuple[torch.Tensor, ...]] = []
    waiting = Thread(target=lambda: got.append(second.smoothed("a", [torch.tensor(0.0)])))
    waiting.start()
    first.smoothed("a", [torch.tensor(1.0)])
    waiting.join(10)
    assert got == [(torch.tensor(0.5),)]
    first.close()
    assert second.of("a") == (torch.tensor(0.5),)
    assert second.smoothed("never", [torch.tensor(3.0)]) == (torch.tensor(3.0),)


def test_gatys_is_held_to_the_frame_before(tiny_encoder: Path):
    settings = GatysSettings(weights=str(tiny_encoder), steps=6, init="content")
    method = methods.opened("gatys", settings, resolve("cpu"))
    made = torch.Generator().manual_seed(0)
    content, style, before = (torch.rand(3, 40, 48, generator=made) for _ in range(3))
    seen = torch.zeros(1, 40, 48)
    seen[:, :, :24] = 1
    past = Past(Recall(0), picture=before, seen=seen)
    apart = (method(Request(settings, content, [style], past=past)).picture - before).abs().mean((0, 1))
    alone = (method(Request(settings, content, [style])).picture - before).abs().mean((0, 1))
    assert apart[:20].mean() < 0.4 * alone[:20].mean()
    assert apart[28:].mean() > 0.8 * alone[28:].mean()


def test_without_opencv(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    moving_files.write("a.mkv", moving_files.pan(2, (32, 48)), codec="ffv1", pixels="bgr0")
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    motion.opencv.cache_clear()
    done = cli("fast", "a.mkv", *FAST, "-o", "b.mkv")
    assert complaint(done, 2) == "--steady: needs OpenCV, which is not installed"
    assert "pip install 'stylecli[video]'" in done.stderr
    assert cli("fast", "a.mkv", *FAST, "-o", "b.mkv", "--steady", 0).exit_code == 0
    motion.opencv.cache_clear()
