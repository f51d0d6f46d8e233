"""The Python API: methods on paths, PIL images or tensors; `stylecli.runs` does files in, files out.

    from stylecli import api

    picture = api.gatys("photo.jpg", "wave.jpg", steps=50)

Every method is a function here that takes the arguments of `stylize` after the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylecli.batch.pictures import even
from stylecli.errors import UsageError
from stylecli.methods import build_backend, pictures_of, settings_of
from stylecli.progress import Listener, silent
from stylecli.settings.shared import Machine
from stylecli.settings.values import build, kinds

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from stylecli.media.audio import Sound

    Input = str | Path | bytes | Image | Tensor


def stylize(
    method: str,
    /,
    content: "Input | None" = None,
    styles: "Input | Sequence[Input]" = (),
    *,
    settings: Any = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    shares: Sequence[float] | None = None,
    masks: "Sequence[Tensor] | None" = None,
    listener: Listener = silent,
    **options: Any,
) -> "Image | Tensor":
    """Runs a method in memory; nothing is written.

    Args:
        method: Its name, as in the command.
        content: A path, the bytes of a file, a PIL image, or a tensor [3, H, W], RGB in [0, 1]; None for methods that
            make pictures from nothing.
        styles: One such picture, or several for one mixture; none where styles are names, as in `fast`.
        settings: The method's settings; left out, they are made from `options`.
        device: As `--device`.
        precision: As `--precision`.
        threads: CPU threads; None leaves PyTorch's choice.
        shares: Weight of each style; even when left out.
        masks: Where each style goes: [1, H, W] in [0, 1], the content's size.
        listener: Hears of every step.
        options: The method's options, named as in its settings.

    Returns:
        A tensor [3, H, W] when the content is one, else a PIL image.

    Raises:
        UsageError: An option that the method does not have, or a bad value.
        InputError: A picture that cannot be read.
        WeightsError: Weights that are missing or wrong.
        KeyboardInterrupt: Ctrl-C.
    """
    from PIL.Image import fromarray
    from torch import Tensor

    from stylecli.device import resolve
    from stylecli.media.images import quantize

    if settings is not None and options:
        raise UsageError(f"{', '.join(options)}: give settings or options, not both")
    if settings is None:
        settings = build(settings_of(method), options)
    several = list(styles) if isinstance(styles, Sequence) and not isinstance(styles, str | bytes) else [styles]
    if (
        not (several or hasattr(settings, "style") or hasattr(settings, "seeds"))
        or len(shares or several) != len(several)
        or len(masks or several) != len(several)
    ):
        raise UsageError(f"styles: {len(several)}, and not as many shares or masks", "one for each style")
    backend = build_backend(method, settings, resolve(device, precision, threads))
    given: dict[str, list[Any]] = {"content": [content], "style": several}
    named = {role: [str(x) if isinstance(x, str | Path) else role for x in some] for role, some in given.items()}
    result = backend.run(
        None if content is None else _pixels(content),
        [_pixels(style) for style in several],
        settings,
        blend=list(shares or [1.0] * len(several)) if masks else even(shares or [1.0] * len(several)),
        masks=masks,
        listener=listener,
        snapshot=None,
        **{role: _pixels(path) for role, path in pictures_of(settings).items()},
        **({"paths": named} if getattr(backend, "named", False) else {}),
    )
    if result.interrupted:
        raise KeyboardInterrupt
    return result.image if isinstance(content, Tensor) else fromarray(quantize(result.image, 8))


def stylegan(
    command: str,
    *,
    settings: Any = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    listener: Listener = silent,
    **options: Any,
) -> Any:
    """Runs a command of `stylegan` in memory; nothing is written.

        made = api.stylegan("sample", weights="ffhq.pkl", seeds="0-3", psi=0.7)
        made.pictures  # [4, 3, 1024, 1024], nominally in [0, 1]; made.image is the sheet, made.latents their w

    Args:
        command: `sample`, `mix`, `truncate`, `interpolate`, `project` (`photo` is a path) or `ppl`.
        settings: The command's settings; left out, they are made from `options`.
        device: As `--device`.
        precision: As `--precision`.
        threads: CPU threads; None leaves PyTorch's choice.
        listener: Hears of every batch or step.
        options: The command's options; lists such as `seeds` may also be one number.

    Returns:
        A `backends.generator.Result`.

    Raises:
        UsageError: An option that the command does not have, or a bad value.
        InputError: Latents or a photo that cannot be read, or latents of another network.
        WeightsError: Weights that are missing or wrong.
    """
    from stylecli.device import resolve

    kind = settings_of(f"stylegan {command}")
    if settings is None:
        known = kinds(kind)
        text = {n for n in options if n in known and known[n].base is str and type(options[n]) in (int, float)}
        settings = build(kind, {n: str(value) if n in text else value for n, value in options.items()})
    photo = _pixels(settings.photo) if hasattr(settings, "photo") else None
    backend = build_backend("stylegan", settings, resolve(device, precision, threads))
    return backend.run(settings, listener, photo)


def stargan(command: str, content: "Input", references: "Input | Sequence[Input]" = (), **rest: Any) -> Any:
    """Runs `stargan ref` or `stargan latent` in memory; otherwise as `stylize`.

    picture = api.stargan("ref", "photo.jpg", "ukiyoe.jpg", domain="Ukiyo_e")
    picture = api.stargan("latent", "photo.jpg", domain="Ukiyo_e", seeds=3)
    """
    if type(rest.get("seeds")) is int:
        rest["seeds"] = str(rest["seeds"])
    return stylize(f"stargan {command}", content, references, **rest)


def audio(
    content: "str | Path | bytes | Sound",
    styles: "str | Path | bytes | Sound | Sequence[str | Path | bytes | Sound]",
    *,
    settings: Any = None,
    device: str = "auto",
    threads: int | None = None,
    shares: Sequence[float] | None = None,
    listener: Listener = silent,
    **options: Any,
) -> Any:
    """Gives a sound the style of others, in memory; nothing is written.

        made = api.audio("speech.wav", "rain.flac", alpha=0.5)
        made.samples  # [C, T] at the content's rate

    Args:
        content: A path, the bytes of a file, or a `media.audio.Sound`.
        styles: One such recording, or several for one mixture.
        settings: An `AudioSettings`; left out, it is made from `options`.
        device: As `--device`.
        threads: CPU threads; None leaves PyTorch's choice.
        shares: Weight of each style; even when left out.
        listener: Hears of every step.
        options: As `AudioSettings`.

    Returns:
        A `backends.audio.Result`.

    Raises:
        UsageError: An option that the method does not have, or a bad value.
        InputError: A sound that cannot be read.
        KeyboardInterrupt: Ctrl-C.
    """
    from stylecli.device import resolve
    from stylecli.media.audio import Sound, read_sound

    several = list(styles) if isinstance(styles, Sequence) and not isinstance(styles, str | bytes) else [styles]
    read = [each if isinstance(each, Sound) else read_sound(each) for each in (content, *several)]
    settings = settings or build(settings_of("audio"), options)
    if not several or len(shares or several) != len(several):
        raise UsageError(f"styles: {len(several)}, and not as many shares", "one for each style")
    backend = build_backend("audio", settings, resolve(device, threads=threads))
    result = backend.run(read[0], read[1:], settings, blend=even(shares or [1.0] * len(several)), listener=listener)
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def __getattr__(name: str) -> Callable[..., Any]:
    """The method of that name, as a function."""
    if name.startswith("_") or not find_spec(f"stylecli.backends.{name}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(stylize, name)


def train(network: str, settings: Any, compute: Machine, listener: Listener = silent) -> Path:
    """Trains, or goes on where the settings' output folder stopped; the path of the weights so far is returned.

    Under `torchrun` it is one of several processes, see `stylecli.training.distributed`.

    Raises:
        UsageError: Settings that do not fit, or a device that this machine does not have.
        InputError: Pictures that cannot be read, or a folder with a training of something else.
        WeightsError: A teacher that is missing or of another family.
    """
    from stylecli.device import resolve
    from stylecli.training.distributed import joined, rank

    with joined(resolve(compute.device, compute.precision, compute.threads)) as device:
        settings = replace(settings, seed=settings.seed + rank())
        trained: Path = import_module(f"stylecli.training.{network}").run(settings, device, listener)
    return trained


def _pixels(source: "Input") -> "Tensor":
    from torch import Tensor

    from stylecli.media.images import read_picture

    if isinstance(source, Tensor):
        return source
    if isinstance(source, str | Path | bytes):
        return read_picture(source).pixels
    plain = source if source.mode in ("L", "RGB", "RGBA", "CMYK", "I;16") else source.convert("RGB")
    file = BytesIO()
    plain.save(file, "TIFF", icc_profile=source.info.get("icc_profile"))
    return read_picture(file.getvalue(), name="PIL image").pixels
