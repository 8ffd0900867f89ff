"""Flips: the budget is met exactly, along the pairs, without favourites."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lnbench.protocol import applied, changed, eligible, random_flips

PAIRS = ((9, 0), (5, 6), (5, 3))

_labels = st.lists(st.integers(0, 9), min_size=1, max_size=60).map(lambda v: np.array(v, dtype=np.int64))


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@given(_labels)
def test_eligible_are_the_points_that_some_pair_starts_from(labels: np.ndarray) -> None:
    found = eligible(labels, PAIRS)
    assert found.tolist() == [i for i, label in enumerate(labels.tolist()) if label in (9, 5)]


@given(_labels, st.data())
def test_flips_go_round(clean: np.ndarray, data: st.DataObject) -> None:
    labels = np.array(data.draw(st.lists(st.integers(0, 9), min_size=len(clean), max_size=len(clean))), dtype=np.int64)
    flips = changed(clean, labels)
    assert (applied(clean, flips) == labels).all()
    assert len(flips) == int((clean != labels).sum())
    assert [i for i, _, _ in flips] == sorted({i for i, _, _ in flips})
    assert all(clean[i] == old and labels[i] == new and old != new for i, old, new in flips)


def test_applied_leaves_its_argument_alone() -> None:
    clean = np.array([9, 1, 9])
    clean.flags.writeable = False
    labels = applied(clean, [[0, 9, 0]])
    assert labels.tolist() == [0, 1, 9] and clean.tolist() == [9, 1, 9]
    assert labels.dtype == np.int64


def test_flips_are_plain_integers() -> None:
    """They go into JSON."""
    assert all(type(v) is int for flip in changed(np.array([9]), np.array([0])) for v in flip)
    assert all(type(v) is int for flip in random_flips(np.array([9]), PAIRS, 1, _rng(0)) for v in flip)


@given(_labels, st.integers(0, 2**32), st.data())
def test_random_flips_meet_the_budget_exactly(labels: np.ndarray, seed: int, data: st.DataObject) -> None:
    room = len(eligible(labels, PAIRS))
    budget = data.draw(st.integers(0, room))
    flips = random_flips(labels, PAIRS, budget, _rng(seed))
    assert len(flips) == len({i for i, _, _ in flips}) == budget
    assert all(labels[i] == old and (old, new) in PAIRS for i, old, new in flips)
    assert int((applied(labels, flips) != labels).sum()) == budget
    with pytest.raises(
        ValueError, match=f"{room + 1} flips needs as many eligible points; the training set has {room}"
    ):
        random_flips(labels, PAIRS, room + 1, _rng(seed))


def test_random_flips_favour_no_point_and_no_target() -> None:
    labels = np.array([9, 1, 9, 9, 2, 5, 5, 9])
    where, to = np.zeros(8), {3: 0, 6: 0}
    draws = 4000
    for seed in range(draws):
        for i, old, new in random_flips(labels, PAIRS, 2, _rng(seed)):
            where[i] += 1
            if old == 5:
                to[new] += 1
    points = eligible(labels, PAIRS)
    assert where[points].sum() == where.sum() == 2 * draws
    # Two of six without replacement: the counts vary (6 − 2) / (6 − 1) times as much as independent ones would.
    statistic = stats.chisquare(where[points]).statistic / (4 / 5)
    assert stats.chi2.sf(statistic, len(points) - 1) > 0.001
    assert stats.binomtest(to[3], to[3] + to[6]).pvalue > 0.001


def test_random_flips_never_change() -> None:
    """Pinned: the random arm of every record depends on it."""
    labels = np.array([9, 1, 9, 9, 2, 5, 5, 9])
    assert random_flips(labels, PAIRS, 3, _rng(0)) == [(2, 9, 0), (3, 9, 0), (5, 5, 3)]
