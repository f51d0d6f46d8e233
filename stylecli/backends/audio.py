"""Style transfer for sound: a spectrogram with the content's features and the style's Gram matrix, then its phase.

Ulyanov, Lebedev 2016, "Audio texture synthesis and style transfer"; DmitryUlyanov/neural-style-audio-tf@8bfc315:

    L(x) = content_weight ||f(x) - f(c)||^2 + style_weight ||G(x) - G(s)||^2

with log-magnitudes x, features f = relu(random convolution over time), G = f^T f / frames. Ours differs, where
`--recipe ulyanov` does not: filters are infinitely many (`nets.random_conv`); it starts from the content and its phase
with a little noise of the style's color (silence has neither phase nor slope), not from noise alone; x stays between
silence and the loudest that content or style have in each frequency (a sparse content's few tones would else grow
without end, for features see how loud a frame is sooner than where); with the phase found, the sound itself descends,
loud frequencies by larger steps, its distance from the spectrogram that was found and then L(x(wave)), for that
spectrogram is none that a sound can have; Gram matrices are divided by the frames that have features (the original
counts those before the convolution); any rate, channels (they are frequencies of one network, which keeps them
together) and length.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from stylecli.device import Device, give_back
from stylecli.errors import UsageError
from stylecli.media.audio import CEILING, Sound, resample
from stylecli.media.spectrograms import Frames, griffin_lim, spectral_convergence
from stylecli.method import Method, Request, Result, Traits
from stylecli.nets.random_conv import Bank, Limit, RandomConv
from stylecli.optimise.sound import Box, Descended, Lead, SoundObjective, ahead, descend
from stylecli.progress import Listener
from stylecli.settings.audio import AudioSettings

HIGHEST = 48_000
"""Rate that is computed at, in Hz, when the content has a higher one: what is above no ear can hear."""

TEN_SECONDS = 420
"""Features in the original's ten seconds: content losses are as if there were so many, whatever the length."""

LONGEST_STYLE = 60
"""Seconds of a style that are compared: of a longer one six pieces, evenly spaced."""

AHEAD = 20
"""Updates in few directions for each of all frequencies."""

LEAD = 12
"""Updates of the sound towards the log-magnitudes that were found, before those on the losses."""

INAUDIBLE = 0.01
"""Log-magnitudes up to which a frequency is silent: what was compressed ends at 16 kHz, and rounding stays below it."""

FLOOR = 0.03
"""Of amplitudes that a descent on sound moves by: silence may sound again."""

FAINT = 0.1
"""Level of the noise that is added to the content, of the style's own."""


