"""Verdicts follow from intervals, and intervals cover."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy import stats

from lnbench.thesis import shape_tests
from lnbench.thesis.plan import GUESS, Plan
from lnbench.thesis.shapes import falling, lowest, lowest_at, valley
from lnbench.thesis.verdicts import (
    AGREES,
    DISAGREES,
    UNDECIDED,
    VOID,
    Verdict,
    above,
    always,
    clopper_pearson,
    exceeds,
    frequency,
    interval,
    memorised,
    negated,
    resting,
    spread,
    stays_below,
    void_unless_memorised,
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
    """The place of the minimum is chosen on other replicates than those that test it, so a flat curve seldom agrees."""
    rng = np.random.default_rng(1)
    agreed = sum(valley("a valley", "AA", range(6), rng.normal(0, 1, (6, 12))).verdict == AGREES for _ in range(400))
    assert agreed <= 12


def test_frequencies_and_failures() -> None:
    assert frequency("p", "share", 480, 1000, 0.5).verdict == AGREES
    assert frequency("p", "share", 400, 1000, 0.5).verdict == DISAGREES
    assert always("never fails", "failures", 0, 100).verdict == AGREES
    assert always("never fails", "failures", 1, 100).verdict == DISAGREES
    assert always("never fails", "failures", 0, 0).verdict == UNDECIDED


def test_intervals_for_several_tests_hold_at_once() -> None:
    """Seven means of zero: all seven intervals hold them in about 95 % of the trials, uncorrected ones do not."""
    rng, tests, trials = np.random.default_rng(3), 7, 1000
    x = rng.normal(0, 1, (trials, tests, 8))
    for correction, low, high in ((tests, 0.935, 0.97), (1, 0.6, 0.8)):
        limits = np.array([[interval(values, correction)[1:] for values in trial] for trial in x])
        covered = ((limits[..., 0] < 0) & (limits[..., 1] > 0)).all(1).mean()
        assert low < covered < high
    assert "for 7 tests at once" in above("it rises", "rise", [1, 2, 4], tests=7).evidence
    wide, narrow = (interval([1.0, 2.0, 4.0], tests)[1:] for tests in (7, 1))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_valley_that_was_left_undecided_is_tested_on_new_replicates_alone() -> None:
    rng = np.random.default_rng(8)
    deep, flat = np.array([6.0, 3, 0, 1, 6])[:, None], np.array([6.0, 3, 0, 0, 0])[:, None]
    noise = rng.normal(0, 1, (5, 30))
    again = valley("a valley", "AA", range(5), np.hstack([flat + noise[:, :10], deep + noise[:, 10:]]), seen=10)
    assert again.verdict == AGREES and again.n == 20
    assert "20 replicates after the 10 that chose it" in again.evidence
    assert (
        valley("", "AA", range(5), np.hstack([deep + noise[:, 10:], flat + noise[:, :10]]), seen=20).verdict != AGREES
    )
    flats = (flat + rng.normal(0, 1, (5, 24)) for _ in range(400))
    agreed = sum(valley("a valley", "AA", range(5), some, seen=12).verdict == AGREES for some in flats)
    assert agreed <= 20, "a tail that does not rise agrees in a fortieth of all trials at most"


def test_a_flat_curve_is_no_valley_once_a_margin_says_how_deep_one_is() -> None:
    """Without a margin no number of replicates could show it."""
    rng = np.random.default_rng(12)
    flat = [rng.normal(0, 1, (5, 40)) for _ in range(100)]
    assert sum(valley("", "AA", range(5), some, margin=1.0).verdict == DISAGREES for some in flat) > 90
    assert sum(valley("", "AA", range(5), some).verdict == DISAGREES for some in flat) < 20
    deep = np.array([4, 2, 0, 2, 4])[:, None]
    assert {valley("", "AA", range(5), deep + some, margin=1.0).verdict for some in flat} == {AGREES}


def test_a_valley_as_deep_as_the_margin_is_seldom_denied() -> None:
    rng, edge = np.random.default_rng(13), np.array([1, 0, 1])[:, None]
    trials = [edge + rng.normal(0, 0.5, (3, 12)) for _ in range(600)]
    assert sum(shape_tests.deepest(some) <= 1.0 for some in trials) <= 600 * 0.035


def test_a_fall_that_turns_is_not_a_fall_all_the_way() -> None:
    noise = np.random.default_rng(4).normal(0, 1, (5, 20))
    shapes = [([10, 8, 6, 4, 2], AGREES), ([10, 6, 2, 6, 10], DISAGREES), ([2, 4, 6, 8, 10], DISAGREES)]
    for shape, expected in shapes:
        assert falling("it falls", "AA", range(5), np.array(shape)[:, None] + noise, margin=2.0).verdict == expected
    flat = noise * 20 + np.array([10, 8, 6, 4, 4])[:, None]
    assert falling("it falls", "AA", range(5), flat, margin=2.0).verdict == UNDECIDED


def test_a_fall_all_the_way_has_no_bump_in_the_middle() -> None:
    """What was tested before, the rise after the minimum alone, agreed with this."""
    noise = np.random.default_rng(14).normal(0, 0.5, (6, 20))
    bump = np.array([10, 2, 9, 2, 0, 0])[:, None] + noise
    verdict = falling("", "AA", range(1, 7), bump, margin=3.0)
    assert verdict.verdict == DISAGREES and "from 2 to 3, is 7." in verdict.evidence


@pytest.mark.parametrize(("rise", "wrong"), [(3.0, AGREES), (1.5, DISAGREES), (3.0, DISAGREES)])
def test_a_rise_at_the_margin_seldom_counts_as_none_and_one_within_it_as_too_much(rise: float, wrong: str) -> None:
    """With the minimum in the last place of half of the replicates, what was tested before agreed in 19 %."""
    rng, curve = np.random.default_rng(15), np.array([10, 5, 0, 0 + rise])[:, None]
    found = [falling("", "AA", range(4), curve + rng.normal(0, 3, (4, 12)), margin=3.0).verdict for _ in range(600)]
    assert found.count(wrong) <= 600 * 0.035


def test_the_spread_of_levels_is_the_textbooks_two_way_analysis() -> None:
    """Montgomery's randomised block example: four tips, four specimens, F = 14.44, p = .0009."""
    hardness = np.array([[-2, -1, 1, 5], [-1, -2, 3, 4], [-3, -1, 0, 2], [2, 1, 5, 7]], float)
    verdict = spread("tips differ", "hardness", hardness, margin=0.1)
    assert verdict.verdict == AGREES and "F(3, 9) = 14.44, p = 0.00087" in verdict.evidence
    blocks = hardness + np.array([100.0, -50.0, 7.0, 0.0])
    assert spread("tips differ", "hardness", blocks, margin=0.1).evidence == verdict.evidence


