"""What a command does: the jobs that its inputs and options make; nothing heavy is imported, nothing is computed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from secrets import token_hex
from tempfile import gettempdir

from stylecli.batch.animations import accompanied, folders_as_clips, marked, piped
from stylecli.batch.inputs import PICTURES, SOUNDS, VIDEOS, expand
from stylecli.batch.plan import Inputs, Job, plan
from stylecli.batch.sheets import wants_singles
from stylecli.batch.sources import Source
from stylecli.batch.watching import arriving
from stylecli.errors import InputError, UsageError
from stylecli.settings.audio import SoundFiles
from stylecli.settings.fields import Settings
from stylecli.settings.moving import MovingOutputs
from stylecli.settings.shared import Contents, Files, Outputs, Weighted


def plan_files(
    method: str,
    contents: Contents | None,
    styles: Weighted | None,
    grid: Sequence[Settings],
    outputs: Files,
    *,
    found: Sequence[Source] | None = None,
    stems: Sequence[str] = (),
    clip: bool = False,
    say: Callable[[str], None] = lambda note: None,
) -> list[Job]:
    """The jobs of a command; nothing heavy is imported, nothing is computed or written.

    `contents` is None where nothing goes in but what options name (`stems` and `clip` are then as for `plan.plan`),
    `styles` where a method's styles are no pictures; `found` are some of the contents, for jobs of these alone.
    `say` hears what was left out of folders.

    Raises:
        UsageError: Inputs that do not exist, or outputs that would destroy something.
        InputError: A list of inputs, or stdin, cannot be read.
    """
    if contents is None:
        return plan(method, [], grid, outputs, stems=stems, clip=clip)
    suffixes = _suffixes(outputs)
    if found is None:
        clips: list[Source] = []
        left: Sequence[str] = contents.content
        if isinstance(outputs, MovingOutputs):
            raw, left = piped(contents.content, outputs)
            clips, left = folders_as_clips(left, outputs)
            clips = [*raw, *clips]
        words = [(word, 1.0) for word in left]
        found = [*clips, *expand(words, recursive=contents.recursive, suffixes=suffixes, say=say)]
    found = marked(found, outputs, all_known=not contents.watch) if isinstance(outputs, MovingOutputs) else found
    axes: list[list[Inputs]] = [[{"content": (_alone(one),)} for one in found] or [{}]]
    if styles is not None:
        axes.append(_styles(styles, contents.recursive, suffixes - VIDEOS, say))
    if not isinstance(outputs, Outputs) or wants_singles(outputs):
        return accompanied(plan(method, axes, grid, outputs), outputs)
    # Lossless, in a folder that goes when the sheet is there; its name is made up here, the folder is made later.
    parts = replace(outputs, output=f"{gettempdir()}/stylecli-{token_hex(6)}/", format="png", grid=False, animate=None)
    return [replace(job, kept=False) for job in plan(method, axes, grid, parts)]


def arrivals(contents: Contents, outputs: Files) -> Iterator[list[Source]]:
    """The contents that are there, and then those that come into their folders, until Ctrl-C."""

    def whole(source: Source) -> bool:
        from stylecli.media.audio import read_sound
        from stylecli.media.images import read_picture
        from stylecli.media.video.reader import open_clip

        try:
            moves = isinstance(outputs, MovingOutputs) and marked([source], outputs, all_known=False)[0].moving
            if moves:
                return open_clip(source.held, name=source.name).seconds is not None
            (read_sound if isinstance(outputs, SoundFiles) else read_picture)(source.path)
        except InputError:
            return False
        return True

    return arriving(contents.content, recursive=contents.recursive, suffixes=_suffixes(outputs), whole=whole)


def _suffixes(outputs: Files) -> frozenset[str]:
    return (
        SOUNDS
        if isinstance(outputs, SoundFiles)
        else PICTURES | VIDEOS
        if isinstance(outputs, MovingOutputs)
        else PICTURES
    )


def _styles(styles: Weighted, recursive: bool, suffixes: frozenset[str], say: Callable[[str], None]) -> list[Inputs]:
    mixed = expand(styles.weighted(), recursive=recursive, suffixes=suffixes, say=say)
    masks = tuple(_alone(one) for word in styles.mask for one in expand([(word, 1.0)]))
    if masks and len(masks) != len(mixed):
        raise UsageError(f"--mask: {len(masks)} for {len(mixed)} styles", "give one mask for each style")
    if styles.mixed:
        return [{"style": tuple(mixed), **({"mask": masks} if masks else {})}]
    return [{"style": (_alone(one),)} for one in mixed]


def _alone(source: Source) -> Source:
    """A source outside of mixtures."""
    return replace(source, share=1.0)
