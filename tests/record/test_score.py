"""The score by hand, at its limits, and by simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from known import known
from lnbench.protocol import ARMS
from lnbench.record.score import (
    INDEX,
    Counts,
    holm,
    points_interval,
    random_error,
    rank_intervals,
    score,
    split_means,
    t_interval,
)

CLEAN, RANDOM, POISONED = (INDEX[arm] for arm in ARMS)
TRIALS = 2500
FAR = 4 * (0.05 * 0.95 / TRIALS) ** 0.5
"""Four standard errors of a rate of 5 % over the trials: 1.7 percentage points."""
MANY = 20_000
"""Trials where a rate is bounded closely: a rate of 5 % then has a standard error of 0.15 percentage points."""


def broken(random: np.ndarray, poisoned: np.ndarray) -> np.ndarray:
    """(arm, …) flags with a clean arm that nothing breaks."""
    return np.stack([np.zeros_like(random), random, poisoned])


def test_the_drop_of_a_small_example_by_hand() -> None:
    """Two architectures, two splits, one seed, four examples: every number below was worked out on paper."""
    flags = np.zeros((3, 2, 2, 1, 4), dtype=bool)
    flags[RANDOM, 0, 0, 0, :1] = True  # a, split 0: 1/4 broken by random flips …
    flags[POISONED, 0, 0, 0, :3] = True  # … and 3/4 by poisoned ones: + 50 pp
    flags[POISONED, 0, 1, 0, :1] = True  # a, split 1: + 25 pp
    flags[RANDOM, 1, 1, 0, :1] = True  # b, split 1: − 25 pp; b, split 0: 0
    result = score(Counts.from_broken(["a", "b"], flags, flags), fixed_test_set=False)
    assert result.split_drops_pp == (25.0, 0.0)
    assert result.drop_pp == 12.5
    # t(1, .975) = 12.7062, standard error = 12.5
    assert result.ci95_pp == pytest.approx((12.5 - 12.7062 * 12.5, 12.5 + 12.7062 * 12.5), abs=1e-3)
    assert result.p_value == pytest.approx(0.5)
    assert result.per_architecture["a"].drop_pp == 37.5
    assert result.per_architecture["b"].drop_pp == -12.5
    assert result.worst_architecture is not None and result.worst_architecture.name == "b"
    assert result.area_pp == 12.5


def test_area_weighs_the_curve_by_its_spacing() -> None:
    """ΔAA of 0, 40 and 20 points at ε = 1, 2 and 4: (20 · 1 + 30 · 2) / 3."""
    curve = np.zeros((3, 2, 1, 3), dtype=int)
    curve[POISONED] = [0, 4, 2]
    counts = Counts(
        architectures=("a",),
        epsilons=((1.0, 2.0, 4.0),),
        points=np.array([10, 10]),
        targeted=curve[..., 1][:, None],
        untargeted=curve[..., 1][:, None],
        to_target=np.zeros((3, 1, 2, 1), dtype=int),
        curve=(curve,),
        valid=np.ones((1, 2, 1), dtype=bool),
    )
    assert score(counts, fixed_test_set=False).area_pp == pytest.approx(80 / 3)


def test_the_parts_add_up_and_untargeted_is_its_own() -> None:
    rng = np.random.default_rng(0)
    targeted, untargeted = rng.random((2, 3, 2, 4, 3, 20)) < 0.5
    counts = Counts.from_broken(["a", "b"], targeted, untargeted)
    object.__setattr__(counts, "to_target", rng.integers(0, 5, counts.targeted.shape))
    result = score(counts, fixed_test_set=False)
    clean = 5.0 * (counts.to_target[POISONED] - counts.to_target[RANDOM]).mean()
    assert result.parts_pp.clean == pytest.approx(clean)
    assert known(result.parts_pp.clean) + known(result.parts_pp.adversarial) == pytest.approx(result.drop_pp)
    assert result.untargeted_drop_pp == pytest.approx(
        5.0 * (untargeted[POISONED].sum(-1) - untargeted[RANDOM].sum(-1)).mean()
    )


def test_points_may_differ_by_split() -> None:
    """One more broken of 5 points is 20 pp, of 10 points 10 pp."""
    counts = Counts.from_broken(["a"], np.zeros((3, 1, 2, 1, 5), dtype=bool), np.zeros((3, 1, 2, 1, 5), dtype=bool))
    counts.points[:] = [5, 10]
    counts.targeted[POISONED] = 1
    assert score(counts, fixed_test_set=False).split_drops_pp == (20.0, 10.0)


def test_a_diverged_triple_leaves_every_mean() -> None:
    flags = np.zeros((3, 2, 3, 2, 10), dtype=bool)
    flags[POISONED, ..., :2] = True
    counts = Counts.from_broken(["a", "b"], flags, flags)
    counts.targeted[POISONED, 0, 0, 0] = 10
    assert known(score(counts, fixed_test_set=False).drop_pp) > 20
    counts.valid[0, 0, 0] = False
    result = score(counts, fixed_test_set=False)
    assert result.drop_pp == pytest.approx(20.0)
    assert result.per_architecture["a"].drop_pp == pytest.approx(20.0)
    counts.valid[:, 1] = False
    result = score(counts, fixed_test_set=False)
    assert result.splits == 2
    assert result.split_drops_pp == pytest.approx((20.0, None, 20.0))


def test_nothing_left_is_no_score() -> None:
    flags = np.zeros((3, 1, 2, 1, 4), dtype=bool)
    counts = Counts.from_broken(["a"], flags, flags)
    counts.valid[:] = False
    for fixed in (False, True):
        result = score(counts, fixed_test_set=fixed)
        assert (result.drop_pp, result.ci95_pp, result.p_value, result.splits) == (None, None, None, 0)
        assert (result.area_pp, result.worst_architecture, result.ci95_points_pp) == (None, None, None)
        assert result.per_architecture["a"].drop_pp is None
    counts.valid[0, 0] = True
    result = score(counts, fixed_test_set=True)
    assert (result.drop_pp, result.ci95_pp, result.p_value, result.splits) == (0.0, None, None, 1)


@pytest.mark.parametrize("fixed", [False, True])
def test_no_spread_is_an_interval_of_no_width(fixed: bool) -> None:
    """Identical labels give identical victims; pytest turns a warning into an error."""
    rng = np.random.default_rng(0)
    random = rng.random((2, 4, 3, 9)) < 0.5
    same = score(Counts.from_broken(["a", "b"], broken(random, random), broken(random, random)), fixed_test_set=fixed)
    assert (same.drop_pp, same.ci95_pp, same.p_value, same.ci95_points_pp) == (0.0, (0.0, 0.0), 1.0, (0.0, 0.0))
    none, every = np.zeros_like(random), np.ones_like(random)
    most = score(Counts.from_broken(["a", "b"], broken(none, every), broken(none, every)), fixed_test_set=fixed)
    assert (most.drop_pp, most.ci95_pp, most.p_value) == (100.0, (100.0, 100.0), 0.0)


def test_differences_that_cancel_are_exactly_none() -> None:
    """Thirds and sevenths that cancel leave 1e-17, which is no finding."""
    values = np.array([[[1 / 3, 1 / 7, -1 / 3, -1 / 7]], [[0.1, 0.2, -0.3, 0.0]]]).reshape(2, 2, 2) * 100
    result = t_interval(np.array([values.sum(), -values.sum() / 3, values.sum() / 7]))
    assert result.p == 1.0


def test_a_fixed_test_set_needs_its_flags() -> None:
    flags = np.zeros((3, 1, 2, 1, 4), dtype=bool)
    counts = Counts.from_broken(["a"], flags, flags)
    object.__setattr__(counts, "broken", None)
    with pytest.raises(ValueError, match="flags of every example"):
        score(counts, fixed_test_set=True)


def test_own_test_points_have_one_interval() -> None:
    flags = np.random.default_rng(1).random((3, 1, 5, 2, 30)) < 0.4
    result = score(Counts.from_broken(["a"], flags, flags), fixed_test_set=False)
    assert result.ci95_points_pp == result.ci95_pp


def test_the_interval_covers() -> None:
    """95 % t over 8 splits of rates of 90 points, two architectures and two seeds that share a split's set effect.

    Asked for: 94 to 96.5 %; six standard errors below and ten above what it should be.
    """
    rng = np.random.default_rng(0)
    truth, shape = 10.0, (MANY, 2, 8, 2)
    chance = 0.4 + rng.normal(0, 0.08, (MANY, 1, 8, 1)) + rng.normal(0, 0.04, shape)
    poisoned = rng.binomial(90, np.clip(1 - chance, 0, 1)) / 90
    random = rng.binomial(90, np.clip(0.5 + rng.normal(0, 0.08, shape), 0, 1)) / 90
    result = [t_interval(split_means(drops, np.ones(shape[1:], dtype=bool))) for drops in 100 * (poisoned - random)]
    assert 0.94 < np.mean([known(f.low) <= truth <= known(f.high) for f in result]) < 0.965


def test_a_fixed_random_set_is_called_better_at_the_nominal_rate() -> None:
    """The poisoned arm keeps one set a split for all seeds, the random arm has one a seed: unequal spreads.

    Better at most 2.5 % of the time and something at most 5 %, within four standard errors: 0.44 and 0.62 points.
    """
    rng = np.random.default_rng(1)
    drawn = rng.normal(0, 0.085, (2, MANY, 1, 8, 4))
    seeds = rng.normal(0, 0.036, (MANY, 1, 8, 4))
    poisoned = drawn[0][..., :1] + seeds + rng.normal(0, 0.06, (MANY, 2, 8, 4))
    random = drawn[1] + seeds + rng.normal(0, 0.06, (MANY, 2, 8, 4))
    valid = np.ones((2, 8, 4), dtype=bool)
    result = [t_interval(split_means(p - r, valid)) for p, r in zip(poisoned, random, strict=True)]
    assert np.mean([known(f.low) > 0 for f in result]) < 0.025 + 4 * (0.025 * 0.975 / MANY) ** 0.5
    assert abs(np.mean([known(f.p) < 0.05 for f in result]) - 0.05) < 4 * (0.05 * 0.95 / MANY) ** 0.5


@pytest.mark.parametrize("example", [0.0, 0.1, 0.5])
def test_the_wider_interval_covers_other_test_points(example: float) -> None:
    """Crossed split × example effects; the plain interval misses when the examples' own effect is large."""
    rng = np.random.default_rng(2)
    splits, n = 8, 100
    wide, plain = 0, 0
    for _ in range(TRIALS):
        d = rng.normal(0, 0.02, (splits, 1)) + rng.normal(0, example, n) + rng.normal(0, 0.4, (splits, n))
        result, narrow = points_interval(d), t_interval(d.mean(axis=1))
        wide += known(result.low) <= 0 <= known(result.high)
        plain += known(narrow.low) <= 0 <= known(narrow.high)
        assert known(result.high) - known(result.low) >= (known(narrow.high) - known(narrow.low)) * (1 - 1e-9)
    assert wide / TRIALS > 0.95 - FAR
    assert wide / TRIALS < 0.985
    if example == 0.5:
        assert plain / TRIALS < 0.85


