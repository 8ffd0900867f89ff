"""The one-nearest-neighbour classifier on the line, against sampling."""

from __future__ import annotations

import numpy as np
import pytest

from lnbench.thesis.nearest_neighbour import PiecewiseLine, certified_radii

LINE = PiecewiseLine(np.array([0.0, 0.4, 0.5, 1.0]), np.array([0.5, 0.1, 0.4]), np.array([0, 1, 1]))


def _by_sampling(points: np.ndarray, labels: np.ndarray, radius: float) -> float:
    """The risk by trying a fine grid of perturbations on many draws."""
    rng = np.random.default_rng(0)
    x, true, _ = LINE.sample(4000, 0.0, rng)
    moved = x[:, None] + radius * np.linspace(-1, 1, 201)
    predicted = labels[np.abs(moved[..., None] - points).argmin(-1)]
    return float((predicted != true[:, None]).any(1).mean())


@pytest.mark.parametrize("radius", [0.0, 0.01, 0.05, 0.3])
def test_the_risk_is_that_of_sampling(radius: float) -> None:
    points, labels, _ = LINE.sample(15, 0.2, np.random.default_rng(3))
    assert LINE.adversarial_risk(points, labels, radius) == pytest.approx(
        _by_sampling(points, labels, radius), abs=0.03
    )


def test_the_critical_radius_is_where_the_risk_arrives() -> None:
    points, labels, _ = LINE.sample(15, 0.2, np.random.default_rng(3))
    critical = LINE.critical_radius(points, labels, 0.7)
    assert (
        LINE.adversarial_risk(points, labels, critical) >= 0.7 > LINE.adversarial_risk(points, labels, critical - 1e-6)
    )


def test_draws_are_as_likely_and_as_wrong_as_stated() -> None:
    points, labels, wrong = LINE.sample(50000, 0.3, np.random.default_rng(4))
    assert (np.diff(points) >= 0).all()
    assert np.mean(points < 0.4) == pytest.approx(0.5, abs=0.01)
    assert np.mean((points >= 0.4) & (points < 0.5)) == pytest.approx(0.1, abs=0.01)
    assert wrong.mean() == pytest.approx(0.3, abs=0.01)
    assert ((labels != (points >= 0.4)) == wrong).all()


def test_the_label_of_a_point_is_given_up_to_half_way_to_the_next_other_label() -> None:
    points, labels = np.array([0.0, 0.1, 0.5]), np.array([0, 0, 1])
    assert certified_radii(points, labels) == pytest.approx([0.25, 0.2, 0.2])
    assert np.isinf(certified_radii(points, np.zeros(3, int))).all()
