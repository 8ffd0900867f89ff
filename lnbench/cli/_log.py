"""What a submission printed: its end under an error, all of it where that is asked for, and a file of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lnbench.characters import printable, quoted

_LINES = 40
_WHOLE, _FILE, _TEXT = "lnbench.whole_log", "lnbench.log_file", "lnbench.log_text"


def show_whole(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """Callback of `--log`: from now on logs are shown, and whole."""
    context.meta[_WHOLE] = value or context.meta.get(_WHOLE, False)
    return value


def go_through(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """Callback of `--unsafe-no-sandbox`: what such a file prints is shown without being asked for."""
    return show_whole(context, parameter, value)


def write_to(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Callback of `--log-file`: the file takes all logs.

    Raises:
        UnavailableError: if it cannot be written.
    """
    if value is not None:
        from lnbench.cli import _output

        _output.writable(value.parent)
        context.meta[_FILE], context.meta[_TEXT] = value, ""
    return value


def tell(what: str, log: str) -> None:
    """Show a log under its title and add it to the file, as far as that was asked for.

    Args:
        what: it is of, `split 3`.
    """
    meta = _meta()
    if log:
        _add(meta, f"{what} printed:\n{log}")
    if log and meta.get(_WHOLE):
        click.echo(f"{what} printed:\n{quoted(log)}", err=True)


def under(error: Exception) -> None:
    """Show the end of the log of a submission that failed, or all of it if `--log` was given."""
    log, meta = str(getattr(error, "log", "")), _meta()
    lines = log.splitlines()
    if not lines:
        return
    _add(meta, log)
    if not meta.get(_WHOLE) and len(lines) > _LINES:
        click.echo(f"  | … {len(lines) - _LINES} lines before these; --log shows all", err=True)
        lines = lines[-_LINES:]
    click.echo(quoted("\n".join(lines)), err=True)


def _meta() -> dict[str, Any]:
    context = click.get_current_context(silent=True)
    return {} if context is None else context.meta


def _add(meta: dict[str, Any], log: str) -> None:
    """Add a log to the file, if there is to be one, without a character that acts on a terminal."""
    if _FILE in meta:
        from lnbench.cli import _output

        meta[_TEXT] += printable(log, 4 * len(log) + 1, lines=True).rstrip("\n") + "\n"
        _output.write_file(meta[_FILE], meta[_TEXT].encode("utf-8", errors="replace"))
