"""Every reference attack and the template through a stranger's door, and what is special about each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lnbench
import tiny
import toy
from lnbench import data, surrogates
from lnbench.evaluation.machine import resolved_sandbox
from lnbench.poison.run import Submission, poison
from lnbench.protocol import Streams, Track, changed
from lnbench.protocol.poisoner import Problem, Threat

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "attacks").glob("*.py")), ROOT / "submissions" / "my_poisoner.py"]
CHEAP: dict[str, dict[str, int]] = {
    "adversarial_path": {"surrogates": 1, "max_steps": 60},
    "bilevel": {"surrogates": 2, "steps": 10},
    "boundary_distance": {"surrogates": 1, "max_steps": 60},
    "datamodel": {"surrogates": 4},
    "degree_intersection": {"surrogates": 1},
    "gradient_alignment": {"surrogates": 3},
    "matched_search": {"surrogates": 4, "candidates": 2},
    "min_colouring": {"surrogates": 1},
    "most_of_class": {"surrogates": 1, "max_steps": 60},
    "random_search": {"surrogates": 4},
    "trajectory_matching": {"surrogates": 6},
}
FOR_FEATURES_ONLY = {"dominating_set", "gaussian_density", "high_degree"}
"""Attacks that train surrogates with `space=features` alone."""
IN_A_MOMENT = {"adversarial_path", "matched_search", "mean_matching", "my_poisoner", "random_flip"}


def _problem(n: int = 300, budget: int = 4, seed: int = 0) -> Problem:
    points = data.load(Track.from_document(tiny.document()), 0)
    return Problem(
        inputs=points.inputs[:n],
        labels=points.labels[:n],
        num_classes=10,
        budget=budget,
        pairs=((9, 0),),
        threat=Threat("linf", 0.1, 20),
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize(
    "path",
    [p if p.stem in IN_A_MOMENT else pytest.param(p, marks=pytest.mark.slow) for p in FILES],
    ids=lambda p: p.stem,
)
def test_every_attack_spends_its_budget_within_the_rules_and_says_what_it_is(path: Path) -> None:
    track = Track.from_document(tiny.document())
    points = data.load(track, 1)
    submission = Submission.from_file(path, CHEAP.get(path.stem, {}))
    poisoned = poison(submission, points, track, 1, Streams(track.sha256), mode=resolved_sandbox("auto"), seconds=600)
    assert len(changed(points.labels, poisoned.labels)) == track.noise.budget
    assert poisoned.description.endswith(".")
    assert (poisoned.trainings > 0) == ("surrogates" in poisoned.parameters and path.stem not in FOR_FEATURES_ONLY)
    most = poisoned.parameters.get("surrogates", 0)
    assert isinstance(most, int) and poisoned.trainings <= most


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Surrogates that are trained for a moment."""
    short = {
        name: {10**9: (options, recipe.replaced(steps=8, batch=16))}
        for name, sizes in surrogates.RECIPES.items()
        for options, recipe in [sizes[1000]]
    }
    monkeypatch.setattr(surrogates, "RECIPES", short)


NEW = [p for p in FILES if p.stem not in {"random_flip", "adversarial_path"}]


@pytest.mark.parametrize("path", NEW, ids=lambda p: p.stem)
@pytest.mark.usefixtures("briefly")
def test_the_corners_of_a_problem_are_defined(path: Path) -> None:
    """No budget, one beyond the class, a class of one point, no time left, a class all alike: the best valid answer."""

    def flipped(problem: Problem) -> int:
        labels = toy.attack(path.stem, **CHEAP.get(path.stem, {})).poison(problem)
        changes = changed(problem.labels, labels)
        assert {(old, new) for _, old, new in changes} <= {(9, 0)}
        return len(changes)

    whole = _problem(n=120)
    nines, others = whole.eligible, np.flatnonzero(whole.labels != 9)

    def only(indices: np.ndarray, **fields: Any) -> Problem:
        inputs, labels = whole.inputs[indices], whole.labels[indices]
        return dataclasses.replace(whole, inputs=inputs, labels=labels, rng=np.random.default_rng(0), **fields)

    assert flipped(only(np.arange(120))) == 4
    assert flipped(only(np.arange(120), budget=0)) == 0
    assert flipped(only(np.arange(120), budget=len(nines) + 3)) == len(nines)
    assert flipped(only(np.array([*others, nines[0]]))) == 1
    assert flipped(only(np.arange(120), deadline=0.0)) == 4
    assert flipped(only(np.array([*others, *[nines[0]] * 6]))) == 4


