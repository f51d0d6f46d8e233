"""From settings to a training: what every `train` command does."""

import os
from dataclasses import replace
from typing import Any

from stylecli.commands._report import Reporter
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting


def run(network: str, settings: Any, compute: Machine, reporting: Reporting) -> ExitCode:
    """Trains, with a bar on a terminal; the path of the weights is printed. Errors are those of `api.train`."""
    from stylecli import api

    # Of the processes that torchrun starts, the first tells.
    reporting = replace(reporting, quiet=reporting.quiet or os.environ.get("RANK", "0") != "0")
    teller = Reporter(reporting)
    try:
        path = api.train(network, settings, compute, teller.bar_for(network))
    finally:
        teller.clear()
    if not reporting.quiet:
        print(path)
    return ExitCode.DONE
