"""Hands a command over to a process that is warm, see `stylecli.warm`: it starts at once, not after two seconds.

The other process gets the words, the environment, the working folder and the very streams of this one, and its exit
code is ours. Nothing is handed over to a process of another user or version, with other limits, or with an environment
that would have changed how libraries were loaded; nor where nobody answers within a second. The command then runs by
itself.
"""

import os
import signal
import stat
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

# The rest is imported once there is a process to talk to: every command comes by here.
if TYPE_CHECKING:
    import socket

AT_HOME = ("doctor", "serve", "train", "warm", "weights")
"""First words of what is never handed over: it is quick, long, or about this very process."""

LOADED_WITH = (
    "CUDA",
    "GOMP",
    "KMP",
    "LANG",
    "LC_",
    "LD_",
    "MALLOC",
    "MKL",
    "OMP",
    "OPENBLAS",
    "PYTHON",
    "PYTORCH",
    "TORCH",
)
"""Beginnings of environment variables that are read when libraries are loaded."""

PATIENCE = 1.0
"""Seconds to wait for an answer."""

LONGEST = 2**24
"""Bytes of a message at most."""

PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH")
GO, ENDED = b"g", struct.Struct("!ci")


def possible() -> bool:
    """Whether processes of this system can hand streams to each other."""
    import socket

    return hasattr(socket, "AF_UNIX") and hasattr(socket, "send_fds") and hasattr(os, "fork")


def place() -> Path:
    """Where the socket is, or would be: in a folder of the user's alone."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base, "stylecli") if base else Path(os.environ.get("TMPDIR", "/tmp"), f"stylecli-{os.getuid()}")
    return folder / "warm"


def private(folder: Path) -> bool:
    """Whether a folder belongs to this user, and nobody else may look into it."""
    try:
        about = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o077


def likeness() -> list[object]:
    """What must be the same in a process that a command is handed over to."""
    import json
    import resource

    from stylecli import __version__

    package = Path(__file__).parent
    newest = max(path.stat().st_mtime_ns for path in package.rglob("*.py"))
    limits = [resource.getrlimit(each) for each in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    loaded = sorted(pair for pair in os.environ.items() if pair[0].startswith(LOADED_WITH))
    told = [__version__, sys.executable, str(package), newest, sys.flags, loaded, limits, cores, os.nice(0)]
    same: list[object] = json.loads(json.dumps(told))
    return same


def send(line: "socket.socket", message: dict[str, object], streams: Sequence[int] = ()) -> None:
    """Sends a message, and streams along with it.

    Raises:
        OSError: The other end is gone.
    """
    import json
    import socket

    body = json.dumps(message).encode()
    data = struct.pack("!I", len(body)) + body
    sent = socket.send_fds(line, [data], list(streams)) if streams else 0
    line.sendall(data[sent:])


def received(line: "socket.socket") -> tuple[dict[str, object], list[int]]:
    """What `send` sent: a message, and the streams that came with it.

    Raises:
        OSError: The other end is gone.
        ValueError: It is no message, or too long.
    """
    import array
    import json
    import socket

    def more() -> bytes:
        if not (part := line.recv(2**16)):
            raise ConnectionResetError
        return part

    room = socket.CMSG_LEN(4 * array.array("i").itemsize)
    data, ancillary, _, _ = line.recvmsg(2**16, room)
    streams = array.array("i")
    for level, kind, sent in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            streams.frombytes(sent[: len(sent) - len(sent) % streams.itemsize])
    while len(data) < 4:
        data += more()
    size = struct.unpack("!I", data[:4])[0] + 4
    if size > LONGEST:
        raise ValueError
    while len(data) < size:
        data += more()
    message = json.loads(data[4:])
    if not isinstance(message, dict):
        raise ValueError  # noqa: TRY004
    return message, list(streams)


def asked(request: dict[str, object]) -> "socket.socket | None":
    """The connection to a warm process that has accepted a request; None where there is none, or it has not."""
    path = place()
    if not private(path.parent) or not path.exists():
        return None
    import socket

    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(PATIENCE)
        line.connect(str(path))
        if hasattr(socket, "SO_PEERCRED"):
            about = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if struct.unpack("3i", about)[1] != os.getuid():
                raise PermissionError
        send(line, request | {"likeness": likeness()})
        if line.recv(1) == GO:
            line.settimeout(None)
            return line
    except OSError:
        pass
    line.close()
    return None


def handed_over(words: Sequence[str]) -> int | None:
    """The exit code of a command that a warm process has done; None where this one has to do it."""
    # What is played reads the keys of a terminal that is its own.
    if not words or words[0] in AT_HOME or "--live" in words or words[0].startswith("-") or not hasattr(os, "fork"):
        return None
    if not place().exists() or not possible() or (line := asked({})) is None:
        return None
    mask = os.umask(0)
    os.umask(mask)
    request: dict[str, object] = {"words": list(words), "environment": dict(os.environ), "mask": mask}
    with line, suppress(OSError):
        here = os.open(".", os.O_RDONLY)
        for name in PASSED_ON:
            signal.signal(getattr(signal, name), lambda number, _: line.send(bytes([number])))
        signal.signal(signal.SIGTSTP, lambda *_: _pause(line))
        # Only now: streams that wait with a process that is stuck would stay open.
        send(line, request, (0, 1, 2, here))
        answer = b""
        while len(answer) < ENDED.size and (part := line.recv(ENDED.size - len(answer))):
            answer += part
        if len(answer) == ENDED.size:
            kind, code = ENDED.unpack(answer)
            if kind == b"s":
                # Ended by a signal, and so does this one, for whoever looks at that.
                signal.signal(code, signal.SIG_DFL)
                os.kill(os.getpid(), code)
            return int(code)
    print("the warm process ended before the command did\nhint: run it again", file=sys.stderr)
    return 1


def _pause(line: "socket.socket") -> None:
    """Ctrl-Z stops both; whoever lets this process go on lets the other one too."""
    line.send(bytes([signal.SIGSTOP]))
    os.kill(os.getpid(), signal.SIGSTOP)
    line.send(bytes([signal.SIGCONT]))
