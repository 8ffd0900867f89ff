"""The committed board: what its records say, by every check there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lnbench.board import check, load
from lnbench.record.score import holm, rank_intervals, t_interval

BOARD = Path(__file__).resolve().parents[2] / "leaderboard"


def test_the_committed_board_holds() -> None:
    said: list[str] = []
    assert check(BOARD / "records", BOARD, tell=said.append) == [], "run `lnbench leaderboard build`"
    assert not [sentence for sentence in said if "digits" in sentence], "its data comes with scikit-learn"


def test_ranks_and_holm_hold_on_the_boards_own_residuals() -> None:
    """Its largest table with every row's mean made equal, its splits drawn again 2,000 times: how often is one called?

    Nothing is assumed of how rows spread or go together. Four standard errors of a rate of 5 % are 2 points.
    """
    table = max(load(BOARD / "records").tables, key=lambda table: len(table.rows))
    accuracies = np.stack([row.accuracies for row in table.rows])
    residuals = accuracies - accuracies.mean(axis=1, keepdims=True)
    m, splits = residuals.shape
    assert m > 20 and splits > 20
    rng, trials = np.random.default_rng(0), 2000
    missed, called = np.zeros(m), 0
    for _ in range(trials):
        drawn = residuals[:, rng.integers(splits, size=splits)]
        ranks = rank_intervals(drawn)
        missed += (ranks[:, 0] > 1) | (ranks[:, 1] < m)
        called += int((holm([t_interval(row).p or 1.0 for row in drawn]) < 0.05).any())
    most = 0.05 + 4 * (0.05 * 0.95 / trials) ** 0.5
    assert (missed / trials).max() < most
    assert called / trials < most
