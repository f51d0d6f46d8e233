"""`stylecli` and `python -m stylecli`."""

import sys
from io import TextIOWrapper


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    from stylecli.cli import run

    if isinstance(sys.stdout, TextIOWrapper):
        # A file name that is not UTF-8 leaves as it came.
        sys.stdout.reconfigure(errors="surrogateescape")
    sys.exit(run())


if __name__ == "__main__":
    main()