def test_the_wider_interval_of_pure_example_effects_is_that_of_the_examples() -> None:
    """If every split says the same of each example, only the examples count: t over their n values."""
    rng = np.random.default_rng(7)
    effects = rng.normal(3, 1, 50)
    result = points_interval(effects + rng.normal(0, 1e-3, (6, 50)))
    expected = t_interval(effects)
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high), rel=0.01)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_stepping_down_rejects(p: list[float]) -> None:
    rejected, left = set(), sorted(range(len(p)), key=lambda i: p[i])
    while left and p[left[0]] * len(left) < 0.05:
        rejected.add(left.pop(0))
    assert {i for i, q in enumerate(holm(p)) if q < 0.05} == rejected


@pytest.mark.parametrize("true_effects", [0, 3])
def test_holm_keeps_the_family_wise_error(true_effects: int) -> None:
    """Ten rows that share the random arm's noise; a null one among them is called at most 5 % of the time.

    Over 5,000 trials, four standard errors are 1.2 points.
    """
    rng, trials = np.random.default_rng(3), 5000
    wrong = 0
    for drops in rng.normal(0, 1, (trials, 10, 8)) - rng.normal(0, 1, (trials, 1, 8)):
        drops[:true_effects] += 5
        adjusted = holm([known(t_interval(row).p) for row in drops])
        wrong += int((adjusted[true_effects:] < 0.05).any())
    assert wrong / trials < 0.05 + 4 * (0.05 * 0.95 / trials) ** 0.5


