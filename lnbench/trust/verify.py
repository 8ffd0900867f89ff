"""Whether a record says what its own bits and the data say. Trains nothing, runs nothing of the submission's.

Every claim is one named check with one sentence. Checks that need the data load it; without the salt (a season that
is still open) they cannot be done and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lnbench import data
from lnbench import record as records
from lnbench.errors import ProtocolError, RecordError
from lnbench.protocol import MATCHED, PUBLIC_SALT, Streams, applied, matched_flips, random_flips, sha256
from lnbench.protocol import track as tracks
from lnbench.record.consistency import Check, checks
from lnbench.record.record import Record
from lnbench.record.seasons import Season, check_record, salt_of
from lnbench.record.thumbnails import shows

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
    """The checks that need the training labels of every split; one split is held at a time."""
    streams = _streams(record, salt)
    if streams is None:
        sentence = "the record's salt is not public, so its splits cannot be drawn."
        return [Check(name, None, sentence) for name in _OF_A_SPLIT]
    splits = record.document["replication"]["splits"]
    failed: dict[str, str] = {}
    try:
        fixed = data.fixed_test_set(record.track)
        if record.document["score"]["fixed_test_set"] != fixed:
            failed["data"] = f"score.fixed_test_set is {not fixed}, the data says {fixed}."
        for split in range(splits):
            points = data.load(record.track, split, streams)
            for name in _OF_A_SPLIT.keys() - failed.keys():
                if sentence := _tried(name, record, points, split, streams):
                    failed[name] = sentence
    except _UNFIT as error:
        return [Check(name, False, f"the track's data cannot be drawn here ({error}).") for name in _OF_A_SPLIT]
    return [
        Check(name, name not in failed, failed.get(name, sentence.format(splits=splits)))
        for name, (_, sentence) in _OF_A_SPLIT.items()
    ]


def _tried(name: str, record: Record, points: data.Split, split: int, streams: Streams) -> str:
    """What is wrong with one split of a record, in a sentence; empty if nothing is."""
    try:
        _OF_A_SPLIT[name][0](record, points, split, streams)
    except RecordError as error:
        return str(error)
    except _UNFIT as error:
        return f"the data does not fit the track ({error})."
    return ""


def _streams(record: Record, salt: str | None) -> Streams | None:
    """The streams of the record's salt, if it is known."""
    for known in (record.document["salt"], salt, PUBLIC_SALT):
        if known is not None:
            streams = Streams(record.track.sha256, known)
            if streams.commitment == record.document["salt_commitment"]:
                return streams
    return None


def _data(record: Record, points: data.Split, split: int, streams: Streams) -> None:
    sources = {source for source, _ in record.track.noise.pairs}
    labels = points.test_labels
    expected = len(labels), sum(int((labels == source).sum()) for source in sources)
    for victim in record.document["victims"]:
        tested = victim["clean"]["points"], victim["clean"]["source_points"]
        if victim["split"] == split and tested != expected:
            raise RecordError(
                f"victims of split {split} were tested on {tested[0]} points, {tested[1]} of them of the source "
                f"classes; the data has {expected[0]} and {expected[1]}."
            )


def _labels(record: Record, points: data.Split, split: int, streams: Streams) -> None:
    every, stated = record.document["flips"]["poisoned"], record.document["labels_sha256"]
    if not len(every) == len(stated) == record.document["replication"]["splits"]:
        raise RecordError("flips and label hashes are not given once for each split.")
    for index, old, _ in every[split]:
        if index >= len(points.labels) or points.labels[index] != old:
            came = points.labels[index] if index < len(points.labels) else "nothing"
            raise RecordError(f"split {split} flips point {index} from {old}; the data has {came} there.")
    made = sha256(applied(points.labels, every[split]).astype("<i8").tobytes())
    if made != stated[split]:
        raise RecordError(f"the labels of split {split} have sha256 {made[:12]}…, it states {stated[split][:12]}….")
    if "thumbnails" in record.document and not shows(record.document["thumbnails"], points, split, every):
        raise RecordError("its pictures are not those of the data's points that it flipped.")


def _random(record: Record, points: data.Split, split: int, streams: Streams) -> None:
    noise, flips = record.track.noise, record.document["flips"]
    for seed, stated in enumerate(flips["random"][split]):
        drawn = random_flips(points.labels, noise.pairs, noise.budget, streams.generator("random", split, seed))
        if [list(flip) for flip in drawn] != stated:
            raise RecordError(f"the random flips of split {split}, seed {seed} are not the ones its stream draws.")
    for seed, stated in enumerate(flips[MATCHED][split] if MATCHED in flips else ()):
        drawn = matched_flips(points.labels, flips["poisoned"][split], streams.generator(MATCHED, split, seed))
        if [list(flip) for flip in drawn] != stated:
            raise RecordError(f"the matched flips of split {split}, seed {seed} are not the ones its stream draws.")


_OF_A_SPLIT: dict[str, tuple[Callable[[Record, data.Split, int, Streams], None], str]] = {
    "data": (_data, "the numbers of test points are those of the {splits} splits."),
    "labels": (_labels, "the data with the poisoner's flips has the stated label hashes."),
    "random arm": (_random, "the random arm's flips are the ones its streams draw."),
}
"""Check -> what raises RecordError for one split, and what it has shown if it never does."""
