"""From records to rows: which records are compared with which, in what order, and what their comparison shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lnbench.board import levels
from lnbench.errors import RecordError
from lnbench.protocol import OWN, Track
from lnbench.protocol import track as tracks
from lnbench.record import audits, optimum, random_budgets, seasons, statement
from lnbench.record.audits import AuditSummary
from lnbench.record.classes import classes_interval
from lnbench.record.exchange import Exchange, exchange_rate, share_of_optimum
from lnbench.record.folder import audit_beside, records_in
from lnbench.record.optimum import Optimum
from lnbench.record.random_budgets import RandomBudgets
from lnbench.record.record import Record, read
from lnbench.record.score import Interval, holm, rank_intervals, t_interval
from lnbench.record.statement import Statement

ALPHA = 0.05
SEARCH = "random_search"
"""The attack that any search has to beat at equal trainings."""


@dataclass(frozen=True, eq=False)
class Row:
    """One record on the board.

    Attributes:
        record: the record without its victims: hundreds of whole ones would fill the memory.
        path: its file, relative to the folder of records, with `/`.
        accuracies: AA of the poisoned arm, (split,).
        ranks: first and last rank it may have; None in the history.
        p_holm: p against random flips, Holm-corrected over the table's rows; None in the history.
        damage_accuracies: AA of the poisoned arm under the damage attack, (split,); None on tracks without one.
        damage_ranks, damage_p_holm: as `ranks` and `p_holm`, by the damage.
        own: the record of the same poisoner on the splits that its own source draws, if there is one.
        own_path: its file, as `path`.
        above_search: whether it beats the random search that trained at least as many victims: `yes`, `worse` or `not
            shown`, Holm-corrected over the rows that are so compared; None where there is no such search.
        season_open: whether its splits were drawn by a salt that is still secret.
        statements: of those who made it again.
        audit: what the strong adversary left of the score, if that was looked at.
        optimal: on a nearest neighbour, its flips' share of the largest drop that any flips have; None where the
            track's optimum has not been solved for.
        worth: likewise, how many random flips do what its flips do.
        network_worth: the same of the track's networks; None where random flips of many budgets were not measured.
    """

    record: Record
    path: str
    accuracies: np.ndarray
    ranks: tuple[int, int] | None = None
    p_holm: float | None = None
    damage_accuracies: np.ndarray | None = None
    damage_ranks: tuple[int, int] | None = None
    damage_p_holm: float | None = None
    own: Record | None = None
    own_path: str = ""
    above_search: str | None = None
    season_open: bool = False
    statements: tuple[Statement, ...] = ()
    audit: AuditSummary | None = None
    optimal: Interval | None = None
    worth: Exchange | None = None
    network_worth: Exchange | None = None

    @property
    def drop(self) -> float:
        """The score in percentage points."""
        return float(self.record.score["drop_pp"])

    @property
    def beats_random(self) -> str | None:
        """`yes`, `worse` or `not shown`, over all of the table's rows; None in the history."""
        return None if self.p_holm is None else _shown(self.p_holm, self.drop)

    @property
    def damages(self) -> str | None:
        """The same of the damage; None too where there is none."""
        damage = self.record.score.damage
        if not damage or self.damage_p_holm is None or damage.drop_pp is None:
            return None
        return _shown(self.damage_p_holm, damage.drop_pp)

    @property
    def p(self) -> float | None:
        """The score's p against random flips, which its record rounds to nine places."""
        return _exact(self.record.score.split_drops_pp)

    @property
    def classes(self) -> Interval | None:
        """The score with an interval for drawn classes, where its splits go round all pairs of them."""
        noise = self.record.track.noise
        return classes_interval(self.record.score.split_drops_pp, noise.pairs) if noise.rotate else None

    @property
    def proven(self) -> bool:
        """Whether its score is more than its author's word on splits that everybody knows: it may lead a table.

        It is so if its own splits' interval lies above 0, or if its splits were drawn by a season's salt that has been
        revealed since.
        """
        if self.record.season is not None:
            return not self.season_open
        ends = None if self.own is None else self.own.score["ci95_pp"]
        return ends is not None and ends[0] > 0

    @property
    def trust(self) -> str:
        """What stands behind the row; see `lnbench.board.levels`."""
        return levels.trust(self.record.season, self.season_open, self.statements, own_splits=self.own is not None)

    @property
    def trainings(self) -> int:
        """Victims the poisoner trained, all splits together, as it says."""
        return sum(self.record.document["trainings"])