@pytest.mark.parametrize("means", [[0.5] * 6, [0.3, 0.3, 0.5, 0.5, 0.5, 0.9]])
def test_rank_intervals_keep_the_true_ranks(means: list[float]) -> None:
    """Each row's interval leaves out a rank it truly may have at most 5 % of the time; ties share all their ranks."""
    rng = np.random.default_rng(4)
    truth = np.array(means)
    low = 1 + (truth < truth[:, None]).sum(1)
    high = len(truth) - (truth > truth[:, None]).sum(1)
    missed = np.zeros(len(truth))
    sure = 0
    for _ in range(TRIALS):
        aa = truth[:, None] + rng.normal(0, 0.1, 8) + rng.normal(0, 0.05, (len(truth), 8))
        result = rank_intervals(aa)
        missed += (result[:, 0] > low) | (result[:, 1] < high)
        sure += (result[-1] == len(truth)).all()
    assert (missed / TRIALS).max() < 0.05 + FAR
    assert sure / TRIALS > 0.99 or means[-1] < 0.9


def test_rank_intervals_of_rows_that_are_far_apart_are_single_ranks() -> None:
    rng = np.random.default_rng(5)
    aa = np.array([[0.8], [0.2], [0.5]]) + rng.normal(0, 0.1, 6) + rng.normal(0, 0.001, (3, 6))
    assert rank_intervals(aa).tolist() == [[3, 3], [1, 1], [2, 2]]


