"""The nearest neighbour's adversary: brute force, search, and where cells, points and labels coincide."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from lnbench import data
from lnbench.exact.nearest import Cells, Victim
from lnbench.exact.polyhedra import TOLERANCE, Norm
from lnbench.protocol import Streams
from lnbench.protocol import track as tracks

NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")
ORDER: dict[Norm, float] = {"linf": np.inf, "l2": 2, "l1": 1}


@pytest.mark.parametrize("norm", NORMS)
def test_brute_force_on_the_square_agrees(norm: Norm) -> None:
    """Of a fine grid of the square each point is asked for its nearest neighbour: no cell is nearer than is said."""
    rng, axis = np.random.default_rng(0), np.linspace(0, 1, 251)
    points, tests = rng.random((12, 2)), rng.random((15, 2))
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    owner = ((grid[:, None] - points[None]) ** 2).sum(-1).argmin(1)
    cells, levels = Cells(points, norm), [0.05, 0.15, 0.3]
    found = cells.reached(tests, np.arange(12), levels)
    apart = np.linalg.norm(grid[None] - tests[:, None], ORDER[norm], axis=-1)
    for i in range(12):
        nearest = apart[:, owner == i].min(1)
        for row, value in enumerate(nearest):
            said = found[row, i]
            below = max([0.0, *(level for level in levels if level < said)])
            assert value <= said + 0.012 and value > below - 1e-9
    any_of = cells.reached_any(tests, np.array([1, 5, 7]), levels)
    assert (any_of == found[:, [1, 5, 7]].min(1)).all()
    assert np.isfinite(found).mean() > 0.2 and np.isinf(found).any()


@pytest.mark.parametrize("norm", NORMS)
def test_lower_bounds_are_below_and_exact_distances_say_the_same_as_levels(norm: Norm) -> None:
    rng = np.random.default_rng(1)
    points, tests = rng.random((20, 4)), rng.random((6, 4))
    cells, of, levels = Cells(points, norm), np.arange(20), [0.1, 0.2, 0.4]
    exact = np.array([[cells.distance(x, int(i), 0.4) for i in of] for x in tests])
    assert (cells.lower_bounds(tests, of) <= exact + 1e-7).all()
    wanted = np.r_[levels, np.inf][np.searchsorted(np.array(levels) + TOLERANCE, exact)]
    assert (cells.reached(tests, of, levels) == wanted).all()
    known = np.full(len(tests), 0.2)
    assert (cells.reached(tests, of, levels, known) == np.where(wanted < 0.2, wanted, np.inf)).all()


def test_equal_points_share_a_cell_with_both_of_their_labels() -> None:
    """The adversary may have either label; without one the first point's counts."""
    points, labels = np.array([[0.2, 0.5], [0.8, 0.5], [0.8, 0.5]]), np.array([0, 1, 2])
    victim, x = Victim(points, labels, 3, norm="linf"), np.array([[0.7, 0.5]])
    assert victim.predict(x) == [1]
    for goal in (1, 2):
        assert victim.radii(x, {goal}, [0.0, 0.1]) == [0.0]
    assert victim.radii(x, {0}, [0.1, 0.25]) == [0.25]


def test_a_border_belongs_to_both_cells() -> None:
    points, labels = np.array([[0.25, 0.5], [0.75, 0.5]]), np.array([0, 1])
    victim = Victim(points, labels, 2, norm="linf")
    for norm in NORMS:
        victim = Victim(points, labels, 2, norm=norm)
        assert victim.radii(np.array([[0.5, 0.5]]), {0}, [0.0]) == victim.radii(np.array([[0.5, 0.5]]), {1}, [0.0]) == 0
        assert victim.radii(np.array([[0.25, 0.5]]), {1}, [0.25]) == [0.25]  # the ball just touches the border
        assert victim.radii(np.array([[0.25, 0.5]]), {1}, [0.25 - 1e-6]) == [np.inf]


def test_a_single_point_owns_everything_and_a_class_without_points_nothing() -> None:
    victim, x = Victim(np.array([[0.5]]), np.array([3]), 10, norm="l2"), np.array([[0.1], [0.9]])
    assert (victim.predict(x) == 3).all()
    assert (victim.radii(x, {3}, [0.0]) == 0).all()
    assert np.isinf(victim.radii(x, {4}, [0.5])).all()


@pytest.mark.parametrize("split", [0, 1])
def test_on_digits_no_search_breaks_what_is_denied_and_the_whole_programme_agrees(split: int) -> None:
    """Search is a lower bound; a programme with every face at once, and no bounds before it, is the same question."""
    track, epsilon = tracks.load("digits-exact"), 0.085
    points = data.load(track, split, Streams(track.sha256, "a salt of the tests"))
    x = points.test_inputs[points.test_labels == 9].reshape(-1, 64).astype(float)[:12]
    train, rng = points.inputs.reshape(-1, 64).astype(float), np.random.default_rng(split)
    cells, nines = Cells(points.inputs, "linf"), np.flatnonzero(points.labels == 9)
    reached = cells.reached(x, nines, [epsilon]) <= epsilon
    assert 0.02 < reached.mean() < 0.5
    squares = (train**2).sum(1)
    for row, one in enumerate(x):
        corners = one + epsilon * rng.choice([-1.0, 0.0, 1.0], (200, 64))
        towards = one + np.clip(train[nines] - one, -epsilon, epsilon)
        tried = np.clip(np.r_[corners, towards, one + rng.uniform(-epsilon, epsilon, (200, 64))], 0, 1)
        hit = (squares - 2 * tried @ train.T).argmin(1)
        assert set(np.flatnonzero(np.isin(nines, hit))) <= set(np.flatnonzero(reached[row]))
    for row, place in np.stack([rng.integers(len(x), size=8), rng.integers(len(nines), size=8)], 1):
        g, b = 2 * (train - train[nines[place]]), squares - squares[nines[place]]
        box = np.c_[np.maximum(x[row] - epsilon, 0), np.minimum(x[row] + epsilon, 1)]
        whole = linprog(np.zeros(64), A_ub=g, b_ub=b, bounds=box, method="highs")
        assert whole.status in (0, 2) and (whole.status == 0) == reached[row, place]
