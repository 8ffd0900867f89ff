"""`lnbench show`: a record for human eyes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lnbench.cli import _complete, _options, _other_kinds, _result

_TERMINAL = "-"
"""What `--plot` is without a file."""


@click.command("show")
@click.argument("record", required=False, shell_complete=_complete.records)
@_options.track_option
@click.option(
    "--plot",
    is_flag=False,
    flag_value=_TERMINAL,
    default=None,
    metavar="[FILE]",
    help="Draw the score of each split, and accuracy by radius: here, or into an .svg or .png file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the record itself, indented.")
def command(record: str | None, track: str | None, plot: str | None, as_json: bool) -> None:
    """Print a record as a table.

    RECORD is a file, or the name of a row of the board: my_poisoner, "dominating_set(space=pca)" or
    my_poisoner-21df572e; --track says of which track. An audit, a defence's record, a curve over budgets and a
    statement are shown too.

    \b
      lnbench show my_poisoner
      lnbench show records/digits-9to0/mine-0a1b2c3d.json --plot mine.svg
    """
    from lnbench import record as records
    from lnbench.board.rows import record_file
    from lnbench.cli import _defence_report, _report
    from lnbench.protocol.track import DEFAULT
    from lnbench.record import defence as defences

    if record is None and plot not in (None, _TERMINAL):
        record, plot = plot, _TERMINAL  # `--plot RECORD`
    if record is None:
        raise click.MissingParameter(param_hint="'RECORD'", param_type="argument")
    path = record_file(record, track or DEFAULT)
    if plot is not None:
        _plotted(path, plot)
        return
    if _other_kinds.show(path, _result.Result(as_json)):
        return
    if defences.is_defence(path):
        defence = defences.read(path)
        if as_json:
            _indented(defence.document)
        else:
            _defence_report.print_record(defence, err=False)
        return
    made = records.read(path)
    if as_json:
        _indented(made.document)
    else:
        _report.print_record(made, err=False)


def _plotted(path: Path, plot: str) -> None:
    """Draw a record's figure into a file, or print it as text."""
    from lnbench import record as records
    from lnbench.cli import _plot

    if plot != _TERMINAL and Path(plot).suffix.lower() not in (".svg", ".png"):
        raise click.UsageError(f"--plot takes a file ending in .svg or .png, got {plot[:80]!r}.")
    made = records.read(path)
    if plot == _TERMINAL:
        _plot.print_plot(made)
    else:
        made.plot().save(plot)
        click.echo(f"figure: {plot}", err=True)


def _indented(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
