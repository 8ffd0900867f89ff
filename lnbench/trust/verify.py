"""Whether a record says what its own bits and the data say. Trains nothing, runs nothing of the submission's.

Every claim is one named check with one sentence. Checks that need the data load it; without the salt (a season that
is still open) they cannot be done and say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lnbench import record as records
from lnbench.errors import RecordError
from lnbench.protocol import Track
from lnbench.protocol import track as tracks
from lnbench.record import against_data
from lnbench.record.consistency import Check, checks
from lnbench.record.record import Record
from lnbench.record.seasons import Season, check_record, salt_of

__all__ = ["Check", "Report", "verify", "verify_record"]

_READ = {
    "file": "the file is there and small enough.",
    "json": "the file is JSON.",
    "canonical": "the file is its own canonical form.",
    "schema": "every field is there, with a value of its type and range.",
    "track": "the track's document has the stated name, version and sha256",
    "hash": "the content has the stated sha256.",
}
"""What reading a file has checked."""


@dataclass(frozen=True)
class Report:
    """The outcome of `verify`.

    Attributes:
        checks: in the order they were made; for a file that is not a record, only the one that says so.
        record: the record, or None if the file is not one.
        cells: cells that were trained again.
        power: with which probability retraining would have found a raised score; see `lnbench.trust.retrain`.
    """

    checks: tuple[Check, ...]
    record: Record | None
    cells: int = 0
    power: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.passed is not False for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)


def verify(
    path: str | Path,
    *,
    track: Track | None = None,
    salt: str | None = None,
    known: Mapping[str, Season] | None = None,
) -> Report:
    """Check a record's file.

    Args:
        track: the caller's own, for a record whose track names data that no track which ships does.
        salt: the salt, for records whose salt is not public and not revealed in `known`.
        known: the seasons of the board, see `lnbench.record.seasons.read`; a record of a season is checked against
            them.

    Raises:
        DataError: if the track's data is missing here, or only the record's own track says what it is.
    """
    try:
        record = records.read(path)
    except records.RefusedError as error:
        return Report((Check(error.check, False, str(error)),), None)
    return verify_record(record, track=track, salt=salt, known=known)


def verify_record(
    record: Record,
    *,
    track: Track | None = None,
    salt: str | None = None,
    known: Mapping[str, Season] | None = None,
) -> Report:
    """Check a record that was read; see `verify`."""
    salt = salt or salt_of(known or {}, record.season)
    read = [_track(record) if name == "track" else Check(name, True, sentence) for name, sentence in _READ.items()]
    compared = against_data.checks(record, record.streams(salt), track)
    return Report((*read, *checks(record), *_against_seasons(record, known), *compared), record)


def _against_seasons(record: Record, known: Mapping[str, Season] | None) -> list[Check]:
    """Whether a season's record is the season's; nothing for a record of none, or if nobody asked."""
    if record.season is None or known is None:
        return []
    if not known:
        return [Check("season", None, f"the board's seasons.toml is not here, so season {record.season!r} is unknown.")]
    try:
        sentence = check_record(known, record)
    except RecordError as error:
        return [Check("season", False, str(error))]
    return [Check("season", True, sentence)]


def _track(record: Record) -> Check:
    """Compare the record's track with the one that ships under its name."""
    own = record.track
    if own.name not in tracks.names():
        return Check("track", True, f"{_READ['track']}; no track of that name ships with this lnbench.")
    shipped = tracks.load(own.name)
    if own.sha256 == shipped.sha256:
        return Check("track", True, f"{_READ['track']}, and ships with this lnbench.")
    if own.sha256 == shipped.at_budget_of(own).sha256:
        return Check("track", True, f"{_READ['track']}, the one that ships with this lnbench at another budget.")
    if own.version < shipped.version:
        return Check("track", True, f"{_READ['track']}; version {own.version} is superseded by {shipped.version}.")
    if own.version > shipped.version:
        sentence = f"this lnbench ships version {shipped.version} of {own.name}, the record has {own.version}: update."
        return Check("track", False, sentence)
    sentence = (
        f"the record's {own.name} differs from the one of the same version {own.version} that ships with lnbench."
    )
    return Check("track", False, sentence)
