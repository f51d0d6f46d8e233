"""The Python API: methods in memory, on paths, PIL images, tensors or sounds; `stylecli.runs` does files in, files out.

    from stylecli import api

    picture = api.gatys("photo.jpg", "wave.jpg", steps=50)

Keywords are the options of the command of that name, or one `settings` object that has them all; and where to compute:
`device`, `precision`, `threads` and `max_memory` as on the command line, `listener`, which hears of every step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from stylecli import methods
from stylecli.batch.sources import Source
from stylecli.batch.work import even
from stylecli.errors import Stopped, UsageError
from stylecli.method import Request, Result, one_each
from stylecli.progress import Listener, silent
from stylecli.sessions import Session
from stylecli.settings.fields import Settings
from stylecli.settings.shared import Machine
from stylecli.settings.training import Training
from stylecli.settings.values import build, kinds

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from typing_extensions import Unpack

    from stylecli.device import Device
    from stylecli.media.audio import Sound
    from stylecli.settings import keywords

    Input = str | Path | bytes | Image | Tensor
    Recording = str | Path | bytes | Sound

MACHINE = ("device", "precision", "threads", "max_memory")


def stylize(
    method: str,
    /,
    content: "Input | None" = None,
    styles: "Input | Sequence[Input]" = (),
    *,
    settings: Settings | None = None,
    shares: Sequence[float] | None = None,
    masks: "Sequence[Tensor] | None" = None,
    **options: object,
) -> "Image | Tensor":
    """Runs a method in memory; nothing is written.

    Args:
        method: Its name, as in the command.
        content: A path, the bytes of a file, a PIL image, or a tensor [3, H, W], RGB in [0, 1]; None for methods that
            make pictures from nothing.
        styles: One such picture, or several for one mixture; none where styles are names, as in `fast`.
        settings: The method's settings; left out, they are made from `options`.
        shares: Weight of each style; even when left out.
        masks: Where each style goes: [1, H, W] in [0, 1], the content's size.
        options: The method's options, named as in its settings, and those of the machine, see the module.

    Returns:
        A tensor [3, H, W] when the content is one, else a PIL image.

    Raises:
        UsageError: An option that the method does not have, a bad value, or something that the method does not take.
        InputError: A picture that cannot be read.
        WeightsError: Weights that are missing or wrong.
        Stopped: Ctrl-C, a `KeyboardInterrupt`; its `result` is the best picture so far.
    """
    one_each(_several(styles), shares, masks)
    return session(method, content, styles, settings=settings, masks=masks, **options).at(shares=shares)


def session(
    method: str,
    /,
    content: "Input | None" = None,
    styles: "Input | Sequence[Input]" = (),
    *,
    settings: Settings | None = None,
    masks: "Sequence[Tensor] | None" = None,
    **options: object,
) -> Session:
    """Opens a method, with pictures, for several results: what does not change is computed once.

        with api.session("adain", "photo.jpg", ["wave.jpg", "scream.jpg"]) as painted:
            weak, strong = painted.at(alpha=0.3), painted.at(alpha=0.9, shares=[1, 3])
            quick = painted.preview(384).at(alpha=0.5)
            painted.save("painted.jpg", alpha=0.5)  # as the command does, with its record
            painted.command(alpha=0.5)  # that command

    Arguments and errors are those of `stylize`.
    """
    from torch import Tensor

    asked, listener, device = _asked(method, settings, options)
    several = _several(styles)
    one_each(several, None, masks)
    opened = methods.opened(method, asked, device)
    given: Mapping[str, Sequence[object]] = {"content": [] if content is None else [content], "style": several}
    names = {role: [str(x) if isinstance(x, str | Path) else role for x in some] for role, some in given.items()}
    request: Request[Settings, object] = Request(
        asked,
        None if content is None else _pixels(content),
        [_pixels(style) for style in several],
        None,
        masks,
        {role: _pixels(path) for role, path in asked.pictures().items()},
        names,
        listener,
    )
    named = masks is None and all(isinstance(x, str | Path) for some in given.values() for x in some)
    files = {role: tuple(map(Source, names[role])) for role in names if names[role]} if named else None
    made = Session(method, opened, request, tensors=isinstance(content, Tensor), files=files)
    made.precision = str(options.get("precision", "auto"))
    return made


def gatys(
    content: "Input",
    styles: "Input | Sequence[Input]",
    *,
    settings: Settings | None = None,
    shares: Sequence[float] | None = None,
    masks: "Sequence[Tensor] | None" = None,
    **options: "Unpack[keywords.Gatys]",
) -> "Image | Tensor":
    """As `stylize`, by optimization (Gatys, Ecker, Bethge 2016)."""
    return stylize("gatys", content, styles, settings=settings, shares=shares, masks=masks, **options)


def adain(
    content: "Input",
    styles: "Input | Sequence[Input]",
    *,
    settings: Settings | None = None,
    shares: Sequence[float] | None = None,
    masks: "Sequence[Tensor] | None" = None,
    **options: "Unpack[keywords.Adain]",
) -> "Image | Tensor":
    """As `stylize`, in one pass, in any style (Huang, Belongie 2017)."""
    return stylize("adain", content, styles, settings=settings, shares=shares, masks=masks, **options)


def fast(content: "Input", *, settings: Settings | None = None, **options: "Unpack[keywords.Fast]") -> "Image | Tensor":
    """As `stylize`, in one pass of a net that knows its styles by name: `style="great_wave"`."""
    return stylize("fast", content, settings=settings, **options)


def texture(
    content: "Input | None" = None,
    styles: "Input | Sequence[Input]" = (),
    *,
    settings: Settings | None = None,
    shares: Sequence[float] | None = None,
    **options: "Unpack[keywords.Texture]",
) -> "Image | Tensor":
    """As `stylize`: more of one exemplar, `content`, or of several, `styles`; of neither with `method="net"`."""
    return stylize("texture", content, styles, settings=settings, shares=shares, **options)


def stargan(
    command: str,
    content: "Input",
    references: "Input | Sequence[Input]" = (),
    *,
    settings: Settings | None = None,
    shares: Sequence[float] | None = None,
    **options: "Unpack[keywords.Stargan]",
) -> "Image | Tensor":
    """Runs `stargan ref` or `stargan latent` in memory; otherwise as `stylize`.

    picture = api.stargan("ref", "photo.jpg", "ukiyoe.jpg", domain="Ukiyo_e")
    picture = api.stargan("latent", "photo.jpg", domain="Ukiyo_e", seeds=3)
    """
    return stylize(f"stargan {command}", content, references, settings=settings, shares=shares, **options)


def stylegan(command: str, *, settings: Settings | None = None, **options: "Unpack[keywords.Stylegan]") -> Result:
    """Runs a command of `stylegan` in memory; nothing is written.

        made = api.stylegan("sample", weights="ffhq.pkl", seeds="0-3", psi=0.7)
        made.pictures  # [4, 3, 1024, 1024], nominally in [0, 1]; made.image is the sheet, made.latents their w

    Args:
        command: `sample`, `mix`, `truncate`, `interpolate`, `project` (`photo` is a path) or `ppl`.
        settings: The command's settings; left out, they are made from `options`.
        options: The command's options, and those of the machine; lists such as `seeds` may also be one number.

    Raises:
        UsageError: An option that the command does not have, or a bad value.
        InputError: Latents or a photo that cannot be read, or latents of another network.
        WeightsError: Weights that are missing or wrong.
    """
    asked, listener, device = _asked(f"stylegan {command}", settings, options)
    photos = {role: _pixels(path) for role, path in asked.pictures().items()}
    return methods.opened("stylegan", asked, device)(Request(asked, pictures=photos, listener=listener))


def audio(
    content: "Recording",
    styles: "Recording | Sequence[Recording]",
    *,
    settings: Settings | None = None,
    shares: Sequence[float] | None = None,
    **options: "Unpack[keywords.Audio]",
) -> Result:
    """Gives a sound the style of others, in memory; nothing is written.

        made = api.audio("speech.wav", "rain.flac", alpha=0.5)
        made.samples  # [C, T] at the content's rate

    Args:
        content: A path, the bytes of a file, or a `media.audio.Sound`.
        styles: One such recording, or several for one mixture.
        settings: An `AudioSettings`; left out, it is made from `options`.
        shares: Weight of each style; even when left out.
        options: The command's options, and those of the machine.

    Raises:
        UsageError: An option that the method does not have, or a bad value.
        InputError: A sound that cannot be read.
        Stopped: Ctrl-C; its `result` is the best so far.
    """
    from stylecli.media.audio import Sound, read_sound

    asked, listener, device = _asked("audio", settings, options)
    several = _several(styles)
    one_each(several, shares, None)
    heard = lambda given: given if isinstance(given, Sound) else read_sound(given)
    first, *others = map(heard, (content, *several))
    weights = even(shares) if shares else None
    result = methods.opened("audio", asked, device)(Request(asked, first, others, weights, listener=listener))
    if result.interrupted:
        raise Stopped(result)
    return result


def train(network: str, settings: Training, compute: Machine, listener: Listener = silent) -> Path:
    """Trains, or goes on where the settings' output folder stopped; the path of the weights so far is returned.

    Under `torchrun` it is one of several processes, see `stylecli.training.distributed`.

    Raises:
        UsageError: Settings that do not fit, or a device that this machine does not have.
        InputError: Pictures that cannot be read, or a folder with a training of something else.
        WeightsError: A teacher that is missing or of another family.
    """
    from stylecli.device import resolve
    from stylecli.training.distributed import joined, rank

    with joined(resolve(compute.device, compute.precision, compute.threads, compute.max_bytes)) as device:
        return methods.training(network)(replace(settings, seed=settings.seed + rank()), device, listener)


def _asked(
    method: str, settings: Settings | None, options: Mapping[str, object]
) -> "tuple[Settings, Listener, Device]":
    """The settings, who listens, and the device that options stand for."""
    from stylecli.device import resolve

    own = {name: value for name, value in options.items() if name not in (*MACHINE, "listener")}
    if settings is not None and own:
        raise UsageError(f"{', '.join(own)}: give settings or options, not both")
    if settings is None:
        kind = methods.settings_of(method)
        known = kinds(kind)
        # One seed, class or layer is a list too.
        text = {name for name in own if name in known and known[name].base is str and type(own[name]) is int}
        settings = build(kind, {name: str(value) if name in text else value for name, value in own.items()})
    machine = build(Machine, {name: options[name] for name in MACHINE if name in options})
    listener = options.get("listener") or silent
    assert callable(listener)
    return settings, listener, resolve(machine.device, machine.precision, machine.threads, machine.max_bytes)


def _several(given: object) -> list[object]:
    return list(given) if isinstance(given, Sequence) and not isinstance(given, str | bytes) else [given]


def _pixels(source: object) -> "Tensor":
    from PIL.Image import Image
    from torch import Tensor

    from stylecli.media.images import read_picture

    if isinstance(source, Tensor):
        return source
    if isinstance(source, str | Path | bytes):
        return read_picture(source).pixels
    if not isinstance(source, Image):
        raise UsageError(f"{type(source).__name__}: no picture", "a path, bytes, a PIL image, or a tensor [3, H, W]")
    plain = source if source.mode in ("L", "RGB", "RGBA", "CMYK", "I;16") else source.convert("RGB")
    file = BytesIO()
    plain.save(file, "TIFF", icc_profile=source.info.get("icc_profile"))
    return read_picture(file.getvalue(), name="PIL image").pixels
