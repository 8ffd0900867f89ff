"""Verification in full: a record checked by itself, its labels and victims made again, and a statement that it held."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Mapping
from pathlib import Path

from lnbench import __version__
from lnbench import record as records
from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.evaluation import machine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import OnProgress, Progress, quietly
from lnbench.poison import diagnosis
from lnbench.protocol import Track
from lnbench.record import consistency, seasons, statement
from lnbench.record.consistency import Check
from lnbench.record.record import Record
from lnbench.record.seasons import Season
from lnbench.trust import rerun
from lnbench.trust.retrain import POWER, RAISED_PP, enough
from lnbench.trust.retrain import retrain as train_again
from lnbench.trust.verify import Report, verify, verify_record


def verify_again(
    record: str | os.PathLike[str] | Record,
    *,
    repoison: bool = False,
    retrain: int | None = None,
    track: Track | None = None,
    device: str = "cpu",
    workers: int | None = None,
    salt: str | None = None,
    known: Mapping[str, Season] | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check a record; if that holds, make its labels and some of its victims again.

    Args:
        repoison: run the record's own source again, sandboxed, and compare the flips.
        retrain: train this many random cells again and compare.
        track: the caller's own, for a record whose track does not ship with lnbench.
        device: where to retrain.
        workers: processes at once; one per core if None.
        salt: the salt, for records whose salt is neither public nor revealed in `known`.
        known: the seasons of the board.
        on_progress: called as work advances, in splits and cells.

    Raises:
        DataError: if the track's data is missing here.
        UnavailableError: if no sandbox works here that the source could be run in, or the device is missing.
    """
    if isinstance(record, Record):
        report = verify_record(record, track=track, salt=salt, known=known)
    else:
        report = verify(Path(record), track=track, salt=salt, known=known)
    if report.record is None or not report.passed:
        return report
    checks, notify = list(report.checks), on_progress or quietly
    salt = salt or seasons.salt_of(known or {}, report.record.season)
    if repoison:
        mode = diagnosis.mode()
        if mode == "none":
            raise UnavailableError(
                "--repoison runs a stranger's source, and no sandbox works here; `lnbench doctor` says how to get one."
            )
        tell = _told("poisoning again", notify)
        checks.append(rerun.repoison(report.record, mode=mode, track=track, salt=salt, on_split=tell))
    cells, power = 0, 0.0
    if retrain is not None:
        retraining = train_again(
            report.record,
            retrain,
            track=track,
            device=device,
            workers=workers or machine.cores(),
            salt=salt,
            on_cell=_told("training again", notify),
        )
        checks.append(retraining.check)
        cells, power = retraining.cells, retraining.power
    return Report(tuple(checks), report.record, cells, power)


def check_signable(
    record: Path,
    board: Path,
    *,
    repoison: bool,
    retrain: int | None,
    device: str = "cpu",
    salt: str | None = None,
    known: Mapping[str, Season] | None = None,
) -> None:
    """Find out, before the work, whether a statement about a record could be signed after it.

    Args:
        record: its file; one that is not a record, or does not follow from its own bits, is left to `verify_again`.
        board: the board's folder.
        device, salt: as of `verify_again`.
        known: the seasons of the board.

    Raises:
        ProtocolError: if too little would be made again, or the record is not on the board.
    """
    if not (repoison and retrain):
        raise ProtocolError("--sign needs --repoison and --retrain N: what is signed is that the row was made again.")
    with contextlib.suppress(RecordError):
        read = records.read(record)
        salt = salt or seasons.salt_of(known or {}, read.season)
        if not (board / "records" / read.track.name / read.filename).exists():
            raise ProtocolError(f"{record} is not on the board in {board}; `lnbench leaderboard add` it first.")
        if not all(check.passed for check in consistency.checks(read)):
            return
        least = enough(read, salt, device)
        if retrain < least:
            raise ProtocolError(
                f"--retrain {retrain}: too few to sign for this record, expected {least} or more, with which a score "
                f"raised by {RAISED_PP:g} points is found out with a probability of {100 * POWER:.0f} % if the victims "
                "come out equal bit for bit, and more are needed if not."
            )


def sign(report: Report, by: str, *, device: str, board: Path, key: Path | None = None) -> Path:
    """Write a statement, under a name, that everything a verification looked at held; returns its file.

    Args:
        report: of `verify_again`, with labels and victims made again.
        by: who signs.
        device: where they were trained.
        board: the statement is written to its `verifications`.
        key: an OpenSSH key to sign it with; without one it only bears the name.

    Raises:
        RecordError: if a check failed, was skipped or is missing.
        ProtocolError: if the name is not one, or the author's.
        UnavailableError: if the place cannot be written.
    """
    if report.record is None:
        raise ProtocolError("what is not a record cannot be signed for.")
    if report.passed and report.power < POWER:
        raise ProtocolError(
            f"nothing is signed: {report.cells} cells trained again find a score raised by {RAISED_PP:g} points with a "
            f"probability of {100 * report.power:.0f} %, and signing takes {100 * POWER:.0f} %; train more cells."
        )
    made = statement.document(
        report.record,
        report.checks,
        by=by,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        cells=report.cells,
        sandbox=diagnosis.mode(),
        environment=environment(device, report.record.track)["id"],
        version=__version__,
        key=key,
    )
    return statement.write(made, report.record, board / "verifications")


def _told(stage: str, notify: OnProgress) -> rerun.OnSplit:
    return lambda done, total: notify(Progress(stage, done, total, 0, None))


__all__ = ["Check", "Report", "check_signable", "sign", "verify_again"]
