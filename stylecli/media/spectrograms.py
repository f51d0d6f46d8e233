"""From sound to spectrograms and back: short-time Fourier transform, fast Griffin-Lim, spectral convergence.

Perraudin, Balazs, Soendergaard 2013, "A fast Griffin-Lim algorithm": with P1 = stft(istft(.)) and P2 = put the wanted
amplitude S on the phases, c[n] = P1(P2(t[n - 1])) and t[n] = c[n] + momentum (c[n] - c[n - 1]); momentum 0 is Griffin,
Lim 1984. Frames are Hann windows, centered, the edges padded by zeros (librosa from 0.10 on).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylecli.device import Context
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
        return self.transformed(wave).transpose(1, 2)

    def istft(self, spectrum: Tensor, length: int | None = None) -> Tensor:
        """The wave [C, length] whose transform is nearest to `spectrum`; by default (frames - 1) hop samples long."""
        return torch.istft(spectrum, self.n_fft, self.hop, window=self.window(spectrum.real), length=length)

    def transformed(self, wave: Tensor) -> Tensor:
        """`stft` with frames before frequencies, [C, 1 + T // hop, n_fft / 2 + 1], which lie so in memory."""
        half = self.n_fft // 2
        cut = torch.nn.functional.pad(wave, (half, half)).unfold(1, self.n_fft, self.hop)
        spectrum: Tensor = torch.fft.rfft(cut * self.window(wave))
        return spectrum

    def log_magnitudes(self, wave: Tensor, loud: float, top: int | None = None) -> Tensor:
        """log(1 + loud |stft|) of `wave` [C, T], a row a frame: [1 + T // hop, C top], of the lowest `top` frequencies.

        Left out, these are all n_fft / 2 + 1.
        """
        rows: Tensor = _LogMagnitudes.apply(wave, self, loud, top)
        return rows

    def added(self, spectrum: Tensor, length: int) -> Tensor:
        """Sum [C, length] of the windowed inverses of frames [C, N, n_fft / 2 + 1], each where it was cut."""
        parts = torch.fft.irfft(spectrum, self.n_fft).mul_(self.window(spectrum.real))
        channels, count, _ = parts.shape
        pieces = self.n_fft // self.hop
        made = parts.new_zeros(channels, count + pieces - 1, self.hop)
        for piece, part in enumerate(parts.unflatten(2, (pieces, self.hop)).unbind(2)):
            made[:, piece : piece + count] += part
        half = self.n_fft // 2
        wave = made.flatten(1)[:, half : half + length]
        return torch.nn.functional.pad(wave, (0, length - wave.shape[1]))

    def louder(self, wave: Tensor, amplitude: Tensor) -> Tensor:
        """`wave` [C, T] with each frame's frequencies times `amplitude` [C, 1 + T // hop, n_fft / 2 + 1].

        A symmetric positive map where amplitudes are positive.
        """
        return self.added(_multiply(self.transformed(wave), amplitude), wave.shape[1])

    def window(self, like: Tensor) -> Tensor:
        """What a frame is multiplied by, [n_fft], in the type of `like`."""
        return torch.hann_window(self.n_fft, dtype=like.dtype, device=like.device)


class _LogMagnitudes(torch.autograd.Function):
    """See `Frames`; back through the inverse transform, half as long as the one that autograd would take."""

    @staticmethod
    def forward(ctx: Context, wave: Tensor, frames: Frames, loud: float, top: int | None) -> Tensor:
        """The rows."""
        spectrum = frames.transformed(wave)[:, :, :top]
        size = magnitudes(spectrum)
        raised = (size * loud).add_(1)
        ctx.save_for_backward(spectrum, size, raised)
        ctx.told = frames, loud, wave.shape[1]
        # `log1p` takes ten times as long, and is another only where nothing is heard.
        return raised.log().transpose(0, 1).flatten(1)

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        """By the wave."""
        spectrum, size, raised = ctx.saved_tensors
        frames, loud, length = ctx.told
        # Silence has no direction, and is 0 itself.
        slope = size.clamp_min(torch.finfo(size.dtype).tiny ** 0.5).mul_(raised)
        torch.div(grads[0].unflatten(1, (len(size), -1)).transpose(0, 1), slope, out=slope)
        # The inverse counts all but the first and the last frequency twice, and divides by their number.
        slope[..., :: frames.n_fft // 2] *= 2
        # Frequencies that are left out are silent.
        whole = spectrum.new_zeros(*spectrum.shape[:2], frames.n_fft // 2 + 1)
        heard = torch.view_as_real(whole[..., : spectrum.shape[2]])
        for part, made in zip(torch.view_as_real(spectrum).unbind(-1), heard.unbind(-1), strict=True):
            torch.mul(part, slope, out=made)
        return frames.added(whole, length).mul_(frames.n_fft * loud / 2), None, None, None


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
    amplitude, start = amplitude.transpose(1, 2).contiguous(), start.transpose(1, 2)
    length = (amplitude.shape[1] - 1) * frames.hop if length is None else length
    evenly = _evenly(frames, amplitude, length)
    before = torch.zeros_like(start)
    wave = frames.added(_with_phases(amplitude, start.clone()), length) / evenly
    for _ in range(iterations - 1):
        now = frames.transformed(wave)
        # As real numbers, in a tenth of the time.
        ahead = torch.view_as_real(before).lerp_(torch.view_as_real(now), 1 + momentum)
        wave = frames.added(_with_phases(amplitude, torch.view_as_complex(ahead)), length) / evenly
        before = now
    return wave


def _evenly(frames: Frames, like: Tensor, length: int) -> Tensor:
    """What the windows of as many frames as `like` [C, N, F] has add up to when they are applied twice, [length]."""
    each = torch.fft.rfft(frames.window(like)).expand(1, like.shape[1], -1)
    return frames.added(each, length)[0].clamp_min(1e-11)


def spectral_convergence(frames: Frames, wave: Tensor, amplitude: Tensor) -> float:
    """|| |stft(wave)| - S || / || S || for the wanted amplitude S [C, F, N]; 0 where nothing is wanted and there."""
    return float((frames.stft(wave).abs() - amplitude).norm() / amplitude.norm().clamp(min=1e-12))


def _with_phases(amplitude: Tensor, spectrum: Tensor) -> Tensor:
    """`amplitude` with the phases of `spectrum`, which is changed: what is silent has the phase 0."""
    spectrum.real += torch.finfo(amplitude.dtype).tiny ** 0.5
    return _multiply(spectrum, amplitude / magnitudes(spectrum))


def _multiply(spectrum: Tensor, factor: Tensor) -> Tensor:
    """`spectrum` times real `factor`, in place; a product of the two would make complex numbers of factors first."""
    for part in torch.view_as_real(spectrum).unbind(-1):
        part.mul_(factor)
    return spectrum


def magnitudes(spectrum: Tensor) -> Tensor:
    """Absolute values, in half the time of `abs`, which minds numbers whose squares are none."""
    squares = torch.view_as_real(spectrum).square()
    return (squares[..., 0] + squares[..., 1]).sqrt_()


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
