"""`--watch`: folders of contents are stylized as pictures come in, until Ctrl-C."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from stylecli.batch.plan import STDOUT, Job
from stylecli.batch.sources import STDIN, Source
from stylecli.commands._report import Reporter, complain
from stylecli.errors import ExitCode, StyleCliError, UsageError
from stylecli.settings.shared import Compute, Contents, Files, Reporting


def watch(
    plan: Callable[..., list[Job]], contents: Contents, outputs: Files, compute: Compute, reporting: Reporting
) -> ExitCode:
    """Does what is there and then what comes, with the network held; files that hold their result are skipped.

    `plan` is `plans.plan_files` from `outputs` on.

    Raises:
        UsageError: No folder to watch, or results would land in one.
        KeyboardInterrupt: Ctrl-C while nothing is computed.
    """
    from stylecli.plans import arrivals
    from stylecli.runs import run_files

    _check(contents, outputs)
    outputs = replace(outputs, output=f"{(outputs.output or '.').rstrip('/')}/", skip_existing=True)
    teller = Reporter(reporting)

    def planned(sources: Sequence[Source]) -> list[Job]:
        try:
            return plan(outputs, found=sources, say=lambda note: None)
        except StyleCliError as error:
            complain(error.message, error.hint)
            return []

    teller.say(f"watching {', '.join(word for word in contents.content if Path(word).is_dir())}; Ctrl-C ends it")
    coming = filter(None, map(planned, arrivals(contents, outputs)))
    return run_files(next(coming), outputs, compute, teller, later=coming, reraise=reporting.traceback)


def _check(contents: Contents, outputs: Files) -> None:
    folders = [Path(word) for word in contents.content if Path(word).is_dir()]
    if not folders:
        raise UsageError("--watch: no folder among the inputs", "name one: stylecli adain photos/ --watch ...")
    if STDIN in contents.content or outputs.output == STDOUT:
        raise UsageError("--watch: works on folders, not on pipes")
    if getattr(outputs, "grid", False) or getattr(outputs, "animate", None):
        raise UsageError("--watch: no sheet or clip of what never ends", "leave out --grid and --animate")
    out = Path(outputs.output or ".").resolve()
    for folder in folders:
        if folder.resolve() in chain([out], out.parents if contents.recursive else ()):
            raise UsageError(f"--watch: results would come back as inputs of {folder}", "name another folder with -o")
