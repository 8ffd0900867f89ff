"""What a table says: the best flips of networks, what chance and rules leave of them, and where harm comes from.

Harm is AA(clean) − AA(flipped), of victims with the same seed. Choosing the best of many noisy means finds noise too,
so an optimum is chosen by half of the seeds and measured on the other half, both ways; that is a little below the true
one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from lnbench.record.score import Interval, t_interval
from lnbench.truth import union
from lnbench.truth.ground_truth import GroundTruth

Scores = Mapping[int, Mapping[str, np.ndarray]]
"""Split -> score -> one number for each single flip, in the order of `GroundTruth.sets`."""
Choices = Mapping[int, Mapping[str, Mapping[int, tuple[int, ...]]]]
"""Number of flips -> who chose -> split -> the flips, ascending."""


def summary(
    truth: GroundTruth, scores: Scores | None = None, choices: Choices | None = None, budget: int = 0
) -> dict[str, Any]:
    """The findings of a table, by architecture; in percentage points, intervals over splits.

    Args:
        scores: of single flips, of some or all splits.
        choices: of attacks; a set that the table does not hold is left out.
        budget: flips for which single ones are to say what a set can reach; 0 if that is of no interest.
    """
    return {name: _of_architecture(truth, name, scores or {}, choices or {}, budget) for name in truth.architectures}


def _of_architecture(truth: GroundTruth, name: str, scores: Scores, choices: Choices, budget: int) -> dict[str, Any]:
    sizes = sorted({len(some) for some in truth.sets(truth.splits[0])})
    found: dict[str, Any] = {
        "clean_adv_acc": _shown(t_interval(np.array([truth.accuracy(name, s) for s in truth.splits])), 1),
        "memorised": truth.memorised(name),
    }
    means = {0: np.zeros(len(truth.splits))}
    for size in sizes:
        harms = {split: _of_size(truth, name, split, size) for split in truth.splits}
        best = np.array([_best(values) for values in harms.values()])
        means[size] = np.array([values.mean() for values in harms.values()])
        chosen: dict[str, Mapping[int, tuple[int, ...]]] = {**_by_rules(truth, scores, size), **choices.get(size, {})}
        found[f"best_{size}"] = {
            "sets": int(np.mean([len(values) for values in harms.values()])),
            "best": _shown(t_interval(best)),
            "best_as_measured": _shown(t_interval(np.array([values.mean(1).max() for values in harms.values()]))),
            "random": _shown(t_interval(means[size])),
            "variance": _variances(list(harms.values())),
        }
        if chosen:
            found[f"best_{size}"]["choices"] = _regrets(truth, name, harms, chosen)
        if size > 1 and 1 in sizes:
            found[{2: "pairs"}.get(size, f"sets_of_{size}")] = {
                **_beside_the_sum(truth, name, size),
                **_bend(means, size),
            }
    if scores and 1 in sizes:
        found["scores"] = _by_score(truth, name, scores)
    if budget and 1 in sizes and len(truth.seeds) > 1:
        of = union.promised(truth, name, budget)
        found["promised"] = {key: value if key == "budget" else _shown(value) for key, value in of.items()}
    return found


def _of_size(truth: GroundTruth, name: str, split: int, size: int) -> np.ndarray:
    """Harms of the sets of a size, (set, seed), in points."""
    sets, harms = truth.sets(split), truth.harms(name, split)
    return np.asarray(100.0 * harms[[len(some) == size for some in sets]])


def _best(values: np.ndarray) -> float:
    """The harm of the best set, chosen by one half of the seeds and measured by the other, both ways; (set, seed)."""
    half = values.shape[1] // 2
    if not half:
        return float(values.max())
    first, second = values[:, :half].mean(1), values[:, half:].mean(1)
    return float((second[first.argmax()] + first[second.argmax()]) / 2)


def _variances(harms: list[np.ndarray]) -> dict[str, float]:
    """Standard deviations, in points, of harm by set, by seed and what is left, within a split (two-way, one each).

    `split` is that of the splits' mean harms, which holds a little of the others.
    """
    parts = []
    for values in harms:
        sets, seeds = values.shape
        rows, columns = values.mean(1), values.mean(0)
        rest = values - rows[:, None] - columns + values.mean()
        left = float((rest**2).sum()) / max(1, (sets - 1) * (seeds - 1))
        by_set = float(rows.var(ddof=1)) - left / seeds if sets > 1 else 0.0
        by_seed = float(columns.var(ddof=1)) - left / sets if seeds > 1 else 0.0
        parts.append((by_set, by_seed, left))
    by_set, by_seed, left = np.maximum(np.mean(parts, axis=0), 0.0)
    means = [float(values.mean()) for values in harms]
    named = {"set": by_set, "seed": by_seed, "residual": left, "split": np.var(means, ddof=1) if len(means) > 1 else 0}
    return {key: round(float(np.sqrt(value)), 2) for key, value in named.items()}


def _beside_the_sum(truth: GroundTruth, name: str, size: int) -> dict[str, Any]:
    """Additivity and submodularity: the harm of a set against the sum and the union of its flips, and greedy choice."""
    above, explained_by_union = union.beside(truth, name, size)
    excess, explained, below, greedy, best = [], [], [], [], []
    for split in truth.splits:
        sets = truth.sets(split)
        harm = dict(zip(sets, 100.0 * truth.harms(name, split).mean(1), strict=True))
        whole = [some for some in sets if len(some) == size]
        together = np.array([harm[some] for some in whole])
        total = np.array([sum(harm[(i,)] for i in some) for some in whole])
        excess.append(float((together - total).mean()))
        below.append(float((together <= total + 1e-9).mean()))
        explained.append(_correlation(together, total) ** 2)
        chosen: tuple[int, ...] = ()
        while len(chosen) < size:
            chosen = max((s for s in sets if len(s) == len(chosen) + 1 and {*chosen} <= {*s}), key=lambda s: harm[s])
        greedy.append(float(harm[chosen]))
        best.append(float(together.max()))
    return {
        "excess_over_sum": _shown(t_interval(np.array(excess))),
        "share_at_most_the_sum": round(float(np.mean(below)), 3),
        "r2_of_sum": round(float(np.mean(explained)), 3),
        "excess_over_union": _shown(above),
        "r2_of_union": round(explained_by_union, 3),
        "greedy_as_measured": _shown(t_interval(np.array(greedy))),
        "best_as_measured": _shown(t_interval(np.array(best))),
    }


def _bend(means: Mapping[int, np.ndarray], size: int) -> dict[str, Any]:
    """The mean of f(S ∪ {i, j}) − f(S ∪ {i}) − f(S ∪ {j}) + f(S) over all S, i, j with `size` points together.

    A submodular harm has none above 0. Where a table holds every set of the three sizes it is a difference of means.
    """
    if not {size - 2, size - 1} <= set(means):
        return {}
    return {"second_difference": _shown(t_interval(means[size] - 2 * means[size - 1] + means[size - 2]))}


def _by_rules(truth: GroundTruth, scores: Scores, size: int) -> dict[str, dict[int, tuple[int, ...]]]:
    """Score -> split -> the flips of so many highest values, ascending."""
    chosen: dict[str, dict[int, tuple[int, ...]]] = {}
    for split in truth.splits:
        singles = np.array([some[0] for some in truth.sets(split) if len(some) == 1])
        for score, values in scores.get(split, {}).items():
            highest = np.argsort(-values, kind="stable")[:size]
            chosen.setdefault(score, {})[split] = tuple(int(i) for i in np.sort(singles[highest]))
    return chosen


def _regrets(
    truth: GroundTruth, name: str, harms: Mapping[int, np.ndarray], chosen: Mapping[str, Mapping[int, tuple[int, ...]]]
) -> dict[str, Any]:
    """The harm of each choice, and what it leaves of the best set's, over the splits on which the table holds it."""
    made = {}
    for who, flips in chosen.items():
        own, best = [], []
        for split, some in flips.items():
            if not some or some in set(truth.sets(split)):
                own.append(100.0 * (truth.accuracy(name, split) - truth.accuracy(name, split, some)))
                best.append(_best(harms[split]))
        if own:
            made[who] = {
                "splits": len(own),
                "harm": _shown(t_interval(np.array(own))),
                "regret": _shown(t_interval(np.array(best) - np.array(own))),
            }
    return made


