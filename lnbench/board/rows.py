"""The rows of a board that is there already, read from its `board.json`: no record is loaded for them.

A row is called by its poisoner, as `my_poisoner` or `dominating_set(space=pca)`, or by its record's file without the
suffix, as `my_poisoner-21df572e`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from lnbench.errors import ProtocolError, RecordError, nearest
from lnbench.evaluation.bundled import board
from lnbench.protocol.track import load, names
from lnbench.record.folder import records_in
from lnbench.record.presentation import label
from lnbench.text import plain

Ends = tuple[float, float]


class RowPoisoner(msgspec.Struct, frozen=True):
    """Who made a row's labels, and with which parameters off their defaults."""

    name: str
    parameters: dict[str, str | int | float | bool]
    description: str


class RowScore(msgspec.Struct, frozen=True):
    """A row's score in percentage points, with its 95 % interval."""

    drop_pp: float
    ci95_pp: Ends


class RowOwn(msgspec.Struct, frozen=True):
    """What a row's poisoner does on the splits that its own source draws."""

    score: RowScore


class BoardRow(msgspec.Struct, frozen=True):
    """One row; see `lnbench.board.row.Row`.

    Attributes:
        record: its record's file, relative to the folder of records.
    """

    poisoner: RowPoisoner
    ranks: tuple[int, int] | None
    beats_random: Literal["yes", "worse", "not shown"] | None
    p_holm: float | None
    score: RowScore
    trust: str
    trainings: int
    record: str
    sha256: str
    own_splits: RowOwn | None = None

    @property
    def label(self) -> str:
        """Its poisoner, as it is called on the board."""
        return plain(label(self.poisoner.name, self.poisoner.parameters))

    @property
    def stem(self) -> str:
        """Its record's file without folder and suffix."""
        return Path(self.record).stem

    @property
    def document(self) -> dict[str, Any]:
        """The row as JSON, with its label."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return {"label": self.label, **document}


class BoardTrack(msgspec.Struct, frozen=True):
    """The track of a table."""

    name: str
    version: int
    sha256: str
    title: str


class BoardTable(msgspec.Struct, frozen=True):
    """The rows of one track and season, best first; `season` is None for the public splits."""

    track: BoardTrack
    season: str | None
    rows: tuple[BoardRow, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The table as JSON, with the rows' labels."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document | {"rows": [row.document for row in self.rows]}


class _Board(msgspec.Struct, frozen=True):
    tables: tuple[BoardTable, ...]


def tables(folder: Path | None = None) -> tuple[BoardTable, ...]:
    """The tables of a board, by track and season.

    Args:
        folder: the board's, with `board.json` in it; that of the board that comes with lnbench if None.

    Raises:
        ProtocolError: if there is no `board.json`.
        RecordError: if it is not one.
    """
    path = (folder or board()) / "board.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Board).tables
    except OSError:
        raise ProtocolError(
            f"there is no {path}; give a board's folder, or make it: lnbench leaderboard build."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path} is not a board: {plain(str(error))}; build it again: lnbench leaderboard build."
        ) from None


def of_track(track: str, folder: Path | None = None) -> tuple[BoardTable, ...]:
    """The tables of one track, the public splits first; raises as `tables`.

    Raises:
        ProtocolError: if the board has no row of the track.
    """
    every = tables(folder)
    some = sorted((table for table in every if table.track.name == track), key=lambda table: table.season or "")
    if not some:
        if track in names() and not load(track).calibrated:
            raise ProtocolError(f"{track} is not calibrated, so that it has no rows; `lnbench tracks` says which are.")
        raise ProtocolError(f"the board has no row of a track called {plain(track)!r}; {nearest(track, _names(every))}")
    return tuple(some)


def best(track: str, folder: Path | None = None) -> dict[str, BoardRow]:
    """Poisoner -> its row of highest score on the public splits of a track; raises as `tables`."""
    some = [row for t in tables(folder) if (t.track.name, t.season) == (track, None) for row in t.rows]
    return {row.poisoner.name: row for row in sorted(some, key=lambda row: row.score.drop_pp)}


def record_file(name: str, track: str, folder: Path | None = None) -> Path:
    """The record's file that a person means: a file as it is, or the one behind a row's name.

    A poisoner's name means its row on the public splits, where it has one; a season's row, and a record on own splits,
    have their file's name.

    Raises:
        ProtocolError: if there is no such file, and no row, or more than one, of the track is called so.
        RecordError: as `tables`.
    """
    if os.path.isdir(name):
        raise ProtocolError(f"{plain(name)} is a folder; give one record in it, a .json file, or the name of a row.")
    if os.path.lexists(name):
        return Path(name)
    if name.endswith(".json"):
        raise ProtocolError(f"there is no file {plain(name)}.")
    every = of_track(track, folder)
    stored = {path.stem: path for path in records_in((folder or board()) / "records", track)}
    if name in stored:
        return stored[name]
    for some in ([table for table in every if table.season is None], every):
        rows = {row.stem: row for table in some for row in table.rows}
        stems = [stem for stem, row in rows.items() if name in (stem, row.label)]
        alike = [row for row in rows.values() if row.poisoner.name == name]
        if stems or alike:
            break
    if len(stems) > 1 or (not stems and alike):
        several = [rows[stem].stem for stem in stems] or [row.label for row in alike]
        raise ProtocolError(
            f"several rows of {track} are called {plain(name)!r}: {', '.join(several)}; name one of them."
        )
    if not stems:
        known = dict.fromkeys(row.label for row in rows.values())
        raise ProtocolError(
            f"there is no file {plain(name)!r}, and {track} has no row of that name; {nearest(name, known)}"
        )
    return (folder or board()) / "records" / rows[stems[0]].record


def _names(some: tuple[BoardTable, ...]) -> list[str]:
    return list(dict.fromkeys(table.track.name for table in some))
