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

from lnbench.protocol import ARMS, CLEAN, MATCHED, POISONED, RANDOM
from lnbench.record.score_schema import (
    ArchitectureDamage,
    ArchitectureScore,
    DamageScore,
    MatchedScore,
    Parts,
    Score,
    WorstArchitecture,
)

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
        broken: (arm, architecture, split, seed, example) flags at the architecture's ε, or shares of the random arm's
            draws; only a fixed test set needs it.
        damage: broken by the damage attack, where the track has one.
        random_draws: `targeted` of every draw of the random arm, (draw, architecture, split, seed), where it has
            several.
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
    damage: np.ndarray | None = None
    random_draws: np.ndarray | None = None

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
    remains = np.asarray(valid.any(axis=(0, 2)))
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
    return Score(
        drop_pp=drop.mean,
        ci95_pp=drop.ends,
        p_value=drop.p,
        splits=len(drops),
        seeds=valid.shape[2],
        per_architecture=alone,
        worst_architecture=_worst(alone),
        area_pp=_mean(split_means(area, valid)),
        ci95_points_pp=wider.ends if fixed_test_set or counts.damage is None else None,
        fixed_test_set=fixed_test_set,
        untargeted_drop_pp=other.mean,
        untargeted_ci95_pp=other.ends,
        parts_pp=Parts(clean, None if clean is None or drop.mean is None else drop.mean - clean),
        split_drops_pp=_by_split(drops, remains),
        matched=_matched(counts) if len(counts.targeted) > INDEX[MATCHED] else UNSET,
        damage=UNSET if counts.damage is None else _damage(counts, counts.damage, remains),
        random_se_pp=UNSET if counts.random_draws is None else random_error(counts, counts.random_draws),
    )


def _by_split(means: np.ndarray, remains: np.ndarray) -> tuple[float | None, ...]:
    """The means of the splits that remain, each in its split's place."""
    values = iter(means.tolist())
    return tuple(next(values) if remained else None for remained in remains.tolist())


def _damage(counts: Counts, broken: np.ndarray, remains: np.ndarray) -> DamageScore:
    """The second score, of the examples that the damage attack broke."""
    share = 100.0 * broken / counts.points[:, None]
    above, valid = {arm: share[INDEX[POISONED]] - share[INDEX[arm]] for arm in (RANDOM, CLEAN)}, counts.valid
    drops = split_means(above[RANDOM], valid)
    drop, clean = t_interval(drops), t_interval(split_means(above[CLEAN], valid))
    alone = [t_interval(split_means(above[RANDOM][a : a + 1], valid[a : a + 1])) for a in range(len(valid))]
    return DamageScore(
        drop_pp=drop.mean,
        ci95_pp=drop.ends,
        p_value=drop.p,
        from_clean_pp=clean.mean,
        from_clean_ci95_pp=clean.ends,
        per_architecture={
            name: ArchitectureDamage(row.mean, row.ends) for name, row in zip(counts.architectures, alone, strict=True)
        },
        split_drops_pp=_by_split(drops, remains),
    )


def random_error(counts: Counts, draws: np.ndarray) -> float | None:
    """Standard error of the random arm's mean AA, in points, that other draws of flips and their victims would show.

    Within a split and seed the draws' AAs, each a mean over architectures, spread by s²; the arm's mean over W splits,
    V seeds and D draws has the variance mean(s²) / (W · V · D) of them.

    Args:
        draws: broken counts, (draw, architecture, split, seed).
    """
    whole = counts.valid.all(axis=0)
    if not whole.any():
        return None
    shares = (100.0 * draws / counts.points[:, None]).mean(axis=1)
    spread = shares.var(axis=0, ddof=1)[whole]
    return float(np.sqrt(spread.mean() / (spread.size * len(draws))))


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


def welch_interval(first: np.ndarray, second: np.ndarray) -> Interval:
    """The difference of the means of two independent samples, its 95 % interval and two-sided p against 0.

    Welch's t, with degrees of freedom after Satterthwaite; without an interval if a sample has fewer than two values.
    """
    mean = float(first.mean() - second.mean()) if len(first) and len(second) else None
    if mean is None or min(len(first), len(second)) < 2:
        return Interval(mean, None, None, None)
    parts = [float(values.var(ddof=1)) / len(values) for values in (first, second)]
    below = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True))
    return _interval(mean, sum(parts), sum(parts) ** 2 / below if below else 1.0)


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

    Two rows are compared by their AAs paired by split, with a t test on the differences, whose own variance it takes:
    rows spread unequally (5 to 16 points on one board), so that a pooled variance makes some intervals too short. Each
    row's m − 1 tests are Holm-corrected among themselves: a row's interval misses its true rank with probability at
    most `alpha`, for each row by itself.

    Args:
        accuracies: (row, split), mean AA of the poisoned arm; lower is better for the poisoner.
    """
    m, splits = accuracies.shape
    intervals = np.tile([1, m], (m, 1))
    if m == 1 or splits < 2:
        return intervals
    for i in range(m):
        gaps = np.delete(accuracies, i, axis=0) - accuracies[i]
        means, errors = gaps.mean(axis=1), np.sqrt(gaps.var(axis=1, ddof=1) / splits)
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * special.stdtr(splits - 1, -np.abs(means) / errors)
        flat = errors < _NOTHING
        significant = holm(np.where(flat, np.abs(means) < _NOTHING, p)) < alpha
        intervals[i] = 1 + (significant & (means < 0)).sum(), m - (significant & (means > 0)).sum()
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
