"""`lnbench verify`: does a record say what its own bits say?"""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _options
from lnbench.text import marked

_MARKS = {True: "ok", False: "FAILED", None: "skipped"}


@click.command("verify")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repoison", is_flag=True, help="Run the record's own source again, sandboxed, and compare the flips.")
@click.option("--retrain", type=click.IntRange(1), default=None, metavar="N", help="Train N random cells again.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where to retrain."
)
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core]")
@click.option(
    "--track-file",
    metavar="FILE.toml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="The record's track, if it does not ship with lnbench: nothing runs on a stranger's track.",
)
@click.option("--salt", default=None, help="The salt, for records whose salt is neither public nor revealed.")
@click.option(
    "--sign",
    metavar="NAME",
    default=None,
    callback=_options.text,
    help="State under your name, for the board, that all of it held.",
)
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Sign the statement with this OpenSSH key; the board's allowed_signers must have its public half.",
)
@_options.board_option
def command(
    record: Path,
    repoison: bool,
    retrain: int | None,
    device: str,
    workers: int | None,
    track_file: Path | None,
    salt: str | None,
    sign: str | None,
    key: Path | None,
    board: Path,
) -> None:
    """Re-derive what a record claims from its own bits.

    Form, hash, track, budget, pairs, labels, random arm, accuracies, score and flags. With --repoison its labels are
    made again from the stored source; with --retrain some of its victims are trained again: equal bit for bit in the
    record's own environment, within what rounding explains elsewhere. Exit code 1 if anything does not hold.

    With --sign NAME, after --repoison and --retrain with enough cells, a statement is written to the board's
    verifications: committed, the row is said by NAME to have been made again, and with --key it is `verified`.
    """
    from lnbench.record import seasons
    from lnbench.record.folder import refuse_audit
    from lnbench.trust import verification

    refuse_audit(record)

    if key is not None and sign is None:
        raise click.UsageError("--key signs what --sign NAME states; give both.")
    if sign is not None:
        verification.check_signable(record, board, repoison=repoison, retrain=retrain)
    report = verification.verify_again(
        record,
        repoison=repoison,
        retrain=retrain,
        track=None if track_file is None else _options.load_track(str(track_file)),
        device=device,
        workers=workers,
        salt=salt,
        known=seasons.read(board / "seasons.toml"),
        on_progress=lambda p: click.echo(f"{p.stage}: {p.done:g}/{p.total}", err=True),
    )
    for check in report.checks:
        click.echo(f"{_MARKS[check.passed]:<7} {marked(f'{check.name}: {check.sentence}')}")
    if not report.passed:
        failed = ", ".join(check.name for check in report.failures)
        click.echo(f"error: {record} does not hold: {failed}.", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{record} says what its bits say.")
    if sign is not None:
        path = verification.sign(report, sign, device=device, board=board, key=key)
        click.echo(f"verification: {path}", err=True)
