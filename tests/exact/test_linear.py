"""Linear victims: trained to the optimum, attacked as the closed form says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from lnbench.errors import UnavailableError
from lnbench.exact import linear
from lnbench.exact.linear import Options, Victim
from lnbench.exact.polyhedra import Norm, dual_distances

RNG = np.random.default_rng(0)
X = RNG.random((60, 5))
Y = (X @ RNG.normal(size=(5, 3))).argmax(1)


def test_ridge_is_what_scikit_learn_fits() -> None:
    made = Victim(X, Y, 3, norm="l2", options=Options(loss="ridge", penalty=0.1))
    theirs = Ridge(alpha=0.1 * len(X)).fit(X, np.where(Y[:, None] == np.arange(3), 1.0, -1.0))
    np.testing.assert_allclose(made.weight, theirs.coef_, atol=1e-10)
    np.testing.assert_allclose(made.bias, theirs.intercept_, atol=1e-10)


def test_logistic_regression_is_what_scikit_learn_fits() -> None:
    made = Victim(X, Y, 3, norm="l2", options=Options(penalty=0.01))
    theirs = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-12, max_iter=10000).fit(X, Y)
    np.testing.assert_allclose(made.weight, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(made.bias - made.bias.mean(), theirs.intercept_ - theirs.intercept_.mean(), atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_two_classes_are_as_far_as_their_margin(norm: Norm) -> None:
    """Without a box the distance to the other class is the margin over the dual norm of the weights' difference."""
    victim = Victim(X, Y % 2, 2, norm=norm, bounds=None)
    apart = victim.weight[1] - victim.weight[0]
    margin = X @ apart + victim.bias[1] - victim.bias[0]
    wanted = np.maximum(-margin, 0) / dual_distances(apart[None], np.zeros_like(apart[None]), norm)[0, 0]
    for level in np.quantile(wanted, [0.3, 0.6, 0.9]):
        reached = victim.radii(X, {1}, [level]) <= level
        assert (reached == (wanted <= level + 1e-7)).all() and reached.any()


def test_search_breaks_nothing_that_is_denied() -> None:
    victim, rng, level = Victim(X, Y, 3, norm="linf"), np.random.default_rng(1), 0.1
    for goal in range(3):
        denied = np.isinf(victim.radii(X, {goal}, [level]))
        for x in X[denied]:
            tried = np.clip(x + rng.choice([-level, 0, level], (300, 5)), 0, 1)
            assert goal not in victim.predict(tried)
        assert 0 < denied.sum() < len(X)
    away = [victim.radii(X[i : i + 1], {0, 1, 2} - {int(Y[i])}, [0.05, 0.1])[0] for i in range(len(X))]
    each = [[victim.radii(X[i : i + 1], {c}, [0.05, 0.1])[0] for c in {0, 1, 2} - {int(Y[i])}] for i in range(len(X))]
    assert away == [min(some) for some in each]


def test_a_class_that_no_point_has_is_never_predicted() -> None:
    labels = np.where(Y == 1, 0, Y)
    victim = Victim(X, labels, 3, norm="l2")
    assert set(victim.predict(X)) <= {0, 2}
    assert np.isinf(victim.radii(X, {1}, [1.0])).all()


def test_training_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "_STEPS", 1)
    with pytest.raises(UnavailableError, match="optimum in 1 Newton"):
        Victim(X, Y, 3, norm="l2")
