"""`lnbench verify`: does a record say what its own bits say?"""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _faults

_MARKS = {True: "ok", False: "FAILED", None: "skipped"}


@click.command("verify")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(record: Path) -> None:
    """Re-derive what a record claims from its own bits.

    Form, hash, track, budget, pairs, labels, random arm, accuracies, score and flags; no victim is trained again. Exit
    code 1 if anything does not hold.
    """
    from lnbench import verify

    report = verify.verify(record)
    for check in report.checks:
        click.echo(f"{_MARKS[check.passed]:<7} {_faults.clean(f'{check.name}: {check.sentence}')}")
    if not report.passed:
        names = ", ".join(check.name for check in report.failures)
        click.echo(f"error: {record} does not hold: {names}.", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{record} says what its bits say.")