@dataclass(frozen=True, eq=False)
class Table:
    """The rows that may be compared: one track, one salt.

    Attributes:
        track: the track they ran on.
        season: the salt's season, or None for the public salt.
        rows: by falling score; but none leads without proof, where another row has it.
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
        """The first row, if it is proven and beats random flips."""
        first = self.rows[0]
        return first if first.proven and first.beats_random == "yes" else None

    @property
    def records(self) -> tuple[Row, ...]:
        """The rows that had the best score of their day, by the dates their runs state; the last one has it now."""
        best, holders = -float("inf"), []
        for row in sorted(self.rows, key=lambda row: (row.record.started, row.path)):
            if row.drop > best:
                best = row.drop
                holders.append(row)
        return tuple(holders)

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
    own: dict[tuple[str, ...], tuple[str, Record]] = {}
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
            own[_poisoner(record)] = name, Record(slim, track)
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
        name, record = next(iter(own.values()))
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
        table = Table(track, season or None, _ordered(group) if old else _compared(group), best, random)
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


def _shown(p: float, drop: float) -> str:
    """What a corrected test shows."""
    if p >= ALPHA:
        return "not shown"
    return "yes" if drop > 0 else "worse"


def _poisoner(record: Record) -> tuple[str, ...]:
    """What a record on own splits shares with the one on public splits: track, source and parameters."""
    track, _, source, parameters = record.identity
    return track, source, parameters


def _with_own(row: Row, own: dict[tuple[str, ...], tuple[str, Record]]) -> Row:
    """A row with its record on own splits, which is taken out of `own`."""
    found = own.pop(_poisoner(row.record), None)
    return row if found is None else dataclasses.replace(row, own=found[1], own_path=found[0])


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


def _ordered(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows by falling score; equal scores by file."""
    return tuple(sorted(rows, key=lambda row: (-row.drop, row.path)))


def _compared(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows by falling score, one that is proven first, with their ranks and corrected p."""
    ordered = list(_ordered(rows))
    best = next((i for i, row in enumerate(ordered) if row.proven and row.drop > 0), 0)
    ordered.insert(0, ordered.pop(best))
    ranks = rank_intervals(np.stack([row.accuracies for row in ordered]))
    adjusted = holm([_p(row.p) for row in ordered])
    above = _above_search(ordered)
    compared = [
        dataclasses.replace(row, ranks=(int(first), int(last)), p_holm=float(p), above_search=above.get(i))
        for i, (row, (first, last), p) in enumerate(zip(ordered, ranks, adjusted, strict=True))
    ]
    return tuple(_damage_compared(compared))


def _damage_compared(rows: Sequence[Row]) -> list[Row]:
    """The rows with their ranks and corrected p by the damage, on tracks that have it."""
    accuracies = [row.damage_accuracies for row in rows if row.damage_accuracies is not None]
    damages = [row.record.score.damage for row in rows]
    if len(accuracies) < len(rows) or not all(damages):
        return list(rows)
    ranks = rank_intervals(np.stack(accuracies))
    adjusted = holm([_p(_exact(damage.split_drops_pp) if damage else None) for damage in damages])
    return [
        dataclasses.replace(row, damage_ranks=(int(first), int(last)), damage_p_holm=float(p))
        for row, (first, last), p in zip(rows, ranks, adjusted, strict=True)
    ]


def _above_search(rows: Sequence[Row]) -> dict[int, str]:
    """Place of a row -> whether it beats the random search that spent at least as many trainings, the least such one.

    Paired by split, and Holm-corrected over the rows that have such a search to compare with.
    """
    searches = sorted((row for row in rows if row.record.name == SEARCH), key=lambda row: row.trainings)
    tests: dict[int, Interval] = {}
    for i, row in enumerate(rows):
        search = next((search for search in searches if search.trainings >= row.trainings), None)
        if search is not None and row.record.name != SEARCH:
            tests[i] = t_interval(100.0 * (search.accuracies - row.accuracies))
    adjusted = holm([_p(test.p) for test in tests.values()])
    return {i: _shown(float(p), test.mean or 0.0) for (i, test), p in zip(tests.items(), adjusted, strict=True)}


def _exact(drops: Sequence[float | None]) -> float | None:
    """p of the drops of the splits that have one."""
    return t_interval(np.array([drop for drop in drops if drop is not None])).p


def _p(p: float | None) -> float:
    """A p for a correction: nothing is shown by what has none."""
    return 1.0 if p is None else p
