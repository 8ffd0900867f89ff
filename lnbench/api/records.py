"""`lnbench.read_record`, `verify`, `audit` and `compare`: what can be asked of a record."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lnbench import standard_streams
from lnbench.api.arguments import RecordLike, record_of, store_of
from lnbench.api.tracks import TrackLike, track_of
from lnbench.evaluation import bundled, machine
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.store import Store
from lnbench.protocol.track import DEFAULT
from lnbench.record import comparison, seasons
from lnbench.record.comparison import Comparison
from lnbench.record.record import Record
from lnbench.trust import audit as strong
from lnbench.trust.verification import verify_again
from lnbench.trust.verify import Report


def read_record(path: str | os.PathLike[str], track: str = DEFAULT) -> Record:
    """The record in a file, or of a row of the board that comes with lnbench.

        record = lnbench.read_record("my_poisoner")

    Args:
        path: a file, or a row's name, as `dominating_set(space=pca)` or `my_poisoner-21df572e`.
        track: the row's.

    Raises:
        RecordError: in one sentence, if the file cannot be read or is not a record.
        ProtocolError: if there is no such row.
    """
    return record_of(path, track)


def verify(
    record: RecordLike,
    *,
    repoison: bool = False,
    retrain: int | None = None,
    track: TrackLike | None = None,
    device: str = "cpu",
    workers: int | None = None,
    salt: str | None = None,
    board: str | os.PathLike[str] = "leaderboard",
    on_progress: OnProgress | None = None,
) -> Report:
    """Whether a record says what its own bits and the data say.

    Args:
        record: a record or its file.
        repoison: run the record's own source again, sandboxed, and compare the flips.
        retrain: train this many random cells again and compare.
        track: the record's track, if it does not ship with lnbench: nothing runs on a stranger's track.
        device: `cpu` or `cuda`, where to retrain.
        workers: processes at once; one per core if None.
        salt: the salt, for records whose salt is neither public nor revealed.
        board: the folder with `seasons.toml` in it, which has the salts of closed seasons; if it is not there, the
            board that comes with lnbench.
        on_progress: called with a `Progress` as work advances.

    Returns:
        A report: `passed`, and `checks` of one sentence each. A file that is not a record does not pass.

    Raises:
        DataError, UnavailableError: if the track's data, a sandbox or the device is missing here.
    """
    standard_streams.open_missing()
    known = seasons.read(bundled.board_at(Path(board)) / "seasons.toml")
    return verify_again(
        record,
        repoison=repoison,
        retrain=retrain,
        track=None if track is None else track_of(track),
        device=device,
        workers=workers,
        salt=salt,
        known=known,
        on_progress=on_progress,
    )


def audit(
    record: RecordLike,
    *,
    device: str = "cpu",
    workers: int | None = None,
    salt: str | None = None,
    board: str | os.PathLike[str] = "leaderboard",
    store: Store | str | os.PathLike[str] | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Train a record's victims again and attack them with the strong adversary: does the score survive?

    Args:
        record: a record or its file.
        device: `cpu` or `cuda`, where victims train.
        workers: processes at once; one per core if None.
        salt: the salt, for records whose salt is neither public nor revealed.
        board: the board's folder, on whose rows the rank is checked if it has any.
        store: where results are stored and looked up; lnbench's cache if None.
        on_progress: called with a `Progress` as work advances.

    Returns:
        The audit's document; `survives` and `verdict` say what came of it. See `lnbench.trust.audit.audit`.

    Raises:
        RecordError: if it is not a record, or its salt is not known.
        DataError, UnavailableError: if data or the device is missing here.
    """
    standard_streams.open_missing()
    made, records = record_of(record), Path(board) / "records"
    known = seasons.read(Path(board) / "seasons.toml")
    return strong.audit(
        made,
        device=device,
        workers=workers or machine.cores(),
        salt=salt or seasons.salt_of(known, made.season),
        board=records if os.path.isdir(records) else None,
        store=store_of(store),
        on_progress=on_progress,
    )


def compare(first: RecordLike, second: RecordLike, track: str | None = None) -> Comparison:
    """How the scores of two records of one track and salt differ, paired by split.

        lnbench.compare(record, "random_search")

    Args:
        first, second: records, their files, or names of rows of the board that comes with lnbench.
        track: the rows'; that of the other record, or else the default track, if None.

    Returns:
        The mean difference in points, positive if the first is the higher, its 95 % t interval and p: `total` and
        `per_architecture`; and `sentence`, which says it in words.

    Raises:
        RecordError: if one is not a record, or they are of different tracks or salts.
        ProtocolError: if there is no such file or row.
    """
    if track is None:
        given = [_given(record) for record in (first, second)]
        track = next((record.track.name for record in given if record is not None), DEFAULT)
        first, second = (known or asked for known, asked in zip(given, (first, second), strict=True))
    return comparison.compare(record_of(first, track), record_of(second, track))


def _given(record: RecordLike) -> Record | None:
    """A record that no track is needed for: one, or one in a file; None for the name of a row."""
    if isinstance(record, str) and not record.endswith(".json") and not os.path.lexists(record):
        return None
    return record_of(record)
