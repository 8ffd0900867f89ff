"""Class graphs of thousands of points as dense matrices: the picks of `lnbench.graphs`, in seconds rather than minutes.

A class of MNIST has 6,000 points, and at a γ that joins a tenth of its pairs its graph has 1.8 million edges: as
objects they take most of an experiment's time, as a matrix none to speak of.
"""

from __future__ import annotations

import numpy as np

from lnbench import graphs


def class_matrix(points: np.ndarray, quantile: float) -> np.ndarray:
    """Which pairs of a class are within γ in ℓ2, γ being a quantile of its pair distances, (n, n) float32 of 0 and 1.

    Args:
        points: (n, *shape), n ≥ 2.
        quantile: share of the pairs, in [0, 1].
    """
    flat = points.reshape(len(points), -1).astype(np.float64)
    flat -= flat.mean(0)
    squares = (flat**2).sum(1)
    apart = squares[:, None] + squares - 2 * flat @ flat.T
    pairs = apart[np.triu_indices(len(flat), 1)]
    limit = np.quantile(pairs, quantile, method="higher") * (1 + 1e-9)
    matrix: np.ndarray = (apart <= limit).astype(np.float32)
    np.fill_diagonal(matrix, 0)
    return matrix


def high_degree(matrix: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
    """As `graphs.high_degree`."""
    return graphs.by_score(matrix.sum(1), budget, rng)


def coverage(matrix: np.ndarray, budget: int, rng: np.random.Generator) -> np.ndarray:
    """As `graphs.coverage`."""
    n, degree = len(matrix), matrix.sum(1)
    tie, missing, chosen = rng.random(n), np.ones(n, dtype=np.float32), np.zeros(n, dtype=bool)
    picks: list[int] = []
    while len(picks) < min(budget, n):
        gain = np.where(chosen, -1, matrix @ missing + missing)
        best = int(np.lexsort((tie, degree, gain))[-1])
        picks.append(best)
        chosen[best] = True
        missing[best] = 0
        missing[matrix[best] > 0] = 0
    return np.array(picks, dtype=np.int64)
