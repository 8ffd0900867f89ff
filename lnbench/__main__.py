"""The `lnbench` command and `python -m lnbench`: the command line is imported where Ctrl-C already has an answer."""

import os
import sys


def main() -> None:
    """Entry point."""
    _leave_working_folder()
    try:
        from lnbench.standard_streams import open_missing

        open_missing()
        from lnbench.cli import main as run

        run()
    except KeyboardInterrupt:  # what comes later is told by the command line itself
        sys.stderr.write("error: interrupted; nothing was done yet.\n")
        sys.exit(130)


def _leave_working_folder() -> None:
    """Import nothing from the working folder: a file there, a submission perhaps, may be called `queue.py`.

    `python -m` searches it first, and so does an empty or relative entry of PYTHONPATH; an absolute entry is meant.
    """
    given = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.environ.get("PYTHONPATH")]
    searched = {os.path.abspath(folder) for folder in given if not os.path.isabs(folder)}
    if __name__ == "__main__" and not sys.flags.safe_path:
        searched.add(os.getcwd())
    sys.path[:] = [folder for folder in sys.path if folder and (folder not in searched or folder in given)]


if __name__ == "__main__":
    main()
