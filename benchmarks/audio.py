"""`audio` against a plain port of the original to PyTorch: time, what is reached, and the phase; ratios in one run.

The port is a dense convolution with 1025 input channels and 4096 filters, Gram matrices of filters, SciPy's L-BFGS-B
from noise and 500 plain Griffin-Lim iterations from random phase; it is given `--updates`, the original takes 300. What
is reached is measured in the original's features, drawn anew with three seeds (22,050 Hz, mono, 430 frames): distances
of Gram matrices from the style's and of features from the content's, squared sums as in its loss. Sounds are
`imperial` and `usa` of ../shared/data/audio, whose result by the original is `imperial_usa.wav` there; without that
folder, a tone and noise. Run it with few other programs.

    python benchmarks/audio.py [--threads 2] [--updates 50] [--sweep] [--long]

`--sweep` adds strengths from 0 to 1 on three pairs, `--long` ten minutes in stereo at 44,100 Hz with few updates, for
the memory.
"""

import argparse
import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from table import Row, finish, gflop, parser
from torch import Tensor

from stylecli import api
from stylecli.media.audio import Sound, read_sound, resample
from stylecli.media.spectrograms import Frames, griffin_lim, spectral_convergence
from stylecli.nets.random_conv import Limit, RandomConv
from stylecli.optimise.sound import SoundObjective, descend

RATE, FRAMES, SEEDS = 22050, 430, (1, 2, 3)
SHARED = Path(__file__).resolve().parents[2] / "shared/data/audio"


def load(name: str) -> Sound:
    """A recording, or what stands in for it: a gliding tone, and noise in bursts."""
    if (SHARED / name).exists():
        return read_sound(SHARED / name)
    t = torch.arange(10 * RATE) / RATE
    noise = 0.1 * torch.randn(1, 10 * RATE, generator=torch.Generator().manual_seed(1)) * (torch.sin(40 * t) > 0)
    tone = 0.3 * torch.sin(1400 * t + 90 * torch.sin(3 * t))[None]
    return Sound(noise if name == "usa.mp3" else tone + 0.05 * noise, RATE)


def mono(sound: Sound) -> Sound:
    """As the original hears it."""
    return Sound(resample(sound.samples.mean(0, keepdim=True), sound.rate, RATE)[:, : 10 * RATE], RATE)


def rows(sound: Sound) -> Tensor:
    """The original's log-magnitudes [N, 1025]."""
    return Frames().stft(mono(sound).samples).abs().log1p()[0, :, :FRAMES].T.contiguous()


def draw(seed: int) -> RandomConv:
    """One draw of the original's filters."""
    return RandomConv.drawn(1025, 4096, 11, torch.Generator().manual_seed(seed))


def distances(content: Sound, style: Sound, results: Sequence[Sound]) -> list[tuple[float, float]]:
    """(style, content) distances of each result, means over seeds."""
    sums = [(0.0, 0.0)] * len(results)
    for seed in SEEDS:
        bank = draw(seed)
        gram = lambda f: f.T @ f / len(f)
        kept, wanted = bank(rows(content)), gram(bank(rows(style)))
        for i, result in enumerate(results):
            f = bank(rows(result))
            far = float((f[: len(kept)] - kept[: len(f)]).square().sum())
            sums[i] = (sums[i][0] + float((gram(f) - wanted).square().sum()) / 3, sums[i][1] + far / 3)
    return sums


