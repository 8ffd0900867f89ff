"""A board of many rows is built in seconds."""

from __future__ import annotations

import copy
import time
from pathlib import Path

import pytest

import factories
from lnbench import record
from lnbench.board import build, load


@pytest.mark.slow
def test_two_hundred_rows_on_eight_tracks_are_built_in_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of processor time: a wall clock would judge what else the machine is doing."""
    replication = {"splits": 8, "seeds": 4, "quick_splits": 2, "quick_seeds": 1}
    shown = [factories.track(name=f"track-{i}", replication=replication) for i in range(8)]
    factories.ship(monkeypatch, tmp_path / "tracks", *shown)
    board = tmp_path / "leaderboard"
    for i, track in enumerate(shown):
        for seed in range(5):
            made = factories.make(
                track, name=f"attack_{seed}", source=f"# {seed}\n", effect=0.05 * seed, seed=10 * i + seed
            )
            for bucket in range(5):
                document = copy.deepcopy(dict(made.document))
                document["poisoner"]["parameters"] = {"bucket": bucket}
                row = factories.rehashed(document)
                record.write(row, board / "records" / track.name / row.filename)
    started = time.process_time()
    build(board / "records", board)
    assert time.process_time() - started < 5
    assert [len(table.rows) for table in load(board / "records").tables] == [25] * 8
