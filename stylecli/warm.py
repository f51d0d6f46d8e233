"""The warm process: everything is loaded in it, and each command that is handed over runs in a process split off.

    python -m stylecli.warm IDLE_SECONDS MEMORY_BYTES

It does nothing itself but listen, and load what commands have used: so it has no threads, which a process that is split
off would lack, and a command that crashes ends nothing but itself. See `handover` for the other end.
"""

import importlib
import json
import os
import pkgutil
import resource
import selectors
import signal
import socket
import sys
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

import torch  # noqa: TID253 - this process has nothing else to do

import stylecli
from stylecli import handover
from stylecli.batch import supervised
from stylecli.checkpoints import kept
from stylecli.errors import StyleCliError

MAY_BE_LOADED = ("PIL", "av", "imagecodecs", "librosa", "numpy", "rich", "safetensors", "scipy", "soundfile", "soxr")
"""Packages whose modules are loaded here when a command has needed them: they start no threads."""

LEFT_OUT = ("stylecli.__main__", "stylecli.live", "stylecli.serving", "stylecli.training", "stylecli.warm")
SLOWEST_REQUEST = 5.0
CLOSED = -1


@dataclass
class Child:
    """A process that does a command.

    Attributes:
        pid: Its number.
        line: The connection to whoever asked.
        news: Where it tells what it has used.
        heard: What it told so far.
    """

    pid: int
    line: socket.socket
    news: int
    heard: bytes = b""


