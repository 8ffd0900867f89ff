"""The one-nearest-neighbour victim: every training point owns its Voronoi cell and gives it its label.

A flip moves no cell, it only changes whose label one of them has. So the smallest perturbation that gives x a label of
a set is the distance from x to the nearest cell of such a label. Each distance is one small convex programme (Wang,
Liu, Yi, Zhou & Hsieh, "Evaluating the robustness of nearest neighbor classifiers: a primal-dual perspective", 2019),
and almost all cells are ruled out by a lower bound, or taken by a lucky step, before any is solved.

Ties. A cell is closed: a place that is as near to another training point belongs to both cells, and the adversary may
have either label. Equal training points share one cell, which has all of their labels. A prediction without an
adversary is the label of the nearest point, of equally near ones the first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from lnbench.exact.polyhedra import TOLERANCE, Bounds, Norm, distance, dual_distances
from lnbench.protocol.documents import Part

_CHUNK = 1 << 22
"""Numbers in one block of a table of bounds."""


class Options(Part, frozen=True):
    """This victim has no options."""


class Cells:
    """The Voronoi cells of some points.

    Args:
        points: (n, d) or (n, *shape), inside `bounds`.
        norm: of the distances.
    """

    def __init__(self, points: np.ndarray, norm: Norm, bounds: Bounds = (0.0, 1.0)) -> None:
        self.points = _flat(points)
        self.norm, self.bounds = norm, bounds
        self._squares = (self.points**2).sum(1)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The nearest point in ℓ2 of each input, of equally near ones the first, (m,) int64."""
        nearest: np.ndarray = (self._squares - 2 * _flat(x) @ self.points.T).argmin(1)
        return nearest

    def lower_bounds(self, x: np.ndarray, of: np.ndarray) -> np.ndarray:
        """For each input and each cell of `of` a distance that the cell is at least away, (m, cell).

        To reach cell i, x′ must be as near to point i as to j: a half-space, which x misses by
        (‖x − p_i‖² − ‖x − p_j‖²) / (2 ‖p_i − p_j‖_*). The bound is the largest of these over j.
        """
        return self._bounds(_flat(x), of, None)

    def left_out(self, which: np.ndarray, of: np.ndarray) -> np.ndarray:
        """`lower_bounds` of some of the points, each taken out of the others for it, (m, cell); 0 to its own cell.

        Args:
            which: (m,) places of points.
        """
        bounds = self._bounds(self.points[which], of, which)
        bounds[which[:, None] == of[None]] = 0.0
        return bounds

    def _bounds(self, x: np.ndarray, of: np.ndarray, without: np.ndarray | None) -> np.ndarray:
        """The bounds of inputs (m, d), with one point missing for each if `without` says so."""
        squares = (x**2).sum(1)[:, None] - 2 * x @ self.points.T + self._squares
        bounds = np.zeros((len(x), len(of)))
        step = max(1, _CHUNK // len(self.points))
        for start in range(0, len(of), step):
            some = of[start : start + step]
            sizes = 2 * dual_distances(self.points[some], self.points, self.norm)
            sizes[sizes == 0] = np.inf  # itself, and equal points
            for row in range(len(x)):
                misses = (squares[row, some][:, None] - squares[row]) / sizes
                if without is not None:
                    misses[:, without[row]] = 0.0
                bounds[row, start : start + step] = misses.max(1)
        return np.maximum(bounds, 0.0)

    def distance(self, x: np.ndarray, i: int, most: float) -> float:
        """How far input x, (d,), is from cell i; infinite if more than `most`. Raises as `polyhedra.distance`."""
        normals, offsets = 2 * (self.points - self.points[i]), self._squares - self._squares[i]
        return distance(normals, offsets, _flat(x[None])[0], norm=self.norm, most=most, bounds=self.bounds)

    def reached(
        self, x: np.ndarray, of: np.ndarray, levels: Sequence[float], known: np.ndarray | None = None
    ) -> np.ndarray:
        """The smallest of some radii at which each input reaches each cell of `of`, (m, cell); infinite if at none.

        Args:
            levels: ascending, each at least 0.
            known: (m,), for each input a radius from which on nothing is of interest.
        """
        x, radii = _flat(x), np.asarray(levels, dtype=float)
        table = np.full((len(x), len(of)), np.inf)
        bounds = self.lower_bounds(x, of)
        for row, one in enumerate(x):
            cap = len(radii) if known is None else int(np.searchsorted(radii, known[row] - TOLERANCE))
            best = self._touched(one, of, radii[:cap], bounds[row])
            for place in range(len(of)):
                at = self._improved(one, int(of[place]), radii[: best[place]], bounds[row, place])
                if at < cap:
                    table[row, place] = radii[at]
        return table

    def reached_any(self, x: np.ndarray, of: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """The smallest of some radii at which each input reaches some cell of `of`, (m,); infinite if at none."""
        x, radii = _flat(x), np.asarray(levels, dtype=float)
        ends, bounds = np.r_[radii, np.inf], self.lower_bounds(x, of)
        found = np.full(len(x), len(radii))
        for row, one in enumerate(x):
            best = int(self._touched(one, of, radii, bounds[row]).min(initial=len(radii)))
            for place in np.argsort(bounds[row], kind="stable"):
                if best == 0 or bounds[row, place] > radii[best - 1] + TOLERANCE:
                    break
                best = self._improved(one, int(of[place]), radii[:best], bounds[row, place])
            found[row] = best
        return np.asarray(ends[found])

    def _improved(self, x: np.ndarray, i: int, radii: np.ndarray, bound: float) -> int:
        """The place of the smallest radius at which x reaches cell i; their number if it is none of these."""
        if not len(radii) or bound > radii[-1] + TOLERANCE:
            return len(radii)
        return int(np.searchsorted(radii + TOLERANCE, self.distance(x, i, float(radii[-1]))))

    def _touched(self, x: np.ndarray, of: np.ndarray, radii: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """For each cell the place of the smallest radius at which a step straight to its point lands in it, (cell,).

        A lucky step proves that the cell is reached; their number where none does.
        """
        best, towards = np.full(len(of), len(radii)), self.points[of] - x
        for at in reversed(range(len(radii))):
            some = np.flatnonzero(bounds <= radii[at] + TOLERANCE)
            step = towards[some]
            if self.norm == "linf":
                step = np.clip(step, -radii[at], radii[at])
            else:
                size = np.linalg.norm(step, 2 if self.norm == "l2" else 1, axis=1, keepdims=True)
                step = step * np.minimum(1.0, radii[at] / np.maximum(size, TOLERANCE))
            squares = self._squares - 2 * (x + step) @ self.points.T  # less ‖x + step‖², the same for all points
            inside = squares[np.arange(len(some)), of[some]] <= squares.min(1, initial=np.inf)
            best[some[inside]] = at
        return best


class Victim:
    """A one-nearest-neighbour classifier with its exact adversary.

    Args:
        inputs: (n, *shape), inside `bounds`.
        labels: (n,) integers.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        labels: np.ndarray,
        num_classes: int,
        *,
        norm: Norm,
        bounds: Bounds = (0.0, 1.0),
        options: Options | None = None,
    ) -> None:
        self.cells, self.labels = Cells(inputs, norm, bounds), labels

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The classes of inputs, (m,) int64."""
        classes: np.ndarray = self.labels[self.cells.predict(x)]
        return classes

    def radii(self, x: np.ndarray, classes: Collection[int], levels: Sequence[float]) -> np.ndarray:
        """The smallest of some radii at which each input can be given a class of `classes`, (m,); infinite if none."""
        return self.cells.reached_any(x, np.flatnonzero(np.isin(self.labels, list(classes))), levels)


def _flat(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=np.float64).reshape(len(x), -1)
