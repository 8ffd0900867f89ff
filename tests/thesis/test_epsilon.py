"""The radius that the rule takes, from made-up curves and from results as they are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lnbench.thesis import epsilon, flip_set_results
from lnbench.thesis.verdicts import AGREES, UNDECIDED, VOID, Verdict, above


@pytest.mark.parametrize(
    ("clean", "random", "taken"),
    [
        ([95, 80, 25], [90, 62, 9], 1),
        ([95, 80, 70], [90, 62, 45], 2),
        ([95, 52, 40], [90, 50, 20], 2),  # at the second radius flips do too little
        ([95, 60, 12], [92, 55, 9], 1),  # at none do they do enough: nearest 50 % of all
        ([90, 70], [60, 40], 0),  # equally near: the first
    ],
)
def test_the_rule_takes_the_radius_nearest_50_percent_where_flips_do_something(
    clean: list[float], random: list[float], taken: int
) -> None:
    spread = np.array([-3.0, 3.0])
    assert epsilon.chosen(np.array(clean)[:, None] + spread, np.array(random)[:, None] + spread) == taken


def test_a_single_radius_is_a_list_of_one() -> None:
    assert epsilon.radii(0.1) == [0.1] and epsilon.radii([0.1, 0.2]) == [0.1, 0.2]
    assert epsilon.at({"epsilon": 0.1}, 0) == 0.1 and epsilon.at({"epsilon": [0.1, 0.2]}, 1) == 0.2


def test_the_rule_and_what_it_took_in_words() -> None:
    assert epsilon.rule([0.02, 0.1]).startswith("Of ε = 0.02, 0.1 the verdicts take the one at which")
    assert epsilon.rule(0.05).startswith("ε is 0.05, which was set before")
    spread, settings = np.array([-3.0, 3.0]), {"epsilon": [0.02, 0.05]}
    for clean, random, said in (
        ([95, 80], [90, 52], "ε = 0.05 (AA with random flips 52 %, at the edge of the radii tried)"),
        ([95, 60], [60, 30], "ε = 0.02 (AA with random flips 60 %)"),
        ([95, 60], [90, 55], "ε = 0.05 (AA with random flips 55 %; at no radius are clean networks 10 pp above it)"),
    ):
        curves = (np.array(values)[:, None] + spread for values in (clean, random))
        assert epsilon.taken(settings, *curves) == said
    assert epsilon.taken({"epsilon": 0.05}, np.array([[90.0]]), np.array([[50.0]])) == "ε = 0.05"


def _results(several: bool) -> list[dict[str, Any]]:
    """Two splits; the second radius is that of the rule."""
    found = []
    for shift in (0.0, 0.02):
        clean, sets = [0.9, 0.8, 0.3], {"random": [[0.85, 0.5, 0.0], [0.83, 0.52, 0.02]], "near": [[0.9, 0.6, 0.1]]}
        result: dict[str, Any] = {
            "clean": [value + shift for value in clean],
            "aa": {group: [[v + shift for v in curve] for curve in curves] for group, curves in sets.items()},
            "memorised": {"random": [1.0, 1.0], "near": [1.0]},
        }
        if not several:
            result["clean"] = result["clean"][1]
            result["aa"] = {group: [curve[1] for curve in curves] for group, curves in result["aa"].items()}
        found.append({"cell": {}, "result": result})
    return found


@pytest.mark.parametrize("several", [True, False])
def test_results_are_read_at_the_radius_of_the_rule(several: bool) -> None:
    results = _results(several)
    assert flip_set_results.radius(results) == int(several)
    assert flip_set_results.aa(results, "near").tolist() == [pytest.approx([60, 62])]
    assert flip_set_results.random_aa(results).tolist() == pytest.approx([51, 53])
    assert flip_set_results.clean_aa(results).tolist() == pytest.approx([80, 82])
    assert flip_set_results.aa_curves(results, "random").shape == (3 if several else 1, 2, 2)


def test_without_random_sets_every_set_is_random() -> None:
    results = _results(True)
    for entry in results:
        del entry["result"]["aa"]["random"]
    assert flip_set_results.random_curve(results)[1].tolist() == pytest.approx([60, 62])


def test_nothing_is_said_about_beating_random_flips_that_do_nothing() -> None:
    settings, claim = {"epsilon": [0.02, 0.05, 0.1]}, above("they are worse", "AA", [3, 4, 5])
    good, condition = flip_set_results.against_random(settings, _results(True), [claim])
    assert good == claim and condition.verdict == AGREES and "ε = 0.05" in condition.evidence
    idle = _results(True)
    for shift, entry in zip((-0.01, 0.02), idle, strict=True):
        entry["result"]["aa"]["random"] = [[value + shift for value in entry["result"]["clean"]]] * 2
    void, condition = flip_set_results.against_random(settings, idle, [claim])
    assert condition.verdict == UNDECIDED and void.verdict == VOID and void.claim == claim.claim
    assert void.evidence.startswith("random flips do not measurably lower AA") and void.estimate is None


def test_claims_about_a_set_that_is_not_memorised_are_void() -> None:
    results: Any = [
        {"cell": {}, "result": {"memorised": {"bins": [1.0, 1.0, first, 1.0], "random": [1.0]}}} for first in (1.0, 0.8)
    ]
    claim = Verdict("it rises", AGREES, "", n=3)
    (void,) = flip_set_results.each_memorised(results, "bins", [claim], "bin")
    assert void == Verdict("it rises", VOID, "only 90.0 % of the flips of bin 3 were memorised")
    assert flip_set_results.memorisation(results).verdict == AGREES
    for only, kept in ((0, True), (2, False), (-1, True)):
        assert (flip_set_results.each_memorised(results, "bins", [claim], "bin", only=only) == [claim]) is kept
    (pair,) = flip_set_results.each_memorised(results, "bins", [claim], "bin", draws=2)
    assert pair == claim  # 95 % of the second two sets' flips
    assert flip_set_results.each_memorised(results, "random", [claim]) == [claim]
