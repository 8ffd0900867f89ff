"""Where a new record would stand on a board, and which row it equals although its hash is another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.record.folder import records_in
from lnbench.record.record import Record, read
from lnbench.record.score import rank_intervals
from lnbench.text import plain, ranks


@dataclass(frozen=True)
class Placing:
    """A record beside a board's rows of the same track and salt.

    Attributes:
        rows: how many there are with this one.
        interval: first and last rank that it may have among them.
        equal: the file of a row with the same flips and victims, or None.
        same_flips: the file of a row with the same flips whose victims are others, or None.
        victims: of the record; `alike`: those of them whose bits are the ones of that row.
        elsewhere: whether that row was made in another environment or by another version of the code.
    """

    rows: int
    interval: tuple[int, int]
    victims: int
    equal: str | None = None
    same_flips: str | None = None
    alike: int = 0
    elsewhere: bool = False

    @property
    def sentences(self) -> list[str]:
        """What a person reads of it."""
        said = []
        if self.equal is not None:
            where = ", although environment or code are others" if self.elsewhere else ""
            said.append(
                f"Equal to the board's row {plain(self.equal)}: the same flips and the same {self.victims} victims, "
                f"bit for bit{where}."
            )
        elif self.same_flips is not None:
            said.append(
                f"The flips are those of the board's row {plain(self.same_flips)}; {self.alike} of {self.victims} "
                "victims are the same bit for bit, and rounding on another machine explains the others."
            )
        if self.rows == 1:
            return [*said, "The board has no other row of this track and salt."]
        return [*said, f"It would rank {ranks(self.interval)} of {self.rows} on the board."]


def placing(record: Record, folder: Path) -> Placing:
    """Where a record would stand among the records in a folder.

    A row of the same poisoner, or with the same flips, is not one of its rivals: the record would stand in its place.

    Args:
        record: a ranked one.
        folder: `<track>/<file>.json`.

    Raises:
        RecordError: if a file there is not a record.
    """
    own, rivals = _victims(record), []
    same: tuple[int, str, bool] | None = None
    for path in records_in(folder, record.track.name):
        other = read(path)
        if not other.ranked or (other.track.sha256, other.salt_commitment) != _setting(record):
            continue
        flips = other.document["flips"]["poisoned"] == record.document["flips"]["poisoned"]
        if flips:
            theirs = _victims(other)
            alike = sum(theirs.get(key) == victim for key, victim in own.items())
            elsewhere = (other.environment.id, other.code_sha256) != (record.environment.id, record.code_sha256)
            same = max(same or (-1, "", False), (alike, path.name, elsewhere))
        elif other.identity != record.identity:
            rivals.append(other.split_accuracies)
    interval = rank_intervals(np.stack([record.split_accuracies, *rivals]))[0]
    found = Placing(1 + len(rivals), (int(interval[0]), int(interval[1])), len(own))
    if same is None:
        return found
    alike, name, elsewhere = same
    named = {"equal": name} if alike == len(own) else {"same_flips": name}
    return Placing(found.rows, found.interval, found.victims, alike=alike, elsewhere=elsewhere, **named)


def _setting(record: Record) -> tuple[str, str]:
    return record.track.sha256, record.salt_commitment


def _victims(record: Record) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """What was counted on each victim, by what the victim is."""
    keys = ("architecture", "split", "seed", "arm", "draw")
    return {tuple(victim.get(key) for key in keys): victim for victim in record.document["victims"]}