def test_rank_intervals_of_one_row_equal_rows_and_no_noise() -> None:
    assert rank_intervals(np.array([[0.5, 0.4]])).tolist() == [[1, 1]]
    assert rank_intervals(np.array([[0.5, 0.4], [0.5, 0.4]])).tolist() == [[1, 2], [1, 2]]
    assert rank_intervals(np.array([[0.5, 0.4], [0.25, 0.15]])).tolist() == [[2, 2], [1, 1]]


def test_a_rows_ranks_hold_when_rows_spread_unequally() -> None:
    """Five rows of one true mean, one of three times the others' spread: a pooled variance misses with .09 to .16."""
    rng = np.random.default_rng(6)
    missed = np.zeros(5)
    for _ in range(TRIALS):
        spread = np.array([0.15, 0.05, 0.05, 0.05, 0.05])[:, None]
        result = rank_intervals(0.5 + rng.normal(0, 0.1, 8) + spread * rng.normal(0, 1, (5, 8)))
        missed += (result[:, 0] > 1) | (result[:, 1] < 5)
    assert (missed / TRIALS).max() < 0.05 + FAR


def test_the_random_arms_error_is_that_of_its_mean() -> None:
    """Over 2,000 random arms of 6 splits × 2 seeds × 3 draws: the mean of its square is the variance of the mean."""
    rng = np.random.default_rng(7)
    points, architectures, means, squares = 50, 2, list[float](), list[float]()
    for _ in range(2000):
        level = np.clip(0.5 + rng.normal(0, 0.1, (3, 1, 6, 2)), 0.05, 0.95)  # of a draw, for all architectures
        draws = rng.binomial(points, level, (3, architectures, 6, 2))
        flags = np.zeros((3, architectures, 6, 2, points), dtype=bool)
        counts = Counts.from_broken(["a", "b"], flags, flags)
        squares.append(known(random_error(counts, draws)) ** 2)
        means.append(100 * draws.mean() / points)
    assert np.mean(squares) == pytest.approx(np.var(means, ddof=1), rel=4 * (2 / 2000) ** 0.5)


def test_arms_keep_their_places() -> None:
    assert (CLEAN, RANDOM, POISONED) == (0, 1, 2)
