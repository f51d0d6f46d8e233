"""The Python API: methods on paths, PIL images or tensors, and the runner of files that the commands use.

    from stylecli import api

    picture = api.gatys("photo.jpg", "wave.jpg", steps=50)

Every method is a function here that takes the arguments of `stylize` after the first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from itertools import chain
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from stylecli.batch.generated import GeneratedWork
from stylecli.batch.inputs import PICTURES, SOUNDS, Source, expand
from stylecli.batch.jobs import Inputs, Job, guard, plan
from stylecli.batch.ledger import folder_written, opened, tidy
from stylecli.batch.pace import choose
from stylecli.batch.pictures import PictureWork, even
from stylecli.batch.runner import Audience, Report, run
from stylecli.batch.sheets import make_sheet, plan_sheets, wants_singles
from stylecli.batch.sounds import SoundWork
from stylecli.batch.watching import arriving
from stylecli.errors import ExitCode, InputError, UsageError, WeightsError
from stylecli.progress import Listener, silent
from stylecli.settings.audio import SoundFiles
from stylecli.settings.shared import Compute, Contents, Files, Machine, Outputs, Weighted
from stylecli.settings.values import build, kinds

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from stylecli.device import Device
    from stylecli.media.audio import Sound

    Input = str | Path | bytes | Image | Tensor


MANY = 1000
"""Jobs to expect where nobody knows how many there will be."""


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
    backend = _build(method, settings, resolve(device, precision, threads))
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
        **{role: _pixels(path) for role, path in _pictures(settings).items()},
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
    backend = _build("stylegan", settings, resolve(device, precision, threads))
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
    backend = _build("audio", settings, resolve(device, threads=threads))
    result = backend.run(read[0], read[1:], settings, blend=even(shares or [1.0] * len(several)), listener=listener)
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def __getattr__(name: str) -> Callable[..., Any]:
    """The method of that name, as a function."""
    if name.startswith("_") or not find_spec(f"stylecli.backends.{name}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(stylize, name)


def settings_of(method: str) -> type:
    """The settings dataclass of a method: `settings/adain.py` has `AdainSettings`, in any case of letters.

    A method of two words, such as `stylegan mix`, is a command of the first one's: `StyleganMixSettings`.

    Raises:
        UsageError: No such method.
    """
    first = method.partition(" ")[0]
    found = first.isidentifier() and find_spec(f"stylecli.settings.{first}")
    members = vars(import_module(f"stylecli.settings.{first}")) if found else {}
    wanted = f"{method.replace('_', '').replace(' ', '')}settings"
    for name, each in members.items():
        if name.lower() == wanted:
            return each
    raise UsageError(f"{method}: no such method", "was it made by a newer version?")


def plan_files(
    method: str,
    contents: Contents,
    styles: Weighted | None,
    grid: Sequence[Any],
    outputs: Files,
    *,
    found: Sequence[Source] | None = None,
) -> list[Job]:
    """The jobs of a command; nothing heavy is imported, nothing is computed or written.

    `styles` is None where a method's styles are no pictures; `found` are some of the contents, for jobs of these alone.

    Raises:
        UsageError: Inputs that do not exist, or outputs that would destroy something.
        InputError: A list of inputs, or stdin, cannot be read.
    """
    suffixes = _suffixes(outputs)
    if found is None:
        found = expand([(word, 1.0) for word in contents.content], recursive=contents.recursive, suffixes=suffixes)
    axes: list[list[Inputs]] = [[{"content": (_alone(one),)} for one in found] or [{}]]
    if styles is not None:
        axes.append(_styles(styles, contents.recursive, suffixes))
    axes.append([{role: tuple(expand([(path, 1.0)])) for role, path in _pictures(grid[0]).items()}])
    if not isinstance(outputs, Outputs) or wants_singles(outputs):
        return plan(method, axes, grid, outputs)
    # Lossless, in a folder that goes when the sheet is there; its name is made up here, the folder is made later.
    parts = replace(outputs, output=f"{gettempdir()}/stylecli-{token_hex(6)}/", format="png", grid=False, animate=None)
    return [replace(job, kept=False) for job in plan(method, axes, grid, parts)]


def arrivals(contents: Contents, outputs: Files) -> Iterator[list[Source]]:
    """The contents that are there, and then those that come into their folders, until Ctrl-C."""

    def whole(source: Source) -> bool:
        from stylecli.media.audio import read_sound
        from stylecli.media.images import read_picture

        try:
            (read_sound if isinstance(outputs, SoundFiles) else read_picture)(source.path)
        except InputError:
            return False
        return True

    return arriving(contents.content, recursive=contents.recursive, suffixes=_suffixes(outputs), whole=whole)


def _suffixes(outputs: Files) -> frozenset[str]:
    return SOUNDS if isinstance(outputs, SoundFiles) else PICTURES


def _styles(styles: Weighted, recursive: bool, suffixes: frozenset[str]) -> list[Inputs]:
    mixed = expand(styles.weighted(), recursive=recursive, suffixes=suffixes)
    masks = tuple(_alone(one) for word in styles.mask for one in expand([(word, 1.0)]))
    if masks and len(masks) != len(mixed):
        raise UsageError(f"--mask: {len(masks)} for {len(mixed)} styles", "give one mask for each style")
    if styles.mixed:
        return [{"style": tuple(mixed), **({"mask": masks} if masks else {})}]
    return [{"style": (_alone(one),)} for one in mixed]


def run_files(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Machine,
    audience: Audience,
    *,
    weights: Mapping[str, str] | None = None,
    later: Iterable[Sequence[Job]] | None = None,
    reraise: bool = False,
) -> ExitCode:
    """Opens the method once, then reads, computes and writes every job.

    Args:
        jobs: At least one, all of one method.
        outputs: How files are encoded, and what becomes of those that exist.
        compute: Where to compute.
        audience: Hears of every step.
        weights: SHA-256 by name that the method's weights must have; None takes any.
        later: More jobs of the method, which are asked for when those before are done.
        reraise: Let errors of jobs through as they are, for developers.

    Raises:
        WeightsError: The method's weights are missing, wrong, or not the ones demanded.
        UsageError: A device that this machine does not have.
        OutputError: Another run writes into the output folder.
    """
    sheets = plan_sheets([job for job in jobs if not job.clip], outputs) if isinstance(outputs, Outputs) else []
    if isinstance(compute, Compute) and compute.engine == "ray":
        if later is not None:
            raise UsageError("--watch: on one machine only", "leave out --engine ray")
        go = _on_ray(jobs, outputs, compute, audience, reraise)
    else:
        go = _here(jobs, outputs, compute, audience, weights or {}, later, reraise)
    try:
        with opened(folder_written(jobs, outputs.output), audience.say) as note:
            # Another run may have ended since the plan was made.
            guard(jobs, outputs)
            tidy(jobs)
            code = go(note)
            for sheet in sheets if code in (ExitCode.DONE, ExitCode.SOME_FAILED) else ():
                if make_sheet(sheet, _levels, outputs.quality):
                    audience.made(sheet.path)
            return code
    finally:
        if not jobs[0].kept:
            rmtree(Path(jobs[0].output).parent, ignore_errors=True)


Go = Callable[[Callable[[Report], None]], ExitCode]


def _here(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Machine,
    audience: Audience,
    weights: Mapping[str, str],
    later: Iterable[Sequence[Job]] | None,
    reraise: bool,
) -> Go:
    """What does all jobs in this process; the method is open."""
    audience.say("loading weights ...")
    from torch import get_num_threads, set_num_threads

    work = _open(jobs[0], outputs, compute)
    for name, sha256 in weights.items():
        if work.backend.weights.get(name) != sha256:
            raise WeightsError(f"{name}: not the weights that made this file", f"those have the SHA-256 {sha256}")
    threads, count = get_num_threads(), len(jobs) if later is None else MANY
    wanted = compute.jobs if isinstance(compute, Compute) else None
    pace = choose(work.backend, _device(compute), count, wanted, audience.say)
    work = replace(work, compute={**work.compute, "threads": pace.threads})
    paced: dict[str, Any] = {"at_once": pace.at_once, "ahead": pace.ahead, "ready": pace.ready}

    def go(note: Callable[[Report], None]) -> ExitCode:
        code = ExitCode.DONE
        try:
            for batch in chain([jobs], later or ()):
                code = run(batch, work, audience, **paced, note=note, reraise=reraise)
                if code == ExitCode.INTERRUPTED:
                    break
        finally:
            set_num_threads(threads)
        return code

    return go


def _on_ray(
    jobs: Sequence[Job],
    outputs: Files,
    compute: Compute,
    audience: Audience,
    reraise: bool,
) -> Go:
    """What does all jobs on a cluster, whose workers open the method."""
    from stylecli.batch import ray_pool

    ray_pool.check(jobs)
    # Not PyTorch's choice, which is the whole machine.
    used = replace(compute, threads=compute.threads or compute.num_cpus)
    opening = partial(_open, jobs[0], outputs, used)
    return lambda note: ray_pool.run(jobs, opening, audience, compute, note=note, reraise=reraise)


def _open(job: Job, outputs: Files, compute: Machine) -> SoundWork | PictureWork | GeneratedWork:
    """What does jobs such as this one."""
    from torch import get_num_threads

    device = _device(compute)
    backend = _build(job.method, job.settings, device)
    used = {"device": str(device.torch), "precision": compute.precision, "threads": get_num_threads()}
    if isinstance(outputs, SoundFiles):
        return SoundWork(backend, outputs, used)
    # What has no content is generated, by methods that draw a texture too from nothing but settings.
    painted = "content" in job.inputs or getattr(backend, "paints", False)
    return (PictureWork if painted else GeneratedWork)(backend, outputs, used)


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


def _device(compute: Machine) -> "Device":
    from stylecli.device import resolve

    return resolve(compute.device, compute.precision, compute.threads, compute.max_bytes)


def _build(method: str, settings: Any, device: Any) -> Any:
    return import_module(f"stylecli.backends.{method.partition(' ')[0]}").build(settings, device)


def _pictures(settings: Any) -> dict[str, str]:
    """Files that options name, by the argument of `run` that takes them: a settings class may have `pictures()`."""
    return settings.pictures() if hasattr(settings, "pictures") else {}


def _levels(path: str) -> "Tensor":
    from stylecli.media.images import read_picture

    return read_picture(path, compact=True).pixels


def _alone(source: Source) -> Source:
    """A source outside of mixtures."""
    return replace(source, share=1.0)


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
