"""`lnbench verify`: does a record say what its own bits say?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _options
from lnbench.text import marked

if TYPE_CHECKING:
    from lnbench.record.record import Record
    from lnbench.trust.verify import Check

_MARKS = {True: "ok", False: "FAILED", None: "skipped"}


@click.command("verify")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repoison", is_flag=True, help="Run the record's own source again, sandboxed, and compare the flips.")
@click.option("--retrain", type=click.IntRange(1), default=None, metavar="N", help="Train N random cells again.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where to retrain."
)
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core]")
@click.option("--salt", default=None, help="The salt, for records whose salt is neither public nor revealed.")
@click.option("--sign", metavar="NAME", default=None, help="State under your name, for the board, that all of it held.")
@_options.board_option
def command(
    record: Path,
    repoison: bool,
    retrain: int | None,
    device: str,
    workers: int | None,
    salt: str | None,
    sign: str | None,
    board: Path,
) -> None:
    """Re-derive what a record claims from its own bits.

    Form, hash, track, budget, pairs, labels, random arm, accuracies, score and flags. With --repoison its labels are
    made again from the stored source; with --retrain some of its victims are trained again: equal bit for bit in the
    record's own environment, within a stated tolerance elsewhere. Exit code 1 if anything does not hold.

    With --sign NAME, after --repoison and --retrain, a statement is written to the board's verifications: committed,
    it makes the row's trust `said by “NAME”`.
    """
    from lnbench.errors import ProtocolError
    from lnbench.record import seasons
    from lnbench.record.folder import refuse_audit
    from lnbench.trust import verify

    if sign is not None and not (repoison and retrain):
        raise click.UsageError(
            "--sign needs --repoison and --retrain N: what is signed is that the row was made again."
        )
    refuse_audit(record)
    known = seasons.read(board / "seasons.toml")
    report = verify.verify(record, salt=salt, known=known)
    if report.record is not None:
        salt = salt or seasons.salt_of(known, report.record.season)
        if sign is not None and not (board / "records" / report.record.track.name / report.record.filename).exists():
            raise ProtocolError(f"{record} is not on the board in {board}; `lnbench leaderboard add` it first.")
    checks = list(report.checks)
    if report.passed and report.record is not None:
        checks += _again(report.record, repoison, retrain, device, workers, salt)
    for check in checks:
        click.echo(f"{_MARKS[check.passed]:<7} {marked(f'{check.name}: {check.sentence}')}")
    failures = [check.name for check in checks if check.passed is False]
    if failures:
        click.echo(f"error: {record} does not hold: {', '.join(failures)}.", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{record} says what its bits say.")
    if sign is not None and report.record is not None:
        click.echo(f"verification: {_signed(report.record, checks, sign, retrain or 0, device, board)}", err=True)


def _signed(record: Record, checks: list[Check], by: str, cells: int, device: str, board: Path) -> Path:
    """Where the statement was written."""
    import datetime

    from lnbench import __version__
    from lnbench.evaluation import conductor
    from lnbench.evaluation.environment import environment
    from lnbench.record import statement

    made = statement.document(
        record,
        checks,
        by=by,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        cells=cells,
        sandbox=conductor.resolved_sandbox("auto"),
        environment=environment(device, record.track)["id"],
        version=__version__,
    )
    return statement.write(made, record, board / "verifications")


def _again(
    record: Record, repoison: bool, retrain: int | None, device: str, workers: int | None, salt: str | None
) -> list[Check]:
    """What was asked for beyond reading."""
    from lnbench.errors import UnavailableError
    from lnbench.evaluation import conductor
    from lnbench.trust import rerun

    def tell(what: str) -> rerun.OnSplit:
        return lambda done, total: click.echo(f"{what}: {done}/{total}", err=True)

    found = []
    if repoison:
        mode = conductor.resolved_sandbox("auto")
        if mode == "none":
            raise UnavailableError(
                "--repoison runs a stranger's source, and no sandbox works here; `lnbench doctor` says how to get one."
            )
        found.append(rerun.repoison(record, mode=mode, salt=salt, on_split=tell("poisoning again")))
    if retrain is not None:
        found.append(
            rerun.retrain(
                record,
                retrain,
                device=device,
                workers=workers or conductor.cores(),
                salt=salt,
                on_cell=tell("training again"),
            )
        )
    return found
