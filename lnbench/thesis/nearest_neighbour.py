"""The one-nearest-neighbour classifier on the line, where every quantity of the two theorems can be computed exactly.

The density and the true label are constant on each of a few intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PiecewiseLine:
    """A labelled distribution on an interval, constant on each of several pieces.

    Attributes:
        edges: (pieces + 1,), ascending.
        masses: (pieces,), sum 1: the probability of each piece, spread evenly over it.
        classes: (pieces,), 0 or 1: the true label on each piece.
    """

    edges: np.ndarray
    masses: np.ndarray
    classes: np.ndarray

    def sample(self, n: int, wrong: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw n training points: their places, ascending, their labels, and which labels are wrong, each (n,).

        Args:
            wrong: the probability that a label is wrong.
        """
        piece = rng.choice(len(self.masses), n, p=self.masses)
        points = self.edges[piece] + rng.random(n) * np.diff(self.edges)[piece]
        order = np.argsort(points)
        is_wrong = rng.random(n) < wrong
        labels = self.classes[piece[order]] ^ is_wrong
        return points[order], labels, is_wrong

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """The distribution function at x, same shape."""
        shares: np.ndarray = np.interp(x, self.edges, np.concatenate([[0.0], np.cumsum(self.masses)]))
        return shares

    def adversarial_risk(self, points: np.ndarray, labels: np.ndarray, radius: float) -> float:
        """R_Adv^radius of the one-nearest-neighbour classifier with these training points, exactly.

        A point of class a is vulnerable if it lies within `radius` of a Voronoi cell whose label is not a. Cells end
        midway between neighbouring training points.

        Args:
            points: (n,), ascending.
            labels: (n,), 0 or 1.
        """
        middles = (points[1:] + points[:-1]) / 2
        left = np.concatenate([[-np.inf], middles]) - radius
        right = np.concatenate([middles, [np.inf]]) + radius
        total = 0.0
        for start, end, true in zip(self.edges[:-1], self.edges[1:], self.classes, strict=True):
            other = labels != true
            lows, highs = left[other].clip(start, end), right[other].clip(start, end)
            if len(lows):  # cells are in order, so each adds only what lies beyond the ends of those before it
                reached = np.maximum.accumulate(np.concatenate([[start], highs[:-1]]))
                lows = np.maximum(lows, reached)
                total += float((self.cdf(np.maximum(highs, lows)) - self.cdf(lows)).sum())
        return total

    def critical_radius(self, points: np.ndarray, labels: np.ndarray, risk: float) -> float:
        """The smallest radius, to 1e-9, at which `adversarial_risk` is at least `risk`."""
        low, high = 0.0, float(self.edges[-1] - self.edges[0])
        if self.adversarial_risk(points, labels, low) >= risk - 1e-12:
            return 0.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            reached = self.adversarial_risk(points, labels, middle) >= risk - 1e-12
            low, high = (low, middle) if reached else (middle, high)
        return high


def certified_radii(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """τ of each training point, (n,): the radius within which the classifier gives the label of that point.

    It is half the distance to the nearest training point of another label; infinite if there is none.

    Args:
        points, labels: (n,).
    """
    distances = np.abs(points[:, None] - points[None])
    distances[labels[:, None] == labels[None]] = np.inf
    nearest: np.ndarray = distances.min(1) / 2
    return nearest
