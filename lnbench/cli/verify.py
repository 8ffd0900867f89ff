"""`lnbench verify`: does a record say what its own bits say?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _options, _result
from lnbench.text import marked

if TYPE_CHECKING:
    from lnbench.evaluation.progress import Progress
    from lnbench.trust.verify import Report

_MARKS = {True: "ok", False: "FAILED", None: "skipped"}


@click.command("verify")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--redefend", is_flag=True, help="Of a defence's record: run its source on all labels again, sandboxed.")
@click.option("--repoison", is_flag=True, help="Run the record's own source again, sandboxed, and compare the flips.")
@click.option("--retrain", type=click.IntRange(1), default=None, metavar="N", help="Train N random cells again.")
@_options.training
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
@_result.json_option
def command(
    record: Path,
    redefend: bool,
    repoison: bool,
    retrain: int | None,
    device: str,
    workers: int | None,
    track_file: Path | None,
    salt: str | None,
    sign: str | None,
    key: Path | None,
    board: Path,
    as_json: bool,
) -> None:
    """Re-derive what a record claims from its own bits.

    Form, hash, track, budget, pairs, labels, random arm, accuracies, score and flags. With --repoison its labels are
    made again from the stored source; with --retrain some of its victims are trained again: equal bit for bit in the
    record's own environment, within what rounding explains elsewhere. Exit code 1 if anything does not hold.

    A defence's record is checked with the attack's record in it: --redefend makes its treatments again, and --retrain
    trains defended victims.

    With --sign NAME, after --repoison and --retrain with enough cells, a statement is written to the board's
    verifications: committed, the row is said by NAME to have been made again, and with --key it is `verified`.
    """
    from lnbench.evaluation import bundled
    from lnbench.record import defence as defences
    from lnbench.record import seasons
    from lnbench.trust import verification, verify_defence

    if defences.is_defence(record):
        if repoison or sign is not None or key is not None or salt is not None:
            raise click.UsageError("a defence's record takes --redefend and --retrain, and no other of these options.")
        _tell(
            _result.Result(as_json),
            record,
            verify_defence.verify(
                record,
                track=None if track_file is None else _options.load_track(str(track_file)),
                redefend=redefend,
                retrain=retrain,
                device=device,
                workers=workers,
                on_progress=_progress,
            ),
        )
        return
    if redefend:
        raise click.UsageError("--redefend is for a defence's record, and this is none; --repoison makes labels again.")
    if key is not None and sign is None:
        raise click.UsageError("--key signs what --sign NAME states; give both.")
    known = seasons.read(bundled.board_at(board) / "seasons.toml")
    if sign is not None:
        verification.check_signable(
            record, board, repoison=repoison, retrain=retrain, device=device, salt=salt, known=known
        )
    report = verification.verify_again(
        record,
        repoison=repoison,
        retrain=retrain,
        track=None if track_file is None else _options.load_track(str(track_file)),
        device=device,
        workers=workers,
        salt=salt,
        known=known,
        on_progress=_progress,
    )
    _tell(_result.Result(as_json), record, report)
    if sign is not None:
        path = verification.sign(report, sign, device=device, board=board, key=key)
        click.echo(f"verification: {path}", err=True)


def _progress(progress: Progress) -> None:
    click.echo(f"{progress.stage}: {progress.done:g}/{progress.total}", err=True)


def _tell(result: _result.Result, record: Path, report: Report) -> None:
    """Print every check, and exit with 1 if one failed."""
    for check in report.checks:
        result.say(f"{_MARKS[check.passed]:<7} {marked(f'{check.name}: {check.sentence}')}")
    result.give(
        {
            "record": str(record),
            "passed": report.passed,
            "checks": [
                {"name": check.name, "passed": check.passed, "sentence": check.sentence} for check in report.checks
            ],
        }
    )
    if not report.passed:
        failed = ", ".join(check.name for check in report.failures)
        click.echo(f"error: {record} does not hold: {failed}.", err=True)
        raise click.exceptions.Exit(1)
    result.say(f"{record} says what its bits say.")
