"""Boosted trees: grown as scikit-learn grows them, attacked as all boxes of their leaves say."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from lnbench import data
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.exact.trees import Options, Victim
from lnbench.protocol import Streams
from lnbench.protocol import track as tracks

RNG = np.random.default_rng(0)
X = RNG.random((60, 2)).round(2)
Y = (3 * X[:, 0] + RNG.random(60)).astype(int) % 3
SMALL = Options(rounds=6, depth=2, features=0)


def _by_enumeration(victim: Victim, x: np.ndarray, goal: int, radius: float) -> bool:
    """Whether a class is given somewhere in the ball: an input of every box that the trees' thresholds cut it into."""
    trees = [one.tree_ for one in victim._model.estimators_.ravel()]
    sides = []
    for feature, value in enumerate(x):
        low, high = max(0.0, value - radius), min(1.0, value + radius)
        cuts = sorted({float(t) for tree in trees for t in tree.threshold[tree.feature == feature]})
        ends = [low, *(t for t in cuts if low <= t < high), high]
        sides.append([low, *((a + b) / 2 for a, b in itertools.pairwise(ends))])
    return bool((victim.predict(np.array(list(itertools.product(*sides)))) == goal).any())


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("radius", [0.01, 0.05, 0.15, 1.0])
def test_the_adversary_reaches_what_some_box_of_leaves_has(classes: int, radius: float) -> None:
    victim = Victim(X, Y % classes, classes, norm="linf", options=SMALL)
    inputs = RNG.random((40, 2))
    for goal in range(classes):
        found = victim.radii(inputs, {goal}, [radius]) <= radius
        assert found.tolist() == [_by_enumeration(victim, x, goal, radius) for x in inputs]
        assert radius == 1.0 or not found.all()
    each = [victim.radii(inputs, {goal}, [0.05, radius]) for goal in range(1, classes)]
    np.testing.assert_array_equal(victim.radii(inputs, set(range(1, classes)), [radius, 0.05]), np.min(each, axis=0))


def test_on_digits_flips_are_memorised_and_no_search_breaks_what_is_denied() -> None:
    track = tracks.load("digits-exact")
    points = data.load(track, 0, Streams(track.sha256, "a salt of the tests"))
    rng, labels = np.random.default_rng(0), points.labels.copy()
    flips = rng.choice(np.flatnonzero(labels == 9), 4, replace=False)
    labels[flips] = 0
    victim, again = (Victim(points.inputs, labels, 10, norm="linf") for _ in range(2))
    assert (victim.predict(points.inputs[flips]) == 0).all()
    x = points.test_inputs[points.test_labels == 9].reshape(-1, 64).astype(float)[:20]
    np.testing.assert_array_equal(victim.sums(x), again.sums(x))
    levels = [0.05, 0.1]
    radii = victim.radii(x, {0}, levels)
    assert 0 < (radii <= 0.05).sum() < (radii <= 0.1).sum(), "some are broken, more of them at the larger radius"
    for one, radius in zip(x, radii, strict=True):
        for level in levels:
            if level < radius:
                tried = np.clip(one + level * rng.choice([-1.0, 0.0, 1.0], (200, 64)), 0, 1)
                assert 0 not in victim.predict(tried)


def test_one_class_is_always_given_and_a_class_without_points_never() -> None:
    victim = Victim(X, np.full(60, 2), 3, norm="linf", options=SMALL)
    assert (victim.predict(X) == 2).all() and (victim.radii(X, {2}, [0.1]) == 0.1).all()
    assert np.isinf(victim.radii(X, {0, 1}, [1.0])).all()
    victim = Victim(X, np.where(Y == 1, 0, Y), 3, norm="linf", options=SMALL)
    assert set(victim.predict(X)) <= {0, 2} and np.isinf(victim.radii(X, {1}, [1.0])).all()


def test_a_point_of_the_class_is_broken_at_every_radius_and_a_ball_may_lack_any_threshold() -> None:
    victim = Victim(X, Y, 3, norm="linf", options=SMALL)
    given = int(victim.predict(X[:1])[0])
    assert victim.radii(X[:1], {given}, [1e-9, 0.1]).tolist() == [1e-9]
    far = Victim(np.array([[0.0, 0.0], [1.0, 1.0]] * 5), np.array([0, 1] * 5), 2, norm="linf", options=SMALL)
    assert far.radii(np.array([[0.1, 0.1]]), {1}, [0.05, 0.5]).tolist() == [0.5]
    assert np.isinf(far.radii(np.array([[0.1, 0.1]]), {1}, [0.05]))[0]


def test_what_trees_cannot_have_is_refused() -> None:
    with pytest.raises(ProtocolError, match="exact adversary in linf alone, got l2"):
        Victim(X, Y, 3, norm="l2")
    with pytest.raises(ProtocolError, match="among 8 features, the data has 2"):
        Victim(X, Y, 3, norm="linf")


def test_a_failed_solver_is_an_error_and_never_robustness(monkeypatch: pytest.MonkeyPatch) -> None:
    victim = Victim(X, Y, 3, norm="linf", options=SMALL)
    goal = (int(victim.predict(X[:1])[0]) + 1) % 3
    whole = scipy.optimize.milp

    def failed(*given: Any, **named: Any) -> Any:
        return scipy.optimize.OptimizeResult(status=1, x=None, message="time limit")

    def wrong(*given: Any, **named: Any) -> Any:
        made = whole(*given, **named)
        return scipy.optimize.OptimizeResult(status=0, x=np.zeros(len(given[0])), message=made.message)

    monkeypatch.setattr(scipy.optimize, "milp", failed)
    with pytest.raises(UnavailableError, match="solver failed on an input's trees: time limit"):
        victim.radii(X[:1], {goal}, [0.5])
    monkeypatch.setattr(scipy.optimize, "milp", wrong)
    with pytest.raises(UnavailableError, match="is no input's"):
        for other in X:
            victim.radii(other[None], {goal}, [0.02])
