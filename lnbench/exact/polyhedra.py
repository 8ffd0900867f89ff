"""How far a point is from a polyhedron inside a box, in ℓ∞, ℓ2 or ℓ1: the one question behind every exact adversary.

Most of a polyhedron's faces never matter near a point. So a few are taken, the relaxed problem is solved, the faces
that its solution breaks are added, and so on: each relaxation is a lower bound, and the first that breaks nothing is
the answer. ℓ∞ and ℓ1 are linear programmes (HiGHS), ℓ2 is a least-distance problem by non-negative least squares
(Lawson & Hanson 1974, chapter 23).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from lnbench.errors import ProtocolError, UnavailableError

Norm = Literal["linf", "l2", "l1"]
Bounds = tuple[float, float] | None
"""Smallest and largest value of every coordinate; None if there are none."""

TOLERANCE = 1e-7
"""Distances are known to this, in units of the inputs: a polyhedron that lies no more than this beyond a radius counts
as reached, in the adversary's favour. Polyhedra and balls are closed, so touching is reaching."""
_FACES = 15
"""Faces that the first relaxation has, and that each later one adds at most."""
_DUAL = {"linf": 1, "l2": 2, "l1": np.inf}
"""Norm -> the order of its dual norm."""
_METRICS = {"linf": "cityblock", "l2": "euclidean", "l1": "chebyshev"}
"""Norm -> SciPy's name for the distance in its dual norm."""


def distance(
    normals: np.ndarray, offsets: np.ndarray, x: np.ndarray, *, norm: Norm, most: float, bounds: Bounds = (0.0, 1.0)
) -> float:
    """The smallest ‖x′ − x‖ with normals @ x′ ≤ offsets and x′ in the box; infinite if it is more than `most`.

    Args:
        normals, offsets: the polyhedron's faces, (face, d) and (face,).
        x: (d,), inside the box.
        most: the largest distance that is of interest, at least 0.

    Raises:
        ProtocolError: if `most` is negative or not finite, or there is no such norm.
        UnavailableError: if the solver fails: that says nothing about the distance.
    """
    if norm not in _DUAL:
        raise ProtocolError(f"the norm must be linf, l2 or l1; got {norm!r}.")
    if not 0 <= most < np.inf:
        raise ProtocolError(f"the largest distance of interest must be finite and at least 0; got {most}.")
    size = np.linalg.norm(normals, _DUAL[norm], axis=1)
    slack = offsets - normals @ x
    if (slack[size == 0] < -TOLERANCE).any():
        return np.inf
    normals, slack, size = normals[size > 0], slack[size > 0], size[size > 0]
    far = slack / size
    if not len(far) or far.min() >= 0:
        return 0.0
    if -far.min() > most + TOLERANCE:  # the farthest face alone
        return np.inf
    low, high = np.full_like(x, -most - TOLERANCE), np.full_like(x, most + TOLERANCE)
    if bounds is not None:
        low, high = np.maximum(low, bounds[0] - x), np.minimum(high, bounds[1] - x)
    if (np.where(normals > 0, normals * low, normals * high).sum(1) > slack + TOLERANCE * size).any():
        return np.inf
    solve = _least_distance if norm == "l2" else _linear_programme
    rows = np.argsort(far, kind="stable")[:_FACES]
    while True:
        step = solve(normals[rows], slack[rows], low, high, norm)
        if step is None:
            return np.inf
        bound = float(np.linalg.norm(step, {"linf": np.inf, "l2": 2, "l1": 1}[norm]))
        if bound > most + TOLERANCE:
            return np.inf
        beyond = (normals @ step - slack) / size
        if beyond[rows].max() > TOLERANCE:
            raise UnavailableError(_failed(f"its answer breaks a face by {beyond[rows].max():.1e}"))
        broken = np.setdiff1d(np.flatnonzero(beyond > TOLERANCE / 10), rows)
        if not len(broken):
            return bound
        rows = np.union1d(rows, broken[np.argsort(-beyond[broken], kind="stable")[:_FACES]])


def dual_distances(these: np.ndarray, those: np.ndarray, norm: Norm) -> np.ndarray:
    """The distances of points, (m, d) and (n, d), in the dual norm, (m, n): what a step of size 1 gains between two."""
    from scipy.spatial.distance import cdist

    sizes: np.ndarray = cdist(these, those, _METRICS[norm])
    return sizes


def _linear_programme(
    normals: np.ndarray, slack: np.ndarray, low: np.ndarray, high: np.ndarray, norm: str
) -> np.ndarray | None:
    """The smallest step in ℓ∞ or ℓ1 that satisfies the faces, (d,); None if no step does."""
    from scipy.optimize import linprog

    d = len(low)
    if norm == "linf":  # the step and its size t: minimise t, −t ≤ step ≤ t
        ball = np.block([[np.eye(d), -np.ones((d, 1))], [-np.eye(d), -np.ones((d, 1))]])
        faces = np.r_[np.c_[normals, np.zeros(len(normals))], ball]
        limits, cost = np.r_[slack, np.zeros(2 * d)], np.r_[np.zeros(d), 1.0]
        lows, highs = np.r_[low, 0.0], np.r_[high, max(float(high.max()), float(-low.min()), 0.0)]
    else:  # its positive and negative parts: minimise their sum
        faces, limits, cost = np.c_[normals, -normals], slack, np.ones(2 * d)
        lows, highs = np.zeros(2 * d), np.maximum(np.r_[high, -low], 0.0)
    try:
        made = linprog(
            cost,
            A_ub=faces,
            b_ub=limits,
            bounds=np.c_[lows, highs],
            method="highs",
            options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
        )
    except MemoryError:
        raise UnavailableError(_failed("it ran out of memory")) from None
    if made.status == 2:
        return None
    if made.status != 0:
        raise UnavailableError(_failed(str(made.message)))
    step: np.ndarray = made.x[:d] if norm == "linf" else made.x[:d] - made.x[d:]
    return step


def _least_distance(
    normals: np.ndarray, slack: np.ndarray, low: np.ndarray, high: np.ndarray, norm: str
) -> np.ndarray | None:
    """The smallest step in ℓ2 that satisfies the faces and the box, (d,); None if none does.

    min ‖z‖ with A z ≥ h is min ‖E u − f‖ over u ≥ 0 with E = [Aᵀ; hᵀ], f = (0, …, 0, 1): with the residual r = E u − f,
    z_j = −r_j / r_{d+1}, and no z exists where r = 0.
    """
    from scipy.optimize import nnls

    d = len(low)
    size = np.linalg.norm(normals, axis=1, keepdims=True)
    a = np.r_[-normals / size, np.eye(d), -np.eye(d)]
    h = np.r_[-slack / size[:, 0], low, -high]
    f = np.r_[np.zeros(d), 1.0]
    try:
        u, _ = nnls(np.r_[a.T, h[None]], f, maxiter=100 * len(h))
    except RuntimeError as error:
        raise UnavailableError(_failed(str(error))) from None
    except MemoryError:
        raise UnavailableError(_failed("it ran out of memory")) from None
    r = np.r_[a.T, h[None]] @ u - f
    if -r[d] < 1e-12:
        return None
    step: np.ndarray = -r[:d] / r[d]
    return step


def _failed(why: str) -> str:
    """The sentence of a solver that gave no answer."""
    return f"the solver could not say whether a perturbation reaches a region ({why}); nothing was counted. Run again."
