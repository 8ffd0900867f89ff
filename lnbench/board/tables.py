"""From records to rows: which records are compared with which, in what order, and what their comparison shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lnbench.board.comparisons import by_score, compared
from lnbench.board.row import RANDOM_FLIP, Row
from lnbench.errors import RecordError
from lnbench.protocol import OWN, Track
from lnbench.protocol import track as tracks
from lnbench.record import audits, optimum, random_budgets, seasons, statement
from lnbench.record.exchange import exchange_rate, share_of_optimum
from lnbench.record.folder import audit_beside, records_in
from lnbench.record.optimum import Optimum
from lnbench.record.random_budgets import RandomBudgets
from lnbench.record.record import Record, read
from lnbench.record.statement import Statement

_Own = tuple[str, Record, tuple[Statement, ...]]
"""The file of a record on own splits, the record, and the statements about it."""


@dataclass(frozen=True, eq=False)
class Table:
    """The rows that may be compared: one track, one salt.

    Attributes:
        track: the track they ran on.
        season: the salt's season, or None for the public salt.
        rows: by falling score; but none leads without proof, where another row has it, and of those that have it the
            one with the highest assured score does.
        optimum: the best flips of its splits on a nearest neighbour, if they have been solved for.
        random: its networks under random flips of many budgets, if they have been measured.
    """

    track: Track
    season: str | None
    rows: tuple[Row, ...]
    optimum: Optimum | None = None
    random: RandomBudgets | None = None

    @property
    def leader(self) -> Row | None:
        """The first row, if it is proven and beats random flips, and if there is another one to lead."""
        first = self.rows[0]
        return first if first.proven and first.beats_random == "yes" and len(self.rows) > 1 else None

    @property
    def null(self) -> Row | None:
        """The row of another draw of random flips, if it is told from the random arm: a warning to all who read it."""
        nulls = (row for row in self.rows if row.record.name == RANDOM_FLIP and row.beats_random in ("yes", "worse"))
        return next(nulls, None)

    @property
    def records(self) -> tuple[Row, ...]:
        """The rows that had the best score at the end of a day, by the dates their runs state; the last has it now."""
        best, holders = -float("inf"), dict[str, Row]()
        for row in sorted(self.rows, key=lambda row: (row.record.started, row.path)):
            if row.drop > best:
                best = row.drop
                holders[row.record.started[:10]] = row
        return tuple(holders.values())

    @property
    def id(self) -> str:
        """A name for links and files."""
        return self.track.name if self.season is None else f"{self.track.name}-{self.season}"


@dataclass(frozen=True, eq=False)
class Board:
    """Everything the leaderboard shows.

    Attributes:
        tables: of the shipped tracks, by name and season.
        history: of versions of tracks that no longer ship, by name, version and season.
        empty: shipped tracks without a record.
    """

    tables: tuple[Table, ...]
    history: tuple[Table, ...]
    empty: tuple[Track, ...]


def best_row(folder: Path, track: Track) -> Record | None:
    """The record of highest score of a track in a folder of records, on the public salt; None if there is none."""
    found = [read(path) for path in records_in(folder) if path.parent.name == track.name]
    public = [
        r for r in found if r.track.sha256 == track.sha256 and r.salt == "public" and r.ranked and not r.labels_only
    ]
    return max(public, key=lambda record: record.score.drop_pp or 0.0, default=None)


def load(records_dir: str | Path) -> Board:
    """The board of all records in a folder, `<track>/<file>.json`.

    Raises:
        RecordError: naming the first file that is not a record or may not be on the board, two that are the same row,
            or a statement about a record that is not there.
    """
    folder = Path(records_dir)
    known, stated = read_seasons(folder), read_statements(folder)
    closed = {sha256 for season in known.values() for sha256 in season.records}
    groups: dict[tuple[str, int, str, str], list[Row]] = {}
    rows: dict[tuple[str, ...], str] = {}
    tracks_of: dict[str, Track] = {}
    own: dict[tuple[str, ...], _Own] = {}
    for path in records_in(folder):
        name, record = path.relative_to(folder).as_posix(), read(path)
        try:
            admissible(record, known)
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from None
        if path.parent.name != record.track.name:
            raise RecordError(f"{path}: it is a record of {record.track.name}, and its folder is another track's.")
        if record.identity in rows:
            raise RecordError(f"{path}: it is the same poisoner with the same parameters as {rows[record.identity]}.")
        rows[record.identity] = name
        track = tracks_of.setdefault(record.track.sha256, record.track)
        key = track.name, track.version, track.sha256, record.season or ""
        slim = {field: value for field, value in record.document.items() if field != "victims"}
        statements = stated.pop(record.sha256, ())
        statement.check_all(statements, record)
        if record.salt == OWN:
            own[_poisoner(record)] = name, Record(slim, track), statements
            continue
        season_open = record.season is not None and known[record.season].is_open
        row = Row(
            Record(slim, track),
            name,
            record.split_accuracies,
            damage_accuracies=record.split_damage_accuracies,
            season_open=season_open,
            statements=statements,
            audit=audits.read(audit_beside(path), record) if audit_beside(path).exists() else None,
        )
        groups.setdefault(key, []).append(row)
        closed.discard(record.sha256)
    if closed:
        raise RecordError(f"{folder}: the record {min(closed)[:12]}… of a closed season is missing.")
    if stated:
        sha256, (first, *_) = next(iter(stated.items()))
        raise RecordError(f"{first.path}: it is about a record {sha256[:12]}…, which is not on the board.")
    for key, group in groups.items():
        if not key[3]:
            groups[key] = [_with_own(row, own) for row in group]
    if own:
        name, record, _ = next(iter(own.values()))
        raise RecordError(
            f"{folder / name}: it is of {record.label} on its own splits, and stands beside the record of the same "
            "source and parameters on the public ones; there is none."
        )
    shipped = {name: tracks.load(name) for name in tracks.names()}
    current: list[Table] = []
    history: list[Table] = []
    for (name, _, sha256, season), group in sorted(groups.items()):
        old = name not in shipped or shipped[name].sha256 != sha256
        track, shown = tracks_of[sha256], not old and not season
        best = optimum.of_track(track) if shown else None
        random = random_budgets.of_track(folder, track) if shown else None
        group = [_beside_random(_beside_optimum(row, best), random) for row in group]
        table = Table(track, season or None, by_score(group) if old else compared(group), best, random)
        (history if old else current).append(table)
    seen = {table.track.name for table in current}
    return Board(tuple(current), tuple(history), tuple(t for name, t in shipped.items() if name not in seen))


def admissible(record: Record, known: Mapping[str, seasons.Season]) -> None:
    """Raise RecordError, in one sentence, if this record may not be on any board."""
    if not record.ranked:
        raise RecordError(f"it is not ranked ({', '.join(record.flags) or 'no flag says why'}).")
    if record.score["drop_pp"] is None or record.score["ci95_pp"] is None:
        raise RecordError("it is ranked without a score.")
    if record.season is not None:
        seasons.check_record(known, record)
    _ = record.split_accuracies


def read_seasons(records_dir: Path) -> dict[str, seasons.Season]:
    """The seasons in `seasons.toml` beside the folder of records; raises as `lnbench.record.seasons.read`."""
    return seasons.read(records_dir.resolve().parent / "seasons.toml")


def read_statements(records_dir: Path) -> dict[str, tuple[Statement, ...]]:
    """The statements in `verifications/` beside the folder of records, by the record's hash.

    Raises:
        RecordError: naming the first file that is not a statement.
    """
    return statement.read_all(records_dir.resolve().parent / "verifications")


def _poisoner(record: Record) -> tuple[str, ...]:
    """What a record on own splits shares with the one on public splits: track, source and parameters."""
    track, _, source, parameters = record.identity
    return track, source, parameters


def _with_own(row: Row, own: dict[tuple[str, ...], _Own]) -> Row:
    """A row with its record on own splits and what was stated about that, which are taken out of `own`."""
    if (found := own.pop(_poisoner(row.record), None)) is None:
        return row
    path, record, statements = found
    return dataclasses.replace(row, own=record, own_path=path, own_statements=statements)


def _beside_optimum(row: Row, best: Optimum | None) -> Row:
    """A row with what its flips do to a nearest neighbour, beside the best flips and beside random ones."""
    flips = row.record.document["flips"]["poisoned"]
    if best is None or len(flips) != len(best.splits):
        return row
    own, random = best.accuracies(flips), best.random
    share = share_of_optimum(random[:, best.budget], own, best.best)
    worth = exchange_rate(range(random.shape[1]), random, own)
    return dataclasses.replace(row, optimal=share, worth=worth)


def _beside_random(row: Row, random: RandomBudgets | None) -> Row:
    """A row with how many random flips its networks say that its flips are worth."""
    return row if random is None else dataclasses.replace(row, network_worth=random.worth(row.accuracies))
