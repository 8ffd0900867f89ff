"""Student intervals of many means at once."""

from __future__ import annotations

import numpy as np
from scipy import stats


def limits(values: np.ndarray, tests: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and the ends of its 95 % Student interval over the last axis, (...,) each.

    Args:
        values: (..., replicate), at least two replicates.
        tests: how many such intervals are to hold at once (Bonferroni).
    """
    n, mean = values.shape[-1], values.mean(-1)
    half = stats.t.ppf(1 - 0.025 / tests, n - 1) * values.std(-1, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half
