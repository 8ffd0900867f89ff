"""Which sets attacks choose: at the budgets of a table, and among its points alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lnbench import data
from lnbench.evaluation.progress import quietly
from lnbench.evaluation.store import Store
from lnbench.poison.submission import Submission
from lnbench.protocol import Streams, eligible
from lnbench.protocol import track as tracks
from lnbench.truth import choices, sets
from lnbench.truth.build import Row
from lnbench.truth.ground_truth import GroundTruth

TRACK = tracks.load("digits-9to0")
LAST = b"""
import lnbench


class Last(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[-problem.budget :])
"""
"""Flips the last of the points that may be flipped."""


def _chosen(table: str, store: Path, split: int = 1) -> dict[int, tuple[int, ...]]:
    truth = GroundTruth(table, TRACK.name, TRACK.sha256, (Row("mlp", split, 0, (), 10, 1, "", 0),))
    attacks = {"last": Submission.from_bytes("last.py", LAST)}
    made = choices.of_attacks(truth, TRACK, attacks, "none", 1, Store(store), quietly)
    return {budget: rows["last"][split] for budget, rows in made.items()}


@pytest.mark.parametrize("table", sets.TABLES)
def test_an_attack_chooses_a_set_that_its_table_holds_at_every_size(table: str, tmp_path: Path) -> None:
    streams = Streams(TRACK.root)
    points = eligible(data.load(TRACK, 1, streams).labels, TRACK.pairs(1))
    among = sets.thinned(points) if table == "c" else points
    found = {budget: set(np.flatnonzero(np.isin(among, chosen))) for budget, chosen in _chosen(table, tmp_path).items()}
    sizes = {"a": (1,), "b": (1, 2), "c": (1, 2, 3, 4), "n": ()}[table]
    assert found == {k: set(range(len(among) - k, len(among))) for k in sizes}
    if sizes:
        held = set(sets.sets_of(table, points, streams, 1))
        assert set(_chosen(table, tmp_path).values()) <= held
