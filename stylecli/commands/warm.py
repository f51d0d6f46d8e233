"""Keep everything loaded in the background, so that commands start at once."""

import json
import os
import signal
import subprocess
import sys
import time

import typer

from stylecli import handover
from stylecli.errors import ExitCode, StyleCliError, UsageError
from stylecli.settings.shared import Machine

PANEL = "Tools"
START = 60.0
"""Seconds that it may take to load everything on a slow machine."""


def command(
    idle: float = typer.Option(15.0, "--idle", min=0.05, metavar="MINUTES", help="It ends when idle for so long."),
    memory: str = typer.Option("2G", "--max-memory", metavar="BYTES", help="Of weights that stay loaded."),
    status: bool = typer.Option(False, "--status", metavar="", help="Tell of it as JSON; exit code 1 without one."),
    stop: bool = typer.Option(False, "--stop", metavar="", help="End it, when what it does is done."),
) -> ExitCode:
    """Start a process in the background to which the commands of all methods are handed over: they start at once.

    Results, progress, exit codes and Ctrl-C are the same. It serves nobody but you, and only this version; a command
    with other limits, or whose environment changes how libraries are loaded, runs by itself. Not on Windows.
    """
    if not handover.possible():
        raise UsageError("warm: not on this system", "commands run without it")
    if status:
        told = _ask("status")
        if told is None:
            print("no warm process", file=sys.stderr)
            return ExitCode.SOME_FAILED
        print(json.dumps(told))
        return ExitCode.DONE
    if stop:
        told = _ask("stop")
        print("ended" if told else "no warm process", file=sys.stderr)
        return ExitCode.DONE
    if (told := _ask("status")) and not told["same"]:
        # Of another version, or started elsewhere: this command's own settings are wanted now.
        _ask("stop")
    elif told:
        print(f"warm already: process {told['pid']}", file=sys.stderr)
        return ExitCode.DONE
    words = [sys.executable, "-m", "stylecli.warm", str(idle * 60), str(Machine(max_memory=memory).max_bytes)]
    null = subprocess.DEVNULL
    process = subprocess.Popen(words, stdin=null, stdout=null, stderr=null, start_new_session=True)
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        if (told := _ask("status")) and told["pid"] == process.pid:
            print(f"warm: process {process.pid}, ends after {idle:g} idle minutes", file=sys.stderr)
            return ExitCode.DONE
        time.sleep(0.05)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    raise StyleCliError(f"warm: could not start in {handover.place().parent}", "see `stylecli doctor`")


def _ask(what: str) -> dict[str, object] | None:
    line = handover.asked({"ask": what})
    if line is None:
        return None
    with line:
        line.settimeout(handover.PATIENCE)
        data = b""
        while part := line.recv(2**16):
            data += part
    told: dict[str, object] = json.loads(data)
    return told
