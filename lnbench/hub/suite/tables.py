"""The rows of a suite's tables, as a record and the base data give them."""

from __future__ import annotations

import dataclasses

from lnbench import data
from lnbench.hub import parquet
from lnbench.hub.build import rows_of
from lnbench.hub.suite import layout
from lnbench.record.record import Record


def rows(record: Record, split: int, points: data.Split) -> tuple[parquet.Rows, parquet.Rows]:
    """Training and test rows of a split: `label` is the poisoned one, and every random draw has a column."""
    track, seeds = record.track, record.document["replication"]["seeds"]
    poisoned = layout.labels_of(record, points.labels, split, "poisoned")
    train, test = rows_of(track.data.source, track.data.classes, points, poisoned)
    named = layout.columns(track, seeds)
    drawn = {
        name: layout.labels_of(record, points.labels, split, arm, seed, draw)
        for name, (arm, seed, draw) in named.items()
    }
    return dataclasses.replace(train, more=drawn), dataclasses.replace(test, more=dict.fromkeys(named, test.clean))
