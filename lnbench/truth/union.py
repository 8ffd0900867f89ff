"""What single flips say of sets: the harm of flips that break test points independently of each other.

On a nearest neighbour flips compose as a coverage (`lnbench.exact.coverage`): a test point is broken if some flip
breaks it. On networks a flip breaks a point on some seeds and not on others. If flips did so independently, the share
of networks that withstand the adversary at point x after the flips S would be

    u(x | S) = u(x) · Π_{i ∈ S} min(1, u(x | i) / u(x)),

with u(x) of clean labels and u(x | i) of one flip. This is what greedy choices are made by here, and what measured sets
are compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from lnbench.record.score import Interval, t_interval
from lnbench.truth.ground_truth import GroundTruth


@dataclass(frozen=True, eq=False)
class Union:
    """One split of one architecture.

    Attributes:
        flips: (flip,) indices of training points, ascending.
        clean: (point,) share of the networks on clean labels that the adversary does not break at each test point.
        kept: (flip, point) the factor by which each flip lowers it, in [0, 1].
    """

    flips: np.ndarray
    clean: np.ndarray
    kept: np.ndarray

    def accuracy(self, places: list[int]) -> float:
        """Adversarial accuracy after the flips at these places."""
        return float((self.clean * self.kept[places].prod(0)).mean())

    def random(self, budget: int) -> float:
        """Its mean over all sets of `budget` flips: elementary symmetric polynomials of each point's factors."""
        sums = np.zeros((budget + 1, len(self.clean)))
        sums[0] = 1.0
        for factors in self.kept:
            sums[1:] += factors * sums[:-1].copy()
        return float((self.clean * sums[budget]).mean() / comb(len(self.flips), budget))

    def greedy(self, budget: int) -> list[int]:
        """Places of the flips that one after the other lower it most."""
        chosen, left = list[int](), self.clean.copy()
        for _ in range(budget):
            means = (left * self.kept).mean(1)
            means[chosen] = np.inf
            chosen.append(int(means.argmin()))
            left = left * self.kept[chosen[-1]]
        return chosen


def union(truth: GroundTruth, architecture: str, split: int, seeds: list[int] | None = None) -> Union:
    """The single flips of a split, as networks of some seeds have them; of all seeds if None.

    Raises:
        ProtocolError: if the table lacks them.
    """
    singles = [some for some in truth.sets(split) if len(some) == 1]
    clean = 1.0 - truth.broken(architecture, split, (), seeds)
    after = np.array([1.0 - truth.broken(architecture, split, some, seeds) for some in singles])
    kept = np.divide(after, clean, out=np.ones_like(after), where=clean > 0)
    return Union(np.array([i for (i,) in singles]), clean, np.minimum(kept, 1.0))


def promised(truth: GroundTruth, architecture: str, budget: int) -> dict[str, Any]:
    """The best `budget` flips by the union of single ones beside random sets, harms in points, intervals over splits.

    The best are chosen by one half of the seeds and judged by the other, both ways, on this architecture (`best`), and
    on each other one by all its seeds (`NAME`). Whoever chooses so knows the test points.
    """
    seeds = truth.seeds
    halves = [seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]]
    others = [name for name in truth.architectures if name != architecture]
    found: dict[str, list[float]] = {name: [] for name in ("random", "best", *others)}
    for split in truth.splits:
        first, second = (union(truth, architecture, split, half) for half in halves)
        whole = [union(truth, architecture, split), *(union(truth, name, split) for name in others)]
        chosen = [(first.greedy(budget), second), (second.greedy(budget), first)]
        found["random"].append(whole[0].accuracy([]) - whole[0].random(budget))
        found["best"].append(_mean_harm(chosen))
        for name, other in zip(others, whole[1:], strict=True):
            found[name].append(_mean_harm([(places, other) for places, _ in chosen]))
    return {"budget": budget, **{name: t_interval(100.0 * np.array(values)) for name, values in found.items()}}


def beside(truth: GroundTruth, architecture: str, size: int) -> tuple[Interval, float]:
    """Measured sets of a size beside the union of their flips: harm above it, in points, over splits; and R²."""
    excess, explained = [], []
    for split in truth.splits:
        one = union(truth, architecture, split)
        place = {int(i): n for n, i in enumerate(one.flips)}
        sets = [some for some in truth.sets(split) if len(some) == size]
        expected = np.array([one.accuracy([place[i] for i in some]) for some in sets])
        measured = np.array([truth.accuracy(architecture, split, some) for some in sets])
        excess.append(100.0 * float((expected - measured).mean()))
        varies = expected.std() > 0 and measured.std() > 0
        explained.append(float(np.corrcoef(expected, measured)[0, 1] ** 2) if varies else 0.0)
    return t_interval(np.array(excess)), float(np.mean(explained))


def _mean_harm(chosen: list[tuple[list[int], Union]]) -> float:
    return float(np.mean([by.accuracy([]) - by.accuracy(places) for places, by in chosen]))
