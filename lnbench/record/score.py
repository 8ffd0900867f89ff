"""From broken examples to a score, and from scores to ranks. NumPy and SciPy's special functions only.

The unit of replication is the split: a poisoner is a method, and a method is measured by what it does to fresh training
sets. So every interval here is taken over split means, and everything below a split (architectures, seeds, test
points) is averaged first. Fractions are in [0, 1]; names ending in `_pp` are percentage points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import UNSET
from scipy import special

from lnbench.protocol import ARMS, MATCHED, POISONED, RANDOM
from lnbench.record.schema import ArchitectureScore, MatchedScore, Parts, Score, WorstArchitecture

INDEX = {arm: place for place, arm in enumerate((*ARMS, MATCHED))}
"""Arm -> its place along the first axis of counts."""
_LEVEL = 0.95
_NOTHING = 1e-12
"""Differences of fractions below this are rounding: the smallest true one is 1 / (points · victims) > 1e-9."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval and its two-sided p against 0; None where there is too little to say."""

    mean: float | None
    low: float | None
    high: float | None
    p: float | None

    @property
    def ends(self) -> tuple[float, float] | None:
        """(low, high), or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, eq=False)
class Counts:
    """What an evaluation counted, axes (arm, architecture, split, seed) unless said otherwise; arms as in `ARMS`,
    then the matched one on tracks with several pairs.

    Attributes:
        architectures: their names, (architecture,).
        epsilons: the ε curve of each architecture, ascending.
        points: source-class test points, (split,), each at least 1.
        targeted: broken by the targeted adversary at the architecture's ε.
        untargeted: broken by the untargeted one.
        to_target: classified as the target without any attack.
        curve: one (arm, split, seed, epsilon) array an architecture: broken by the targeted adversary.
        valid: (architecture, split, seed) bool, False where any of the arms diverged.
        broken: (arm, architecture, split, seed, example) bool at the architecture's ε; only a fixed test set needs it.
    """

    architectures: tuple[str, ...]
    epsilons: tuple[tuple[float, ...], ...]
    points: np.ndarray
    targeted: np.ndarray
    untargeted: np.ndarray
    to_target: np.ndarray
    curve: tuple[np.ndarray, ...]
    valid: np.ndarray
    broken: np.ndarray | None = None

    @classmethod
    def from_broken(cls, architectures: Sequence[str], targeted: np.ndarray, untargeted: np.ndarray) -> Counts:
        """Counts of one ε and no divergence.

        Args:
            targeted, untargeted: (arm, architecture, split, seed, example) bool.
        """
        count = targeted.sum(-1)
        return cls(
            tuple(architectures),
            tuple((1.0,) for _ in architectures),
            np.full(targeted.shape[2], targeted.shape[-1]),
            count,
            untargeted.sum(-1),
            np.zeros_like(count),
            tuple(np.moveaxis(count, 1, 0)[..., None]),
            np.ones(count.shape[1:], dtype=bool),
            targeted,
        )


def score(counts: Counts, *, fixed_test_set: bool) -> Score:
    """The score of one evaluation.

    An (architecture, split, seed) triple that is not `valid` is left out of every mean; a split with none left is left
    out of every interval.

    Raises:
        ValueError: if the test set is fixed and the examples' flags are missing.
    """
    points, valid = counts.points[:, None], counts.valid
    random, poisoned = INDEX[RANDOM], INDEX[POISONED]
    targeted = 100.0 * (counts.targeted[poisoned] - counts.targeted[random]) / points
    untargeted = 100.0 * (counts.untargeted[poisoned] - counts.untargeted[random]) / points
    to_target = 100.0 * (counts.to_target[poisoned] - counts.to_target[random]) / points
    area = np.stack(
        [
            100.0 * mean_over_curve((curve[poisoned] - curve[random]) / points[..., None], epsilons)
            for curve, epsilons in zip(counts.curve, counts.epsilons, strict=True)
        ]
    )
    drops = split_means(targeted, valid)
    drop = t_interval(drops)
    other = t_interval(split_means(untargeted, valid))
    alone = {}
    for a, name in enumerate(counts.architectures):
        row = t_interval(split_means(targeted[a : a + 1], valid[a : a + 1]))
        mean_area = _mean(split_means(area[a : a + 1], valid[a : a + 1]))
        alone[name] = ArchitectureScore(drop_pp=row.mean, ci95_pp=row.ends, area_pp=mean_area)
    wider = drop
    if fixed_test_set:
        if counts.broken is None:
            raise ValueError("a fixed test set needs the flags of every example")
        wider = points_interval(_per_example(counts.broken, valid))
    clean = _mean(split_means(to_target, valid))
    values, remains = iter(drops.tolist()), np.asarray(valid.any(axis=(0, 2)))
    return Score(
        drop_pp=drop.mean,
        ci95_pp=drop.ends,
        p_value=drop.p,
        splits=len(drops),
        seeds=valid.shape[2],
        per_architecture=alone,
        worst_architecture=_worst(alone),
        area_pp=_mean(split_means(area, valid)),
        ci95_points_pp=wider.ends,
        fixed_test_set=fixed_test_set,
        untargeted_drop_pp=other.mean,
        untargeted_ci95_pp=other.ends,
        parts_pp=Parts(clean, None if clean is None or drop.mean is None else drop.mean - clean),
        split_drops_pp=tuple(next(values) if any_valid else None for any_valid in remains.tolist()),
        matched=_matched(counts) if len(counts.targeted) > INDEX[MATCHED] else UNSET,
    )


def _worst(alone: dict[str, ArchitectureScore]) -> WorstArchitecture | None:
    """The first architecture with the smallest drop; None if no architecture has one."""
    drops = {name: row.drop_pp for name, row in alone.items() if row.drop_pp is not None}
    if not drops:
        return None
    name = min(drops, key=lambda name: drops[name])
    return WorstArchitecture(name, drops[name], alone[name].ci95_pp)


def _matched(counts: Counts) -> MatchedScore:
    """The drop below the second baseline."""
    below = counts.targeted[INDEX[POISONED]] - counts.targeted[INDEX[MATCHED]]
    drop = t_interval(split_means(100.0 * below / counts.points[:, None], counts.valid))
    return MatchedScore(drop.mean, drop.ends, drop.p)


def split_means(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Means over the valid (architecture, seed) of each split that has any, (split with any,).

    Args:
        values, valid: (architecture, split, seed).
    """
    number = valid.sum(axis=(0, 2))
    total = np.where(valid, values, 0.0).sum(axis=(0, 2))
    return np.asarray(total[number > 0] / number[number > 0])


