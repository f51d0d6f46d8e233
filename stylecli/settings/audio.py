"""Settings of `audio`, style transfer for sound (Ulyanov, Lebedev 2016)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from stylecli.settings.fields import Settings, option
from stylecli.settings.shared import Files

SOUNDS = ("wav", "flac", "ogg", "mp3")
ULYANOV = "DmitryUlyanov/neural-style-audio-tf@8bfc315"


@dataclass(frozen=True)
class AudioSettings(Settings):
    """Every option of `audio`; `recipe` names a reference implementation, `presets` holds what differs there."""

    style_weight: float = option(
        1.0, "factor on the Gram matrices' distance", source=ULYANOV, minimum=0, sweep=True, panel="Look"
    )
    content_weight: float = option(
        0.01,
        "factor on the features' distance; 0 makes a texture of the style's sound",
        source=ULYANOV,
        minimum=0,
        sweep=True,
        panel="Look",
    )
    alpha: float = option(
        1.0,
        "share of the style in the statistics aimed at; the rest is the content's",
        minimum=0,
        maximum=1,
        sweep=True,
        panel="Look",
    )
    kernel: int = option(11, "frames that a filter sees", source=ULYANOV, minimum=1, maximum=512, sweep=True)
    filters: int = option(
        0, "random filters; 0 computes the limit of infinitely many, which is faster", minimum=0, sweep=True
    )
    ensemble: int = option(1, "random networks whose losses are averaged", minimum=1)
    rhythm: int = option(
        0, "coarser copies in time that are compared too, each 4 times as coarse", minimum=0, maximum=3
    )
    steps: int = option(4, "updates of L-BFGS on the spectrogram", minimum=1)
    phase_steps: int = option(24, "iterations of Griffin-Lim, which finds the phase", minimum=1)
    wave_steps: int | None = option(
        None, "updates of L-BFGS on the sound itself, after that; default: 12, of a texture 20", minimum=0
    )
    momentum: float = option(
        0.99, "of fast Griffin-Lim; 0 is the plain one", source="Perraudin 2013", minimum=0, maximum=2
    )
    chunk: float = option(10.0, "seconds computed at once, not counting a cross-fade", unit="s", minimum=1)
    overlap: float = option(1.0, "seconds of a cross-fade", unit="s", minimum=0.1)
    clip: str = option(
        "limit", "what is done about peaks above full scale", choices=("limit", "rescale", "none"), panel="Outputs"
    )
    seed: int = option(0, "of filters, and of the noise that a texture starts from", minimum=0, sweep=True)
    recipe: str = option(
        "stylecli", "start from the settings of a reference implementation", choices=("stylecli", "ulyanov")
    )

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "stylecli": {},
        "ulyanov": {"filters": 4096, "steps": 300, "phase_steps": 500, "wave_steps": 0, "momentum": 0.0},
    }

    @property
    def updates(self) -> int:
        """`wave_steps`, or those that the losses need: a texture begins with noise, further away."""
        return self.wave_steps if self.wave_steps is not None else 12 if self.content_weight else 20


@dataclass(frozen=True)
class SoundFiles(Files):
    """Where sounds go and how they are encoded."""

    format: str | None = option(
        None,
        "file format; default: the suffix of -o or --name, else the content's, else wav",
        choices=SOUNDS,
        panel="Outputs",
    )
    bits: str = option(
        "auto",
        "bits a sample, 32f are floats; auto: as the content",
        choices=("auto", "16", "24", "32f"),
        panel="Outputs",
    )
    report: str | None = option(
        None, "draw content, style and result as spectrograms into this picture", unit="file", panel="Outputs"
    )

    formats: ClassVar[tuple[str, ...]] = SOUNDS
    depths: ClassVar[Mapping[str, tuple[str, ...]]] = {"24": ("wav", "flac"), "32f": ("wav",)}
