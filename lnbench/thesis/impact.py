"""Sets of flips along a score, and what each of them does to a network on MNIST."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lnbench import graphs
from lnbench.thesis import pictures


def impact(
    cell: Mapping[str, Any],
    data: pictures.Pictures,
    groups: Mapping[str, Sequence[np.ndarray]],
    wrong: np.ndarray | tuple[int, int],
    report: Callable[[float], None],
    *,
    num_classes: int = 10,
) -> dict[str, Any]:
    """Train a clean network and one per set of flips; their adversarial accuracies, and the shares memorised.

    Args:
        groups: name -> sets of indices of training points to flip.
        wrong: a pair of classes: flips go from the first to the second, and so does the attack; or (n,) the label each
            training point gets if it is flipped: then the attack is untargeted, on all test points.

    Returns:
        `clean`: AA; `aa` and `memorised`: name -> one share per set of the group.
    """
    inputs, goals = torch.from_numpy(data.tests), torch.from_numpy(data.answers)
    if targeted := isinstance(wrong, tuple):
        inputs, goals = data.test_of(wrong[0]), goals[goals == wrong[0]].fill_(wrong[1])
        wrong = np.full(len(data.labels), wrong[1])
    sets = [index for group in groups.values() for index in group]
    labels = np.stack([data.labels, *(data.flipped(index, wrong[index]) for index in sets)])
    victims = pictures.trained(cell, data, labels, report, num_classes=num_classes)
    aa = pictures.adversarial_accuracy(cell, victims, inputs, goals, targeted=targeted)
    kept = pictures.memorised(cell, victims, data.inputs, labels, [np.zeros(1, np.int64), *sets])
    ends = [1, *(1 + e for e in itertools.accumulate(len(group) for group in groups.values()))]
    parts = {name: slice(a, b) for name, (a, b) in zip(groups, itertools.pairwise(ends), strict=True)}
    return {
        "clean": aa[0],
        "aa": {name: aa[part] for name, part in parts.items()},
        "memorised": {name: kept[part] for name, part in parts.items()},
    }


def even(scores: np.ndarray, buckets: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` random points of each of several equal parts of the points along a score, lowest first."""
    names = [str(i) for i in range(buckets)]
    members = [graphs.bucket(scores, name, names, count, rng) for name in names]
    return [rng.choice(some, min(count, len(some)), replace=False) for some in members]


def ranges(
    scores: np.ndarray, buckets: int, count: int, rng: np.random.Generator, draws: int = 1
) -> tuple[list[np.ndarray], list[int]]:
    """`count` random points of each of several ranges of equal width between the scores' 5 % and 95 % quantiles.

    A range with fewer points takes the nearest others.

    Returns:
        `draws` sets for the first range, then for the next; and how many points lie in each range.
    """
    first, last = (float(np.quantile(scores, share)) for share in (0.05, 0.95))
    sets, inside = [], []
    for low, high in itertools.pairwise(np.linspace(first, last, buckets + 1)):
        away = np.maximum(np.maximum(low - scores, scores - high), 0) + (scores == high)
        sets += [np.lexsort((rng.random(len(scores)), away))[:count] for _ in range(draws)]
        inside.append(int(((scores >= low) & (scores < high)).sum()))
    return sets, inside