@pytest.mark.parametrize("path", NEW, ids=lambda p: p.stem)
@pytest.mark.usefixtures("briefly")
def test_the_same_problem_gives_the_same_labels(path: Path) -> None:
    draws = [
        toy.attack(path.stem, **CHEAP.get(path.stem, {})).poison(_problem(n=120, seed=seed)).tolist() for seed in (0, 0)
    ]
    assert draws[0] == draws[1]


def test_random_flips_follow_the_problems_generator_alone() -> None:
    attack = toy.loaded(ROOT / "attacks" / "random_flip.py").RandomFlip()
    draws = [tuple(attack.poison(_problem(seed=s))) for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_path_buckets_are_disjoint_slices_by_distance() -> None:
    module = toy.loaded(ROOT / "attacks" / "adversarial_path.py")
    chosen = {}
    for bucket in module.BUCKETS:
        problem = _problem(n=898, budget=15)
        labels = module.AdversarialPath(bucket=bucket, surrogates=1, max_steps=60).poison(problem)
        chosen[bucket] = set(np.flatnonzero(labels != problem.labels))
    assert all(len(flips) == 15 for flips in chosen.values())
    assert len(set.union(*chosen.values())) == 5 * 15

    problem = _problem(n=898)
    zeros = problem.inputs[problem.labels == 0].mean(0)
    away = {
        b: np.linalg.norm((problem.inputs[list(i)] - zeros).reshape(15, -1), axis=1).mean() for b, i in chosen.items()
    }
    assert away["nearest"] < away["farthest"]


def test_a_bucket_that_does_not_exist_is_named() -> None:
    module = toy.loaded(ROOT / "attacks" / "adversarial_path.py")
    with pytest.raises(ValueError, match="bucket is one of nearest, near, middle, far, farthest; got 'nearby'"):
        module.AdversarialPath(bucket="nearby").poison(_problem())


def test_a_budget_as_large_as_the_class_flips_all_of_it() -> None:
    problem = _problem()
    everything = len(problem.eligible)
    module = toy.loaded(ROOT / "attacks" / "adversarial_path.py")
    whole = _problem(budget=everything)
    labels = module.AdversarialPath(bucket="far", surrogates=1, max_steps=5).poison(whole)
    assert not (labels == 9).any()


def test_the_template_spreads_its_flips_best_first() -> None:
    poisoner = toy.loaded(ROOT / "submissions" / "my_poisoner.py").MyPoisoner()
    # Three clusters on a line: of two flips one belongs in each of the two heavy clusters, at their medoids.
    points = np.array([0.0, 0.1, 0.2, 0.7, 0.8, 0.9, 0.5], dtype=np.float32).reshape(-1, 1)
    problem = Problem(
        inputs=points,
        labels=np.array([1, 1, 1, 1, 1, 1, 1]),
        num_classes=2,
        budget=2,
        pairs=((1, 0),),
        threat=Threat("linf", 0.1, 20),
        rng=np.random.default_rng(0),
    )
    assert set(np.flatnonzero(poisoner.poison(problem) == 0)) == {6, 1}
    three = dataclasses.replace(problem, budget=3)
    assert set(np.flatnonzero(poisoner.poison(three) == 0)) == {6, 1, 4}


def test_attacks_are_poisoners_with_one_class_each() -> None:
    for path in FILES:
        own = vars(toy.loaded(path)).values()
        classes = [c for c in own if isinstance(c, type) and issubclass(c, lnbench.Poisoner)]
        assert len([c for c in classes if c is not lnbench.Poisoner]) == 1, path.name
