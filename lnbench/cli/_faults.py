"""From exceptions to one sentence on stderr and an exit code, and a submission's log under its error."""

from __future__ import annotations

import errno
import os
import sys

import click

from lnbench.characters import printable
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
_LOG_LINES = 40
_WHOLE_LOG = "lnbench.whole_log"


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
        show_log(error)
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


def show_log(error: LnbenchError) -> None:
    """Print the end of the log of a submission that failed, or all of it if `--log` was given."""
    lines = str(getattr(error, "log", "")).splitlines()
    context = click.get_current_context(silent=True)
    whole = context is not None and context.meta.get(_WHOLE_LOG, False)
    if not whole and len(lines) > _LOG_LINES:
        click.echo(f"  | … {len(lines) - _LOG_LINES} lines before these; --log shows all", err=True)
        lines = lines[-_LOG_LINES:]
    if lines:
        click.echo(quoted("\n".join(lines)), err=True)


def quoted(log: str) -> str:
    """A submission's log, each line behind a mark, so that none is a command to a terminal or to a CI's log."""
    return "\n".join(f"  | {printable(line.expandtabs(4), 4 * len(line) + 1, lines=True)}" for line in log.splitlines())


def show_whole_log(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """Callback of `--log`: what `show_log` asks for."""
    context.meta[_WHOLE_LOG] = value
    return value


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