def test_levels_without_a_difference_seldom_differ_and_the_limits_cover() -> None:
    rng = np.random.default_rng(5)
    null = [spread("", "AA", rng.normal(0, 1, (6, 8)), margin=0.1).verdict == AGREES for _ in range(1000)]
    assert 0.03 < np.mean(null) < 0.075
    true, covered = 1.5, []
    for _ in range(600):
        levels = rng.normal(0, true, (6, 1))
        verdict = spread("", "AA", levels + rng.normal(0, 1, (6, 8)) + rng.normal(0, 3, (1, 8)), margin=0.1)
        assert verdict.low is not None and verdict.high is not None
        covered.append(verdict.low <= true <= verdict.high)
    assert 0.92 < np.mean(covered) < 0.98


def test_levels_that_hardly_differ_disagree_and_no_noise_decides_nothing() -> None:
    noise = np.random.default_rng(6).normal(0, 0.1, (5, 30))
    close = spread("levels differ", "AA", noise, margin=3.0)
    assert close.verdict == DISAGREES
    assert negated(close, "no structure").verdict == AGREES and negated(close, "no structure").claim == "no structure"
    assert spread("levels differ", "AA", np.zeros((3, 4)), margin=3.0).verdict == UNDECIDED
    assert negated(above("it rises", "rise", [4]), "it does not").verdict == UNDECIDED


def test_the_minimum_is_at_the_fullest_place_or_it_is_not() -> None:
    noise = np.random.default_rng(7).normal(0, 1, (4, 12))
    full = np.array([1, 5, 20, 3])[:, None] + np.zeros((1, 12))
    curves = {AGREES: [9, 6, 2, 5], DISAGREES: [9, 2, 6, 5], UNDECIDED: [9, 2.2, 2, 5]}
    for expected, curve in curves.items():
        verdict = lowest("the minimum is there", "AA", range(1, 5), np.array(curve)[:, None] + noise, full)
        assert verdict.verdict == expected
    at_once = lowest("", "AA", range(1, 5), np.array([9, 6, 2, 5])[:, None] + noise, full)
    assert "3 is the fullest" in at_once.evidence and "in 12 of 12 splits" in at_once.evidence


def test_the_minimum_is_at_a_place_known_beforehand_or_it_is_not() -> None:
    noise = np.random.default_rng(7).normal(0, 1, (4, 12))
    curves = {AGREES: [2, 6, 5, 9], DISAGREES: [6, 9, 5, 2], UNDECIDED: [2, 9, 2.2, 5]}
    for expected, curve in curves.items():
        verdict = lowest_at("the first is the least", "drop", range(4), np.array(curve)[:, None] + noise, 0)
        assert verdict.verdict == expected
        assert "lowest of the others minus that at 0:" in verdict.evidence and verdict.n == 12


def test_a_rise_says_its_interval_for_one_pair_and_for_all_that_decide() -> None:
    """The one that is shown first may be above the margin while the claim is undecided."""
    curve = np.array([9.0, 4.0, 7.0])[:, None] + np.random.default_rng(2).normal(0, 2.2, (3, 12))
    verdict = falling("it falls", "AA", range(3), curve, margin=1.0)
    alone, together = re.findall(r"\[(−?[\d.]+), (−?[\d.]+)\]", verdict.evidence)[1:]
    assert verdict.verdict == UNDECIDED and "for all 3 pairs at once" in verdict.evidence
    low, high, all_low, all_high = (float(end.replace("−", "-")) for end in (*alone, *together))
    assert all_low < 1 < low < high < all_high


