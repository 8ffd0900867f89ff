"""What keeps a record off the board although it is consistent with itself: date, name, the other rows, the data.

`leaderboard add` asks all of it of every new record, `leaderboard check` of every row, `season close` compares the rows
of a season with the data.
"""

from __future__ import annotations

import datetime
import functools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnbench import data
from lnbench.confusable import skeleton
from lnbench.errors import DataError, ProtocolError, RecordError, SubmissionError
from lnbench.evaluation import submissions
from lnbench.protocol import Streams, Track, canonical_json, sha256
from lnbench.protocol import track as tracks
from lnbench.protocol.data_spec import DataSpec
from lnbench.record.against_data import Comparison, compare
from lnbench.record.record import Record
from lnbench.record.rounding import most_apart
from lnbench.record.seasons import Season, salt_of
from lnbench.text import plain

FIRST_DAY = "2026-01-01"
"""No record is older than lnbench."""
_FORMER = Path(__file__).with_name("former_tracks.toml")
_SHARED = ("clean", "random")
"""The arms that do not depend on the poisoner."""

_GOALS = {"adv_acc": "targeted AA", "untargeted_adv_acc": "untargeted AA", "damage_adv_acc": "damage AA"}
"""What is compared of them, and its name."""
_ERRORS = 5.0
"""Standard errors by which they may lie apart: of a million honest rows not one is refused."""

Tell = Callable[[str], None]
"""Called with a sentence on what could not be checked."""


def check_track(record: Record) -> None:
    """Raise RecordError unless a record's track ships or has shipped, as it is.

    Any other would stand in the board's history under a track's name, made by whatever rules somebody wrote down.
    """
    own = record.track
    if own.name in tracks.names() and tracks.load(own.name).sha256 == own.sha256:
        return
    if _former().get(own.name, {}).get(str(own.version)) != own.sha256:
        raise RecordError(
            f"it was run on {plain(own.name)} {own.sha256[:8]} (version {own.version}), which neither ships with "
            f"lnbench nor is among the versions that did, in {_FORMER.name}."
        )


def check_date(record: Record, today: datetime.date) -> None:
    """Raise RecordError if a record's run cannot have begun on the day it states, which no hash covers."""
    last = (today + datetime.timedelta(days=1)).isoformat()
    day = record.started[:10]
    if not FIRST_DAY <= day <= last:
        raise RecordError(f"its run is dated {day}; expected a day from {FIRST_DAY} to today, {today.isoformat()}.")


def check_file(record: Record, root: Path) -> None:
    """Raise RecordError if the repository has an attack or a submission of a record's name that is another file."""
    for folder in ("attacks", "submissions"):
        path = root / folder / f"{record.name}.py"
        if path.parent == root / folder and path.is_file():
            if sha256(path.read_bytes()) != record.document["poisoner"]["sha256"]:
                raise RecordError(
                    f"it is called {record.name}, and was made from another file than {folder}/{path.name}."
                )
            return


def check_parameters(record: Record) -> None:
    """Raise RecordError if a record's parameters are not some that its source has, each with another value than there.

    Otherwise one file made as many rows as one can think of names, and each would count in the others' corrections.
    """
    given = dict(record.parameters)
    if not given:
        return
    try:
        changed = submissions.of_source(record.name, record.poisoner.source, given).overrides
    except (ProtocolError, SubmissionError) as error:
        raise RecordError(f"its source does not take its parameters: {error}") from None
    if changed != given:
        same = ", ".join(sorted(given.keys() - changed.keys())) or "one"
        raise RecordError(f"its parameters: expected those that differ from the source's own; {same} does not.")


@dataclass(frozen=True)
class Entry:
    """What is compared between one row and the others; small, so that a board's worth of them fits into memory.

    Attributes:
        path: the record's file.
        label: name and parameters.
        name: the poisoner's.
        source: hash of its source.
        identity: what makes two records the same row.
        setting: track, salt, environment and code.
        arms: hash of the clean and the random arm: random flips, and all that is recorded of the victims.
        accuracies: of both, (arm, architecture, goal) -> mean adversarial accuracy and of how many victims it is.
    """

    path: Path
    label: str
    name: str
    source: str
    identity: tuple[str, ...]
    setting: tuple[str, ...]
    arms: str
    accuracies: Mapping[tuple[str, str, str], tuple[float, int]]

    @classmethod
    def of(cls, record: Record, path: Path) -> Entry:
        """The entry of a record."""
        document = record.document
        shared = [victim for victim in document["victims"] if victim["arm"] in _SHARED]
        return cls(
            path,
            plain(record.label),
            record.name,
            document["poisoner"]["sha256"],
            record.identity,
            (record.track.sha256, document["salt_commitment"], document["environment"]["id"], document["code_sha256"]),
            sha256(canonical_json([document["flips"]["random"], shared])),
            _accuracies(record),
        )