def _by_score(truth: GroundTruth, name: str, scores: Scores) -> dict[str, Any]:
    """How well each score ranks single flips by harm: Spearman's ρ within split; and what its first choice does."""
    from scipy.stats import rankdata

    def rank(first: np.ndarray, second: np.ndarray) -> float:
        return _correlation(rankdata(first), rankdata(second))

    splits = [split for split in truth.splits if split in scores]
    found: dict[str, Any] = {}
    harms = {split: _of_size(truth, name, split, 1) for split in splits}
    for score in scores[splits[0]]:
        rho = [rank(scores[split][score], harms[split].mean(1)) for split in splits]
        top = np.array([harms[split][scores[split][score].argmax()].mean() for split in splits])
        best = np.array([_best(harms[split]) for split in splits])
        found[score] = {
            "rank_correlation": _shown(t_interval(np.array(rho))),
            "first_choice": _shown(t_interval(top)),
            "regret": _shown(t_interval(best - top)),
        }
    halves = [
        rank(values[:, a].mean(1), values[:, b].mean(1))
        for values in harms.values()
        for a, b in _halves(values.shape[1])
    ]
    if halves:
        found["another half of the seeds"] = {"rank_correlation": _shown(t_interval(np.array(halves)))}
    return found


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's r; 0 where one of them does not vary."""
    apart = first - first.mean(), second - second.mean()
    sizes = float(np.linalg.norm(apart[0]) * np.linalg.norm(apart[1]))
    return float(apart[0] @ apart[1]) / sizes if sizes > 0 else 0.0


def _halves(seeds: int) -> list[tuple[list[int], list[int]]]:
    """One way of cutting the seeds into halves; none of fewer than two."""
    every = list(range(seeds))
    return [(every[: seeds // 2], every[seeds // 2 :])] if seeds > 1 else []


def _shown(interval: Interval, factor: float = 1.0, digits: int = 3) -> dict[str, Any]:
    """A mean with its interval, rounded."""
    mean = None if interval.mean is None else round(factor * interval.mean, digits)
    ends = None if interval.ends is None else [round(factor * end, digits) for end in interval.ends]
    return {"mean": mean, "ci95": ends}


def random_curve(truth: GroundTruth) -> tuple[list[int], np.ndarray]:
    """Budgets of table n with 0 before them, and AA under so many random flips, (split, budget): means over
    architectures, sets and seeds."""
    budgets = [0, *sorted({len(some) for some in truth.sets(truth.splits[0])})]
    curve = np.zeros((len(truth.splits), len(budgets)))
    for (row, split), (column, budget) in itertools.product(enumerate(truth.splits), enumerate(budgets)):
        sets = [some for some in truth.sets(split) if len(some) == budget] or [()]
        curve[row, column] = np.mean(
            [truth.accuracy(name, split, some) for some in sets for name in truth.architectures]
        )
    return budgets, curve
