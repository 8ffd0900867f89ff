"""Share of the optimum and exchange rate: exact cases, and intervals whose coverage is simulated."""

from __future__ import annotations

import numpy as np
import pytest

from lnbench.record.exchange import exchange_rate, share_of_optimum
from lnbench.record.optimum import coupons, mean_curve


def test_the_best_flips_have_all_of_the_drop_and_random_ones_none() -> None:
    rng = np.random.default_rng(0)
    random, best = 0.7 + 0.02 * rng.random(20), 0.35 + 0.05 * rng.random(20)
    assert share_of_optimum(random, best, best).mean == pytest.approx(1.0)
    assert share_of_optimum(random, random, best).mean == pytest.approx(0.0)
    assert share_of_optimum(random, (random + best) / 2, best).ends == pytest.approx((0.5, 0.5))
    assert share_of_optimum(random, 2 * random - best, best).mean == pytest.approx(-1.0)
    assert share_of_optimum(random, random, random).mean is None


def test_the_interval_of_a_share_covers_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(1), 0
    for _ in range(2000):
        possible = rng.uniform(0.2, 0.4, 24)
        gained = 0.6 * possible + rng.normal(0, 0.05, 24)
        low, high = share_of_optimum(possible, possible - gained, np.zeros(24)).ends or (0, 0)
        hits += low <= 0.6 <= high
    assert 0.93 <= hits / 2000 <= 0.97


def test_random_flips_are_worth_themselves() -> None:
    rng = np.random.default_rng(2)
    curve = np.exp(-0.1 * np.arange(41)) * (1 + 0.05 * rng.standard_normal((30, 1)))
    for budget in (0, 1, 7, 40):
        found = exchange_rate(range(41), curve, curve[:, budget])
        assert found.flips == pytest.approx(budget) and found.low <= budget + 1e-9 and found.high >= budget - 1e-9
    between = exchange_rate([0, 10], np.array([[1.0, 0.0]] * 3), np.array([0.5, 0.5, 0.5]))
    assert (between.flips, between.low, between.high, between.most) == (5.0, 5.0, 5.0, 10.0)
    assert exchange_rate([0, 10], np.array([[1.0, 0.4]] * 3), np.array([0.1] * 3)).flips == 10.0
    assert exchange_rate([0, 10], np.array([[0.9, 0.4]] * 3), np.array([0.95] * 3)).flips == 0.0


def test_the_interval_of_an_exchange_rate_covers_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """48 splits, each with a level and a noise of its own, and a row that is worth six random flips; 2,000 trials."""
    monkeypatch.setattr("lnbench.record.exchange._DRAWS", 200)
    rng, hits, budgets = np.random.default_rng(4), 0, np.array([0.0, 2, 4, 6, 8, 12])
    true = np.exp(-0.1 * budgets)
    for _ in range(2000):
        level = rng.normal(0, 0.05, (48, 1))
        curve = true + level + rng.normal(0, 0.04, (48, 6))
        found = exchange_rate(budgets.tolist(), curve, np.exp(-0.6) + level[:, 0] + rng.normal(0, 0.06, 48))
        hits += found.low <= 6.0 <= found.high
    assert 0.92 <= hits / 2000 <= 0.97


def test_a_curve_that_rises_by_chance_is_made_to_fall() -> None:
    curve = np.array([[1.0, 0.5, 0.6, 0.2]] * 4)
    assert exchange_rate([0, 1, 2, 3], curve, np.array([0.55] * 4)).flips == pytest.approx(1.0)


def test_the_coupon_collector_is_what_simulation_says() -> None:
    rng, drawn = np.random.default_rng(3), []
    for _ in range(4000):
        seen, steps = set[int](), 0
        while len(seen) < 4:
            seen.add(int(rng.integers(4)))
            steps += 1
        drawn.append(steps)
    assert coupons(4) == pytest.approx(np.mean(drawn), rel=0.05)
    assert coupons(1) == 1.0


def test_the_mean_curve_starts_at_clean_labels_and_ends_at_all_flips() -> None:
    base, reach = np.array([True, False, False]), np.array([[False, False], [True, False], [False, False]])
    assert mean_curve(base, reach, 2) == pytest.approx([2 / 3, 1 / 2, 1 / 3])
