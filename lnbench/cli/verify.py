"""`lnbench verify`: does a record say what its own bits say?"""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _faults


@click.command("verify")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(record: Path) -> None:
    """Re-derive what a record claims from its own bits.

    Schema, canonical form, hash, budget, pairs, labels, arms, score and flags; no victim is trained again. Exit code 1
    if anything does not hold.
    """
    from lnbench import verify

    report = verify.verify(record)
    for line in _faults.clean(str(report), lines=200).split("\n"):
        click.echo(line)
    if not report.ok:
        raise click.exceptions.Exit(1)
