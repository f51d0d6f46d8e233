"""`audio` against a plain port of the original: a dense convolution with 1025 input channels and Gram matrices.

Ten seconds at 22,050 Hz, mono, noise in and noise for style: nothing here depends on what is heard. The same machine,
threads and run; run it with few other programs. `--long` adds ten minutes in stereo at 44,100 Hz with one update each,
for the memory.

    python benchmarks/audio.py [--threads 2] [--long]
"""

import argparse
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor

from stylecli import api
from stylecli.media.audio import Sound
from stylecli.media.spectrograms import Frames
from stylecli.nets.random_conv import Limit, RandomConv
from stylecli.optimise.sound import SoundObjective

SECONDS, RATE = 10, 22050


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


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--long", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(2, 1, SECONDS * RATE, generator=generator)
    content, style = (Frames().stft(each).abs().log1p()[0].T.contiguous() for each in waves)
    bank = RandomConv.drawn(content.shape[1], 4096, 11, generator)
    start = content + 0.1
    slow = seconds(plain(bank.weight, content, style), start, 2)
    print(f"plain port, 4096 filters     {slow:7.3f} s an evaluation")
    for name, ours in (("4096 filters", bank), ("default", Limit(content.shape[1], 11))):
        objective = SoundObjective([ours], content, [(1.0, style)], 1.0, 0.01)
        took = seconds(lambda x, objective=objective: sum(objective(x).values()), start, 3)  # type: ignore[misc]
        print(f"stylecli, {name:18s} {took:7.3f} s an evaluation, {slow / took:.1f} times as fast")
    begin = time.perf_counter()
    api.audio(*(Sound(each, RATE) for each in waves), threads=options.threads, device="cpu")
    took = time.perf_counter() - begin
    print(f"stylecli audio, {SECONDS} s of sound  {took:7.1f} s, real time x {took / SECONDS:.1f}")
    if options.long:
        long = Sound(0.1 * torch.randn(2, 600 * 44100, generator=generator), 44100)
        few = {"steps": 1, "wave_steps": 1, "phase_steps": 1}
        api.audio(long, Sound(waves[1], RATE), threads=options.threads, device="cpu", **few)
        print(f"ten minutes in stereo: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB at most")


if __name__ == "__main__":
    main()
