"""`lnbench verify`: does a record say what its own bits say?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _faults

if TYPE_CHECKING:
    from lnbench.record import Record
    from lnbench.verify import Check

_MARKS = {True: "ok", False: "FAILED", None: "skipped"}


@click.command("verify")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repoison", is_flag=True, help="Run the record's own source again, sandboxed, and compare the flips.")
@click.option("--retrain", type=click.IntRange(1), default=None, metavar="N", help="Train N random cells again.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where to retrain."
)
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core]")
@click.option("--salt", default=None, help="The salt of a closed season, for records whose salt is not public.")
def command(
    record: Path, repoison: bool, retrain: int | None, device: str, workers: int | None, salt: str | None
) -> None:
    """Re-derive what a record claims from its own bits.

    Form, hash, track, budget, pairs, labels, random arm, accuracies, score and flags. With --repoison its labels are
    made again from the stored source; with --retrain some of its victims are trained again: equal bit for bit in the
    record's own environment, within a stated tolerance elsewhere. Exit code 1 if anything does not hold.
    """
    from lnbench import verify

    report = verify.verify(record, salt=salt)
    checks = list(report.checks)
    if report.passed and report.record is not None:
        checks += _again(report.record, repoison, retrain, device, workers, salt)
    for check in checks:
        click.echo(f"{_MARKS[check.passed]:<7} {_faults.clean(f'{check.name}: {check.sentence}')}")
    failures = [check.name for check in checks if check.passed is False]
    if failures:
        click.echo(f"error: {record} does not hold: {', '.join(failures)}.", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{record} says what its bits say.")


def _again(
    record: Record, repoison: bool, retrain: int | None, device: str, workers: int | None, salt: str | None
) -> list[Check]:
    """What was asked for beyond reading."""
    from lnbench import evaluate, rederive
    from lnbench.errors import UnavailableError

    def tell(what: str) -> rederive.OnSplit:
        return lambda done, total: click.echo(f"{what}: {done}/{total}", err=True)

    found = []
    if repoison:
        mode = evaluate.resolved_sandbox("auto")
        if mode == "none":
            raise UnavailableError(
                "--repoison runs a stranger's source, and no sandbox works here; `lnbench doctor` says how to get one."
            )
        found.append(rederive.repoison(record, mode=mode, salt=salt, on_split=tell("poisoning again")))
    if retrain is not None:
        found.append(
            rederive.retrain(
                record,
                retrain,
                device=device,
                workers=workers or evaluate.cores(),
                salt=salt,
                on_cell=tell("training again"),
            )
        )
    return found
