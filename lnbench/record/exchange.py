"""Two readings of a row beside random flips: its share of the best possible drop, and how many of them it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lnbench.record.score import Interval, t_interval

_DRAWS = 2000
"""Bootstrap samples of the splits."""


@dataclass(frozen=True)
class Exchange:
    """How many random flips do what a row's flips do.

    Attributes:
        flips: N, interpolated between budgets.
        low, high: 95 % interval, bootstrapped over splits.
        most: the largest budget that was measured: an N of it means at least that many.
    """

    flips: float
    low: float
    high: float
    most: float


def share_of_optimum(random: np.ndarray, row: np.ndarray, best: np.ndarray) -> Interval:
    """Mean(random − row) / mean(random − best), with its interval over splits (linearised).

    Args:
        random, row, best: adversarial accuracy of each split, (split,): the mean of random flips, the row's flips, and
            the best flips.

    Returns:
        1 for the best flips, 0 for random ones, below 0 for worse; no mean if nothing is better than random.
    """
    gained, possible = np.asarray(random - row), float(np.mean(random - best))
    if possible <= 0:
        return Interval(None, None, None, None)
    ratio = float(gained.mean()) / possible
    return t_interval(ratio + (gained - ratio * (random - best)) / possible)


def exchange_rate(budgets: Sequence[float], curve: np.ndarray, row: np.ndarray) -> Exchange:
    """The budget at which random flips reach a row's mean adversarial accuracy.

    The random arm's mean over splits is made non-increasing (isotonic regression) and interpolated; the interval
    resamples the splits, of curve and row together.

    Args:
        budgets: ascending, the first of them 0.
        curve: adversarial accuracy under that many random flips, (split, budget).
        row: that of the row, (split,).
    """
    at = np.asarray(budgets, dtype=float)
    whole = _inverse(at, curve.mean(0), float(row.mean()))
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = [rng.integers(len(row), size=len(row)) for _ in range(_DRAWS)]
    ends = np.quantile([_inverse(at, curve[some].mean(0), float(row[some].mean())) for some in drawn], [0.025, 0.975])
    return Exchange(whole, float(ends[0]), float(ends[1]), float(at[-1]))


def _inverse(budgets: np.ndarray, curve: np.ndarray, accuracy: float) -> float:
    """The smallest budget at which the non-increasing fit of a curve is down to an accuracy; the last if none is."""
    from scipy.optimize import isotonic_regression

    fit = np.asarray(isotonic_regression(curve, increasing=False).x)
    if accuracy >= fit[0]:
        return float(budgets[0])
    below = np.flatnonzero(fit <= accuracy)
    if not len(below):
        return float(budgets[-1])
    i = int(below[0])
    part = (fit[i - 1] - accuracy) / (fit[i - 1] - fit[i])
    return float(budgets[i - 1] + part * (budgets[i] - budgets[i - 1]))
