"""`lnbench show`: a record for human eyes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("show")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the record itself, indented.")
def command(record: Path, as_json: bool) -> None:
    """Print a record as a table."""
    from lnbench import record as records
    from lnbench.cli import _report
    from lnbench.record.folder import refuse_audit

    refuse_audit(record)
    made = records.read(record)
    if as_json:
        import json

        click.echo(json.dumps(made.document, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        _report.print_record(made, err=False)
