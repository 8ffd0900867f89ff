"""What random flips of many budgets do to a track's networks: of the tables of ground truth the part the board reads.

`lnbench truth report` writes it with the other findings to `truth/TRACK.json` beside the folder of records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from lnbench.errors import RecordError
from lnbench.files import parse_canonical, read_at_most
from lnbench.protocol import Track, sha256_json
from lnbench.protocol.documents import Count, Part, Share, WrongError, read
from lnbench.record.exchange import Exchange, exchange_rate

FOLDER = "truth"
"""Beside the folder of records."""
LARGEST = 1 << 26
"""Most bytes of a file of findings."""


class RandomBudgets(Part, frozen=True, kw_only=True):
    """Adversarial accuracy under random flips.

    Attributes:
        architectures: those whose mean it is.
        splits: numbers of the splits, at least two.
        budgets: how many flips, ascending from 0.
        accuracies: (split, budget), means over architectures, sets of flips and seeds.
    """

    architectures: Annotated[tuple[str, ...], Meta(min_length=1)]
    splits: Annotated[tuple[Count, ...], Meta(min_length=2)]
    budgets: Annotated[tuple[Count, ...], Meta(min_length=2)]
    accuracies: tuple[tuple[Share, ...], ...]

    def worth(self, row: np.ndarray) -> Exchange:
        """How many random flips do to the networks what a row's flips do.

        Args:
            row: adversarial accuracy of the row on each of the track's splits.
        """
        return exchange_rate(self.budgets, np.array(self.accuracies), row[list(self.splits)])


def of_track(records: Path, track: Track) -> RandomBudgets | None:
    """What stands beside a folder of records for a track; None if nothing does, it is of another version of the track,
    or its table of random flips has not all of the track's architectures.

    Raises:
        RecordError: if the file is broken.
    """
    path = records.resolve().parent / FOLDER / f"{track.name}.json"
    if not path.is_file():
        return None
    try:
        data = read_at_most(path, LARGEST)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from None
    document = parse(data, str(path))
    table = document["tables"].get("n")
    if document["track_sha256"] != track.sha256 or table is None:
        return None
    try:
        made = read(table["findings"], RandomBudgets, "tables.n.findings")
    except (WrongError, KeyError, TypeError) as wrong:
        raise RecordError(f"{path}: {wrong}") from None
    rows = np.array([len(row) for row in made.accuracies])
    fits = len(rows) == len(made.splits) and (rows == len(made.budgets)).all()
    if not fits or made.budgets[0] != 0 or (np.diff(made.budgets) <= 0).any() or (np.diff(made.splits) <= 0).any():
        raise RecordError(f"{path}: table n: expected an accuracy for each split and budget, both ascending.")
    if max(made.splits) >= track.replication.splits:
        raise RecordError(f"{path}: table n: {track.name} has no split {max(made.splits)}.")
    return made if set(made.architectures) == {victim.name for victim in track.victims} else None


def parse(data: bytes, where: str) -> dict[str, Any]:
    """The findings in a file's bytes.

    Raises:
        RecordError: if it is not canonical JSON with findings, or was altered.
    """
    try:
        document = parse_canonical(data, LARGEST)
    except RecordError as error:
        raise RecordError(f"{where}: {error}") from None
    wanted = {"command", "sha256", "tables", "track", "track_sha256", "version"}
    if not isinstance(document, dict) or set(document) != wanted or not isinstance(document["tables"], dict):
        raise RecordError(f"{where}: it is not what `lnbench truth report` writes; run that again.")
    if sha256_json({name: value for name, value in document.items() if name != "sha256"}) != document["sha256"]:
        raise RecordError(f"{where}: its content is not what its sha256 says; run `lnbench truth report` again.")
    return document
