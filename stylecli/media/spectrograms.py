"""From sound to spectrograms and back: short-time Fourier transform, fast Griffin-Lim, spectral convergence.

Perraudin, Balazs, Soendergaard 2013, "A fast Griffin-Lim algorithm": with P1 = stft(istft(.)) and P2 = put the wanted
amplitude S on the phases, c[n] = P1(P2(t[n - 1])) and t[n] = c[n] + momentum (c[n] - c[n - 1]); momentum 0 is Griffin,
Lim 1984. Frames are Hann windows, centered, the edges padded by zeros (librosa from 0.10 on).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylecli.media.audio import Sound
from stylecli.media.grids import sheet
from stylecli.media.images import write_picture


@dataclass(frozen=True)
class Frames:
    """How sound is cut into frames.

    Attributes:
        n_fft: Samples in a frame.
        hop: Samples from one frame to the next.
    """

    n_fft: int = 2048
    hop: int = 512

    def stft(self, wave: Tensor) -> Tensor:
        """Complex [C, n_fft / 2 + 1, 1 + T // hop] of `wave` [C, T]."""
        window = torch.hann_window(self.n_fft, dtype=wave.dtype, device=wave.device)
        return torch.stft(wave, self.n_fft, self.hop, window=window, pad_mode="constant", return_complex=True)

    def istft(self, spectrum: Tensor, length: int | None = None) -> Tensor:
        """The wave [C, length] whose transform is nearest to `spectrum`; by default (frames - 1) hop samples long."""
        window = torch.hann_window(self.n_fft, dtype=spectrum.real.dtype, device=spectrum.device)
        return torch.istft(spectrum, self.n_fft, self.hop, window=window, length=length)


def griffin_lim(
    frames: Frames,
    amplitude: Tensor,
    start: Tensor,
    *,
    iterations: int = 100,
    momentum: float = 0.99,
    length: int | None = None,
) -> Tensor:
    """A wave [C, length] whose transform has nearly the wanted amplitude.

    Args:
        frames: As those of `amplitude`.
        amplitude: [C, F, N]; the original's may be negative here and there, which turns the phase around.
        start: Complex [C, F, N] whose phases are the first guess.
        iterations: Inverse transforms, 1 or more.
        momentum: 0 is Griffin and Lim's own algorithm.
        length: Samples; by default (N - 1) hop.
    """
    wave = frames.istft(amplitude * _phases(start), length)
    before = torch.zeros_like(start)
    for _ in range(iterations - 1):
        now = frames.stft(wave)
        ahead = now + momentum * (now - before) if momentum else now
        before = now
        wave = frames.istft(amplitude * _phases(ahead), length)
    return wave


def spectral_convergence(frames: Frames, wave: Tensor, amplitude: Tensor) -> float:
    """|| |stft(wave)| - S || / || S || for the wanted amplitude S [C, F, N]; 0 where nothing is wanted and there."""
    return float((frames.stft(wave).abs() - amplitude).norm() / amplitude.norm().clamp(min=1e-12))


def _phases(spectrum: Tensor) -> Tensor:
    size = spectrum.abs()
    return torch.where(size > 0, spectrum / size.clamp(min=torch.finfo(size.dtype).tiny), 1)


def draw(sounds: Sequence[tuple[str, Sound]], path: str) -> None:
    """A picture of labelled spectrograms, one below the other, 80 dB from black to white.

    Low tones are at the bottom and have the most room: frequencies rise with the square of the height.

    Raises:
        OutputError: It cannot be written.
    """
    rows = []
    for _, sound in sounds:
        frames = Frames(2048, max(1, sound.samples.shape[1] // 1000, 256))
        heights = torch.linspace(1, 0, 512).square() * frames.n_fft / 2
        levels = (
            20
            * frames.stft(sound.samples.mean(0, keepdim=True)).abs().clamp(min=1e-5).log10()[0, heights.round().long()]
        )
        shown = ((levels - levels.max()) / 80 + 1).clamp(0, 1)
        sized = torch.nn.functional.interpolate(shown[None, None], size=(256, 1000), mode="area")[0]
        # Dark to light through red, so that a difference in level shows as one in color too.
        rows.append([torch.cat([(sized * 2).clamp(max=1), sized, (sized * 2 - 1).clamp(min=0)])])
    write_picture(sheet(rows, [label for label, _ in sounds], cell=1000), path)