def mean_over_curve(values: np.ndarray, epsilons: Sequence[float]) -> np.ndarray:
    """The mean of `values` (…, epsilon) over the ε range by the trapezoidal rule, (…); of one ε, its value."""
    x = np.asarray(epsilons, dtype=float)
    if len(x) == 1:
        return np.asarray(values[..., 0])
    return np.asarray((0.5 * (values[..., 1:] + values[..., :-1]) * np.diff(x)).sum(-1) / (x[-1] - x[0]))


def t_interval(values: np.ndarray) -> Interval:
    """The mean of independent values, its 95 % t interval and two-sided p against 0.

    Without any spread the interval is the mean itself, and p is 1 for a mean of 0 and 0 otherwise.
    """
    n = len(values)
    if n == 0:
        return Interval(None, None, None, None)
    mean = float(values.mean())
    if n == 1:
        return Interval(mean, None, None, None)
    return _interval(mean, float(values.var(ddof=1)) / n, n - 1)


def points_interval(differences: np.ndarray) -> Interval:
    """The interval for a fixed test set that also covers other test points of the same kind.

    The differences d[w, e] of split w and example e follow d = μ + S_w + E_e + R_we, crossed, since every split is
    tested on the same examples. Then Var(mean) = σ_S²/W + σ_E²/n + σ_R²/(Wn). The split means' variance over W
    estimates the first and third terms; the second, which t over splits cannot see because E_e is the same in all of
    them, is (MS_E − MS_R)/(Wn) by the mean squares of the two-way table, and is taken as 0 where that is negative.
    Degrees of freedom after Satterthwaite. Where each split brings its own test points, the points' variance is
    already in the split means' and this interval is the plain one; for digits that means other halves of the same
    1,797 images, not other images.

    Args:
        differences: (split, example).
    """
    splits, n = differences.shape if differences.size else (0, 0)
    plain = t_interval(differences.mean(axis=1) if splits else np.empty(0))
    if splits < 2 or n < 2 or plain.mean is None:
        return plain
    rows, columns = differences.mean(axis=1), differences.mean(axis=0)
    residual = differences - rows[:, None] - columns + plain.mean
    ms_split = n * float(rows.var(ddof=1))
    ms_example = splits * float(columns.var(ddof=1))
    ms_residual = float((residual**2).sum()) / ((splits - 1) * (n - 1))
    if ms_example <= ms_residual:
        return plain
    total = ms_split + ms_example - ms_residual
    spread = ms_split**2 / (splits - 1) + ms_example**2 / (n - 1) + ms_residual**2 / ((splits - 1) * (n - 1))
    return _interval(plain.mean, total / (splits * n), total**2 / spread)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, in the order given: p_(i) → max over j ≤ i of (m − j + 1) · p_(j), at most 1."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def rank_intervals(accuracies: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """Which ranks each row may have, [1 + rows significantly better, m − rows significantly worse], (row, 2) int.

    Rows are compared by their AAs paired by split under AA = μ + row + split + residual. The residual variance is
    pooled over all rows, so each comparison has (m − 1)(W − 1) degrees of freedom and a new row blurs nobody. Each
    row's m − 1 tests are Holm-corrected among themselves: a row's interval misses its true rank with probability
    at most `alpha`, for each row by itself, as far as the rows' residuals spread alike. (Five rows with one of
    three times their spread among them: .09 for each of the five and .16 for that one, by simulation.)

    Args:
        accuracies: (row, split), mean AA of the poisoned arm; lower is better for the poisoner.
    """
    m, splits = accuracies.shape
    if m == 1 or splits < 2:
        return np.tile([1, m], (m, 1))
    means = accuracies.mean(axis=1)
    residual = accuracies - means[:, None] - accuracies.mean(axis=0) + means.mean()
    freedom = (m - 1) * (splits - 1)
    variance = 2.0 * float((residual**2).sum()) / freedom / splits
    intervals = np.empty((m, 2), dtype=int)
    for i in range(m):
        others = np.delete(means, i)
        p = [_interval(float(d), variance, freedom).p or 0.0 for d in others - means[i]]
        significant = holm(p) < alpha
        intervals[i] = 1 + (significant & (others < means[i])).sum(), m - (significant & (others > means[i])).sum()
    return intervals


def _interval(mean: float, variance: float, freedom: float) -> Interval:
    """Mean ± t · √variance, with p against 0."""
    if variance < _NOTHING**2:
        return Interval(mean, mean, mean, 1.0 if abs(mean) < _NOTHING else 0.0)
    error = float(np.sqrt(variance))
    half = float(special.stdtrit(freedom, 0.5 + _LEVEL / 2)) * error
    return Interval(mean, mean - half, mean + half, float(2 * special.stdtr(freedom, -abs(mean) / error)))


def _per_example(broken: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """100 · [broken(poisoned) − broken(random)], mean over valid (architecture, seed), (split with any, example)."""
    number = valid.sum(axis=(0, 2))
    weight = valid.astype(float)
    total = np.einsum("asve,asv->se", broken[INDEX[POISONED]].astype(float), weight)
    total -= np.einsum("asve,asv->se", broken[INDEX[RANDOM]].astype(float), weight)
    return np.asarray(100.0 * total[number > 0] / number[number > 0, None])


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
