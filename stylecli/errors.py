"""The errors that users see: one line (thing first, lower case), one hint, one exit code."""

from enum import IntEnum


def printable(text: str) -> str:
    """`text` on one line, and without what steers a terminal: names of files, and what files say, hold anything."""
    # Bytes that are no text are for the stream to write.
    return "".join(
        each if each.isprintable() or "\udc80" <= each <= "\udcff" else each.encode("unicode_escape").decode()
        for each in text
    )


class ExitCode(IntEnum):
    """What the process returns; scripts may rely on these numbers."""

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    WEIGHTS = 3
    OUT_OF_MEMORY = 4
    INTERRUPTED = 130


class StyleCliError(Exception):
    """A failure that the user can mend.

    Args:
        message: One line, the thing first: `photo.jpg: not an image: truncated after 12,288 bytes`.
        hint: What to do about it, shown on the next line; empty for none.
    """

    exit_code = ExitCode.SOME_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.message, self.hint)


class InputError(StyleCliError):
    """An input file that cannot be read as what it should be."""


class OutputError(StyleCliError):
    """An output that cannot be written; what was there before is untouched."""


class UsageError(StyleCliError):
    """Options that do not fit together or hold an impossible value."""

    exit_code = ExitCode.USAGE


class WeightsError(StyleCliError):
    """A weights file that is missing, of another family, damaged or unsafe."""

    exit_code = ExitCode.WEIGHTS


class MemoryLimitError(StyleCliError):
    """The job does not fit into the memory it may use."""

    exit_code = ExitCode.OUT_OF_MEMORY


class Stopped(KeyboardInterrupt):
    """Ctrl-C in the Python API.

    Attributes:
        result: The best result so far, as the function would have returned it.
    """

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


class Interrupted(StyleCliError):  # noqa: N818 - not a failure: the user asked for it
    """Ctrl-C; finished files stay."""

    exit_code = ExitCode.INTERRUPTED
