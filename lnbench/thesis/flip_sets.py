"""Choose sets of flips along a score, and measure what each set does to a victim."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lnbench import graphs
from lnbench.thesis import networks, shared_networks


def measure(
    cell: Mapping[str, Any],
    sample: networks.Sample,
    groups: Mapping[str, Sequence[np.ndarray]],
    wrong: np.ndarray | tuple[int, int],
    report: Callable[[float], None],
    *,
    num_classes: int = 10,
) -> dict[str, Any]:
    """Train one victim per set of flips, from the clean victim's initialisation; attack all; see what they memorised.

    Args:
        groups: name -> sets of indices of the training points whose labels are flipped.
        wrong: a pair of classes: flips go from the first to the second, and so does the attack. Or the label (n,) that
            each training point has if it is flipped: then the attack is untargeted, on all test points.
        report, num_classes: as for `networks.train`.

    Returns:
        `clean`: adversarial accuracy of the clean victim. `aa` and `memorised`: group -> one share per set, of the test
        points that are not broken and of the flips that are memorised. If the cell has several radii, `clean` is a list
        over them, and so is what `aa` has for a set.
    """
    inputs, goals = torch.from_numpy(sample.test_inputs), torch.from_numpy(sample.test_labels)
    if targeted := isinstance(wrong, tuple):
        inputs, goals = sample.tests_of_class(wrong[0]), goals[goals == wrong[0]].fill_(wrong[1])
        wrong = np.full(len(sample.labels), wrong[1])
    sets = [index for group in groups.values() for index in group]
    labels = np.stack([sample.flipped(index, wrong[index]) for index in sets])
    untouched = shared_networks.clean(cell, sample, num_classes=num_classes)
    victims = networks.train(cell, sample, labels, report, num_classes=num_classes)
    (clean,), aa = (
        networks.adversarial_accuracy(cell, stack, inputs, goals, targeted=targeted, bounds=sample.bounds)
        for stack in (untouched, victims)
    )
    memorised = networks.memorised(cell, victims, sample.inputs, labels, sets)
    ends = [0, *itertools.accumulate(len(group) for group in groups.values())]
    parts = {name: slice(a, b) for name, (a, b) in zip(groups, itertools.pairwise(ends), strict=True)}
    return {
        "clean": clean,
        "aa": {name: aa[part] for name, part in parts.items()},
        "memorised": {name: memorised[part] for name, part in parts.items()},
    }


def random_sets(parts: Sequence[np.ndarray], flips: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` random sets, each with `flips` points of every part.

    Args:
        parts: indices of the points of each part, such as those of a class.
    """
    return [np.concatenate([rng.choice(points, flips, replace=False) for points in parts]) for _ in range(count)]


def quantile_buckets(scores: np.ndarray, buckets: int, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` random points from each of several buckets of equal size along a score, lowest scores first.

    Args:
        scores: (n,).

    Returns:
        One array of indices per bucket; fewer than `count` if all n points are fewer.
    """
    names = [str(i) for i in range(buckets)]
    members = [graphs.bucket(scores, name, names, count, rng) for name in names]
    return [rng.choice(some, min(count, len(some)), replace=False) for some in members]


def width_buckets(
    scores: np.ndarray, buckets: int, count: int, rng: np.random.Generator, draws: int = 1
) -> tuple[list[np.ndarray], list[int]]:
    """`count` random points from each of several buckets of equal width, between the 5 % and 95 % quantiles of a score.

    A bucket with fewer points takes those nearest to it, too. (Thesis §4.10.3 has buckets that are ranges of a score,
    and says neither how many nor how wide.)

    Args:
        scores: (n,).
        draws: sets per bucket.

    Returns:
        The sets of the first bucket, then those of the next; and how many points lie in each bucket.
    """
    first, last = (float(np.quantile(scores, share)) for share in (0.05, 0.95))
    sets, inside = [], []
    for low, high in itertools.pairwise(np.linspace(first, last, buckets + 1)):
        away = np.maximum(np.maximum(low - scores, scores - high), 0) + (scores == high)
        sets += [np.lexsort((rng.random(len(scores)), away))[:count] for _ in range(draws)]
        inside.append(int(((scores >= low) & (scores < high)).sum()))
    return sets, inside
