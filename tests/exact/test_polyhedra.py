"""Distances to polyhedra: closed forms, dense sampling, borders, and solvers that fail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.exact.polyhedra import TOLERANCE, Norm, distance, dual_distances

NORMS: tuple[Norm, ...] = ("linf", "l2", "l1")
ORDER: dict[Norm, float] = {"linf": np.inf, "l2": 2, "l1": 1}
DUAL: dict[Norm, float] = {"linf": 1, "l2": 2, "l1": np.inf}


@pytest.mark.parametrize("norm", NORMS)
def test_one_face_is_as_far_as_the_dual_norm_says(norm: Norm) -> None:
    """Inside the box, the distance to a half-space is its violation over the dual norm of its normal."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        normal, x = rng.normal(size=(1, 5)), np.full(5, 0.5)
        offset = normal @ x - 0.1 * np.linalg.norm(normal, DUAL[norm], axis=1)
        assert distance(normal, offset, x, norm=norm, most=1.0) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_dual_distances_are_dual_norms_of_differences(norm: Norm) -> None:
    rng = np.random.default_rng(3)
    these, those = rng.normal(size=(4, 7)), rng.normal(size=(6, 7))
    wanted = np.linalg.norm(these[:, None] - those[None], DUAL[norm], axis=2)
    np.testing.assert_allclose(dual_distances(these, those, norm), wanted, rtol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_no_point_of_a_dense_grid_is_nearer_and_one_is_hardly_farther(
    norm: Norm, bounds: tuple[float, float] | None
) -> None:
    rng, axis = np.random.default_rng(1), np.linspace(-0.5, 1.5, 401)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    if bounds is not None:
        grid = grid[((grid >= bounds[0] - 1e-9) & (grid <= bounds[1] + 1e-9)).all(1)]
    finite = 0
    for _ in range(25):
        normals, x = rng.normal(size=(6, 2)), rng.random(2)
        offsets = normals @ rng.random(2) + 0.1 * rng.random(6)
        inside = grid[(grid @ normals.T <= offsets + 1e-12).all(1)]
        best = np.linalg.norm(inside - x, ORDER[norm], axis=1).min() if len(inside) else np.inf
        found = distance(normals, offsets, x, norm=norm, most=0.6, bounds=bounds)
        if found < np.inf:
            finite += 1
            assert found <= best + TOLERANCE
            assert best <= found + 0.03 or not len(inside)
        else:
            assert best > 0.6 - 1e-9
    assert finite > 10


@pytest.mark.parametrize("norm", NORMS)
def test_a_polyhedron_that_is_only_touched_is_reached(norm: Norm) -> None:
    """x' >= 0.5 in the first coordinate, x at 0.25: at a radius of exactly 0.25 the closed ball touches."""
    normals, offsets, x = np.array([[-1.0, 0.0]]), np.array([-0.5]), np.array([0.25, 0.5])
    assert distance(normals, offsets, x, norm=norm, most=0.25) == pytest.approx(0.25, abs=2 * TOLERANCE)
    assert distance(normals, offsets, x, norm=norm, most=0.25 - 3 * TOLERANCE) == np.inf


@pytest.mark.parametrize("norm", NORMS)
def test_the_box_cuts_the_ball(norm: Norm) -> None:
    """What lies beyond the box is not reached, however near it is."""
    normals, offsets, x = np.array([[-1.0, -1.0]]), np.array([-2.1]), np.array([0.9, 0.9])
    assert distance(normals, offsets, x, norm=norm, most=1.0, bounds=None) < 1.0
    assert distance(normals, offsets, x, norm=norm, most=1.0) == np.inf


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_of_nothing_asks_where_the_point_is(norm: Norm) -> None:
    normals, x = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.5])
    assert distance(normals, np.array([0.5, 0.7]), x, norm=norm, most=0.0) == 0.0
    assert distance(normals, np.array([0.4, 0.7]), x, norm=norm, most=0.0) == np.inf


def test_an_empty_polyhedron_is_nowhere() -> None:
    normals, x = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0.5, 0.5])
    for norm in NORMS:
        assert distance(normals, np.array([0.4, -0.6]), x, norm=norm, most=0.5) == np.inf
        assert distance(np.zeros((1, 2)), np.array([-1.0]), x, norm=norm, most=0.5) == np.inf


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_a_linear_programme_that_fails_is_an_error(norm: Norm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never *not reached*."""
    args = np.array([[-1.0, 0.0]]), np.array([-0.5]), np.array([0.25, 0.5])
    for status in (1, 3, 4):
        failed = SimpleNamespace(status=status, message="numerical difficulties", x=None)
        monkeypatch.setattr(scipy.optimize, "linprog", lambda *a, made=failed, **k: made)
        with pytest.raises(UnavailableError, match=r"numerical difficulties.*nothing was counted"):
            distance(*args, norm=norm, most=0.3)

    def full(*args: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(scipy.optimize, "linprog", full)
    with pytest.raises(UnavailableError, match="out of memory"):
        distance(*args, norm=norm, most=0.3)


def test_an_answer_that_breaks_a_face_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SimpleNamespace(status=0, message="", x=np.zeros(3))
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *a, **k: wrong)
    with pytest.raises(UnavailableError, match="breaks a face"):
        distance(np.array([[-1.0, 0.0]]), np.array([-0.5]), np.array([0.25, 0.5]), norm="linf", most=0.3)


def test_least_squares_that_fail_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(scipy.optimize, "nnls", fails)
    with pytest.raises(UnavailableError, match="Maximum number of iterations"):
        distance(np.array([[-1.0, 0.0]]), np.array([-0.5]), np.array([0.25, 0.5]), norm="l2", most=0.3)


def test_what_makes_no_sense_is_refused() -> None:
    args = np.array([[-1.0]]), np.array([-0.5]), np.array([0.25])
    with pytest.raises(ProtocolError, match="linf, l2 or l1"):
        distance(*args, norm="l3", most=1.0)  # type: ignore[arg-type]
    for most in (-0.1, np.inf, np.nan):
        with pytest.raises(ProtocolError, match="finite and at least 0"):
            distance(*args, norm="l2", most=most)
