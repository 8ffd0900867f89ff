"""Which of a table's sets an attack chooses: its labels, at the table's budgets and on the table's splits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lnbench import data
from lnbench.evaluation.budget_curve import at_budget
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.stages import poison_all
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, Track
from lnbench.truth.analysis import Choices
from lnbench.truth.ground_truth import GroundTruth

BUDGETS = {"a": (1,), "b": (1, 2)}
"""Table -> the budgets at which it holds every set of flips, so that it has whatever an attack chooses."""


def of_attacks(
    truth: GroundTruth,
    track: Track,
    attacks: Mapping[str, Submission],
    mode: str,
    workers: int,
    store: Store,
    notify: OnProgress,
) -> Choices:
    """Each attack's flips, from the store or a sandbox; nothing of tables that hold only some sets of each size.

    Args:
        track: of the table; the attacks run on its splits with another budget.
        attacks: by the name of their row.
        mode: of the sandbox.
    """
    made: dict[int, dict[str, dict[int, tuple[int, ...]]]] = {}
    streams = Streams(track.root)
    points = [data.load(track, split, streams) for split in range(max(truth.splits) + 1)]
    for budget in BUDGETS.get(truth.table, ()):
        for row, attack in attacks.items():
            answers, _ = poison_all(
                attack, at_budget(track, budget), points, streams, mode, workers, store.below("truth"), notify
            )
            made.setdefault(budget, {})[row] = {
                split: tuple(int(i) for i in np.flatnonzero(answers[split].labels != points[split].labels))
                for split in truth.splits
            }
    return made
