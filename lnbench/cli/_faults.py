"""From exceptions to one sentence on stderr and an exit code, with a submission's log under its error."""

from __future__ import annotations

import errno
import os
import sys

import click

from lnbench.cli import _log
from lnbench.errors import LnbenchError
from lnbench.text import marked

INTERRUPTED, USAGE, MISSING, BUG = 130, 2, 3, 4
_FULL = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
}
_NAMES = {
    errno.ENAMETOOLONG: "expected a shorter name of a file",
    errno.ELOOP: "expected a file, got a link that leads back to itself",
}


def tell(error: BaseException) -> int | None:
    """Say on stderr what went wrong, once, in words; the exit code, or None to let the exception pass."""
    if isinstance(error, click.Abort):
        _say("aborted; nothing was done.")
        return INTERRUPTED
    if isinstance(error, KeyboardInterrupt) or (isinstance(error, ImportError) and _interrupted(error)):
        _say("interrupted; what was finished is kept, and the same command resumes from it.")
        return INTERRUPTED
    if isinstance(error, LnbenchError):
        _say(str(error))
        _log.under(error)
        return error.exit_code
    if isinstance(error, BrokenPipeError) or not isinstance(error, Exception):
        return None
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" ({os.fspath(error.filename)!r})" if error.filename else ""
        _say(
            f"{_FULL[error.errno]}{where}; make room, or set LNBENCH_CACHE to a folder where lnbench may write. "
            "What was finished is kept."
        )
        return MISSING
    if isinstance(error, OSError) and error.errno in _NAMES and error.filename:
        name = os.fsdecode(error.filename)
        _say(f"{_NAMES[error.errno]}, got {name if len(name) <= 80 else f'{name[:80]}…'}")
        return USAGE
    _report(error)
    return BUG


def _interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is behind it: an extension module that is being loaded reports it as its own failure."""
    behind = error.__cause__ or error.__context__
    return isinstance(error, KeyboardInterrupt) or (behind is not None and _interrupted(behind))


def _say(sentence: str) -> None:
    click.echo(f"error: {marked(sentence)}", err=True)


def _report(error: Exception) -> None:
    import traceback

    from lnbench import __version__

    traceback.print_exception(error, file=sys.stderr)
    _say(
        "this is a bug of lnbench, please report it with the lines above and the output of `lnbench doctor` "
        f"(lnbench {__version__}, Python {sys.version.split()[0]}, {sys.platform})."
    )
