"""Which of a table's sets an attack chooses: its labels, at the table's budgets and on the table's splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from lnbench import data
from lnbench.evaluation.budget_curve import at_budget
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.stages import poison_all
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, Track, eligible
from lnbench.truth.analysis import Choices
from lnbench.truth.ground_truth import GroundTruth
from lnbench.truth.sets import thinned

BUDGETS = {"a": (1,), "b": (1, 2), "c": (1, 2, 3, 4)}
"""Table -> the budgets at which it holds every set of flips among some points, which an attack may choose from."""


def of_attacks(
    truth: GroundTruth,
    track: Track,
    attacks: Mapping[str, Submission],
    mode: str,
    workers: int,
    store: Store,
    notify: OnProgress,
) -> Choices:
    """Each attack's flips, from the store or a sandbox; nothing of table n, which holds only some sets of each size.

    Table c flips among a few points of the class, so there an attack is given a training set without the others.

    Args:
        track: of the table; the attacks run on its splits with another budget.
        attacks: by the name of their row.
        mode: of the sandbox.
    """
    made: dict[int, dict[str, dict[int, tuple[int, ...]]]] = {}
    streams, budgets = Streams(track.root), BUDGETS.get(truth.table, ())
    if not budgets:
        return made
    whole = [data.load(track, split, streams) for split in range(max(truth.splits) + 1)]
    kept = [np.arange(len(points.labels)) for points in whole]
    if truth.table == "c":
        kept = [_without_the_rest(points, track, split) for split, points in enumerate(whole)]
    points = [_only(some, places) for some, places in zip(whole, kept, strict=True)]
    own = store.below("truth-thinned" if truth.table == "c" else "truth")  # a label run's key has no points in it
    for budget in budgets:
        for row, attack in attacks.items():
            answers, _ = poison_all(attack, at_budget(track, budget), points, streams, mode, workers, own, notify)
            made.setdefault(budget, {})[row] = {
                split: tuple(int(i) for i in kept[split][answers[split].labels != points[split].labels])
                for split in truth.splits
            }
    return made


def _without_the_rest(points: data.Split, track: Track, split: int) -> np.ndarray:
    """Indices of a split's training points without those of the class that table c does not flip, ascending."""
    every = eligible(points.labels, track.pairs(split))
    return np.setdiff1d(np.arange(len(points.labels)), np.setdiff1d(every, thinned(every)))


def _only(points: data.Split, places: np.ndarray) -> data.Split:
    """A split with these training points alone."""
    return dataclasses.replace(
        points, inputs=points.inputs[places], labels=points.labels[places], index=points.index[places]
    )
