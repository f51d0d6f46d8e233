"""From settings to files, for the commands of a generator."""

from collections.abc import Sequence
from typing import Any

from stylecli.commands._run import run_jobs
from stylecli.errors import ExitCode
from stylecli.settings.shared import Compute, Files, Reporting


def run(
    command: str,
    wanted: Sequence[tuple[str, Any]],
    outputs: Files,
    compute: Compute,
    reporting: Reporting,
    *,
    clip: bool = False,
) -> ExitCode:
    """Plans a job for each (stem of its file, settings) and does them; errors as `plan_generated` and `run_jobs`."""
    from stylecli.batch.generated import plan_generated

    return run_jobs(plan_generated(f"stylegan {command}", wanted, outputs, clip=clip), outputs, compute, reporting)
