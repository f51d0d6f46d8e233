"""`stylecli` and `python -m stylecli`."""

import codecs
import os
import sys
from io import TextIOWrapper

_PLAIN = str.maketrans({"…": "...", "×": "x", "–": "-", "—": "-", "’": "'", "→": "->"})


WAITING = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}
"""How long a thread of OpenMP spins when it waits for the others, before it sleeps: a fraction of a millisecond.

By default it spins for many: on a machine with other work, longer than the work itself takes.
"""

LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Lets PyTorch ask Linux for pages of 2 MB in place of 4 kB: features of large pictures are fresh memory all the time,
and every page costs a call into the system."""


def main(warm: bool = False) -> None:
    """Runs the command line and leaves with its exit code; in a process that is `warm`, for one that is not."""
    prepare_streams()
    prepare_environment()
    from stylecli.handover import handed_over

    if not warm and (code := handed_over(sys.argv[1:])) is not None:
        sys.exit(code)
    from stylecli.cli import run

    sys.exit(run())


def prepare_environment() -> None:
    """Sets what PyTorch reads once, when it is loaded, and nobody has set."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.update({name: count for name, count in WAITING.items() if name not in os.environ})
    os.environ.setdefault(LARGE_PAGES, "1")


def prepare_streams() -> None:
    """Makes the standard streams fit for all that is told: also where one is closed, or knows few characters."""
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:  # noqa: PERF203 - three
            # Else the next file that is opened would become the stream, and get what libraries write to it.
            os.open(os.devnull, mode)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - a stream, open to the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    elif isinstance(sys.stderr, TextIOWrapper) and sys.stderr.fileno() == 2:
        # Readers of pictures and sound mute the descriptor itself, see `media.safe_open.mute`.
        encoding = sys.stderr.encoding
        sys.stderr = TextIOWrapper(
            os.fdopen(os.dup(2), "wb"), encoding, newline=None, line_buffering=True, write_through=True
        )
    codecs.register_error("stylecli", shown)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="stylecli")


def shown(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for characters that a console does not have.

    The bytes of a file name that is not text leave as they came; punctuation becomes plain, all else is escaped.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    if all("\udc80" <= each <= "\udcff" for each in part):
        return bytes(ord(each) - 0xDC00 for each in part), error.end
    plain = part.translate(_PLAIN)
    escaped = plain if plain.isascii() else part.encode("ascii", "backslashreplace").decode()
    return escaped, error.end


if __name__ == "__main__":
    main()
