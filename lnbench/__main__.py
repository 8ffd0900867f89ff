"""The `lnbench` command and `python -m lnbench`: the command line is imported where Ctrl-C already has an answer."""

import sys


def main() -> None:
    """Entry point."""
    try:
        from lnbench.standard_streams import open_missing

        open_missing()
        from lnbench.cli import main as run

        run()
    except KeyboardInterrupt:  # what comes later is told by the command line itself
        sys.stderr.write("error: interrupted; nothing was done yet.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
