"""`lnbench show`: a record for human eyes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from lnbench.cli import _other_kinds, _result


@click.command("show")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the record itself, indented.")
def command(record: Path, as_json: bool) -> None:
    """Print a record as a table.

    An audit, a defence's record, a curve over budgets and a statement are shown too.
    """
    from lnbench import record as records
    from lnbench.cli import _defence_report, _report
    from lnbench.record import defence as defences

    if _other_kinds.show(record, _result.Result(as_json)):
        return
    if defences.is_defence(record):
        defence = defences.read(record)
        if as_json:
            _indented(defence.document)
        else:
            _defence_report.print_record(defence, err=False)
        return
    made = records.read(record)
    if as_json:
        _indented(made.document)
    else:
        _report.print_record(made, err=False)


def _indented(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
