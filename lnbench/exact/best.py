"""The flips that cover most: greedily, or proven.

The best k flips are a maximum-coverage problem, a small integer programme that is solved to gap 0; greedy choice breaks
at least 1 − 1/e as many of the examples that flips can break (Nemhauser, Wolsey & Fisher 1978).
"""

from __future__ import annotations

import numpy as np

from lnbench.errors import UnavailableError
from lnbench.exact.coverage import Coverage


def greedy(gain: np.ndarray, budget: int) -> np.ndarray:
    """Columns chosen one by one, each the one that covers most of what is left; of equal ones the first.

    Args:
        gain: (example, eligible), in [0, 1]: how surely a column covers an example; bool for a plain coverage.
            Columns miss an example independently: what is left of it is the product of 1 − gain.
    """
    left, gain = np.ones(len(gain)), gain.astype(float)
    chosen: list[int] = []
    for _ in range(min(budget, gain.shape[1])):
        values = left @ gain
        values[chosen] = -1.0
        chosen.append(int(values.argmax()))
        left = left * (1.0 - gain[:, chosen[-1]])
    return np.array(chosen, dtype=np.int64)


def optimum(cover: Coverage, budget: int) -> np.ndarray:
    """The columns that break most examples, ascending: a proven optimum, with gap 0.

    Raises:
        UnavailableError: if the solver does not prove one.
    """
    from scipy.optimize import Bounds as Limits
    from scipy.optimize import LinearConstraint, milp

    left, m = np.flatnonzero(~cover.base), cover.reach.shape[1]
    if budget >= m or not len(left):
        return np.arange(min(budget, m))
    cost = np.r_[np.zeros(m), -np.ones(len(left))]
    covered = LinearConstraint(np.c_[-cover.reach[left].astype(float), np.eye(len(left))], -np.inf, 0)
    limit = LinearConstraint(np.r_[np.ones(m), np.zeros(len(left))], 0, budget)
    whole = np.r_[np.ones(m), np.zeros(len(left))]
    try:
        made = milp(cost, constraints=[covered, limit], integrality=whole, bounds=Limits(0, 1))
    except MemoryError:
        raise UnavailableError("the integer programme of the best flips ran out of memory.") from None
    if made.status != 0 or made.mip_gap != 0:
        raise UnavailableError(f"the best flips were not proven (gap {made.mip_gap}, {made.message}).")
    chosen = np.flatnonzero(made.x[:m] > 0.5)
    if round(-made.fun) != int(cover.reach[left][:, chosen].any(1).sum()):
        raise UnavailableError("the integer programme's value is not that of the flips it names.")
    return chosen
