"""Verdicts follow from intervals, and intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lnbench.experiments._verdicts import (
    AGREES,
    DISAGREES,
    UNDECIDED,
    above,
    always,
    clopper_pearson,
    frequency,
    interval,
    valley,
    within,
)


def test_the_interval_is_students() -> None:
    x = [1.0, 2.0, 4.0, 4.5]
    mean, low, high = interval(x)
    wanted = stats.ttest_1samp(x, 0).confidence_interval()
    assert (low, high) == pytest.approx((wanted.low, wanted.high)) and mean == pytest.approx(np.mean(x))
    assert interval([3.0])[1:] == (-math.inf, math.inf)


@pytest.mark.parametrize(("successes", "trials"), [(0, 20), (20, 20), (3, 50)])
def test_clopper_pearson_is_the_exact_interval(successes: int, trials: int) -> None:
    wanted = stats.binomtest(successes, trials).proportion_ci(method="exact")
    assert clopper_pearson(successes, trials) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize(
    ("values", "expected"), [([3, 4, 5], AGREES), ([-3, -4, -5], DISAGREES), ([-3, 4, 5], UNDECIDED), ([4], UNDECIDED)]
)
def test_above_zero(values: list[float], expected: str) -> None:
    assert above("it rises", "rise", values).verdict == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.1, -0.1, 0.2], AGREES), ([7, 8, 9], DISAGREES), ([-7, -8, -9], DISAGREES), ([-3, 3, 1], UNDECIDED)],
)
def test_as_good_as_zero(values: list[float], expected: str) -> None:
    assert within("nothing happens", "change", values, margin=1.0).verdict == expected


def test_a_valley_falls_and_rises() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (5, 20))
    shapes = {
        AGREES: [10, 6, 2, 6, 10],
        DISAGREES: [10, 8, 6, 4, 2],
    }
    for expected, shape in shapes.items():
        assert valley("a valley", "AA", range(5), np.array(shape)[:, None] + noise).verdict == expected
    assert valley("a valley", "AA", range(5), np.array([2, 4, 6, 8, 10])[:, None] + noise).verdict == DISAGREES


def test_a_valley_is_not_found_in_noise() -> None:
    """The minimum's place is chosen on other replicates than it is judged on, so a flat curve seldom agrees."""
    rng = np.random.default_rng(1)
    agreed = sum(valley("a valley", "AA", range(6), rng.normal(0, 1, (6, 12))).verdict == AGREES for _ in range(400))
    assert agreed <= 12


def test_frequencies_and_failures() -> None:
    assert frequency("p", "share", 480, 1000, 0.5).verdict == AGREES
    assert frequency("p", "share", 400, 1000, 0.5).verdict == DISAGREES
    assert always("never fails", "failures", 0, 100).verdict == AGREES
    assert always("never fails", "failures", 1, 100).verdict == DISAGREES
    assert always("never fails", "failures", 0, 0).verdict == UNDECIDED