def test_a_fullest_place_that_only_beats_the_mean_of_the_others_is_not_the_minimum() -> None:
    """What was tested before: the fullest against the mean of the others. It agreed with this."""
    curve = np.array([30.0, 30.0, 5.0, 2.0])[:, None] + np.random.default_rng(8).normal(0, 0.5, (4, 12))
    full = np.array([1, 1, 9, 1])[:, None] + np.zeros((1, 12))
    assert (np.delete(curve, 2, 0).mean(0) - curve[2]).min() > 10
    assert lowest("the minimum is there", "AA", range(1, 5), curve, full).verdict == DISAGREES


def test_a_flat_curve_seldom_has_its_minimum_anywhere() -> None:
    rng, full = np.random.default_rng(9), np.array([1, 5, 2, 2])[:, None] + np.zeros((1, 10))
    found = [lowest("", "AA", range(4), rng.normal(0, 1, (4, 10)), full).verdict for _ in range(600)]
    assert found.count(AGREES) <= 12 and found.count(DISAGREES) <= 30


def test_what_rests_on_a_condition_that_fails_is_void() -> None:
    claim = above("they are worse", "AA", [3, 4, 5])
    good, bad = above("flips do something", "AA", [3, 4, 5]), above("flips do something", "AA", [-3, 4, -5])
    assert resting(good, [claim], "nothing") == [claim, good]
    assert resting(bad, [claim], "nothing") == [Verdict(claim.claim, VOID, "nothing"), bad]


def test_a_limit_is_exceeded_or_not_by_the_whole_interval() -> None:
    assert [exceeds(*ends, 5) for ends in ((6, 8), (1, 4), (4, 6), (5, 6))] == [AGREES, DISAGREES, UNDECIDED, UNDECIDED]
    assert [stays_below(*ends, 5) for ends in ((6, 8), (1, 4), (4, 6))] == [DISAGREES, AGREES, UNDECIDED]


def test_flips_are_memorised_if_those_of_every_group_are() -> None:
    good = memorised({"near": [100.0, 96.0], "random": np.array([[95.0, 95.0]])})
    assert (good.verdict, good.n) == (AGREES, 4)
    assert good.evidence == "96.5 % of the flips, least of `random`: 95.0 %"
    bad = memorised({"near": [100.0, 100.0, 100.0], "random": [94.97]})
    assert bad.verdict == DISAGREES and bad.evidence == "97.5 % of the flips, least of `random`: 94.9 %"
    assert memorised({"all": [27.0]}).evidence == "27.0 % of the flips"
    assert memorised({"all": [95.0]}).verdict == AGREES


def test_one_group_may_decide_alone_and_the_worst_of_the_others_is_told() -> None:
    good = memorised({"random": [96.0], "near": [60.0], "far": [99.0]}, needed="random")
    assert (good.verdict, good.evidence) == (AGREES, "96.0 % of the `random` flips; least of `near`: 60.0 %")
    bad = memorised({"random": [94.97], "near": [99.0]}, needed="random")
    assert (bad.verdict, bad.evidence) == (DISAGREES, "94.9 % of the `random` flips")
    assert bad.void == "only 94.9 % of the `random` flips were memorised"


def test_a_claim_is_told_that_its_effect_is_below_the_planned_one() -> None:
    plan = Plan(5, 2, GUESS)
    small = above("it rises", "rise", [0.1, 0.0, 0.2], limit=1.0, plan=plan)
    assert small.verdict == DISAGREES and "planned for" not in small.evidence
    open_ = above("it rises", "rise", [0.1, -0.2, 0.4], plan=plan, tests=2)
    assert open_.verdict == UNDECIDED and ", for 2 tests" not in open_.evidence
    assert " for 2 tests at once, below the 5 planned for, 3 replicates" in open_.evidence
    assert "planned for" not in above("it rises", "rise", [-9, 9, 4], plan=plan).evidence


def test_without_memorisation_every_other_verdict_is_void_and_says_why() -> None:
    others = [above("it rises", "rise", [3, 4, 5]), within("nothing happens", "change", [0.1, 0.2], margin=1.0)]
    good, bad = memorised({"all": [99.0]}), memorised({"all": [27.0, 28.0]})
    assert void_unless_memorised([*others, good]) == [*others, good]
    assert void_unless_memorised(others) == others
    first, same, second = void_unless_memorised([others[0], bad, others[1]])
    assert same == bad and same.document().keys() == first.document().keys()
    assert first == Verdict("it rises", VOID, "only 27.5 % of the flips were memorised")
    assert (second.claim, second.verdict, second.estimate, second.n) == ("nothing happens", VOID, None, 0)
    assert void_unless_memorised([others[0], memorised({"all": [27.0]}, spared=["it rises"])])[0] == others[0]
    several = void_unless_memorised([others[0], memorised({"near": [60.0], "random": [99.0]})])[0]
    assert several.evidence == "only 60.0 % of the `near` flips were memorised"