class Entries:
    """The rows so far, each compared with those before it."""

    def __init__(self) -> None:
        self._identities: dict[tuple[str, ...], Entry] = {}
        self._names: dict[str, list[Entry]] = {}
        self._arms: dict[tuple[str, ...], Entry] = {}
        self._first: dict[tuple[str, ...], Entry] = {}

    def add(self, entry: Entry) -> None:
        """Take one more row.

        Raises:
            RecordError: if it is a row that is there, its name can be taken for that of a row from another source, or
                its clean and random arms differ from those of a row made in the same environment by the same code, or
                by more than rounding explains from those of a row of another.
        """
        if (same := self._identities.get(entry.identity)) is not None:
            raise RecordError(f"{entry.label} from the same source is already there: {same.path.name}.")
        alike = self._names.setdefault(skeleton(entry.name), [])
        for other in alike:
            if other.name != entry.name and other.source != entry.source:
                raise RecordError(
                    f"its name {entry.name} can be taken for {other.name} of {other.path.name}, which has another "
                    "source; rename the poisoner and evaluate it again."
                )
        shared = self._arms.setdefault(entry.setting, entry)
        if shared.arms != entry.arms:
            raise RecordError(
                f"its clean and random arms are not those of {shared.path.name}, although environment, code, track and "
                "salt are the same; one of the two was not made as it states."
            )
        first = self._first.setdefault(entry.setting[:2], entry)
        if apart := _apart(entry, first):
            raise RecordError(f"its clean and random arms are not those of {first.path.name}: {apart}.")
        self._identities[entry.identity] = entry
        alike.append(entry)


@functools.cache
def _former() -> dict[str, dict[str, str]]:
    """Track -> version -> SHA-256, of those in the board's history."""
    return tomllib.loads(_FORMER.read_text(encoding="utf-8"))


def _accuracies(record: Record) -> dict[tuple[str, str, str], tuple[float, int]]:
    size, draws = record.replication, record.track.replication.random_draws
    victims = {"clean": size.splits * size.seeds, "random": size.splits * size.seeds * draws}
    return {
        (arm, name, goal): (value, victims[arm])
        for arm in _SHARED
        for name, values in record.arms[arm]["per_architecture"].items()
        for goal in _GOALS
        if isinstance(value := getattr(values, goal, None), float)
    }


def _apart(entry: Entry, other: Entry) -> str:
    """What of the arms that two rows should share lies further apart than rounding explains; empty if nothing does."""
    for key, (value, victims) in entry.accuracies.items():
        if key not in other.accuracies:
            continue
        arm, name, goal = key
        there, fewer = other.accuracies[key][0], min(victims, other.accuracies[key][1])
        if abs(value - there) > (most := most_apart(fewer, _ERRORS)):
            words = _GOALS[goal]
            return (
                f"{words} of {plain(name)} on the {arm} arm is {100 * value:.1f} % here and {100 * there:.1f} % there; "
                f"environments explain {100 * most:.1f} points"
            )
    return ""


class DataCheck:
    """Records that wait to be compared with the data, all of one track and salt together.

    Args:
        known: the board's seasons; a closed one has its salt.
        salts: season -> salt, of seasons that are still open.
    """

    def __init__(self, known: Mapping[str, Season], salts: Mapping[str, str] | None = None) -> None:
        self._known, self._salts = known, salts or {}
        self._waiting: dict[tuple[str, str], tuple[Track, Streams, list[tuple[Path, Comparison]]]] = {}
        self._without_salt: dict[str, int] = {}

    def add(self, record: Record, path: Path) -> None:
        """Take one more record."""
        season = record.season
        salt = self._salts.get(season or "") or salt_of(self._known, season)
        if (streams := record.streams(salt)) is None:
            name = season or "none"
            self._without_salt[name] = self._without_salt.get(name, 0) + 1
            return
        key = record.track.sha256, streams.commitment
        group = self._waiting.setdefault(key, (record.track, streams, []))
        group[2].append((path, Comparison(record)))

    def run(self, tell: Tell | None = None) -> None:
        """Compare all of them.

        Args:
            tell: for records that cannot be compared here; None if that is an error.

        Raises:
            RecordError: naming the first record that is not what the data says, or that nothing here can compare.
            DataError: if data is missing and `tell` is None.
        """
        for season, count in self._without_salt.items():
            sentence = f"{_records(count)} of season {season} not compared with the data: the salt is still secret."
            if tell is None:
                raise RecordError(sentence)
            tell(sentence)
        specs = [tracks.load(name).data for name in tracks.names()]
        for track, streams, group in self._waiting.values():
            if why := _why_not(track, specs, tell is None):
                sentence = f"{_records(len(group))} of {track.name} not compared with the data: {why}"
                if tell is None:
                    raise RecordError(sentence)
                tell(sentence)
                continue
            try:
                compare([comparison for _, comparison in group], track, streams)
            except DataError as error:
                if tell is None:
                    raise
                tell(f"{_records(len(group))} of {track.name} not compared with the data: {error}")
                continue
            for path, comparison in group:
                for check in comparison.checks():
                    if not check.passed:
                        raise RecordError(f"{path}: its check {check.name!r} fails: {check.sentence}")


def _why_not(track: Track, specs: Sequence[DataSpec], download: bool) -> str:
    """Why a track's data is not loaded; empty if it is."""
    if track.data not in specs:
        return "no track of this lnbench uses its data."
    if not download and not data.here(track):
        return "the data is not on this machine."
    return ""


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"