def plain(weight: Tensor, content: Tensor, style: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss as ports to PyTorch write it."""
    features = lambda x: torch.nn.functional.conv1d(x.T[None], weight)[0].T.relu()
    gram = lambda f: f.T @ f / len(f)
    with torch.no_grad():
        wanted, kept = gram(features(style)), features(content)

    def loss(x: Tensor) -> Tensor:
        f = features(x)
        return 0.01 * (f - kept).square().sum() + (gram(f) - wanted).square().sum()

    return loss


def seconds(loss: Callable[[Tensor], Tensor], start: Tensor, times: int) -> float:
    """Of one evaluation with its gradient, the best of `times`."""
    best = float("inf")
    for _ in range(times):
        x = start.clone().requires_grad_()
        begin = time.perf_counter()
        loss(x).backward()  # type: ignore[no-untyped-call]
        best = min(best, time.perf_counter() - begin)
    return best


def random_phase(amplitude: Tensor, length: int | None = None) -> Tensor:
    """The original's phase recovery."""
    turns = torch.rand(amplitude.shape, generator=torch.Generator().manual_seed(0))
    start = torch.polar(torch.ones_like(amplitude), 2 * math.pi * turns)
    return griffin_lim(Frames(), amplitude, start, iterations=500, momentum=0, length=length)


def port(content: Sound, style: Sound, updates: int) -> Sound:
    """What the plain port makes of them."""
    c, s = rows(content), rows(style)
    loss = plain(draw(0).weight, c, s)
    start = torch.randn(c.shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    x = descend(lambda x: {"all": loss(x)}, start, updates).x
    return Sound(random_phase(x.T.expm1()[None]), RATE)


def evaluations(content: Tensor, style: Tensor) -> Iterator[Row]:
    """Single evaluations."""
    bank, start = draw(0), content + 0.1
    slow = seconds(plain(bank.weight, content, style), start, 2)
    for name, ours in (("4096 filters", bank), ("default", Limit(content.shape[1], 11))):
        objective = SoundObjective([ours], content, [(1.0, style)], 1.0, 0.01)
        loss = lambda x, objective=objective: sum(objective(x).values())
        count = gflop(lambda loss=loss: seconds(loss, start, 1))  # type: ignore[misc]
        what = f"audio, an evaluation, {name}"
        yield Row(what, "plain port, 4096 filters", slow, seconds(loss, start, 3), count)


def whole(content: Sound, style: Sound, updates: int, threads: int) -> Iterator[Row]:
    """The whole of it: time, and, printed, distances and phase."""
    took, made = {}, {}
    c, s = mono(content), mono(style)
    for name, run in (
        (f"plain port, {updates} updates", lambda: port(c, s, updates)),
        ("stylecli, mono", lambda: Sound(api.audio(c, s, threads=threads, device="cpu").samples, RATE)),
        (
            "stylecli, as recorded",
            lambda: Sound(api.audio(content, style, threads=threads, device="cpu").samples, content.rate),
        ),
    ):
        begin = time.perf_counter()
        made[name] = run()
        took[name] = time.perf_counter() - begin
    (peer, first), *ours = took.items()
    for name, each in ours:
        yield Row(f"audio, 10 s, {name.removeprefix('stylecli, ')}", peer, first, each)
    if (SHARED / "imperial_usa.wav").exists():
        made["the original's own result"] = read_sound(SHARED / "imperial_usa.wav")
    found = distances(content, style, [*made.values(), content])
    for (name, sound), far in zip((*made.items(), ("the content", content)), found, strict=True):
        print(f"{name:27s} style {far[0]:9.0f}, content {far[1]:9.0f}", end="")
        if name in took:
            length = sound.samples.shape[1] / sound.rate
            pace = f"real time x {took[name] / length:.1f}, {first / took[name]:.1f} times as fast"
            print(f"   {took[name]:5.1f} s, {pace}", end="")
        print()
    wave = made["stylecli, mono"].samples
    frames, amplitude = Frames(), Frames().stft(wave).abs()
    quick = griffin_lim(frames, amplitude, frames.stft(c.samples), iterations=100, length=wave.shape[1])
    old = spectral_convergence(frames, random_phase(amplitude, wave.shape[1]), amplitude)
    print("spectral convergence to the magnitudes of the result in mono:")
    print(f"  500 plain Griffin-Lim iterations from random phase {old:.4f}")
    print(f"  100 fast ones from the content's phase             {spectral_convergence(frames, quick, amplitude):.4f}")
    print("  the result: 0, the descent on the sound finds its phases along with its magnitudes")


def sweep(threads: int) -> None:
    """Distances at rising strength."""
    for names in (("imperial.mp3", "usa.mp3"), ("gettysburg.mp3", "russia.mp3"), ("russia.mp3", "imperial.mp3")):
        content, style = (mono(load(name)) for name in names)
        alphas = (0.0, 0.25, 0.5, 0.75, 1.0)
        made = [api.audio(content, style, alpha=each, threads=threads, device="cpu").samples for each in alphas]
        styles, contents = zip(*distances(content, style, [Sound(each, RATE) for each in made]), strict=True)
        steady = list(styles) == sorted(styles, reverse=True) and list(contents) == sorted(contents)
        print(f"{' + '.join(names)}, alpha {alphas}: {'monotonic' if steady else 'NOT monotonic'}")
        print("  style  ", *(f"{each:9.0f}" for each in styles))
        print("  content", *(f"{each:9.0f}" for each in contents))


def rows_of(options: argparse.Namespace) -> Iterator[Row]:
    """All of them."""
    threads = options.threads or torch.get_num_threads()
    content, style = load("imperial.mp3"), load("usa.mp3")
    yield from evaluations(rows(content), rows(style))
    yield from whole(content, style, options.updates, threads)
    if options.sweep:
        sweep(threads)


def ten_minutes() -> None:
    """Tells the memory that ten minutes in stereo take."""
    content = load("imperial.mp3")
    long = Sound(content.samples.mean(0).repeat(2, 60)[:, : 600 * content.rate], content.rate)
    api.audio(long, load("usa.mp3"), device="cpu", steps=12, wave_steps=12, phase_steps=2)
    print(f"ten minutes in stereo: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9:.2f} GB at most")


def main() -> None:
    """Prints the rows, see `table`."""
    options = parser(__doc__)
    options.add_argument("--updates", type=int, default=50, help="of the plain port; the original takes 300")
    options.add_argument("--sweep", action="store_true")
    options.add_argument("--long", action="store_true")
    args = options.parse_args()
    if args.long:
        ten_minutes()
    else:
        finish(rows_of(args), args)


if __name__ == "__main__":
    main()
