"""Label changes: who may change, to what, and the random baseline that every poisoner is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Pairs = Sequence[tuple[int, int]]
Flip = tuple[int, int, int]
"""(index in the training set, old label, new label)."""


def eligible(labels: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Indices of the points that some pair lets change, ascending, (m,) int64."""
    return np.flatnonzero(np.isin(labels, [source for source, _ in pairs]))


def changed(clean: np.ndarray, labels: np.ndarray) -> list[Flip]:
    """The flips that lead from `clean` to `labels`, by ascending index; the same label is no flip."""
    return [(int(i), int(clean[i]), int(labels[i])) for i in np.flatnonzero(labels != clean)]


def applied(clean: np.ndarray, flips: Sequence[Sequence[int]]) -> np.ndarray:
    """A copy of `clean` with the flips made, (n,) int64."""
    labels = np.array(clean, dtype=np.int64)
    for index, _, new in flips:
        labels[index] = new
    return labels


def random_flips(labels: np.ndarray, pairs: Pairs, budget: int, rng: np.random.Generator) -> list[Flip]:
    """`budget` flips drawn uniformly without replacement among the eligible points: the baseline.

    A point whose class is the source of several pairs moves along one of them, drawn uniformly.

    Raises:
        ValueError: if fewer than `budget` points are eligible.
    """
    candidates = eligible(labels, pairs)
    if len(candidates) < budget:
        raise ValueError(
            f"a budget of {budget} flips needs as many eligible points; the training set has {len(candidates)}"
        )
    order = np.argsort(rng.bit_generator.random_raw(len(candidates)), kind="stable")
    flips = []
    for i in np.sort(candidates[order[:budget]]):
        targets = [target for source, target in pairs if source == labels[i]]
        choice = int(rng.bit_generator.random_raw()) % len(targets)
        flips.append((int(i), int(labels[i]), targets[choice]))
    return flips
