"""Flips as coverage: on a nearest-neighbour victim a set of flips breaks what its cells reach, and nothing else.

So adversarial accuracy is 1 minus a coverage, and its mean over random sets is hypergeometric. `lnbench.exact.best` has
the best sets, `lnbench.thesis.coverage` the statement with its proof.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lnbench.errors import ProtocolError
from lnbench.exact.nearest import Cells
from lnbench.exact.polyhedra import Bounds, Norm
from lnbench.protocol.exactness import expected_broken


@dataclass(frozen=True, eq=False)
class Coverage:
    """What flips do to some examples.

    Attributes:
        base: (example,) bool, broken without a flip.
        reach: (example, eligible) bool, broken if this point is flipped.
    """

    base: np.ndarray
    reach: np.ndarray

    def accuracy(self, flips: np.ndarray | list[int]) -> float:
        """Adversarial accuracy after these flips, columns of `reach`."""
        return 1.0 - float((self.base | self.reach[:, flips].any(1)).mean())

    @property
    def degrees(self) -> np.ndarray:
        """How many single flips break each example, (example,) int64; all of them if it is broken without one."""
        return np.asarray(np.where(self.base, self.reach.shape[1], self.reach.sum(1)))

    def random(self, budget: int) -> float:
        """Mean adversarial accuracy over all sets of `budget` flips."""
        broken = expected_broken(self.degrees, self.reach.shape[1], budget)
        return 1.0 - float(np.where(self.base, 1.0, broken).mean())

    def random_curve(self) -> np.ndarray:
        """`random` of 0, 1, … eligible flips, (eligible + 1,)."""
        return np.array([self.random(k) for k in range(self.reach.shape[1] + 1)])


def coverage(
    inputs: np.ndarray,
    labels: np.ndarray,
    tests: np.ndarray,
    *,
    source: int,
    target: int,
    norm: Norm,
    epsilon: float,
    bounds: Bounds = (0.0, 1.0),
) -> Coverage:
    """The coverage of a split's test points of class `source`.

    Args:
        inputs, labels: the training set.
        tests: (example, *shape), of class `source`.
        epsilon: the adversary's radius; 0 leaves it nothing to do.

    Raises:
        ProtocolError: if no training point is of class `source`.
        UnavailableError: if a solver fails.
    """
    if epsilon < 0:
        raise ProtocolError(f"ε must be at least 0; got {epsilon}.")
    eligible, cells = np.flatnonzero(labels == source), Cells(inputs, norm, bounds)
    if not len(eligible):
        raise ProtocolError(f"no training point is of class {source}, so none can be flipped.")
    targets = np.flatnonzero(labels == target)
    base = np.isfinite(cells.reached_any(tests, targets, [epsilon]))
    reach = np.zeros((len(tests), len(eligible)), dtype=bool)
    left = np.flatnonzero(~base)
    reach[left] = np.isfinite(cells.reached(tests[left], eligible, [epsilon]))
    return Coverage(base, reach)
