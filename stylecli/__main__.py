"""`stylecli` and `python -m stylecli`."""

import sys


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    from stylecli.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
