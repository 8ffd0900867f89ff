"""One-nearest-neighbour on the line, where a theorem's every quantity is exact: kept radii and adversarial risk.

The density is constant on each of a few intervals, the true labelling is constant on each of them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Line:
    """A distribution on an interval, by pieces.

    Attributes:
        edges: (pieces + 1,) ascending.
        masses: (pieces,), sum 1: the probability of each piece, spread evenly over it.
        classes: (pieces,) 0 or 1: the true label on each piece.
    """

    edges: np.ndarray
    masses: np.ndarray
    classes: np.ndarray

    def draw(self, n: int, wrong: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """n points, ascending, their labels, and which labels are wrong, each with probability `wrong`."""
        piece = rng.choice(len(self.masses), n, p=self.masses)
        points = self.edges[piece] + rng.random(n) * np.diff(self.edges)[piece]
        order = np.argsort(points)
        flipped = rng.random(n) < wrong
        labels = self.classes[piece[order]] ^ flipped
        return points[order], labels, flipped

    def below(self, x: np.ndarray) -> np.ndarray:
        """The distribution function."""
        shares: np.ndarray = np.interp(x, self.edges, np.concatenate([[0.0], np.cumsum(self.masses)]))
        return shares

    def risk(self, points: np.ndarray, labels: np.ndarray, radius: float) -> float:
        """R_Adv of the one-nearest-neighbour rule on these training points, exactly.

        A point of class a is vulnerable if it is within `radius` of a cell that is not of class a; cells end midway
        between neighbouring training points.
        """
        middles = (points[1:] + points[:-1]) / 2
        left = np.concatenate([[-np.inf], middles]) - radius
        right = np.concatenate([middles, [np.inf]]) + radius
        total = 0.0
        for start, end, true in zip(self.edges[:-1], self.edges[1:], self.classes, strict=True):
            other = labels != true
            lows, highs = left[other].clip(start, end), right[other].clip(start, end)
            if len(lows):  # the cells are in order, so each adds what the ones before do not reach
                reached = np.maximum.accumulate(np.concatenate([[start], highs[:-1]]))
                lows = np.maximum(lows, reached)
                total += float((self.below(np.maximum(highs, lows)) - self.below(lows)).sum())
        return total

    def critical_radius(self, points: np.ndarray, labels: np.ndarray, mass: float) -> float:
        """The smallest radius, to 1e-9, at which the risk is at least `mass`."""
        low, high = 0.0, float(self.edges[-1] - self.edges[0])
        if self.risk(points, labels, low) >= mass - 1e-12:
            return 0.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            low, high = (low, middle) if self.risk(points, labels, middle) >= mass - 1e-12 else (middle, high)
        return high


def kept_radii(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """τ of each training point: half the distance to the nearest one of another label (infinite if there is none)."""
    distances = np.abs(points[:, None] - points[None])
    distances[labels[:, None] == labels[None]] = np.inf
    nearest: np.ndarray = distances.min(1) / 2
    return nearest
