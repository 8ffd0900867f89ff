"""Matched flips: the poisoner's allocation to the pairs, and nothing else of it."""

from __future__ import annotations

import numpy as np
from scipy import stats

import factories
from lnbench.protocol import Streams, allocation, applied, arms_of, changed, matched_flips

LABELS = np.repeat(np.arange(4), 50)
FLIPS = [(3, 0, 1), (10, 0, 2), (12, 0, 1), (60, 1, 0), (199, 3, 0)]


def test_one_pair_has_three_arms_and_several_have_four() -> None:
    assert arms_of(factories.track()) == ("clean", "random", "poisoned")
    noise = {"budget": 4, "eta": 0.00446, "pairs": [[9, 0], [0, 9]]}
    assert arms_of(factories.track(noise=noise)) == ("clean", "random", "poisoned", "matched")


def test_every_pair_gets_as_many_and_no_point_two() -> None:
    streams = Streams("0" * 64)
    draws = [matched_flips(LABELS, FLIPS, streams.generator("matched", 0, seed)) for seed in range(50)]
    for found in draws:
        assert allocation(found) == allocation(FLIPS) == {(0, 1): 2, (0, 2): 1, (1, 0): 1, (3, 0): 1}
        assert found == changed(LABELS, applied(LABELS, found)), "ascending, each point once, old labels the true ones"
    assert draws[0] == matched_flips(LABELS, FLIPS, streams.generator("matched", 0, 0))
    assert draws[0] != draws[1]


def test_points_are_uniform_within_their_class() -> None:
    streams = Streams("1" * 64)
    counts = np.zeros(len(LABELS))
    for seed in range(2000):
        for index, old, new in matched_flips(LABELS, FLIPS, streams.generator("matched", 0, seed)):
            counts[index] += (old, new) == (0, 1)
    assert stats.chisquare(counts[:50]).pvalue > 1e-4


def test_no_flips_match_no_flips() -> None:
    assert matched_flips(LABELS, [], Streams("0" * 64).generator("matched", 0, 0)) == []
