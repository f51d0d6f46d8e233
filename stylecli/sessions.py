"""An open method and its pictures, for several results: what does not change is computed once.

The same for Python (`api.session`), for `--live` in the terminal and for the page of `stylecli serve`: results at the
size of the content, previews that answer at once, files such as the command writes, and the command itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stylecli.batch.plan import Inputs, plan
from stylecli.batch.work import Work, even
from stylecli.errors import Stopped, UsageError
from stylecli.files import present
from stylecli.method import Method, Request, one_each
from stylecli.progress import Listener, silent
from stylecli.remote import place
from stylecli.settings.fields import Settings
from stylecli.settings.shared import Files
from stylecli.settings.values import build
from stylecli.settings.words import words

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from stylecli.batch.sources import Source
    from stylecli.media.images import Picture


MOST_NAMES = 1000


class Session:
    """An open method and its pictures; made by `api.session`, or by `of_files`.

    Attributes:
        method: The method's name, as in the command.
        settings: Those that hold where `at` says nothing else.
        precision: The type of numbers as it was asked for, for records.
    """

    precision = "auto"

    def __init__(
        self,
        method: str,
        opened: Method[Settings, object],
        request: Request[Settings, object],
        *,
        tensors: bool = False,
        files: Inputs | None = None,
    ) -> None:
        self.method, self.settings = method, request.settings
        self._opened, self._request, self._tensors, self._files = opened, request, tensors, files

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open: what is kept goes with the session."""

    def at(
        self, *, shares: Sequence[float] | None = None, listener: Listener | None = None, **options: object
    ) -> "Image | Tensor":
        """The result with some options changed: those that a command may be given several times, such as `alpha`.

        Raises:
            UsageError: Another option, or a bad value.
            Stopped: Ctrl-C; its `result` is the best picture so far.
        """
        from PIL.Image import fromarray

        from stylecli.media.images import quantize

        request, settings = self._request, self.changed(**options)
        weighted = list(shares or [1.0] * len(request.styles)) if request.masks else even(shares) if shares else None
        asked = replace(request, settings=settings, shares=weighted, listener=listener or request.listener)
        result = self._opened(asked)
        made = result.picture if self._tensors else fromarray(quantize(result.picture, 8))
        if result.interrupted:
            raise Stopped(made)
        return made

    def changed(self, **options: object) -> Settings:
        """The session's settings with some of them changed.

        Raises:
            UsageError: One that is fixed, or a bad value.
        """
        known = self.settings.playable()
        if fixed := next((name for name in options if name not in known), None):
            raise UsageError(f"{fixed}: is fixed for a session", f"`at` changes {', '.join(known)}")
        return build(type(self.settings), {**vars(self.settings), **options}) if options else self.settings

    def preview(self, side: int) -> "Session":
        """The same for a content that is made smaller first, so that the result's long side is `side` pixels at most.

        It answers at once while something is tried; strokes are as large in proportion.
        """
        from torch import Tensor

        from stylecli.media.resize import long_side, resize

        request, content, whole = self._request, self._request.content, self._size()
        if whole is None or not isinstance(content, Tensor):
            return self
        size = whole if max(whole) <= side else long_side(*whole, side)
        if size == content.shape[1:]:
            return self
        masks = None if request.masks is None else [resize(mask, size, filter="bilinear") for mask in request.masks]
        smaller = replace(
            request,
            content=resize(content, size),
            masks=masks,
            settings=self.settings.scaled(max(size) / max(whole)),
        )
        return Session(self.method, self._opened, smaller, tensors=self._tensors)

    def save(
        self,
        output: str | Path | None = None,
        *,
        format: str | None = None,
        quality: int = 92,
        overwrite: bool = False,
        shares: Sequence[float] | None = None,
        listener: Listener = silent,
        **options: object,
    ) -> str:
        """Writes the result as the command does, bit for bit: at full size, with its record; the path is returned.

        Args:
            output: A file, or a folder; by default a name like the command's, in the current folder.
            format: Of the file; by default what its name says, else that of the content.
            quality: 1 to 100 for JPEG, WebP and AVIF.
            overwrite: Replace a file that is there.
            shares: Of several styles.
            listener: Hears of every step.
            options: As for `at`.

        Raises:
            UsageError: A picture of the session is no file, a file is there already, or as `at`.
            InputError: A file of the session is gone.
            OutputError: It cannot be written.
        """
        named = None if output is None else str(output)
        outputs = Files(output=named, format=format, quality=quality, overwrite=overwrite)
        return self.write(outputs, numbered=False, shares=shares, listener=listener, **options)

    def write(
        self,
        outputs: Files,
        *,
        numbered: bool = False,
        shares: Sequence[float] | None = None,
        listener: Listener = silent,
        **options: object,
    ) -> str:
        """As `save`, with all that a command may say of its files; `numbered`: under another name where one is there.

        Raises:
            UsageError: As `save`.
            InputError: Likewise.
            OutputError: Likewise.
        """
        from torch import get_num_threads

        settings, inputs = self.changed(**options), self._weighted(shares)
        stems = [] if inputs else [stem(self.method, settings)]
        axes: Sequence[Sequence[Inputs]] = [[{role: some}] for role, some in inputs.items()]
        loose = replace(outputs, overwrite=True) if numbered else outputs
        (job,) = plan(self.method, axes, [settings], loose, stems=stems)
        if numbered and not outputs.overwrite:
            path = place(job.output)
            names = (f"{path.stem}_{count}{path.suffix}" for count in range(2, MOST_NAMES))
            free = (str(each) for each in (path, *map(path.with_name, names)) if not present([each]))
            job = replace(job, output=next(free, job.output))
        used = {**self._opened.device.told(), "precision": self.precision, "threads": get_num_threads()}
        Work(self._opened, outputs, used)(job, listener)
        return job.output

    def command(self, *, shares: Sequence[float] | None = None, **options: object) -> list[str]:
        """The words of the command that writes what `save` does.

        Raises:
            UsageError: As `save`.
        """
        return command(self.method, self.changed(**options), self._weighted(shares))

    @property
    def pixels(self) -> int:
        """Of a result that has the content's proportions."""
        height, width = self._size() or (0, 0)
        return height * width

    @property
    def bytes(self) -> int:
        """What its pictures take."""
        some = (self._request.content, *self._request.styles)
        return sum(int(getattr(one, "nbytes", 0)) for one in some)

    def _size(self) -> tuple[int, int] | None:
        """Height and width of a result that has the content's proportions, as the settings ask for it."""
        from torch import Tensor

        from stylecli.media.resize import sized

        content = self._request.content
        if not isinstance(content, Tensor):
            return None
        height, width = content.shape[1:]
        return sized((height, width), self.settings.result_side())

    def _weighted(self, shares: Sequence[float] | None) -> Inputs:
        if self._files is None:
            raise UsageError("session: of pictures that are no files, or a preview", "open it with paths")
        return weighted(self._files, shares)


