"""Flips as coverage: every set tried, every set's mean, and budgets that ask for too much."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.exact.best import greedy, optimum
from lnbench.exact.coverage import Coverage, coverage
from lnbench.protocol.exactness import expected_broken


def _covers() -> list[Coverage]:
    rng = np.random.default_rng(0)
    return [Coverage(rng.random(30) < 0.1, rng.random((30, 9)) < share) for share in (0.1, 0.2, 0.4) for _ in range(4)]


def test_the_optimum_is_the_best_of_all_sets_and_greedy_keeps_its_promise() -> None:
    for cover, budget in itertools.product(_covers(), (1, 2, 3)):
        every = [cover.accuracy(list(some)) for some in itertools.combinations(range(9), budget)]
        best, near = optimum(cover, budget), greedy(cover.reach[~cover.base], budget)
        assert len(best) <= budget and cover.accuracy(best) == pytest.approx(min(every), abs=1e-12)
        clean = 1 - cover.base.mean()
        assert clean - cover.accuracy(near) >= (1 - np.exp(-1)) * (clean - min(every)) - 1e-12


def test_the_mean_over_random_sets_is_that_of_all_sets() -> None:
    for cover, budget in itertools.product(_covers()[:4], (0, 1, 3, 9)):
        every = [cover.accuracy(list(some)) for some in itertools.combinations(range(9), budget)]
        assert cover.random(budget) == pytest.approx(np.mean(every), abs=1e-12)
    assert (np.diff(_covers()[0].random_curve()) <= 1e-12).all()


def test_a_budget_beyond_the_class_flips_all_of_it() -> None:
    cover = _covers()[0]
    assert optimum(cover, 9).tolist() == optimum(cover, 50).tolist() == list(range(9))
    assert sorted(greedy(cover.reach, 50)) == list(range(9))
    assert cover.random(50) == cover.random(9) == cover.accuracy(list(range(9)))
    assert (expected_broken([0, 1], 1, 4) == [0.0, 1.0]).all()


def test_soft_coverage_prefers_what_is_not_covered_yet() -> None:
    gain = np.array([[0.9, 0.8, 0.0], [0.9, 0.8, 0.0], [0.0, 0.0, 0.5]])
    assert greedy(gain, 2).tolist() == [0, 2]


def test_an_optimum_that_is_not_proven_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    cover = _covers()[0]
    for status, gap in ((1, 0.1), (0, 1e-3), (4, 0.0)):
        made = SimpleNamespace(status=status, mip_gap=gap, message="time limit", x=np.zeros(40), fun=0.0)
        monkeypatch.setattr(scipy.optimize, "milp", lambda *a, made=made, **k: made)
        with pytest.raises(UnavailableError, match="not proven"):
            optimum(cover, 2)


def test_a_split_by_hand() -> None:
    """Four points on a line, one of them of the target class: what is reached can be read off."""
    inputs, labels = np.array([[0.0], [0.4], [0.6], [1.0]]), np.array([0, 9, 9, 9])
    tests = np.array([[0.15], [0.45], [0.55], [0.9]])
    made = coverage(inputs, labels, tests, source=9, target=0, norm="linf", epsilon=0.06)
    assert made.base.tolist() == [True, False, False, False]  # cells end at .2, .5 and .8
    assert made.reach.tolist() == [[False] * 3, [True, True, False], [True, True, False], [False, False, True]]
    assert made.degrees.tolist() == [3, 2, 2, 1]
    assert made.accuracy([0, 2]) == 0.0 and made.random(3) == 0.0
    still = coverage(inputs, labels, tests, source=9, target=0, norm="linf", epsilon=0.0)
    assert not still.base[1:].any() and still.reach.sum(1).tolist() == [0, 1, 1, 1]
    one = coverage(inputs, np.array([0, 1, 1, 9]), tests, source=9, target=0, norm="linf", epsilon=0.06)
    assert one.reach.shape == (4, 1) and optimum(one, 4).tolist() == [0]
    with pytest.raises(ProtocolError, match="no training point is of class 8"):
        coverage(inputs, labels, tests, source=8, target=0, norm="linf", epsilon=0.06)
    with pytest.raises(ProtocolError, match="at least 0"):
        coverage(inputs, labels, tests, source=9, target=0, norm="linf", epsilon=-1.0)
