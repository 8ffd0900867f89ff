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
    at, n = np.asarray(budgets, dtype=float), len(row)
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = np.stack([np.ones(n), *(np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(_DRAWS))]) / n
    whole, *others = _inverse(at, _falling(drawn @ curve), drawn @ row)
    low, high = np.quantile(others, [0.025, 0.975])
    return Exchange(float(whole), float(low), float(high), float(at[-1]))


def _falling(curves: np.ndarray) -> np.ndarray:
    """Each curve, (m, budget), or the non-increasing one that is nearest to it in least squares."""
    from scipy.optimize import isotonic_regression

    fits = curves.copy()
    for i in np.flatnonzero((np.diff(curves, axis=1) > 0).any(axis=1)):
        fits[i] = isotonic_regression(curves[i], increasing=False).x
    return fits


def _inverse(budgets: np.ndarray, fits: np.ndarray, accuracies: np.ndarray) -> np.ndarray:
    """The smallest budget at which each non-increasing curve is down to its accuracy, (m,); the last if none is."""
    padded = np.c_[fits, np.full(len(fits), -np.inf)] <= accuracies[:, None]
    after = padded.argmax(axis=1)
    at, rows = np.clip(after, 1, len(budgets) - 1), np.arange(len(fits))
    above, below = fits[rows, at - 1], fits[rows, at]
    part = (above - accuracies) / np.where(above > below, above - below, 1.0)
    inside = budgets[at - 1] + part * (budgets[at] - budgets[at - 1])
    return np.asarray(np.where(after == 0, budgets[0], np.where(after == len(budgets), budgets[-1], inside)))