class Server:
    """Listens until it has been idle for so many seconds."""

    def __init__(self, idle: float, memory: int) -> None:
        self.idle, self.memory = idle, memory
        self.threads = torch.get_num_threads()
        # A team of threads that is begun here would be missing in every process that is split off.
        torch.set_num_threads(1)
        self.likeness = handover.likeness()
        self.children: dict[int, Child] = {}
        self.weights: OrderedDict[str, int] = OrderedDict()
        self.begun, self.last, self.done = time.time(), time.monotonic(), 0
        self.events = selectors.DefaultSelector()
        self.path = handover.place()

    def serve(self) -> None:
        """Runs to the end."""
        self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
        if not handover.private(self.path.parent):
            raise StyleCliError(f"{self.path.parent}: others may look into it", "mend it with `chmod 700`")
        with socket.socket(socket.AF_UNIX) as listener:
            part = self.path.with_name(f"warm.{os.getpid()}")
            mask = os.umask(0o177)
            listener.bind(str(part))
            os.umask(mask)
            listener.listen(64)
            part.replace(self.path)
            mine = self.path.stat().st_ino
            self.listener = listener
            heard, bell = os.pipe()
            os.set_blocking(bell, False)
            signal.set_wakeup_fd(bell)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            self.events.register(listener, selectors.EVENT_READ, self._accept)
            self.events.register(heard, selectors.EVENT_READ, lambda: self._reap(heard))
            try:
                while self.children or time.monotonic() - self.last < self.idle:
                    for key, _ in self.events.select(min(self.idle, 60)):
                        key.data()
            finally:
                with suppress(OSError):
                    # Another one may have taken the place.
                    if self.path.stat().st_ino == mine:
                        self.path.unlink()

    def _accept(self) -> None:
        line, _ = self.listener.accept()
        try:
            news, tell = os.pipe()
            pid = os.fork()
        except OSError:
            # No more processes, or files: the other end does it by itself.
            line.close()
            return
        if not pid:
            self._child(line, tell)
        os.close(tell)
        child = self.children[pid] = Child(pid, line, news)
        self.last = time.monotonic()
        self.events.register(news, selectors.EVENT_READ, lambda: self._news(child))

    def _news(self, child: Child) -> None:
        part = os.read(child.news, 2**16)
        if part and not child.heard and child.pid in self.children:
            # The request was read: from now on the line brings signals.
            self.events.register(child.line, selectors.EVENT_READ, lambda: self._signal(child))
        child.heard += part
        if part:
            return
        self.events.unregister(child.news)
        os.close(child.news)
        child.news = CLOSED
        if child.heard:
            self.done += 1
            with suppress(ValueError, OSError):
                self._learn(json.loads(child.heard[1:]))

    def _signal(self, child: Child) -> None:
        if child.pid not in self.children:
            # It ended in the same moment, and its line is closed.
            return
        try:
            numbers = child.line.recv(64)
        except OSError:
            numbers = b""
        if not numbers:
            self.events.unregister(child.line)
        for number in numbers or bytes([signal.SIGKILL]):
            with suppress(OSError):
                os.kill(child.pid, number)

    def _reap(self, heard: int) -> None:
        os.read(heard, 2**10)
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            child, self.last = self.children.pop(pid), time.monotonic()
            with suppress(KeyError, ValueError):
                self.events.unregister(child.line)
            if os.WIFSIGNALED(status):
                with suppress(OSError):
                    child.line.sendall(handover.ENDED.pack(b"s", os.WTERMSIG(status)))
            child.line.close()

    def _learn(self, used: dict[str, list[str]]) -> None:
        """Loads what a command has used, so that the next one finds it; of weights, those used last."""
        for name in used["modules"]:
            if name.split(".")[0] in MAY_BE_LOADED:
                with suppress(Exception):
                    importlib.import_module(name)
        for path in used["weights"]:
            if (size := Path(path).stat().st_size) > self.memory:
                continue
            with suppress(StyleCliError):
                kept.keep(Path(path))
                self.weights[path] = size
                self.weights.move_to_end(path)
        while sum(self.weights.values()) > self.memory:
            kept.forget(Path(self.weights.popitem(last=False)[0]))

    def _told(self) -> dict[str, object]:
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() if _linux() else 0
        return {
            "pid": os.getppid(),
            "seconds": round(time.time() - self.begun),
            "commands": self.done,
            "running": len(self.children),
            "weights": list(self.weights),
            "bytes": memory,
            "idle_seconds": self.idle,
        }

    def _child(self, line: socket.socket, tell: int) -> NoReturn:
        """Does one request; the parent hears what it has used."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for name in ("SIGCHLD", "SIGTERM", "SIGINT"):
                signal.signal(getattr(signal, name), signal.SIG_DFL if name != "SIGINT" else signal.default_int_handler)
            self.events.close()
            self.listener.close()
            for other in self.children.values():
                other.line.close()
                if other.news != CLOSED:
                    os.close(other.news)
            line.settimeout(SLOWEST_REQUEST)
            request, _ = handover.received(line)
            same = request.get("likeness") == self.likeness
            if request.get("ask"):
                line.sendall(handover.GO + json.dumps({**self._told(), "same": same}).encode())
                if request["ask"] == "stop":
                    os.kill(os.getppid(), signal.SIGTERM)
            elif same:
                line.sendall(handover.GO)
                request, streams = handover.received(line)
                os.write(tell, b"r")
                before = set(sys.modules)
                code = self._run(request, streams)
                told = {"weights": kept.used(), "modules": sorted(set(sys.modules) - before)}
                # Before the other end hears of it: when it goes, this process is ended.
                os.write(tell, json.dumps(told).encode())
                line.sendall(handover.ENDED.pack(b"e", code))
        except (OSError, ValueError, KeyError):
            pass
        finally:
            os._exit(code)

    def _run(self, request: dict[str, object], streams: list[int]) -> int:
        import random

        import numpy as np

        words, environment, mask = request["words"], request["environment"], request["mask"]
        assert isinstance(words, list) and isinstance(environment, dict) and isinstance(mask, int)  # noqa: PT018
        os.setsid()
        os.fchdir(streams[3])
        for number, stream in enumerate(streams[:3]):
            os.dup2(stream, number)
        for stream in streams:
            os.close(stream)
        os.umask(mask)
        os.environ.clear()
        os.environ.update(environment)
        torch.set_num_threads(self.threads)
        random.seed()
        np.random.seed()
        supervised.fresh = True
        _reopen()
        sys.argv = ["stylecli", *words]
        try:
            importlib.import_module("stylecli.__main__").main(warm=True)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        else:
            code = 0
        for each in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                each.flush()
        return code


def _linux() -> bool:
    return sys.platform == "linux"


def _reopen() -> None:
    """The standard streams of a new process."""
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = TextIOWrapper(
            open(number, f"{mode}b", buffering=-1, closefd=False),  # noqa: SIM115 - open to the end
            errors="backslashreplace" if number == 2 else "surrogateescape" if number == 0 else "strict",
            line_buffering=number == 2 or (number == 1 and os.isatty(1)),
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def load() -> None:
    """Imports all that commands use."""
    for found in pkgutil.walk_packages(stylecli.__path__, "stylecli."):
        if not found.name.startswith(LEFT_OUT):
            with suppress(ImportError):
                importlib.import_module(found.name)


if __name__ == "__main__":
    load()
    Server(float(sys.argv[1]), int(sys.argv[2])).serve()
