"""Whether a record says what its own bits and the data say. Trains nothing, runs nothing of the submission's.

Every claim is one named check with one sentence. Checks that need the data load it; without the salt (a season that
is still open) they cannot be done and say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnbench import data
from lnbench import record as records
from lnbench.errors import ProtocolError, RecordError
from lnbench.protocol import MATCHED, PUBLIC_SALT, Streams, Track, applied, matched_flips, random_flips, sha256
from lnbench.protocol import track as tracks
from lnbench.record.consistency import Check, checks
from lnbench.record.record import Record
from lnbench.record.seasons import Season, check_record, salt_of
from lnbench.record.thumbnails import thumbnails

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

_UNFIT = (ProtocolError, ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError)
"""What a data source raises for a track that it was never meant to serve: the track in a record is a stranger's."""


@dataclass(frozen=True)
class Report:
    """The outcome of `verify`.

    Attributes:
        checks: in the order they were made; for a file that is no record, only the one that says so.
        record: the record, or None if the file is none.
    """

    checks: tuple[Check, ...]
    record: Record | None

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.passed is not False for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)


def verify(path: str | Path, *, salt: str | None = None, known: Mapping[str, Season] | None = None) -> Report:
    """Check a record's file.

    Args:
        salt: the salt, for records whose salt is not public and not revealed in `known`.
        known: the seasons of the board, see `lnbench.record.seasons.read`; a record of a season is checked against
            them.

    Raises:
        DataError: if the track's data is missing here.
    """
    try:
        found = records.read(path)
    except records.RefusedError as error:
        return Report((Check(error.check, False, str(error)),), None)
    return verify_record(found, salt=salt, known=known)


def verify_record(record: Record, *, salt: str | None = None, known: Mapping[str, Season] | None = None) -> Report:
    """Check a record that was read; see `verify`."""
    salt = salt or salt_of(known or {}, record.season)
    read = [_track(record) if name == "track" else Check(name, True, sentence) for name, sentence in _READ.items()]
    return Report((*read, *checks(record), *_against_seasons(record, known), *_against_data(record, salt)), record)


def _against_seasons(record: Record, known: Mapping[str, Season] | None) -> list[Check]:
    """Whether a season's record is the season's; nothing for a record of none, or if nobody asked."""
    if record.season is None or known is None:
        return []
    if not known:
        return [Check("season", None, f"the board's seasons.toml is not here, so season {record.season!r} is unknown.")]
    try:
        sentence = check_record(known, record.season, record.document["salt_commitment"], record.sha256)
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
    if own.version < shipped.version:
        return Check("track", True, f"{_READ['track']}; version {own.version} is superseded by {shipped.version}.")
    if own.version > shipped.version:
        sentence = f"this lnbench ships version {shipped.version} of {own.name}, the record has {own.version}: update."
        return Check("track", False, sentence)
    sentence = (
        f"the record's {own.name} differs from the one of the same version {own.version} that ships with lnbench."
    )
    return Check("track", False, sentence)


def _against_data(record: Record, salt: str | None) -> list[Check]:
    """The checks that need the training labels of every split."""
    names = ("data", "labels", "random arm")
    streams = _streams(record, salt)
    if streams is None:
        return [Check(name, None, "the record's salt is not public, so its splits cannot be drawn.") for name in names]
    try:
        fixed = data.fixed_test_set(record.track)
        splits = [data.load(record.track, w, streams) for w in range(record.document["replication"]["splits"])]
    except _UNFIT as error:
        return [Check(name, False, f"the track's data cannot be drawn here ({error}).") for name in names]
    found = []
    for name, test in zip(names, (_data, _labels, _random), strict=True):
        try:
            found.append(Check(name, True, test(record, record.track, splits, fixed, streams)))
        except RecordError as error:
            found.append(Check(name, False, str(error)))
        except _UNFIT as error:
            found.append(Check(name, False, f"the data does not fit the track ({error})."))
    return found


def _streams(record: Record, salt: str | None) -> Streams | None:
    """The streams of the record's salt, if it is known."""
    for known in (record.document["salt"], salt, PUBLIC_SALT):
        if known is not None:
            streams = Streams(record.track.sha256, known)
            if streams.commitment == record.document["salt_commitment"]:
                return streams
    return None


def _data(record: Record, track: Track, splits: Sequence[data.Split], fixed: bool, streams: Streams) -> str:
    if record.document["score"]["fixed_test_set"] != fixed:
        raise RecordError(f"score.fixed_test_set is {not fixed}, the data says {fixed}.")
    sources = [source for source, _ in track.noise.pairs]
    for victim in record.document["victims"]:
        if victim["split"] >= len(splits):
            raise RecordError(f"a victim is of split {victim['split']}, the record has {len(splits)}.")
        labels = splits[victim["split"]].test_labels
        expected = len(labels), sum(int((labels == source).sum()) for source in set(sources))
        found = victim["clean"]["points"], victim["clean"]["source_points"]
        if found != expected:
            raise RecordError(
                f"victims of split {victim['split']} were tested on {found[0]} points, {found[1]} of them of the "
                f"source classes; the data has {expected[0]} and {expected[1]}."
            )
    return f"the numbers of test points are those of the {len(splits)} splits."


def _labels(record: Record, track: Track, splits: Sequence[data.Split], fixed: bool, streams: Streams) -> str:
    stated = record.document["labels_sha256"]
    every = record.document["flips"]["poisoned"]
    if not len(every) == len(stated) == len(splits):
        raise RecordError(f"flips and label hashes are not given once for each of the {len(splits)} splits.")
    for split, (points, flips) in enumerate(zip(splits, every, strict=True)):
        for index, old, _ in flips:
            if index >= len(points.labels) or points.labels[index] != old:
                came = points.labels[index] if index < len(points.labels) else "nothing"
                raise RecordError(f"split {split} flips point {index} from {old}; the data has {came} there.")
        found = sha256(applied(points.labels, flips).astype("<i8").tobytes())
        if found != stated[split]:
            raise RecordError(
                f"the labels of split {split} have sha256 {found[:12]}…, it states {stated[split][:12]}…."
            )
    shown = record.document.get("thumbnails")
    if shown is not None and shown != thumbnails(splits, every):
        raise RecordError("its pictures are not those of the data's points that it flipped.")
    return "the data with the poisoner's flips has the stated label hashes."


def _random(record: Record, track: Track, splits: Sequence[data.Split], fixed: bool, streams: Streams) -> str:
    noise = track.noise
    for split, (points, per_seed) in enumerate(zip(splits, record.document["flips"]["random"], strict=False)):
        for seed, stated in enumerate(per_seed):
            drawn = random_flips(points.labels, noise.pairs, noise.budget, streams.generator("random", split, seed))
            if [list(flip) for flip in drawn] != stated:
                raise RecordError(f"the random flips of split {split}, seed {seed} are not the ones its stream draws.")
    lists = record.document["flips"]
    matched = zip(splits, lists["poisoned"], lists.get(MATCHED, ()), strict=False)
    for split, (points, poisoned, per_seed) in enumerate(matched):
        for seed, stated in enumerate(per_seed):
            drawn = matched_flips(points.labels, poisoned, streams.generator(MATCHED, split, seed))
            if [list(flip) for flip in drawn] != stated:
                raise RecordError(f"the matched flips of split {split}, seed {seed} are not the ones its stream draws.")
    return "the random arm's flips are the ones its streams draw."