def of_files(
    method: str,
    opened: Method[Settings, object],
    settings: Settings,
    files: Inputs,
    read: "Callable[[Source], Picture]",
) -> Session:
    """A session on files, or on what was read of some.

    Args:
        method: The method's name.
        opened: It, open.
        settings: Its settings.
        files: The content and the styles, by role; none for methods that make pictures of nothing.
        read: Reads one; levels where it has levels.

    Raises:
        InputError: A picture that cannot be read.
    """
    levels = opened.traits.levels
    whole: Callable[[Tensor], Tensor] = lambda pixels: (
        pixels if levels or pixels.is_floating_point() else pixels.float().div_(255)
    )
    pictures = {role: [whole(read(one).pixels) for one in some] for role, some in files.items()}
    names = {role: [one.name for one in some] for role, some in files.items()}
    content = next(iter(pictures.get("content", ())), None)
    return Session(method, opened, Request(settings, content, pictures.get("style", ()), names=names), files=files)


def weighted(files: Inputs, shares: Sequence[float] | None) -> Inputs:
    """The same files, of which several styles are a mixture in these shares.

    Raises:
        UsageError: Not one share for each style.
    """
    styles = files.get("style", ())
    one_each(styles, shares, None)
    mixed = shares if shares and len(styles) > 1 else [1.0] * len(styles)
    made = tuple(replace(one, share=float(share)) for one, share in zip(styles, mixed, strict=True))
    return {**files, **({"style": made} if made else {})}


def command(method: str, settings: Settings, files: Inputs) -> list[str]:
    """The words of the command that makes a result of these files."""
    said = ["stylecli", *method.split(), *(_plain(one.path) for one in files.get("content", ()))]
    styles = files.get("style", ())
    for one in styles:
        share = f":{one.share:.12g}" if len(styles) > 1 else ""
        said += ["--reference" if method == "stargan ref" else "--style", f"{_plain(one.path)}{share}"]
    return [*said, *(["--blend"] if len(styles) > 1 else []), *words(settings)]


def stem(method: str, settings: Settings) -> str:
    """What the file of a picture that is made of nothing is called."""
    seeds = str(getattr(settings, "seeds", ""))
    return f"stylegan_seed{seeds}" if method == "stylegan sample" else method.replace(" ", "_")


def _plain(path: str) -> str:
    """A path that is no option."""
    return f"./{path}" if path.startswith("-") else path