class Audio(Method[AudioSettings, Sound]):
    """Has no weights: filters are drawn by seed."""

    traits = Traits(threads=False)

    def __init__(self, device: Device) -> None:
        self.device = device
        self.weights: dict[str, str] = {}

    def run(self, request: Request[AudioSettings, Sound]) -> Result:
        """See `Method`: sounds of any rate, channels and length.

        Losses are those of the best evaluation, and the spectral convergence of the sound to the magnitudes that they
        are of, 0 after a descent on the sound itself; means over chunks.
        """
        settings, content, styles = request.settings, request.main, request.styles
        if not content.samples.any() and settings.content_weight:
            return Result(samples=content.samples, notes=("the content is silent, and so is the result",))
        if not settings.alpha and settings.content_weight and settings.recipe == "stylecli":
            losses = dict.fromkeys(("style", "content", "spectral convergence"), 0.0)
            return Result(samples=content.samples, losses=losses)
        rate = HIGHEST if settings.recipe == "stylecli" else 22050
        rate = min(rate, content.rate)
        channels = 1 if settings.recipe == "ulyanov" else content.samples.shape[0]
        piece = _Piece(settings, self.device, frames_for(rate), channels)
        waves = [self._style(each, rate, piece) for each in styles]
        notes = [] if all(each.samples.any() for each in styles) else ["a style is silent"]
        piece.listen(list(zip(request.weights, waves, strict=True)))
        wave = resample(_channels(content.samples, channels), content.rate, rate)
        made = _in_chunks(wave, rate, piece, request.listener)
        back = resample(made, rate, content.rate)
        length = content.samples.shape[1]
        if back.shape[1] < length:
            back = torch.nn.functional.pad(back, (0, length - back.shape[1]))
        losses = {name: sum(values) / len(values) for name, values in piece.losses.items()}
        back = _channels(back[:, :length], content.samples.shape[0])
        return Result(samples=back, losses=losses, interrupted=piece.interrupted, notes=tuple(notes))

    def _style(self, style: Sound, rate: int, piece: "_Piece") -> Tensor:
        wave = _channels(resample(style.samples, style.rate, rate), piece.channels)
        if wave.shape[1] > LONGEST_STYLE * rate:
            size, room = LONGEST_STYLE * rate // 6, wave.shape[1] - LONGEST_STYLE * rate // 6
            wave = torch.cat([wave[:, room * i // 5 : room * i // 5 + size] for i in range(6)], 1)
        # A style shorter than a filter is repeated until it fills one.
        return wave.repeat(1, -(-piece.shortest // wave.shape[1]))


def build(settings: AudioSettings, device: Device) -> Audio:
    """The backend for `settings`.

    Raises:
        UsageError: Half precision, in which small sounds would drown.
    """
    if device.dtype != torch.float32:
        raise UsageError(f"precision {str(device.dtype)[6:]}: audio computes in float32", "leave out --precision")
    return Audio(device)


def frames_for(rate: int) -> Frames:
    """Frames as long as the original's, 93 ms, to the nearest power of two."""
    n_fft = 2 ** max(8, round(math.log2(2048 * rate / 22050)))
    return Frames(n_fft, n_fft // 4)


class _Piece:
    """Does one chunk after the other."""

    def __init__(self, settings: AudioSettings, device: Device, frames: Frames, channels: int) -> None:
        self.settings, self.device, self.frames, self.channels = settings, device, frames, channels
        self.styles: list[tuple[float, Tensor]] = []
        self.losses: dict[str, list[float]] = {}
        self.interrupted = False
        self.full = CEILING
        # Frames until each scale has one patch.
        self.shortest = frames.hop * settings.kernel * 4**settings.rhythm
        bins = channels * (frames.n_fft // 2 + 1)
        generator = device.generator(settings.seed)
        count = settings.ensemble if settings.filters else 1
        self.banks: list[Bank] = [
            RandomConv.drawn(bins, settings.filters, settings.kernel, generator).to(device.torch)
            if settings.filters
            else Limit(bins, settings.kernel)
            for _ in range(count)
        ]
        self.noise = device.generator(settings.seed)

    def listen(self, styles: Sequence[tuple[float, Tensor]]) -> None:
        """Takes (share, wave [C, T]) of each style in."""
        self.styles = [(share, self.see(wave)) for share, wave in styles]
        powers = [share * self.frames.stft(wave).abs().square().mean(2, keepdim=True) for share, wave in styles]
        # A Hann window's squares have a mean of 3/8.
        self.color = (torch.stack(powers).sum(0) / (self.frames.n_fft * 3 / 8)).sqrt().to(self.device.torch)

    def _colored(self, length: int) -> Tensor:
        """Noise [C, length] as loud as the styles in each frequency."""
        noise = torch.randn(self.channels, length, generator=self.noise).to(self.device.torch)
        return self.frames.istft(self.frames.stft(noise) * self.color, length)

    def see(self, wave: Tensor, top: int | None = None) -> Tensor:
        """Log-magnitudes [N, bins] of [C, T], all channels side by side, as loud as in the original's frames.

        Of each channel the lowest `top` frequencies, by default all.
        """
        rows = self.frames.log_magnitudes(wave.to(self.device.torch), 2048 / self.frames.n_fft, top)
        return rows / math.sqrt(self.channels)

    def _below(self, rows: Tensor, top: int) -> Tensor:
        """Of log-magnitudes [N, bins], the lowest `top` of each channel."""
        made: Tensor = rows.unflatten(1, (self.channels, -1))[:, :, :top].flatten(1)
        return made

    def _amplitude(self, rows: Tensor) -> Tensor:
        x = rows.T.unflatten(0, (self.channels, -1)) * math.sqrt(self.channels)
        x = x if self.settings.recipe == "ulyanov" else x.clamp(min=0)
        made: Tensor = x.expm1() * (self.frames.n_fft / 2048)
        return torch.nn.functional.pad(made, (0, 0, 0, self.frames.n_fft // 2 + 1 - made.shape[1]))

    def _metric(self, wave: Tensor) -> Callable[[Tensor], Tensor]:
        """What is loud moves far: losses see logarithms, whose slopes by it are small."""
        frames = Frames(self.frames.n_fft, self.frames.n_fft // 2)
        amplitude = frames.transformed(wave).abs().transpose(1, 2) * (2048 / frames.n_fft)
        amplitude = torch.nn.functional.avg_pool1d(amplitude, 3, 1, 1, count_include_pad=False).transpose(1, 2) + FLOOR
        amplitude /= amplitude.mean()
        return lambda x: frames.louder(x, amplitude)

    def _lead(self, found: Descended, top: int) -> Lead | None:
        """A sound's distance from the log-magnitudes that were found, as steep as losses were around them."""
        if not found.scales:
            return None
        steepness = 1 / (2 * found.scales[-1])
        return Lead(lambda wave: {"distance": steepness * (self.see(wave, top) - found.x).square().sum()}, LEAD)

    def _highest(self, sounds: Sequence[Tensor]) -> int:
        """How many frequencies there are up to the highest that is heard in any of these log-magnitudes."""
        loud = torch.stack([rows.unflatten(1, (self.channels, -1)).amax((0, 1)) for rows in sounds]).amax(0)
        return max(int((loud > INAUDIBLE).nonzero()[-1:].sum()) + 1, 2)

    def __call__(self, content: Tensor, start: Tensor, heard: int, listener: Listener, done: int, total: int) -> Tensor:
        """The result [C, T].

        Args:
            content: A chunk, [C, T].
            start: What the result is found from, [C, T].
            heard: Samples at its beginning that are a result already: it fades out over them.
            listener: Told of every update.
            done: Updates before this chunk.
            total: Updates in all.
        """
        s, length = self.settings, content.shape[1]
        if not content.any() and s.content_weight:
            return start
        room = max(0, self.shortest - length)
        content, start = (torch.nn.functional.pad(each, (0, room)).to(self.device.torch) for each in (content, start))
        target, published = self.see(content), s.recipe == "ulyanov"
        mixed = [(share * s.alpha, rows) for share, rows in self.styles] + [(1 - s.alpha, target)]
        top = self.frames.n_fft // 2 + 1
        # Filters that were drawn have taps for all of them.
        if not published and not s.filters:
            top = self._highest([rows for share, rows in [*mixed, (s.content_weight, target)] if share])
            mixed, target = [(share, self._below(rows, top)) for share, rows in mixed], self._below(target, top)
        count = target.shape[0] - s.kernel + 1
        weight = s.content_weight * (1 if published else TEN_SECONDS / count)
        extra = s.kernel - 1 if published else 0
        objective = SoundObjective(self.banks, target, mixed, s.style_weight, weight, s.rhythm, extra)
        peaks = torch.stack([rows.amax(0) for share, rows in [*mixed, (s.content_weight, target)] if share])
        box = Box(peaks.new_zeros(()), peaks.amax(0), float(peaks.max()))
        if not published:
            level = FAINT * s.alpha if s.content_weight else 1.0
            start[:, heard:] += level * self._colored(start.shape[1] - heard)
        phase = self.frames.stft(start)
        x = self.see(start, top)
        if published:
            draw: Callable[[], Tensor] = lambda: torch.rand(phase.shape, generator=self.noise)
            x = torch.randn(x.shape, generator=self.noise).to(x) * 1e-3
            phase = torch.polar(torch.ones(phase.shape), 2 * math.pi * draw()).to(phase)
        follow = partial(descend, listener=listener, total=total)
        # Where a descent of all frequencies would lead is found first in few directions.
        if published:
            descended = follow(objective, x, s.steps, done=done)
        else:
            # Drawn filters see much the same as infinitely many.
            many = replace(objective, banks=[Limit(x.shape[1], s.kernel, s.filters)]) if s.filters else objective
            descended = ahead(many, x, box, AHEAD * s.steps)
            if not descended.interrupted:
                box = replace(box, scale=next(iter(descended.scales), None))
                descended = follow(objective, descended.x, s.steps, box=box, done=done)
        found, amplitude, losses = descended, self._amplitude(descended.x), descended.losses
        wave = griffin_lim(
            self.frames, amplitude, phase, iterations=s.phase_steps, momentum=s.momentum, length=content.shape[1]
        )
        new = torch.ones(content.shape[1]).to(wave)
        new[:heard] = torch.linspace(0, 1, heard)
        wave = start.lerp(wave, new)
        if s.updates and not descended.interrupted:
            of_wave = lambda wave: objective(self.see(wave, top))
            low, high = (
                (start - 2 * self.full * new).clamp(min=-self.full),
                (start + 2 * self.full * new).clamp(max=self.full),
            )
            box = Box(low, high, 4 * float(wave.square().mean().sqrt()), self._metric(wave))
            lead = self._lead(found, top)
            descended = follow(of_wave, wave, s.updates, box=box, lead=lead, done=done + s.steps)
            if descended.losses:
                wave, losses = descended.x, descended.losses
                amplitude = self.frames.stft(wave).abs()
        self.interrupted = descended.interrupted
        losses = {**losses, "spectral convergence": spectral_convergence(self.frames, wave, amplitude)}
        for name, value in losses.items():
            self.losses.setdefault(name, []).append(value)
        return wave[:, :length].cpu()


def _in_chunks(wave: Tensor, rate: int, piece: _Piece, listener: Listener) -> Tensor:
    """The result for `wave` [C, T]; each chunk starts from the end of the one before, into which it is faded."""
    length, overlap = wave.shape[1], int(piece.settings.overlap * rate)
    longest = max(max(int(piece.settings.chunk * rate), overlap) + overlap, piece.shortest)
    count = max(1, math.ceil((length - overlap) / (longest - overlap)))
    size = math.ceil((length + (count - 1) * overlap) / count)
    total = count * (piece.settings.steps + piece.settings.updates)
    peak = max(float(wave.max()), -float(wave.min()))
    piece.full = peak if peak > 1 else CEILING
    made = wave.clone() if piece.settings.content_weight else torch.zeros_like(wave)
    for index in range(count):
        if piece.interrupted:
            break
        begin = index * (size - overlap)
        end, heard = min(length, begin + size), overlap if index else 0
        start = made[:, begin:end].clone()
        made[:, begin:end] = piece(wave[:, begin:end], start, heard, listener, total * index // count, total)
        give_back()
    return made


def _channels(samples: Tensor, wanted: int) -> Tensor:
    """[wanted, T]: as they are, or the mean of all for each."""
    return samples if samples.shape[0] == wanted else samples.mean(0, keepdim=True).expand(wanted, -1).contiguous()
