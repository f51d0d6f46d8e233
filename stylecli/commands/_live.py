"""`--live`: a method that is played in the terminal."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from stylecli.batch.picture_cache import PictureCache
from stylecli.batch.plan import Inputs
from stylecli.batch.sources import Source
from stylecli.commands._report import Reporter
from stylecli.errors import ExitCode, UsageError, printable
from stylecli.settings.fields import Settings
from stylecli.settings.shared import Compute, Contents, Files, Machine, Outputs, Reporting, Weighted
from stylecli.settings.words import words

if TYPE_CHECKING:
    from stylecli.live.play import Asked, Play
    from stylecli.progress import Step
    from stylecli.sessions import Session

EXTRA = ("textual", "textual_image")
READ = 2**28
"""Bytes of pictures that stay read."""


def play(
    method: str,
    contents: Contents | None,
    styles: Weighted | None,
    grid: Sequence[Settings],
    outputs: Files,
    compute: Compute,
    reporting: Reporting,
    *,
    names: Sequence[str] = (),
    domains: Sequence[str] = (),
) -> ExitCode:
    """Plays a method in the terminal until `q`; the paths of what was saved, and the commands, are printed then.

    Args:
        method: Its name.
        contents: As for `_run.run`.
        styles: Likewise.
        grid: Likewise; it begins with the first.
        outputs: Where what is saved goes.
        compute: Where to compute.
        reporting: What the user is told.
        names: Styles that the network knows by name.
        domains: Likewise, of references.

    Raises:
        UsageError: No terminal, no extra, or options that do not go together with it.
    """
    _check(contents, outputs, compute, reporting)
    from stylecli.plans import plan_files

    found: Inputs = {}
    if contents:
        plain = replace(outputs, output=None, name=None, format=None, overwrite=True)
        jobs = plan_files(method, contents, styles, grid[:1], plain, say=Reporter(reporting).say)
        if any(job.main.moving for job in jobs):
            raise UsageError("--live: pictures, no clips", "leave --live out for clips")
        found = {
            role: tuple(dict.fromkeys(one for job in jobs for one in job.inputs.get(role, ())))
            for role in ("content", "style")
        }
    Reporter(reporting).say("loading weights ...")
    state = opened_for(method, grid[0], found, compute, names=names, domains=domains, styles=styles)
    saved: list[tuple[str, Sequence[str]]] = []
    from stylecli.live.app import Live

    def save(asked: "Asked", listener: "Callable[[Step], None]") -> tuple[str, Sequence[str]]:
        path = asked.session.write(outputs, numbered=True, shares=asked.shares, listener=listener, **asked.options)
        said = asked.session.command(shares=asked.shares, **asked.options)
        machine = Machine(**{name: getattr(compute, name) for name in vars(Machine())})
        saved.append((path, [*said, *words(replace(outputs, output=path, name=None)), *words(machine)]))
        return saved[-1]

    Live(state, save).run()
    for path, command in saved:
        print(printable(path))
        print(printable(shlex.join(command)), file=sys.stderr)
    return ExitCode.DONE


def _check(contents: Contents | None, outputs: Files, compute: Compute, reporting: Reporting) -> None:
    streams = {"stdin": sys.stdin, "stdout": sys.stdout, "stderr": sys.stderr}
    if piped := next((name for name, stream in streams.items() if not (stream and stream.isatty())), None):
        raise UsageError(f"--live: {piped} is no terminal", "leave --live out where other programs read or write")
    if missing := [name.replace("_", "-") for name in EXTRA if not find_spec(name)]:
        raise UsageError(f"--live: needs {', '.join(missing)}", "pip install 'stylecli[live]'")
    single = {
        "--watch": contents and contents.watch,
        "--json": reporting.json,
        "--dry-run": reporting.dry_run,
        "-o -": outputs.output == "-",
        "--grid, --animate": isinstance(outputs, Outputs) and (outputs.grid or outputs.animate),
        "--engine ray": compute.engine != "serial",
        "--device cuda:all": compute.device == "cuda:all",
    }
    if wrong := next((name for name, given in single.items() if given), None):
        raise UsageError(f"{wrong}: not with --live", "leave one of them out")


def opened_for(
    method: str,
    settings: Settings,
    found: Inputs,
    compute: Machine,
    *,
    names: Sequence[str] = (),
    domains: Sequence[str] = (),
    styles: Weighted | None = None,
) -> "Play":
    """What is played: a method that is open, and the pictures found for it.

    Raises:
        WeightsError: Its weights are missing or wrong.
        UsageError: A device that this machine does not have.
    """
    from stylecli import methods
    from stylecli.device import resolve
    from stylecli.live.play import Play
    from stylecli.media.images import Picture, read_picture
    from stylecli.sessions import of_files

    device = resolve(compute.device, compute.precision, compute.threads, compute.max_bytes)
    opened = methods.opened(method, settings, device)
    kept = PictureCache(READ)

    def read(one: Source) -> Picture:
        return kept.take(
            one.sha256(), partial(read_picture, one.held, name=one.name, compact=True, most=device.max_memory)
        )

    @cache
    def session(content: int, chosen: tuple[int, ...]) -> "Session":
        files: dict[str, tuple[Source, ...]] = {}
        files |= {"content": (found["content"][content],)} if found else {}
        files |= {"style": tuple(replace(found["style"][place], share=1.0) for place in chosen)} if chosen else {}
        made = of_files(method, opened, settings, files, read)
        made.precision = compute.precision
        return made

    given = found.get("style", ())
    said = [one.partition(":") for one in getattr(settings, "style", ())]
    weights = {name: float(share or 1) for name, _, share in said}
    shares = [one.share for one in given] or [weights.get(name, 0.0) for name in names]
    mixing = (len(given) > 1 and bool(styles and styles.mixed)) or len(weights) > 1
    first = next((place for place, share in enumerate(shares) if share), 0)
    titles = [one.stem for one in given] or list(names)
    return Play(
        session, settings, [one.name for one in found.get("content", ())], titles, bool(names), shares, mixing, first,
        domains=domains,
    )  # fmt: skip
